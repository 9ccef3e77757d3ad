"""A listener that raises stops nothing, and a person sees it and has it called again."""

import gc
import logging
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from automation.demo.models import Customer
from automation.events import Event, dispatch, drain, record
from automation.events.dispatch import listeners
from automation.events.models import EventRecord, ListenerCall

pytestmark = pytest.mark.django_db(transaction=True)

heard: list[str] = []


def stumble(event: Event) -> None:
    raise LookupError(f"no stock for {event.key}")


def stumble_once(event: Event) -> None:
    heard.append(event.key)
    if len(heard) == 1:
        raise LookupError("no stock yet")


def hear(event: Event) -> None:
    heard.append(event.key)


@pytest.fixture(autouse=True)
def forget() -> None:
    heard.clear()


@pytest.fixture
def failing() -> Iterator[None]:
    with (
        listeners.registered("order_.*", stumble),
        listeners.registered("order_.*", hear),
    ):
        yield


def events(*keys: str) -> list[Event]:
    return [Event("order_paid", key) for key in keys]


def calls(*columns: str) -> list[Any]:
    return list(ListenerCall.objects.order_by("event__key").values_list(*columns))


def test_a_listener_that_raises_stops_no_other_and_no_event(failing: None):
    assert record(events("1", "2")).new == 2
    assert heard == ["1", "2"]


def test_the_caller_has_the_errors(failing: None):
    recording = record(events("1", "2"))
    assert [(each.listener, repr(each.error)) for each in recording.errors] == [
        (stumble, "LookupError('no stock for 1')"), (stumble, "LookupError('no stock for 2')"),
    ]  # fmt: skip
    assert record(events("1")).errors == []


def test_of_many_errors_the_first_are_kept_without_what_was_in_memory_and_all_are_counted(
    monkeypatch: pytest.MonkeyPatch,
):
    # What pytest collects of the log would keep everything.
    monkeypatch.setattr(logging.getLogger("automation.events.dispatch"), "disabled", True)
    alive: list[weakref.ref[Event]] = []

    def stumbles(event: Event) -> None:
        alive.append(weakref.ref(event))
        try:
            stumble(event)
        except LookupError as error:
            raise KeyError("led to another") from error

    with listeners.registered("order_.*", stumbles):
        recording = record(event for event in events(*map(str, range(150))))
    assert (recording.error_count, len(recording.errors)) == (150, 100)
    assert {repr(each.error) for each in recording.errors} == {"KeyError('led to another')"}
    gc.collect()
    assert [each() for each in alive if each() is not None] == []


@pytest.mark.django_db(transaction=False)
def test_one_that_the_database_refuses_something_leaves_the_transaction_of_a_test_unharmed(
    django_capture_on_commit_callbacks: Any,
):
    def asks(event: Event) -> None:
        Customer.objects.create(email="ann@example.com")
        with connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM demo_customer")

    with (
        listeners.registered("order_.*", asks),
        listeners.registered("order_.*", hear),
        django_capture_on_commit_callbacks(execute=True),
    ):
        recording = record(events("1", "2"))
    assert (recording.error_count, heard) == (2, ["1", "2"])
    assert (EventRecord.objects.count(), Customer.objects.count()) == (2, 0)


class Speechless(Exception):
    def __str__(self) -> str:
        raise LookupError("no words")


def test_an_error_that_cannot_even_be_said_stops_no_other():
    def say_nothing(event: Event) -> None:
        raise Speechless

    say_nothing.__qualname__ = "say_nothing"  # so that it has a row
    with listeners.registered("order_.*", say_nothing), listeners.registered("order_.*", hear):
        (answer,) = record(events("1")).errors
    assert (type(answer.error), heard) == (Speechless, ["1"])
    assert calls("reason") == [("Speechless: <exception str() failed>",)]


def test_in_a_transaction_of_the_caller_they_come_with_its_commit(failing: None):
    with transaction.atomic():
        recording = record(events("1"))
        assert (recording.errors, calls("pk")) == ([], [])
    assert [repr(each.error) for each in recording.errors] == ["LookupError('no stock for 1')"]
    assert len(calls("pk")) == 1


def test_the_log_has_them_with_their_trace(failing: None, caplog: pytest.LogCaptureFixture):
    record(events("1"))
    (logged,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert logged.getMessage() == f"The listener {__name__}.stumble failed on order_paid"
    assert logged.exc_info is not None


def test_each_has_a_row_that_says_what_happened(failing: None):
    record(events("1", "2"))
    assert calls("listener", "event__key", "state", "cause", "reason", "attempts") == [
        (f"{__name__}.stumble", key, "failed", "raised", f"LookupError: no stock for {key}", 1)
        for key in ("1", "2")
    ]


def test_what_no_database_can_hold_is_left_out_of_the_reason():
    def raises(event: Event) -> None:
        raise LookupError("\x00\ud800" + "x" * 2_000)

    raises.__qualname__ = "stumble"
    with listeners.registered("order_.*", raises):
        record(events("1"))
    ((said,),) = calls("reason")
    assert said == "LookupError: \ufffd\ufffd" + "x" * (1_000 - 15)


def test_rows_cost_a_constant_number_of_statements(failing: None):
    record(events("warm"))
    counts = []
    for number in (2, 100):
        with CaptureQueriesContext(connection) as captured:
            record(events(*(f"{number}-{each}" for each in range(number))))
        counts.append(len(captured))
    assert counts[0] == counts[1]
    assert len(calls("pk")) == 103


def test_one_that_nobody_finds_again_is_only_logged(caplog: pytest.LogCaptureFixture):
    def local(event: Event) -> None:
        raise LookupError("no stock")

    with listeners.registered("order_.*", local):
        recording = record(events("1"))
    assert [repr(each.error) for each in recording.errors] == ["LookupError('no stock')"]
    assert "no stock" in caplog.text
    assert calls("pk") == []


def test_what_is_dispatched_has_no_row(failing: None):
    answers = dispatch("order_paid")
    assert [repr(answer.error) for answer in answers] == ["LookupError('no stock for ')", "None"]
    assert calls("pk") == []


def test_the_event_rolled_back_is_told_to_nobody(failing: None):
    with pytest.raises(KeyError), transaction.atomic():
        record(events("1"))
        raise KeyError
    assert (heard, calls("pk"), EventRecord.objects.count()) == ([], [], 0)


def test_a_person_has_it_called_again_from_the_admin(admin_client: Any):
    with listeners.registered("order_.*", stumble_once):
        record(events("1"))
        call = ListenerCall.objects.get()
        assert call.state == "failed"
        assert drain().told == 0  # by itself nobody calls it again
        page = reverse("admin:automation_events_listenercall_changelist")
        chosen = {ACTION_CHECKBOX_NAME: [call.pk], "action": "retry", "confirmed": "1"}
        admin_client.post(page, chosen)
        assert calls("state", "cause", "reason", "attempts") == [("queued", "", "", 0)]
        assert drain().told == 1
    assert heard == ["1", "1"]
    assert calls("state", "attempts") == [("sent", 1)]


def test_a_database_that_is_gone_meanwhile_is_logged_and_raises_nothing(
    caplog: pytest.LogCaptureFixture,
):
    """The events are committed by then, and the caller must learn that."""

    def cut_the_connection(event: Event) -> None:
        connection.connection.close()  # as a restart of the server does

    with (
        listeners.registered("order_.*", cut_the_connection),
        listeners.registered("order_.*", stumble),
    ):
        recording = record(events("1"))
    connection.close()
    assert [repr(each.error) for each in recording.errors] == ["LookupError('no stock for 1')"]
    assert "That listeners failed could not be written down" in caplog.text
    assert (EventRecord.objects.count(), calls("pk")) == (1, [])


def test_in_the_transaction_of_a_test_it_has_its_row_too(
    failing: None, django_capture_on_commit_callbacks: Any
):
    with transaction.atomic():
        with django_capture_on_commit_callbacks(execute=True):
            record(events("1"))
        assert len(calls("pk")) == 1
