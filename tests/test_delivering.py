"""The one way in which every kind of delivery is delivered."""

import datetime
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from automation.events import Event, delivering, record
from automation.events.delivering import (
    Accepted,
    Courier,
    Fail,
    Later,
    Prepared,
    Skip,
    Unknown,
    Wait,
    deliver,
)
from automation.events.health import metrics, tally
from automation.events.models import EventRecord
from mails.models import Message
from tests import shop

pytestmark = pytest.mark.django_db


class Says(Courier):
    """Answers what it is told to, and remembers what was handed over."""

    def __init__(self, prepare: Any = None, hand_over: Any = None) -> None:
        self._prepare, self._hand_over = prepare, hand_over
        self.handed: list[str] = []

    def prepare(self, delivery: Message) -> Prepared:
        _say(self._prepare)
        return Prepared({"subject": "written with the intent"})

    def hand_over(self, delivery: Message, prepared: Prepared) -> Accepted:
        self.handed.append(Message.objects.get(pk=delivery.pk).subject)
        _say(self._hand_over)
        return Accepted("a note", {"text": "as answered"})


def _say(what: Any) -> None:
    if isinstance(what, Exception):
        raise what
    if what is not None:
        what()


def queue(count: int = 1) -> None:
    shop.mail()
    record(Event("cart_left", str(n), recipient=f"{n}@example.com") for n in range(count))


def delivered(courier: Courier) -> dict[str, int]:
    return deliver(Message.objects.claim(timezone.now()), courier)


def told() -> list[tuple[str, str, str, int]]:
    return list(Message.objects.order_by("pk").values_list("state", "reason", "cause", "attempts"))


def test_the_intent_is_written_down_before_the_hand_over_and_the_answer_after_it():
    queue()
    courier = Says()
    assert delivered(courier) == {"sent": 1}
    assert courier.handed == ["written with the intent"]
    assert told() == [("sent", "a note", "", 1)]
    assert Message.objects.get().text == "as answered"


LATER = timezone.now() + datetime.timedelta(hours=1)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (Skip("not wanted", "suppressed"), ("skipped", "not wanted", "suppressed", 1)),
        (Fail("550 no", "refused"), ("failed", "550 no", "refused", 1)),
        (Later("451 busy"), ("queued", "451 busy", "", 1)),
        (Wait("server down", LATER), ("queued", "server down", "", 0)),
    ],
)
@pytest.mark.parametrize("step", ["prepare", "hand_over"])
def test_what_a_courier_raises_decides(step: str, raised: Exception, expected: Any):
    queue()
    courier = Says(**{step: raised})
    delivered(courier)
    assert told() == [expected]
    assert len(courier.handed) == (step == "hand_over")


def test_any_other_error_fails_what_was_not_handed_over():
    queue()
    delivered(Says(prepare=ValueError("no such thing")))
    assert told() == [("failed", "no such thing", "error", 1)]


@pytest.mark.parametrize("error", [Unknown("no answer"), ValueError("no answer")])
def test_any_other_error_leaves_unknown_what_was_handed_over(error: Exception):
    queue()
    delivered(Says(hand_over=error))
    assert told() == [("unknown", "no answer", "", 1)]


@pytest.mark.parametrize("error", [Unknown("no answer"), ValueError("no answer")])
def test_what_may_be_repeated_is_repeated_instead(
    error: Exception, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Message, "REPEATABLE", True)
    queue()
    delivered(Says(hand_over=error))
    assert told() == [("queued", "no answer", "", 1)]


def test_one_that_fails_stops_no_other():
    queue(3)
    failing = iter([None, ValueError("broken"), None])
    assert delivered(Says(prepare=lambda: _say(next(failing)))) == {"sent": 2, "failed": 1}


def test_what_waited_too_long_is_skipped():
    queue()
    Message.objects.update(created_at=timezone.now() - datetime.timedelta(hours=49))
    mail = Message.objects.get().mail
    mail.expires_hours = 48
    mail.save()
    courier = Says()
    assert delivered(courier) == {"skipped": 1}
    assert told() == [("skipped", "It was to go out within 48 hours.", "expired", 1)]
    assert courier.handed == []


def test_a_worker_goes_on_until_nothing_is_due(settings: Any, monkeypatch: pytest.MonkeyPatch):
    settings.AUTOMATION = {"DELIVERY_BATCH": 2}
    queue(5)
    courier = Says()
    monkeypatch.setattr(Message, "courier", lambda: courier)
    helpers: list[int] = []
    done = delivering.work(Message, on_full=lambda: helpers.append(1))
    assert (done.claimed, done.counts, done.unfinished) == (5, {"sent": 5}, False)
    assert helpers == [1]


def test_a_limit_is_kept(monkeypatch: pytest.MonkeyPatch):
    queue(5)
    monkeypatch.setattr(Message, "courier", Says)
    assert delivering.work(Message, limit=3).claimed == 3
    assert Message.objects.filter(state="queued").count() == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_an_answer_is_written_down_although_the_database_ends_the_connection():
    queue()

    def end_the_connection() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        options: Callable[[], Any] = connection.get_connection_params
        given = {
            key: options()[key] for key in ("dbname", "user", "host", "port") if key in options()
        }
        with psycopg.connect(**given) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])

    assert delivered(Says(hand_over=end_the_connection)) == {"sent": 1}
    assert told() == [("sent", "a note", "", 1)]


def test_what_came_of_a_batch_is_counted(monkeypatch: pytest.MonkeyPatch):
    queue(3)
    ends = iter([None, Fail("550 no"), Later("451 busy")])
    monkeypatch.setattr(Message, "courier", lambda: Says(hand_over=lambda: _say(next(ends))))
    delivering.work(Message)
    assert {labels["state"]: value for labels, value in tally.values(metrics.ENDED)} == {
        "sent": 1,
        "failed": 1,
    }


# What is not as it should be ------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_takes_its_time_keeps_its_claim(settings: Any):
    settings.AUTOMATION = {"DELIVERY_LEASE": 1}
    queue(3)
    swept: list[tuple[int, int]] = []

    def take_time() -> None:
        time.sleep(1.5)
        swept.append(Message.objects.sweep(timezone.now()))

    once = iter([take_time, None, None])
    assert delivered(Says(prepare=lambda: _say(next(once)))) == {"sent": 3}
    assert swept == [(0, 0)]
    assert set(Message.objects.values_list("deaths", flat=True)) == {0}


@pytest.mark.django_db(transaction=True)
def test_a_database_out_of_reach_counts_as_nobodys_death():
    queue(3)
    once = iter([None, OperationalError("the connection is gone")])
    with pytest.raises(OperationalError):
        delivered(Says(prepare=lambda: _say(next(once))))
    assert [state for state, *_rest in told()] == ["sent", "queued", "queued"]
    assert set(Message.objects.values_list("deaths", "attempts")) == {(0, 1), (0, 0)}


@pytest.mark.parametrize("step", ["prepare", "hand_over"])
def test_what_no_database_can_hold_is_told_all_the_same(step: str):
    queue(2)
    once = iter([Fail("550 \x00 no\ud800", "refused"), None])
    delivered(Says(**{step: lambda: _say(next(once))}))
    assert told() == [("failed", "550 \ufffd no\ufffd", "refused", 1), ("sent", "a note", "", 1)]


def test_an_event_that_was_emptied_makes_nothing_any_more():
    queue()
    EventRecord.objects.update(emptied_at=timezone.now())
    courier = Says()
    assert delivered(courier) == {"skipped": 1}
    assert told() == [("skipped", "What was known of the event was removed.", "gone", 1)]
    assert courier.handed == []


@pytest.mark.parametrize("outcome", [Skip("too late"), Fail("broken"), ValueError("broken")])
def test_what_may_have_been_delivered_already_does_not_end_as_if_it_was_not(outcome: Exception):
    queue()
    Message.objects.update(in_doubt_since=timezone.now())
    delivered(Says(prepare=outcome))
    ((state, reason, *_rest),) = told()
    assert state == "unknown"
    assert reason == f"An earlier attempt may have delivered it. Not tried again: {outcome}"


def test_cancelling_what_may_have_been_delivered_leaves_it_unknown():
    queue(2)
    first = Message.objects.earliest("pk")
    Message.objects.filter(pk=first.pk).update(in_doubt_since=timezone.now())
    assert Message.objects.cancel("Ann") == 2
    assert [(state, reason) for state, reason, *_rest in told()] == [
        ("unknown", "Ann cancelled further attempts. The provider may have it already."),
        ("cancelled", "Cancelled by Ann."),
    ]
    Message.objects.resend(timezone.now())
    first.refresh_from_db()
    assert (first.state, first.in_doubt_since) == ("queued", None)
