"""``expect``: a test that waits for an event fails, and says why, if the event does not come."""

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from automation.events import Event, dispatch, record, watching
from automation.events.dispatch import listeners
from automation.events.models import ListenerCall
from automation.events.testing import expect, expect_nothing

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

heard: list[str] = []


class OrderPaid(Event):
    name = "order_paid"


def hear(event: Event) -> None:
    heard.append(event.key or event.group)


def hear_in_the_cluster(event: Event) -> None: ...


@pytest.fixture(autouse=True)
def nobody_watches_afterwards() -> Iterator[None]:
    heard.clear()
    yield
    assert watching.watchers == ()


def failure_of(*expected: Any, happens: Callable[[], Any] = lambda: None, **options: Any) -> str:
    with pytest.raises(AssertionError) as failure, expect(*expected, **options):
        happens()
    return str(failure.value)


# What is met ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expected",
    [
        "order_paid",
        "order_.*",
        re.compile("paid"),
        OrderPaid,
        Event("order_paid"),
        Event("order_paid", "order:1"),
        Event("order_paid", context={"order": {"total": 12}}),
        OrderPaid(key="order:1", recipient="ann@example.com"),
    ],
    ids=str,
)
def test_an_event_is_expected_in_each_way_that_names_it(expected: Any):
    context = {"order": {"total": 12, "number": 7}, "customer": {"name": "Ann"}}
    event = Event("order_paid", "order:1", context, recipient="ann@example.com")
    with expect(expected):
        event.dispatch()
    with expect(expected):
        event.record()


def test_a_recorded_event_is_heard_when_it_is_written_and_not_when_it_is_committed():
    with expect("order_paid"), transaction.atomic():
        record([Event("order_paid", "1")])


def test_several_are_expected_at_once_and_each_must_come():
    with expect("order_paid", "order_sent"):
        dispatch("order_sent")
        dispatch("order_paid")
    said = failure_of("order_paid", "mail_read", happens=lambda: dispatch("order_paid"))
    assert said == (
        "Expected events were not raised as expected:\n"
        "  mail_read: not raised\n"
        "Raised were:\n"
        "  dispatched order_paid"
    )


def test_a_key_that_is_cut_when_it_is_stored_is_expected_as_it_was_given():
    with expect(Event("order_paid", "k" * 300)):
        record([Event("order_paid", "k" * 300)])


def test_what_another_thread_raises_is_heard():
    with expect("order_paid"):
        thread = threading.Thread(target=dispatch, args=("order_paid",))
        thread.start()
        thread.join()


def test_expectations_nest():
    with expect("order_paid", count=2):
        with expect("order_paid", count=1):
            dispatch("order_paid")
        dispatch("order_paid")


# What is not met --------------------------------------------------------------------------


def test_a_mistyped_name_is_answered_with_the_one_that_was_raised():
    said = failure_of("order_payed", happens=lambda: record([Event("order_paid", "order:1")]))
    assert said == (
        "Expected events were not raised as expected:\n"
        "  order_payed: not raised\n"
        "    - Did you mean order_paid? Such an event was raised.\n"
        "Raised were:\n"
        "  recorded order_paid · order:1"
    )


def test_another_key_and_another_context_are_named_with_their_places():
    wanted = Event("order_paid", "order:2", {"order": {"lines": [{"price": 2}], "total": 3}})
    made = Event("order_paid", "order:1", {"order": {"lines": [{"price": 1}]}})
    assert failure_of(wanted, happens=made.dispatch).splitlines()[2] == (
        "    - order_paid · order:1 was dispatched, but key is 'order:1', expected was 'order:2'; "
        "context['order']['lines'][0]['price'] is 1, expected was 2; "
        "context['order']['total'] is not there, expected was 3."
    )


@pytest.mark.parametrize("expected", ["order_paid", Event("order_paid", "order:1")], ids=str)
def test_a_key_that_was_recorded_before_is_not_raised_and_is_named(expected: Any):
    again = Event("order_paid", "order:1")
    again.record()
    assert failure_of(expected, happens=again.record).splitlines()[2] == (
        "    - order_paid · order:1 was to be recorded, and its key was recorded before: "
        "that happens once, ever. Use a key that is new in this test."
    )


class Moved(Event):
    name = "moved"

    def __init__(self, place: Any, **kept: Any) -> None:
        self.place = place
        self.__dict__.update(kept)


def test_what_a_class_of_events_keeps_besides_must_be_so_too():
    with expect(Moved(3), nothing_else=True):
        Moved(3).dispatch()
    said = failure_of(Moved(3), happens=lambda: dispatch(Moved(4)))
    assert "- moved was dispatched, but place is 4, expected was 3." in said
    said = failure_of(Moved(3), happens=lambda: dispatch("moved"))
    assert "- moved was dispatched, but place is not there, expected was 3." in said


def test_events_are_equal_that_have_the_same_fields_and_the_same_besides():
    assert Moved(3) == Moved(3)
    assert Moved(3) != Moved(4)
    assert Moved(3) != Moved(3, by="Ann")
    assert Moved(3, key="1") != Moved(3, key="2")
    assert Event("moved", "1") == Event("moved", "1", {})
    assert Event("moved") != OrderPaid(group="moved")


def test_where_nothing_was_raised_it_says_where_it_may_be():
    assert failure_of("order_paid") == (
        "Expected events were not raised as expected:\n"
        "  order_paid: not raised\n"
        "No event was raised at all. Is it raised in this process, and before the end of the "
        "block? What waits for a commit or for the cluster is not done in it: docs/testing.md "
        "says how to do it."
    )


def test_many_events_are_not_all_listed():
    def many() -> None:
        for number in range(25):
            dispatch(f"group_{number}")

    assert failure_of("order_paid", happens=many).splitlines()[-2:] == [
        "  dispatched group_19", "  and 5 more",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("count", "times", "said"),
    [
        (0, 1, "raised 1 time, expected was not at all"),
        (1, 0, "not raised"),
        (1, 2, "raised 2 times, expected was 1"),
        (2, 0, "not raised, expected was 2"),
        (3, 1, "raised 1 time, expected was 3"),
    ],
)
def test_the_count_must_be_right(count: int, times: int, said: str):
    def happens() -> None:
        for _time in range(times):
            dispatch("order_paid")

    found = failure_of("order_paid", count=count, happens=happens)
    assert found.splitlines()[1] == f"  order_paid: {said}"
    with expect("order_paid", count=times):
        happens()


def test_nothing_else_is_raised():
    with expect("order_paid", nothing_else=True):
        dispatch("order_paid")

    def both() -> None:
        dispatch("order_paid")
        record([Event("order_sent", "1")])

    assert failure_of("order_paid", nothing_else=True, happens=both) == (
        "No other event was expected, and there was:\n"
        "  recorded order_sent · 1\n"
        "If they belong there, expect them, too."
    )


def test_nothing_at_all_is_raised():
    with expect_nothing():
        pass
    said = "No event was expected, and there was:\n  dispatched order_paid"
    with pytest.raises(AssertionError, match=said), expect_nothing():
        dispatch("order_paid")


def test_what_the_body_raises_comes_through():
    with pytest.raises(LookupError, match="its own"), expect("order_paid"):
        raise LookupError("its own")


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((), {}, "Say what is expected"),
        ((), {"count": 1}, "Say what is expected"),
        (("order_paid",), {"count": -1}, "0 or more"),
        (("order_paid",), {"count": "2"}, "write how often"),
        (("order_(",), {}, "is no regular expression"),
        (("",), {}, "names no event"),
        ((Event(""),), {}, "1 to 100 characters"),
        ((Event,), {}, "no subclass of Event"),
        ((12,), {}, "12 is no name of an event"),
    ],
)
def test_what_names_no_event_is_refused_at_once(arguments: Any, options: Any, said: str):
    with pytest.raises((TypeError, ValueError), match=said):
        expect(*arguments, **options)


# Listeners --------------------------------------------------------------------------------


def test_listeners_are_told_unless_they_shall_not_be(django_capture_on_commit_callbacks: Any):
    def happens() -> None:
        with django_capture_on_commit_callbacks(execute=True):
            record([Event("order_paid", f"{len(heard)}"), Event("order_sent", f"s{len(heard)}")])
            dispatch("order_paid")

    with (
        listeners.registered("order_.*", hear),
        listeners.registered("order_.*", hear_in_the_cluster, queue=True),
    ):
        with expect("order_paid"):
            happens()
        assert heard == ["order_paid", "0", "s0"]
        ListenerCall.objects.all().delete()
        with expect("order_paid", call_listeners=False):
            happens()
    assert heard == ["order_paid", "0", "s0", "s3"]
    assert list(ListenerCall.objects.values_list("event__group", flat=True)) == ["order_sent"]


def test_it_costs_no_query():
    def queries(key: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            record([Event("order_paid", f"{key}{number}") for number in range(3)])
        return len(captured)

    queries("first")
    unwatched = queries("a")
    with expect("order_paid", count=3):
        assert queries("b") == unwatched
