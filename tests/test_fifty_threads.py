"""Fifty threads at once, on PostgreSQL: everything happens once, and nothing waits for ever."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from automation.events import Event, drain, record
from automation.events.dispatch import listeners
from automation.events.models import EventRecord, ListenerCall
from automation.events.recording import Recording
from mails.models import Message
from tests import shop

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
]

THREADS, KEYS, DISPATCHED = 50, 1_000, 20
CHUNKS = (90, 250, 333, 500, 1_000)

#: The keys that each listener was called with, by how. Threads only append.
told: dict[str, list[str]] = {"recorded": [], "also": [], "in the cluster": [], "dispatched": []}


def hear(event: Event, *args: Any) -> None:
    told[args[0] if args else "recorded"].append(event.key)


def hear_also(event: Event, *args: Any) -> None:
    told[args[0] if args else "also"].append(event.key)


def hear_in_the_cluster(event: Event, *args: Any) -> None:
    told[args[0] if args else "in the cluster"].append(event.key)


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    for keys in told.values():
        keys.clear()
    shop.mail(group="order_*")
    with (
        listeners.registered("order_.*", hear),
        listeners.registered("order_paid", hear_also),
        listeners.registered("order_.*", hear_in_the_cluster, queue=True),
    ):
        yield


def shuffled(thread: int, number: int = KEYS) -> list[Event]:
    """The same events for each thread, in an order of its own."""
    events = [
        Event("order_paid", f"order:{each:04}", {"number": each}, recipient=f"{each}@example.com")
        for each in range(number)
    ]
    random.Random(thread).shuffle(events)
    return events


class Stopped(Exception):
    """What ends a thread in the middle of its transaction."""


def at_once(work: Callable[[int], Any], number: int) -> tuple[list[Any], list[Exception]]:
    """Call ``work`` in so many threads, which begin together, each with a connection of its own:
    what they returned, and what they raised."""
    results: list[Any] = []
    errors: list[Exception] = []
    start = threading.Barrier(number)

    def run(thread: int) -> None:
        try:
            connection.ensure_connection()
            start.wait(30)
            results.append(work(thread))
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert [thread for thread in threads if thread.is_alive()] == []
    return results, errors


def in_chunks(thread: int, events: list[Event]) -> list[Recording]:
    size = CHUNKS[thread % len(CHUNKS)]
    return [record(events[start : start + size]) for start in range(0, len(events), size)]


def assert_everything_is_there_once(number: int) -> None:
    given = {event.key: event for event in shuffled(0, number)}
    once = dict.fromkeys(given, 1)
    assert {row.key: row.as_event() for row in EventRecord.objects.all()} == given
    assert dict(Counter(Message.objects.values_list("event__key", flat=True))) == once
    assert dict(Counter(ListenerCall.objects.values_list("event__key", flat=True))) == once
    drained, errors = at_once(lambda _thread: drain(), 4)
    assert errors == []
    assert sum(each.told for each in drained) == number
    assert [dict(Counter(told[how])) for how in ("recorded", "also", "in the cluster")] == [
        once, once, once,
    ]  # fmt: skip


def test_the_same_thousand_keys_are_recorded_once_and_each_listener_is_told_once():
    def work(thread: int) -> list[Recording]:
        events = shuffled(thread)
        for event in events[:DISPATCHED]:
            event.dispatch("dispatched")
        return in_chunks(thread, events)

    recordings, errors = at_once(work, THREADS)
    assert errors == []
    counts = [recording for each in recordings for recording in each]
    assert sum(each.seen for each in counts) == THREADS * KEYS
    assert sum(each.new for each in counts) == KEYS
    assert len(told["dispatched"]) == 3 * THREADS * DISPATCHED
    assert_everything_is_there_once(KEYS)


def test_threads_that_end_in_the_middle_of_it_take_nothing_with_them():
    def work(thread: int) -> None:
        events = shuffled(thread, 200)
        if thread % 2:
            in_chunks(thread, events)
            return
        with transaction.atomic():
            record(events[:100])
            raise Stopped

    _none, errors = at_once(work, 20)
    assert [type(error) for error in errors] == [Stopped] * 10
    assert_everything_is_there_once(200)
