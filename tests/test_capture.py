"""``capture_events``: what was raised while something was done, in its order."""

import re
import unittest
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import TestCase

from automation.events import Event, dispatch, listen, record, watching
from automation.events.dispatch import Answer, listeners
from automation.events.erasing.erased import ErasedAddress
from automation.events.models import EventRecord, ListenerCall
from automation.events.testing import Raised, capture_events, expect
from tests import shop

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


class OrderPaid(Event):
    name = "order_paid"

    def __init__(self, number: int) -> None:
        super().__init__(key=f"order:{number}", context={"number": number})
        self.number = number


def answer(event: Event, *args: Any, **kwargs: Any) -> str:
    return f"heard {event.key}"


def stumble(event: Event, *args: Any, **kwargs: Any) -> None:
    raise LookupError("no stock")


@pytest.fixture(autouse=True)
def nobody_watches_afterwards() -> Iterator[None]:
    yield
    assert watching.watchers == ()


def keys(found: list[Raised]) -> list[str]:
    return [raised.event.key for raised in found]


def test_what_was_raised_is_there_in_its_order_inside_and_afterwards():
    with capture_events() as events:
        OrderPaid(2).record()
        assert len(events) == 1
        OrderPaid(1).dispatch()
        record([Event("order_sent", "b"), Event("order_sent", "a"), OrderPaid(2)])
    OrderPaid(3).dispatch()
    assert [(each.how, each.event.key) for each in events] == [
        ("recorded", "order:2"), ("dispatched", "order:1"), ("recorded", "b"), ("recorded", "a"),
    ]  # fmt: skip
    assert keys(events.recorded) == ["order:2", "b", "a"]
    assert keys(events.dispatched) == ["order:1"]
    assert [event.key for event in events.known] == ["order:2"]


def test_events_are_found_as_they_are_expected():
    with capture_events() as events:
        record([OrderPaid(1), Event("order_sent", "b"), Event("cart_left", "c")])
    assert keys(events.of("order_.*")) == ["order:1", "b"]
    assert keys(events.of("order")) == []
    assert keys(events.of(re.compile("e"))) == ["order:1", "b", "c"]
    assert keys(events.of(OrderPaid)) == ["order:1"]
    assert keys(events.of(Event("cart_left", "c"))) == ["c"]
    assert keys(events.of(Event("cart_left", "d"))) == []


def test_the_event_is_the_one_that_was_raised_and_not_a_copy():
    event = OrderPaid(1)
    with capture_events() as events:
        event.record()
        event.dispatch()
    assert [each.event is event for each in events] == [True, True]


def test_arguments_and_answers_are_there():
    with (
        listeners.registered("order_paid", answer),
        listeners.registered("order_paid", stumble),
        capture_events() as events,
    ):
        answers = OrderPaid(1).dispatch("Bern", at=3)
    (raised,) = events
    assert (raised.args, raised.kwargs) == (("Bern",), {"at": 3})
    assert raised.answers == answers
    assert [(each.result, repr(each.error)) for each in answers] == [
        ("heard order:1", "None"), (None, "LookupError('no stock')"),
    ]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_answers_to_a_recorded_event_come_with_its_commit():
    with listeners.registered("order_paid", answer), capture_events() as events:
        with transaction.atomic():
            record([OrderPaid(1), OrderPaid(2)])
            assert [each.answers for each in events] == [[], []]
        assert [each.answers for each in events] == [
            [Answer(answer, f"heard order:{number}")] for number in (1, 2)
        ]


def test_what_a_listener_raises_itself_comes_after_its_cause():
    def go_on(event: Event) -> None:
        dispatch("stock_low")

    with listeners.registered("order_paid", go_on), capture_events() as events:
        OrderPaid(1).dispatch()
    assert [each.event.group for each in events] == ["order_paid", "stock_low"]


def test_no_listener_is_told_if_none_shall_be(django_capture_on_commit_callbacks: Any):
    with (
        listeners.registered("order_paid", answer),
        listeners.registered("order_paid", stumble, queue=True),
        capture_events(call_listeners=False) as events,
        django_capture_on_commit_callbacks(execute=True) as callbacks,
    ):
        assert OrderPaid(1).dispatch() == []
        OrderPaid(1).record()
    assert [each.answers for each in events] == [[], []]
    assert (ListenerCall.objects.count(), callbacks) == (0, [])
    assert EventRecord.objects.count() == 1


def test_who_watches_inside_of_another_keeps_it_from_hearing_nothing():
    with capture_events() as outer:
        with expect("order_paid", call_listeners=False), capture_events() as inner:
            OrderPaid(1).dispatch()
        OrderPaid(2).dispatch()
    assert (keys(inner[:]), keys(outer[:])) == (["order:1"], ["order:1", "order:2"])


def test_an_event_that_could_not_be_written_was_not_raised(settings: Any):
    with capture_events() as events, pytest.raises(ValueError, match="needs a key"):
        record([OrderPaid(1), Event("order_paid")])
    assert events == []


def test_an_event_about_somebody_who_was_erased_is_captured_as_listeners_hear_it():
    ErasedAddress.remember("ann@example.com", shop.NOW)
    event = Event("order_paid", "order:ann@example.com", {"a": 1}, recipient="ann@example.com")
    with capture_events() as events:
        event.record()
        event.record()
    assert keys(events.recorded) == ["order:ann@example.com"]
    assert len(events.known) == 1
    assert EventRecord.objects.get().context == {}


def test_it_decorates_and_begins_anew_with_each_call():
    events = capture_events()

    @events
    def place(number: int) -> list[str]:
        OrderPaid(number).dispatch()
        return keys(events[:])

    assert [place(1), place(2)] == [["order:1"], ["order:2"]]
    assert (len(events), events[0].event.key) == (1, "order:2")


class Capturing(TestCase):
    def test_in_the_transaction_of_a_test(self) -> None:
        called = []
        with listeners.registered("order_paid", called.append), capture_events() as events:
            with self.captureOnCommitCallbacks(execute=True):
                OrderPaid(1).record()
            assert keys(events.recorded) == ["order:1"]
        assert called == [events[0].event]


Capturing.__test__ = False  # type: ignore[attr-defined]


def test_in_djangos_own_test_case():
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Capturing).run(result)
    assert (result.testsRun, result.errors, result.failures) == (1, [], [])


def test_what_is_registered_inside_is_heard_outside_of_the_registry_too():
    """Nothing is put in the place of the registry: what code registers meanwhile stays."""
    with listeners.registered("nothing", answer):
        with capture_events():
            listen("order_paid")(answer)
        assert listeners.hearing("order_paid") == [answer]
