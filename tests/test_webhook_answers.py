"""What becomes of the calls of webhooks, by the answers of a real server."""

import datetime
import threading
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from automation.events.models import Webhook, WebhookCall
from automation.events.tasks import ring_for_deliveries
from automation.events.webhooks.courier import asked_pause, said
from automation.events.webhooks.posting import Response
from tests import shop
from tests.processes import Cluster
from tests.receiver import Receiver, saying
from tests.test_webhook_addresses import names
from tests.waiting import wait_until
from tests.webhooks import call_due, calls, happen, webhook

pytestmark = pytest.mark.django_db

NOW = shop.NOW


# What the answers mean --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (302, "The answer is 302, a redirect. Redirects are not followed: write the address that "
              "it leads to."),
        (404, "The answer is 404: there is nothing at this address."),
        (418, "The answer is 418."),
        (500, "The answer is 500."),
        (503, "The answer is 503: it is busy."),
    ],
)  # fmt: skip
def test_any_other_answer_is_tried_again_later_with_the_same_id(
    receiver: Receiver, status: int, reason: str
):
    webhook(receiver.url)
    receiver.statuses = [status]
    happen("1")
    call_due()
    assert calls("state", "reason", "status", "attempts") == [("queued", reason, status, 1)]
    assert WebhookCall.objects.get().not_before > timezone.now()
    WebhookCall.objects.update(not_before=timezone.now())
    call_due()
    assert calls("state", "reason", "status", "attempts") == [("sent", "", 200, 2)]
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_it_is_given_up_after_so_many_attempts(receiver: Receiver, settings: Any):
    settings.AUTOMATION = {**settings.AUTOMATION, "DELIVERY_ATTEMPTS": 1}
    webhook(receiver.url)
    receiver.status = 500
    happen("1")
    call_due()
    assert calls("state", "cause", "status") == [("failed", "given_up", 500)]


def test_gone_switches_the_webhook_off_and_says_why(receiver: Receiver):
    stock = webhook(receiver.url)
    receiver.status = 410
    happen("1", "2", "3")
    call_due()
    stock.refresh_from_db()
    assert (stock.is_active, stock.off_reason) == (
        False, "The other side says that nothing is there any more (410).",
    )  # fmt: skip
    assert calls("state", "cause") == [("failed", "gone"), ("queued", ""), ("queued", "")]
    assert len(receiver.received) == 1
    assert WebhookCall.objects.claim(timezone.now()) == []
    stock.is_active = True
    stock.save(update_fields=["is_active"])
    stock.refresh_from_db()
    assert stock.off_reason == ""
    assert len(WebhookCall.objects.claim(timezone.now())) == 2


def test_a_busy_server_says_when_to_come_again_and_is_left_alone_until_then(receiver: Receiver):
    webhook(receiver.url)
    receiver.status, receiver.headers = 429, {"Retry-After": "7200"}
    happen("1", "2")
    call_due()
    assert len(receiver.received) == 1
    assert calls("state", "attempts") == [("queued", 1), ("queued", 0)]
    (first,), _second = calls("not_before")
    assert abs((first - timezone.now()).total_seconds() - 7200) < 60
    assert len(WebhookCall.objects.due(timezone.now() + datetime.timedelta(minutes=118))) == 0
    assert len(WebhookCall.objects.due(timezone.now() + datetime.timedelta(minutes=121))) == 2


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        ("120", 120), ("0", 0), ("999999999999", 86_400),
        (format_datetime(NOW + datetime.timedelta(minutes=3)), 180),
        (format_datetime(NOW - datetime.timedelta(minutes=3)), 0),
        (format_datetime(NOW + datetime.timedelta(days=9)), 86_400),
        ("", None), ("soon", None), ("-5", None), ("²", None), ("1.5", None),
    ],
)  # fmt: skip
def test_a_pause_is_asked_for_in_seconds_or_as_a_moment(asked: str, pause: int | None):
    found = asked_pause(Response(429, "", 1, asked), NOW)
    assert found == (None if pause is None else datetime.timedelta(seconds=pause))


def test_every_answer_has_words():
    assert {said(Response(status, "", 1))[:14] for status in range(300, 600)} == {"The answer is "}


def test_a_server_out_of_reach_is_asked_once_for_all_its_calls(receiver: Receiver):
    webhook(receiver.url)
    receiver.stop()
    happen("1", "2", "3")
    call_due()
    receiver.start()
    rows = calls("state", "attempts", "reason")
    assert [(state, attempts) for state, attempts, _reason in rows] == [
        ("queued", 1), ("queued", 0), ("queued", 0),
    ]  # fmt: skip
    assert {reason for *_rest, reason in rows} == {
        "The server cannot be reached: Connection refused"
    }


def test_a_slow_server_does_not_hold_up_the_calls_of_another_webhook(receiver: Receiver, settings):
    settings.AUTOMATION = {**settings.AUTOMATION, "WEBHOOK_SECONDS": 0.3}
    with saying(then_wait=True) as port:
        hosts = (*settings.AUTOMATION["WEBHOOK_INSIDE_HOSTS"], f"127.0.0.1:{port}")
        settings.AUTOMATION = {**settings.AUTOMATION, "WEBHOOK_INSIDE_HOSTS": hosts}
        webhook(f"http://127.0.0.1:{port}/")
        webhook(receiver.url)
        happen("1", "2", "3")
        call_due()
    silent, stock = Webhook.objects.order_by("pk")
    assert set(silent.calls.values_list("state", "reason")) == {
        ("queued", "There was no answer within 0.3 seconds.")
    }
    assert set(stock.calls.values_list("state")) == {("sent",)}


def test_an_address_that_leads_inside_by_now_fails_and_is_not_called(receiver: Receiver, settings):
    webhook(receiver.url)
    happen("1")
    settings.AUTOMATION = {}
    call_due()
    ((state, cause, reason),) = calls("state", "cause", "reason")
    assert (state, cause) == ("failed", "refused")
    assert reason.startswith("“127.0.0.1” leads to 127.0.0.1, an address inside of a network.")
    assert receiver.received == []


def test_a_name_that_leads_inside_by_now_fails_and_is_not_called(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    webhook(f"http://hook.example:{receiver.port}/")
    happen("1")
    names(monkeypatch, **{"hook.example": ["127.0.0.1"]})
    call_due()
    ((state, cause, reason),) = calls("state", "cause", "reason")
    assert (state, cause) == ("failed", "refused")
    assert reason.startswith("“hook.example” leads to 127.0.0.1, an address inside of a network.")
    assert receiver.received == []


def test_a_name_that_is_not_known_now_is_asked_for_again_later(monkeypatch: pytest.MonkeyPatch):
    webhook("https://nobody.invalid/")
    happen("1", "2")
    call_due()
    said = "There is no host “nobody.invalid”. Check how it is written."
    assert calls("state", "attempts", "reason") == [("queued", 1, said), ("queued", 0, said)]


def test_a_worker_that_died_while_it_called_is_followed_by_another(receiver: Receiver):
    webhook(receiver.url)
    happen("1")
    (call,) = WebhookCall.objects.claim(NOW + datetime.timedelta(days=9999))
    assert call.hand_over(NOW)
    later = NOW + datetime.timedelta(days=9999, hours=1)
    assert WebhookCall.objects.sweep(later) == (1, 0)
    assert calls("state", "deaths") == [("queued", 1)]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_call_that_died_with_its_cluster_comes_again_with_the_same_id(
    receiver: Receiver, tmp_path: Path
):
    receiver.answers_after = never = threading.Event()
    webhook(receiver.url)
    cluster = Cluster(
        tmp_path / "cluster.log",
        DJANGO_SETTINGS_MODULE="tests.listening.settings",
        INSIDE_HOST=receiver.host,
    )
    try:
        cluster.start()
        happen("1")
        wait_until(lambda: receiver.received, message="The call comes")
        cluster.kill()
        receiver.answers_after = None
        never.set()
        cluster.start()
        later = timezone.now() + datetime.timedelta(seconds=61)  # its claim is over
        assert WebhookCall.objects.sweep(later) == (1, 0)
        WebhookCall.objects.update(not_before=timezone.now())
        ring_for_deliveries(timezone.now())
        wait_until(lambda: calls("state", "deaths") == [("sent", 1)], message="It is sent")
    finally:
        cluster.stop()
        print(cluster.log())
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
