"""What django-event-system can do, here; and what it got wrong and is right here.

Each test is a thing that people use it for: events as strings, listeners, observers, signals.
"""

import re
import unittest
import uuid
from functools import partial
from typing import Any

import pytest
from django.dispatch import Signal
from django.test import TestCase

from automation.demo.models import Product
from automation.events import (
    Event,
    Listener,
    Observer,
    dispatch,
    drain,
    from_signal,
    listen,
    record,
    register,
    register_signals_for,
)
from automation.events.dispatch import listeners
from automation.events.models import ListenerCall
from automation.events.testing import expect
from tests.observed import Ticket, fresh, heard, tables

__all__ = ["fresh", "tables"]

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


def new_product(**values: Any) -> Product:
    return Product.objects.create(**{"title": "Lamp", "category": "Light", "price": 9, **values})


# Dispatching --------------------------------------------------------------------------------


def test_register_handler_with_a_pattern_that_matches_in_full_and_dispatch(caplog: Any):
    """Exceptions were printed and gone: here they are in the log and in the answers."""

    @listen("event::name(.*)")
    def hear(event, *args, **kwargs):
        heard.append((event.group, args, kwargs))
        return "heard"

    @listen("event::name")  # without any sign of a regular expression it matches itself
    def fail(event, *args, **kwargs):
        raise LookupError(args)

    @listen(re.compile("name"))  # a compiled one searches
    def hear_also(event, *args, **kwargs):
        heard.append("also")

    first, second, third = dispatch("event::name", 1, two=2)
    assert heard == [("event::name", (1,), {"two": 2}), "also"]
    assert (first.listener, first.result, first.error) == (hear, "heard", None)
    assert (second.listener, repr(second.error)) == (fail, "LookupError((1,))")
    assert (third.listener, third.error) == (hear_also, None)
    assert [type(each.exc_info[1]) for each in caplog.records] == [LookupError]
    heard.clear()
    dispatch("event::name::some::other")
    dispatch("my::event::name")
    dispatch("event")
    assert heard == [("event::name::some::other", (), {}), "also", "also"]


def note(event: Event) -> None:
    heard.append(event.key)


def test_queue_and_clear_queue():
    """The queue was in the memory of the process, and lost with it: here it is in the database,
    written with the event."""
    with listeners.registered("order_paid", note, queue=True):
        record([Event("order_paid", "1")])
        assert heard == []
        # The process may end here: any other one finds what waits.
        assert [(each.listener, each.state) for each in ListenerCall.objects.all()] == [
            (f"{__name__}.note", "queued")
        ]
        assert drain().told == 1
        assert heard == ["1"]

        @drain
        def pay(key: str) -> str:
            record([Event("order_paid", key)])
            return f"paid {key}"

        assert pay("2") == "paid 2"
    assert heard == ["1", "2"]


# Events and listeners that are classes ------------------------------------------------------


class Example(Event):
    """Its name is its module and class."""


class Named(Event):
    name = "example::named"

    def __init__(self, title: str, value: int) -> None:
        self.title = title
        self.value = value


def test_event_classes_with_a_name_data_and_dispatch():
    @listen(Named)
    def hear(event, *args):
        heard.append((event.title, event.value, args))

    @listen(".*::Example")
    def hear_example(event):
        heard.append(event.group)

    Named("a", 7).dispatch("more")
    Example().dispatch()
    assert heard == [("a", 7, ("more",)), f"{__name__}::Example"]


def test_event_listener_with_listens_for_and_handle():
    """A class listened by being defined: here it does when it is registered, and once."""

    class Hearing(Listener):
        listens_for = [Named, "other::.*", re.compile("^third")]

        def handle(self, event, *args, **kwargs):
            heard.append((event.group, args))

    Named("a", 7).dispatch()
    assert heard == []
    register(register(Hearing))
    Named("a", 7).dispatch()
    dispatch("other::one", 1)
    dispatch("third_of_all")
    dispatch("my_third")
    assert heard == [("example::named", ()), ("other::one", (1,)), ("third_of_all", ())]


class FromSignal(Event):
    def __init__(self, sender, number, **kwargs):
        self.number = number


# Observers and signals ----------------------------------------------------------------------


def test_observer_with_observes_and_its_six_methods():
    """All observers shared one instance: here each has its own."""

    def method(name: str) -> Any:
        def called(self, event, product):
            self.calls = [*getattr(self, "calls", []), name]
            heard.append((type(self).__name__, tuple(self.calls), product.title))

        return called

    names = ("creating", "created", "updating", "updated", "deleting", "deleted")
    methods = {name: method(name) for name in names}
    register(type("All", (Observer,), {"observes": Product, **methods}))
    register(type("One", (Observer,), {"observes": Product, "created": method("created")}))
    product = new_product()
    assert heard[:3] == [
        ("All", ("creating",), "Lamp"),
        ("All", ("creating", "created"), "Lamp"),
        ("One", ("created",), "Lamp"),
    ]
    product.save()
    product.delete()
    assert heard[-1] == ("All", names, "Lamp")
    assert len(heard) == 7


@pytest.mark.usefixtures("tables")
def test_register_signals_for_a_model():
    """A row was taken for new while it had no key, which is wrong for UUIDs: they have one from
    the beginning."""
    register_signals_for(Product, Ticket)

    @listen("events::db::.*")
    def hear(event, instance):
        heard.append((event.group, instance))

    product = new_product()
    assert heard == [
        ("events::db::automation::demo::models::Product::creating", product),
        ("events::db::automation::demo::models::Product::created", product),
    ]
    heard.clear()
    ticket = Ticket(id=uuid.uuid4())
    ticket.save()
    ticket.save()
    ticket.delete()
    assert [group.rpartition("::")[2] for group, _row in heard] == [
        "creating", "created", "updating", "updated", "deleting", "deleted",
    ]  # fmt: skip


def test_signal_to_event_with_an_event_a_hook_and_a_sender():
    signal, shop = Signal(), object()

    def hook(sender, **kwargs):
        return f"event::when::{kwargs['number']}" if kwargs["number"] < 3 else None

    from_signal(signal, event="event::from::signal", sender=shop)
    from_signal(signal, event=FromSignal)
    from_signal(signal, hook=hook)

    @listen(".*")
    def hear(event, sender, number, **kwargs):
        heard.append((event.group.rpartition("::")[2], sender, number))

    signal.send(shop, number=1)
    signal.send("bank", number=3)
    assert heard == [
        ("signal", shop, 1),
        ("FromSignal", shop, 1),
        ("1", shop, 1),
        ("FromSignal", "bank", 3),
    ]


# Tests --------------------------------------------------------------------------------------


def run_test(body: Any) -> unittest.TestResult:
    class Tested(TestCase):
        @expect("some::event", call_listeners=False)
        def test_body(self):
            body()

    result = unittest.TestResult()
    # Inside of the database that is there already.
    Tested.databases = frozenset()
    Tested("test_body").run(result)
    return result


def test_mocks_dispatch_and_expect():
    """What is expected is not handled, and what was not raised is named."""
    with listeners.registered("some::.*", lambda event: heard.append(event.group)):
        assert run_test(partial(dispatch, "some::event")).wasSuccessful()
        assert heard == []
        ((_test, said),) = run_test(partial(dispatch, "some::evnt")).failures
    assert "some::event: not raised" in said
    assert "Did you mean some::evnt?" in said
    assert heard == ["some::evnt"]
