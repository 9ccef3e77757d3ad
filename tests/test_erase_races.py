"""Somebody is erased while others write them down, over connections of their own."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from automation.events import Event, record
from automation.events.erasing import persons, under_way
from automation.events.erasing.erased import ErasedAddress
from automation.events.models import EventRecord
from mails.models import Message
from tests import shop
from tests.waiting import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

ANN = "ann@example.com"


class Beside(threading.Thread):
    """Does something over a connection of its own."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self.work = work
        self.result: Any = None

    def run(self) -> None:
        try:
            self.result = self.work()
        finally:
            connection.close()


@pytest.fixture(autouse=True)
def together(db: None) -> Iterator[None]:
    """Nobody is left at work in the database of the next test."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if isinstance(thread, Beside):
            thread.join(60)
            assert not thread.is_alive()


def happen(key: str) -> None:
    context = {"cart": {"customer": {"first_name": "Ann"}, "items": []}}
    record([Event("cart_left", key, context, recipient=ANN)])


def erase() -> dict[str, tuple[int, int]]:
    found = persons.together(persons.erase(ANN, timezone.now()))
    return {str(each.label): (each.rows, each.held) for each in found if each.rows or each.held}


def waits_for_a_table() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_locks WHERE locktype = 'relation' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return cursor.fetchone() is not None


def test_whoever_is_erased_while_an_event_about_them_is_recorded_is_gone_from_it():
    shop.mail()
    recording, erasing_her = Beside(lambda: happen(f"left {ANN}")), Beside(erase)
    with transaction.atomic():
        # It asks who was erased, and gets no further.
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {EventRecord._meta.db_table} IN SHARE MODE")
        recording.start()
        wait_until(waits_for_a_table)
        erasing_her.start()
        wait_until(ErasedAddress.objects.exists)
        erasing_her.join(1)  # is over too early, or waits
    recording.join()
    erasing_her.join()
    assert erasing_her.result == {"messages": (1, 0), "events": (1, 0)}
    person = ErasedAddress.objects.get()
    assert list(EventRecord.objects.values_list("key", "recipient", "context")) == [
        (f"left {person}", "", {})
    ]
    assert list(Message.objects.values_list("recipient", "state")) == [(str(person), "cancelled")]


@pytest.fixture
def long_recording() -> Iterator[None]:
    """Somebody records in a long transaction."""
    begun, over = threading.Event(), threading.Event()

    def work() -> None:
        with transaction.atomic():
            happen("in a long transaction")
            begun.set()
            over.wait(30)

    thread = Beside(work)
    thread.start()
    begun.wait(30)
    yield
    over.set()
    thread.join()


def test_what_takes_too_long_to_be_recorded_is_told(
    long_recording: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(under_way, "PATIENCE", 0.0)
    assert erase() == {"events": (0, 1)}


def test_nobody_waits_for_erasing(long_recording: None):
    erasing_her = Beside(erase)
    erasing_her.start()
    wait_until(ErasedAddress.objects.exists)
    happen("meanwhile")
    assert EventRecord.objects.get().recipient == ""
    assert erasing_her.is_alive()
