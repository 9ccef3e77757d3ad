"""A webhook that is out of reach rests, is tried with one call, and is switched off in the end."""

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from automation.events import Event, record
from automation.events.delivering import work
from automation.events.health import Level, examinations
from automation.events.models import Webhook, WebhookCall
from tests.forms import filled
from tests.receiver import Receiver
from tests.webhooks import call_due, calls, happen, webhook

pytestmark = pytest.mark.django_db

MINUTE = datetime.timedelta(minutes=1)
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE
REFUSED = "The server cannot be reached: Connection refused"


@pytest.fixture
def dead(receiver: Receiver, settings: Any) -> Webhook:
    """A webhook of a server that is not there, beside that of ``receiver``."""
    hosts = ("127.0.0.1:1", receiver.host)
    settings.AUTOMATION = {**settings.AUTOMATION, "WEBHOOK_INSIDE_HOSTS": hosts}
    return webhook("http://127.0.0.1:1/")


def go_back(stock: Webhook, by: datetime.timedelta) -> None:
    """As if everything had happened so much earlier."""
    stock.refresh_from_db()
    for name in ("failing_since", "resting_until"):
        if moment := getattr(stock, name):
            setattr(stock, name, moment - by)
    stock.save()
    for call in WebhookCall.objects.filter(webhook=stock):
        call.not_before -= by
        call.tried_at = call.tried_at and call.tried_at - by
        call.save()


def trials() -> int:
    return sum(attempts for (attempts,) in calls("attempts"))


def found(now: datetime.datetime) -> list[tuple[Level, str]]:
    (examine,) = [each for each in examinations if each.name == "webhooks"]
    return [(finding.level, finding.what) for finding in examine(now)]


# Rests ------------------------------------------------------------------------------------


def test_while_one_is_out_of_reach_its_calls_are_not_touched_and_those_of_others_go_out(
    dead: Webhook, receiver: Receiver, settings: Any
):
    settings.AUTOMATION = {**settings.AUTOMATION, "DELIVERY_BATCH": 10}
    happen(*(f"dead {number}" for number in range(200)))
    stock = webhook(receiver.url, group="order_paid")
    record([Event("order_paid", "1")])
    with CaptureQueriesContext(connection) as queries:
        work(WebhookCall)
    assert list(stock.calls.values_list("state")) == [("sent",)]
    assert list(dead.calls.filter(attempts=1).values_list("reason")) == [(REFUSED,)]
    assert dead.calls.filter(reason="").count() == 190  # all but the first batch
    assert len([each for each in queries if each["sql"].startswith("UPDATE")]) < 25
    assert work(WebhookCall).claimed == 0


def test_deliver_says_which_rests_while_calls_wait_for_it(dead: Webhook, capsys: Any):
    happen("1")
    call_due()
    call_command("deliver")
    lines = capsys.readouterr().out.splitlines()
    why = lines[lines.index("calls of webhooks: 0") + 1]
    assert why.startswith(f"  “{dead}” is called again at ")
    assert why.endswith(f": {REFUSED}")
    WebhookCall.objects.all().delete()
    call_command("deliver")
    assert "is called again" not in capsys.readouterr().out


def test_after_a_rest_one_call_tries_and_the_rests_grow(dead: Webhook):
    happen(*(str(number) for number in range(12)))
    rests = []
    for attempt in range(1, 8):
        call_due()
        dead.refresh_from_db()
        assert trials() == attempt
        assert dead.resting_until is not None
        rests.append(round((dead.resting_until - timezone.now()) / MINUTE))
        go_back(dead, HOUR)
    assert rests == [1, 2, 5, 15, 30, 60, 60]


def test_of_two_workers_after_a_rest_one_tries_and_the_slower_one_changes_nothing(dead: Webhook):
    happen("1", "2", "3")
    call_due()
    go_back(dead, HOUR)
    first, second = (Webhook.objects.get() for _worker in range(2))
    now = timezone.now()
    assert (first.takes_call(now), second.takes_call(now)) == (True, False)
    assert WebhookCall.objects.claim(now) == []
    first.said_yes()
    second.rest("I am slower.", now)
    assert (second.resting_until, second.trouble) == (None, "")
    assert len(WebhookCall.objects.claim(now)) == 3


def test_a_yes_ends_it_for_all_calls(dead: Webhook, receiver: Receiver):
    happen("1", "2", "3")
    call_due()
    Webhook.objects.update(url=receiver.url)
    go_back(dead, HOUR)
    call_due()
    assert calls("state") == [("sent",)] * 3
    dead.refresh_from_db()
    assert (dead.failing_since, dead.resting_until, dead.rests, dead.trouble) == (None, None, 0, "")


def test_an_answer_that_is_no_yes_ends_the_rest_but_not_the_trouble(
    dead: Webhook, receiver: Receiver
):
    happen("1", "2", "3")
    call_due()
    dead.refresh_from_db()
    since = dead.failing_since
    Webhook.objects.update(url=receiver.url)
    receiver.statuses = [500]
    WebhookCall.objects.update(not_before=timezone.now())
    Webhook.objects.update(resting_until=timezone.now())
    call_due()
    assert len(receiver.received) == 3
    assert sorted(calls("state")) == [("queued",), ("sent",), ("sent",)]
    dead.refresh_from_db()
    assert since is not None
    assert (dead.failing_since, dead.resting_until) == (None, None)
    receiver.status = 500
    happen("4")
    call_due()
    dead.refresh_from_db()
    assert (dead.resting_until, dead.trouble) == (None, "The answer is 500.")


# The end ----------------------------------------------------------------------------------


def give_up(stock: Webhook) -> Iterator[int]:
    """Call it every hour, from one moment to the next as long as it is on."""
    hours = 0
    while stock.is_active:
        call_due()
        go_back(stock, HOUR)
        hours += 1
        yield hours


def test_one_that_never_says_yes_is_switched_off_after_three_days_and_says_why(dead: Webhook):
    happen(*(str(number) for number in range(20)))
    hours = list(give_up(dead))
    assert len(hours) == 73
    assert dead.off_reason == f"For 3 days no call arrived. The last reason: {REFUSED}"
    assert (dead.failing_since, dead.resting_until, dead.rests, dead.trouble) == (None, None, 0, "")
    # Those that tried ten times have failed; the others wait for a person.
    assert sorted(calls("cause")) == [("",)] * 13 + [("given_up",)] * 7
    assert WebhookCall.objects.claim(timezone.now() + DAY) == []


def test_so_is_one_that_answers_with_errors(receiver: Receiver, settings: Any):
    settings.AUTOMATION = {**settings.AUTOMATION, "DELIVERY_ATTEMPTS": 100}
    stock, receiver.status = webhook(receiver.url), 500
    happen("1", "2")
    for _hour in range(73):
        WebhookCall.objects.update(not_before=timezone.now())
        call_due()
        last = WebhookCall.objects.order_by("pk").last()
        WebhookCall.objects.exclude(pk=last and last.pk).update(attempts=1)
        go_back(stock, HOUR)
    assert (stock.is_active, stock.off_reason) == (
        False, "For 3 days no call arrived. The last reason: The answer is 500.",
    )  # fmt: skip


def test_one_that_was_not_called_for_days_is_not_switched_off_at_its_next_failure(dead: Webhook):
    happen("1")
    call_due()
    go_back(dead, 4 * DAY)
    happen("2")
    call_due()
    dead.refresh_from_db()
    assert dead.is_active
    assert dead.failing_since is not None
    assert timezone.now() - dead.failing_since < MINUTE


# What people see and do -------------------------------------------------------------------


def test_the_home_page_and_doctor_name_it(dead: Webhook):
    happen("1")
    call_due()
    now = timezone.now()
    assert found(now) == []
    assert found(now + 10.5 * MINUTE) == [
        (Level.WARNING, f"Webhook “Stock”: no call arrived for 10 minutes: {REFUSED}")
    ]
    dead.refresh_from_db()
    dead.switch_off("Enough.")
    assert found(now) == [(Level.WARNING, "Webhook “Stock” was switched off: Enough.")]


def test_the_list_and_the_page_say_it(dead: Webhook, admin_client: Client):
    happen("1")
    call_due()
    for page in (
        reverse("admin:automation_events_webhook_changelist"),
        reverse("admin:automation_events_webhook_change", args=[dead.pk]),
    ):
        assert REFUSED in admin_client.get(page).content.decode()


def test_who_saves_it_has_it_called_at_once_and_has_seen_why_it_was_off(
    dead: Webhook, receiver: Receiver, admin_client: Client
):
    happen("1", "2")
    call_due()
    page = reverse("admin:automation_events_webhook_change", args=[dead.pk])
    form = filled(admin_client, page, "webhook", url=receiver.url)
    assert admin_client.post(page, form).status_code == 302
    call_due()
    assert sorted(calls("state")) == [("queued",), ("sent",)]
    dead.refresh_from_db()
    dead.switch_off("Enough.")
    assert admin_client.post(page, filled(admin_client, page, "webhook")).status_code == 302
    assert found(timezone.now()) == []


def test_a_test_call_that_arrives_ends_the_rest(
    dead: Webhook, receiver: Receiver, client: Client, django_user_model: Any
):
    happen("1", "2")
    call_due()
    Webhook.objects.update(url=receiver.url)
    user = django_user_model.objects.create_user("ann", is_staff=True)
    allowed = ("view_webhook", "send_test_call")
    user.user_permissions.set(Permission.objects.filter(codename__in=allowed))
    client.force_login(user)
    page = reverse("admin:automation_events_webhook_test", args=[dead.pk])
    assert client.post(page).status_code == 200
    call_due()
    assert len(receiver.received) == 2
