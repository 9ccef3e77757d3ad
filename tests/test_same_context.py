"""Listeners know the same of an event wherever they are called: where it is recorded, in the
cluster, or when a person has it tried again."""

import uuid
from typing import Any

import pytest
from django.utils import timezone

from automation.events import Event, drain, record
from automation.events.dispatch import listeners
from automation.events.models import EventRecord, ListenerCall
from automation.events.testing import capture_events, expect

pytestmark = pytest.mark.django_db(transaction=True)

LOAN = uuid.UUID(int=7)
CONTEXT = {"loan": {"id": LOAN, "copies": ({"id": LOAN}, 2)}, "number": 7}
AS_READ = {"loan": {"id": str(LOAN), "copies": [{"id": str(LOAN)}, 2]}, "number": 7}

heard: list[Any] = []


def hear_at_once(event: Event) -> None:
    heard.append(event.context)


def hear_later(event: Event) -> None:
    heard.append(event.context)


def stumble(event: Event) -> None:
    heard.append(event.context)
    raise LookupError("once")


@pytest.fixture(autouse=True)
def forget() -> None:
    heard.clear()


def returned(key: str = "1") -> Event:
    return Event("loan_returned", key, CONTEXT)


def test_where_it_is_recorded_and_in_the_cluster():
    with (
        listeners.registered("loan_.*", hear_at_once),
        listeners.registered("loan_.*", hear_later, queue=True),
    ):
        record([returned()])
        drain()
    assert heard == [AS_READ, AS_READ]
    assert EventRecord.objects.get().context == AS_READ


def test_when_a_person_tries_it_again():
    with listeners.registered("loan_.*", stumble):
        record([returned()])
        ListenerCall.objects.all().retry(timezone.now())
        drain()
    assert heard == [AS_READ, AS_READ]


def test_what_a_listener_is_given_keeps_what_its_class_knows():
    class Returned(Event):
        name = "loan_returned"

        def __init__(self) -> None:
            super().__init__(key="1", context=CONTEXT)
            self.shelf = LOAN

    def look(event: Any) -> None:
        heard.append((type(event), event.shelf, event.context))

    with listeners.registered("loan_.*", look):
        record([Returned()])
    assert heard == [(Returned, LOAN, AS_READ)]


def test_tests_see_it_as_it_is_recorded_and_may_name_it_as_it_was_given():
    with capture_events() as captured:
        record([returned()])
    assert [raised.event.context for raised in captured] == [AS_READ]
    with expect(Event("loan_returned", context={"loan": {"id": LOAN}})):
        record([returned("2")])
    with expect(Event("loan_returned", context={"loan": {"id": str(LOAN)}})):
        record([returned("3")])
    with (
        pytest.raises(AssertionError, match="expected was UUID"),
        expect(Event("loan_returned", context={"loan": {"id": uuid.UUID(int=8)}})),
    ):
        record([returned("4")])
