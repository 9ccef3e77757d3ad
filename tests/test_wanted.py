"""What is no longer wanted when it is to go out is cancelled, and says why."""

import datetime
import time
from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from automation.events import Event, record, wanted
from automation.events.deciding import DECISIONS, decide, open_to
from automation.events.delivering import Later, Wait, deliver, work
from automation.events.health import metrics, tally
from automation.events.models import EventRecord, ListenerCall, WebhookCall
from mails.delivery import Post
from mails.models import Message
from tests import shop, webhooks
from tests.receiver import Receiver
from tests.smtp import SmtpServer
from tests.test_delivering import Says

pytestmark = pytest.mark.django_db


class Bought:
    """Who bought does not want to be reminded."""

    def __init__(self, *keys: str) -> None:
        self.keys = set(keys)
        self.asked: list[list[str]] = []

    def __call__(self, events: Sequence[EventRecord], now: datetime.datetime) -> dict[int, str]:
        self.asked.append(sorted(event.key for event in events))
        return {event.pk: f"{event.key} has bought." for event in events if event.key in self.keys}


def queue(*keys: str) -> None:
    group = f"cart_left_{keys[0]}"
    shop.mail(group=group, subject="Your cart", body="<p>It waits.</p>")
    record(Event(group, key, recipient=f"{key}@example.com") for key in keys)


def told() -> list[tuple[str, str, str]]:
    return list(Message.objects.order_by("pk").values_list("state", "reason", "cause"))


def delivered(courier: Says) -> dict[str, int]:
    return deliver(Message.objects.claim(timezone.now()), courier)


GOES_OUT = ("sent", "a note", "")
BEN_BOUGHT = ("cancelled", "ben has bought.", "overtaken")


def test_what_is_no_longer_wanted_is_cancelled_and_not_handed_over():
    queue("ann", "ben", "cleo")
    courier = Says()
    with wanted.only(Bought("ben")):
        assert delivered(courier) == {"sent": 2, "cancelled": 1}
        assert told() == [GOES_OUT, BEN_BOUGHT, GOES_OUT]
        assert len(courier.handed) == 2
        assert Message.objects.claim(timezone.now() + datetime.timedelta(days=400)) == []


def test_a_batch_is_asked_about_once_and_by_one_question_for_each_event():
    queue("ann", "ben")
    shop.mail(group="cart_left_*")
    record([Event("cart_left_ann", "cleo", recipient="cleo@example.com")])
    bought = Bought()
    with wanted.only(bought):
        assert delivered(Says()) == {"sent": 4}
    assert bought.asked == [["ann", "ben", "cleo"]]


def test_an_answer_that_is_old_is_asked_for_anew(monkeypatch):
    monkeypatch.setattr(wanted, "FRESH", 0)
    monkeypatch.setattr(wanted, "_SPACING", 0)
    queue("ann", "ben")
    bought = Bought()
    with wanted.only(bought):
        assert delivered(Says(hand_over=lambda: bought.keys.add("ben"))) == {
            "sent": 1, "cancelled": 1,
        }  # fmt: skip
    assert told() == [GOES_OUT, BEN_BOUGHT]


def test_it_is_asked_after_it_was_prepared_too(monkeypatch):
    monkeypatch.setattr(wanted, "FRESH", 0)
    monkeypatch.setattr(wanted, "_SPACING", 0)
    queue("ben")
    bought, courier = Bought(), Says(prepare=lambda: bought.keys.add("ben"))
    with wanted.only(bought):
        assert delivered(courier) == {"cancelled": 1}
    assert (told(), courier.handed) == ([BEN_BOUGHT], [])


def test_a_question_that_takes_long_is_asked_less_often(monkeypatch):
    monkeypatch.setattr(wanted, "FRESH", 0)
    monkeypatch.setattr(wanted, "_SPACING", 1_000_000)
    queue("ann", "ben")
    asked = []

    def slow(events: Any, now: Any) -> dict[int, str]:
        time.sleep(0.001)
        asked.append(len(events))
        return {}

    with wanted.only(slow):
        assert delivered(Says()) == {"sent": 2}
    assert asked == [2]


def test_a_question_that_cannot_be_asked_stops_nothing(caplog):
    def broken(events: Any, now: Any) -> Any:
        raise LookupError("no such thing")

    queue("ann", "ben")
    with wanted.only(broken, Bought("ben")):
        assert delivered(Says()) == {"sent": 1, "cancelled": 1}
    assert [record.getMessage() for record in caplog.records] == [
        "Whether events are still wanted cannot be asked; they go out"
    ]


def test_it_costs_no_query_of_its_own(smtp_server: SmtpServer):
    def statements(*questions: Any) -> int:
        queue(name := next(names), f"{name}{name}")
        batch = Message.objects.claim(timezone.now())
        with wanted.only(*questions), CaptureQueriesContext(connection) as found, Post() as post:
            assert deliver(batch, post) == {"sent": 2}
        return len(found)

    names = iter("abc")
    statements()  # what accounts there are is known from now on
    assert statements() == statements(Bought())


def test_webhooks_and_listeners_hear_what_happened_all_the_same(receiver: Receiver):
    webhooks.webhook(receiver.url)
    webhooks.happen("ben")
    bought = Bought("ben")
    with wanted.only(bought):
        webhooks.call_due()
    assert webhooks.calls("state") == [("sent",)]
    assert bought.asked == []


def test_it_counts_as_cancelled():
    queue("ben")
    with wanted.only(Bought("ben")):
        work(Message, waits=False)
    ended = {labels["state"]: value for labels, value in tally.values(metrics.ENDED)}
    assert ended == {"cancelled": 1}


# What people decide -----------------------------------------------------------------------


@pytest.fixture
def cancelled(admin_user: User) -> User:
    """A message that is no longer wanted; who decides about it."""
    queue("ben")
    with wanted.only(Bought("ben")):
        delivered(Says())
    return admin_user


def decided(name: str, user: User) -> int:
    return decide(DECISIONS[name], Message.objects.all(), user, timezone.now())


def test_tried_again_it_is_asked_about_again(cancelled: User):
    assert decided("retry", cancelled) == 1
    with wanted.only(Bought("ben")):
        assert delivered(Says()) == {"cancelled": 1}
    assert decided("retry", cancelled) == 1
    with wanted.only(Bought()):
        assert delivered(Says()) == {"sent": 1}


@pytest.mark.parametrize("hindrance", [None, Wait("busy", timezone.now()), Later("busy", 0.001)])
def test_sent_all_the_same_it_goes_out_whatever_comes_between(cancelled: User, hindrance: Any):
    assert decided("insist", cancelled) == 1
    bought = Bought("ben")
    with wanted.only(bought):
        if hindrance is not None:
            assert sum(delivered(Says(prepare=hindrance)).values()) == 1
            Message.objects.update(not_before=timezone.now())
        assert delivered(Says()) == {"sent": 1}
    assert (told(), bought.asked) == ([GOES_OUT], [])


def test_only_what_is_no_longer_wanted_is_sent_all_the_same(admin_user: User):
    queue("ann")
    Message.objects.all().cancel("vera")
    assert decided("insist", admin_user) == 0
    assert told() == [("cancelled", "Cancelled by vera.", "person")]


def test_it_is_offered_for_mails_alone():
    kinds = (Message, WebhookCall, ListenerCall)
    assert ["insist" in open_to(kind) for kind in kinds] == [True, False, False]


def test_the_list_and_the_page_say_why_and_the_page_sends_it(
    cancelled: User, admin_client: Any, smtp_server: SmtpServer
):
    page = reverse("admin:mails_message_changelist")
    listed = admin_client.get(page, {"state__exact": "cancelled", "cause": "overtaken"})
    assert "ben has bought." in listed.content.decode()
    message = Message.objects.get()
    own = reverse("admin:mails_message_change", args=[message.pk])
    shown = admin_client.get(own)
    assert "ben has bought." in shown.content.decode()
    assert [name for name, _ in shown.context["decisions"]] == ["retry", "insist"]
    chosen = {"action": "insist", "_selected_action": [message.pk], "index": "0"}
    assert "<strong>1</strong>" in admin_client.post(page, chosen).content.decode()
    admin_client.post(page, {**chosen, "confirmed": "1"})
    with wanted.only(Bought("ben")):
        work(Message, waits=False)
    assert [received.recipients for received in smtp_server.received] == [("ben@example.com",)]


def test_one_that_a_provider_may_have_is_unknown():
    queue("ben")
    Message.objects.update(in_doubt_since=timezone.now())
    with wanted.only(Bought("ben")):
        assert delivered(Says()) == {"unknown": 1}
    said = "An earlier attempt may have delivered it. Not tried again: ben has bought."
    assert told() == [("unknown", said, "")]
