"""What webhooks send, and what becomes of it, with a real server on the other side."""

import base64
import datetime
import hashlib
import hmac
import json
import threading
import uuid
from collections.abc import Iterator
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from django.core.exceptions import ValidationError
from django.utils import timezone

from automation.events import Event, record
from automation.events.delivering import deliver
from automation.events.models import EventRecord, Webhook, WebhookCall
from automation.events.tasks import ring_for_deliveries
from automation.events.webhooks import payload
from automation.events.webhooks.courier import WebhookCourier, asked_pause, said
from automation.events.webhooks.posting import Answer
from automation.events.webhooks.signing import new_secret, signature
from automation.rules import definitions
from tests import shop
from tests.processes import Cluster
from tests.receiver import Call, Receiver, saying
from tests.test_webhook_addresses import names
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

NOW = shop.NOW


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    server = Receiver()
    server.start()
    settings.AUTOMATION = {"WEBHOOK_INSIDE_HOSTS": (server.host,), "WEBHOOK_SECONDS": 5}
    yield server
    server.stop()


def webhook(url: str = "https://hooks.example/x", **values: Any) -> Webhook:
    number = Webhook.objects.count() + 1
    defaults = {"name": "Stock", "slug": f"stock-{number}", "group": "cart_left", "url": url}
    made = Webhook(**{**defaults, "is_active": True, **values})
    made.full_clean()
    made.save()
    return made


def happen(*keys: str, **values: Any) -> None:
    record([Event(**{"group": "cart_left", "key": key, **values}) for key in keys])


def call_due(now: datetime.datetime | None = None) -> None:
    batch = WebhookCall.objects.claim(now or timezone.now())
    with WebhookCourier() as courier:
        deliver(batch, courier)


def calls(*columns: str) -> list[Any]:
    return list(WebhookCall.objects.order_by("pk").values_list(*(columns or ("state", "reason"))))


def is_signed(call: Call, secret: str) -> bool:
    """As a receiver finds out who has read the specification and nothing of ours."""
    key = base64.b64decode(secret.split("_", 1)[1])
    head = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}."
    wanted = base64.b64encode(hmac.new(key, head.encode() + call.body, hashlib.sha256).digest())
    signatures = call.headers["webhook-signature"].split(" ")
    return any(hmac.compare_digest(f"v1,{wanted.decode()}", each) for each in signatures)


# What is sent -----------------------------------------------------------------------------


def test_an_event_is_told_once_to_each_webhook_that_hears_it(receiver: Receiver):
    stock, _deaf = webhook(receiver.url), webhook(receiver.url, group="order_paid")
    webhook(receiver.url, is_active=False)
    happen("1", "2")
    happen("1")
    call_due()
    assert calls("state", "webhook") == [("sent", stock.pk)] * 2
    assert [json.loads(call.body)["data"]["key"] for call in receiver.received] == ["1", "2"]


def test_a_call_is_what_standard_webhooks_says(receiver: Receiver):
    stock = webhook(receiver.url)
    happen(
        "cart:7",
        context={"total": Decimal("129.90"), "name": "Zoë", "on": datetime.date(2026, 3, 10)},
        recipient="zoe@example.com", language="de", row_model="shop.cart", row_pk="7",
    )  # fmt: skip
    call_due()
    (call,), row = receiver.received, WebhookCall.objects.get()
    recorded = EventRecord.objects.get().recorded_at.isoformat().replace("+00:00", "Z")
    assert json.loads(call.body) == {
        "type": "cart_left",
        "timestamp": recorded,
        "data": {
            "key": "cart:7",
            "group": "cart_left",
            "row": {"model": "shop.cart", "id": "7"},
            "recipient": "zoe@example.com",
            "language": "de",
            "context": {"total": "129.90", "name": "Zoë", "on": "2026-03-10"},
        },
    }
    assert call.headers["Content-Type"] == "application/json"
    assert call.headers["webhook-id"] == f"msg_{row.uuid}"
    assert abs(int(call.headers["webhook-timestamp"]) - timezone.now().timestamp()) < 60
    assert is_signed(call, stock.secret)
    assert not is_signed(call, new_secret())


def test_the_call_is_kept_as_it_was_sent_with_its_answer(receiver: Receiver):
    webhook(receiver.url)
    receiver.status, receiver.answer = 202, "<b>später</b>".encode()
    happen("1")
    call_due()
    row = WebhookCall.objects.get()
    assert row.body.encode() == receiver.received[0].body
    assert (row.state, row.reason, row.status, row.answer) == (
        "sent", "", 202, "<b>später</b>",
    )  # fmt: skip
    assert row.milliseconds is not None
    assert row.sent_at is not None


def test_without_details_nothing_about_the_person_goes_along(receiver: Receiver):
    webhook(receiver.url, sends_details=False)
    happen("1", context={"name": "Zoë"}, recipient="zoe@example.com", language="de")
    call_due()
    assert json.loads(receiver.received[0].body)["data"] == {
        "key": "1", "group": "cart_left", "row": None,
    }  # fmt: skip


def test_what_json_does_not_know_is_text():
    moment = datetime.datetime(2026, 3, 10, 12, 30, tzinfo=datetime.UTC)
    values = {
        "money": Decimal("0.10"), "at": moment, "time": datetime.time(8, 5),
        "span": datetime.timedelta(days=1, hours=2), "big": 2**70,
    }  # fmt: skip
    told = json.loads(payload.body(Event("g", "k", values), moment, with_details=True))
    assert told["data"]["context"] == {
        "money": "0.10", "at": "2026-03-10T12:30:00+00:00", "time": "08:05:00",
        "span": "P1DT02H00M00S", "big": 2**70,
    }  # fmt: skip


def test_a_signature_is_the_one_that_the_reference_library_tests_with():
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert signature(
        [secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    ) == ("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")


def test_the_reference_library_takes_a_call_and_no_changed_one(receiver: Receiver):
    stock = webhook(receiver.url)
    happen("1", context={"name": "Zoë"})
    call_due()
    (call,) = receiver.received
    library = standardwebhooks.Webhook(stock.secret)
    assert library.verify(call.body, call.headers) == json.loads(call.body)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        library.verify(call.body.replace(b"cart_left", b"cart_lost"), call.headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(new_secret()).verify(call.body, call.headers)


def test_each_webhook_has_a_secret_of_32_random_bytes():
    one, other = webhook().secret, webhook().secret
    assert one != other
    assert one.startswith("whsec_")
    assert len(base64.b64decode(one.removeprefix("whsec_"), validate=True)) == 32


def test_for_a_day_calls_are_signed_with_the_new_secret_and_the_one_before(receiver: Receiver):
    stock = webhook(receiver.url)
    former = stock.secret
    stock.renew_secret(timezone.now())
    happen("1")
    call_due()
    assert [is_signed(receiver.received[0], each) for each in (stock.secret, former)] == [True] * 2
    changed = stock.secret_changed_at
    assert changed is not None
    assert stock.secrets(changed + datetime.timedelta(hours=23)) == [stock.secret, former]
    assert stock.secrets(changed + datetime.timedelta(hours=24)) == [stock.secret]


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
    in_two_hours = timezone.now() + datetime.timedelta(hours=2)
    for state, attempts, not_before in calls("state", "attempts", "not_before"):
        assert state == "queued"
        assert abs((not_before - in_two_hours).total_seconds()) < 60
        assert attempts in (0, 1)
    assert sorted(attempts for (attempts,) in calls("attempts")) == [0, 1]


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
    found = asked_pause(Answer(429, "", 1, asked), NOW)
    assert found == (None if pause is None else datetime.timedelta(seconds=pause))


def test_every_answer_has_words():
    assert {said(Answer(status, "", 1))[:14] for status in range(300, 600)} == {"The answer is "}


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


# Its row ----------------------------------------------------------------------------------


def test_what_is_wrong_with_a_webhook_is_told_at_its_fields():
    wrong = Webhook(name="x", slug="x", group="*a*b*c*d", url="http://127.0.0.1/")
    with pytest.raises(ValidationError) as error:
        wrong.full_clean()
    found = error.value.message_dict
    assert list(found) == ["url", "group"]
    assert found["url"][0].startswith("“127.0.0.1” leads to 127.0.0.1, an address inside")
    assert found["group"] == ["At most 3 signs * are possible."]


def test_definitions_carry_a_webhook_without_its_secret_and_it_arrives_switched_off():
    stock = webhook(description="Of the stock", sends_details=False)
    secret = stock.secret
    data = definitions.dump(Webhook.objects.all())
    assert data == {
        "version": 1,
        "webhooks": [
            {
                "slug": "stock-1", "name": "Stock", "group": "cart_left",
                "url": "https://hooks.example/x", "description": "Of the stock",
                "sends_details": False, "expires_hours": None,
            }
        ],
    }  # fmt: skip
    assert secret not in json.dumps(data)
    definitions.load(data)
    stock.refresh_from_db()
    assert (stock.is_active, stock.secret) == (False, secret)
    Webhook.objects.all().delete()
    definitions.load(data)
    made = Webhook.objects.get()
    assert (made.is_active, made.secret.startswith("whsec_")) == (False, True)
    assert made.secret != secret


def test_an_imported_address_inside_is_refused():
    entry = {"slug": "x", "name": "X", "group": "g", "url": "http://10.0.0.1/"}
    with pytest.raises(definitions.DefinitionError) as error:
        definitions.load({"version": 1, "webhooks": [entry]})
    assert error.value.problems[0].startswith("webhooks[0].url: “10.0.0.1” leads to 10.0.0.1")


def test_the_name_of_a_call_is_its_own():
    webhook()
    happen("1", "2")
    identities = {call.identity for call in WebhookCall.objects.all()}
    assert len(identities) == 2
    assert {str(uuid.UUID(each.removeprefix("msg_"))) for each in identities} == {
        str(call.uuid) for call in WebhookCall.objects.all()
    }


def test_calls_cost_a_constant_number_of_statements_to_record(django_assert_num_queries: Any):
    webhook()
    record([])
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for number in (2, 200):
        with CaptureQueriesContext(connection) as captured:
            happen(*(f"{number}-{each}" for each in range(number)))
        counts.append(len(captured))
    assert counts[0] == counts[1]
    assert WebhookCall.objects.count() == 202
