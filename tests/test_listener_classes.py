"""Listeners that are classes, and what cannot listen."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from automation.events import Event, Listener, dispatch, drain, listen, record, register
from automation.events.declared import dotted_name
from automation.events.dispatch import listeners
from automation.events.models import ListenerCall
from automation.events.registering import Registrable
from tests.listening import listeners as theirs  # noqa: F401 - registers them here
from tests.processes import Cluster
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

heard: list[Any] = []


class OrderPaid(Event):
    name = "order_paid"


class Stock(Listener):
    listens_for = [OrderPaid, "stock_.*", re.compile("parcel")]

    def handle(self, event: Event, *args: Any, **kwargs: Any) -> str:
        heard.append((type(self).__name__, event.group, args, kwargs))
        return f"{type(self).__name__} heard"


class Shelf(Stock): ...


class Later(Listener):
    listens_for = ["order_.*"]
    queue = True

    def handle(self, event: Event, *args: Any, **kwargs: Any) -> None:
        heard.append(event.key)


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    heard.clear()
    monkeypatch.setattr(Registrable, "registered", set(Registrable.registered))
    with listeners.registered("(?!)", print):  # what is registered inside is gone after it
        yield


# What they hear ---------------------------------------------------------------------------


def test_defining_a_listener_does_nothing_and_registering_it_makes_it_listen():
    assert listeners.hearing("order_paid") == []
    assert register(Stock) is Stock
    assert [type(each) for each in listeners.hearing("order_paid")] == [Stock]
    assert Registrable.registered >= {Stock}


def test_it_hears_classes_whole_texts_and_expressions_anywhere():
    register(Stock)
    groups = ["order_paid", "stock_low", "my_stock_low", "the_parcel_left", "cart_left"]
    answered = [group for group in groups if dispatch(group)]
    assert answered == ["order_paid", "stock_low", "the_parcel_left"]


def test_it_is_given_the_event_and_the_arguments_and_answers():
    register(Stock)
    (answer,) = OrderPaid().dispatch("Bern", at=3)
    assert heard == [("Stock", "order_paid", ("Bern",), {"at": 3})]
    assert (answer.result, dotted_name(answer.listener)) == ("Stock heard", f"{__name__}.Stock")


def test_registering_it_again_changes_nothing():
    register(register(Stock))
    assert len(dispatch("order_paid")) == 1


def test_a_subclass_is_a_listener_of_its_own():
    register(Stock)
    register(Shelf)
    assert [answer.result for answer in dispatch("order_paid")] == ["Stock heard", "Shelf heard"]
    assert listeners.named(f"{__name__}.Shelf") == Shelf()


def test_there_is_one_instance_for_the_process():
    register(Stock)
    first, second = (dispatch(group)[0].listener for group in ("order_paid", "stock_low"))
    assert first is second


def test_it_is_heard_what_a_listener_raises():
    @register
    class Broken(Listener):
        listens_for = ["order_paid"]

        def handle(self, event: Event, *args: Any, **kwargs: Any) -> None:
            raise LookupError("no stock")

    (answer,) = dispatch("order_paid")
    assert repr(answer.error) == "LookupError('no stock')"


def test_a_queued_one_is_told_by_the_name_of_its_class():
    register(Later)
    record([OrderPaid(key="1")])
    assert heard == []
    assert ListenerCall.objects.get().listener == f"{__name__}.Later"
    assert drain().told == 1
    assert heard == ["1"]


def test_one_that_is_also_queued_is_told_once(django_capture_on_commit_callbacks: Any):
    later = Later()
    with (
        listeners.registered("order_paid", later, queue=True),
        listeners.registered("order_.*", later),
    ):
        with django_capture_on_commit_callbacks(execute=True):
            record([OrderPaid(key="1"), Event("order_sent", "2")])
        assert heard == ["2"]
        drain()
    assert heard == ["2", "1"]


# Misuse -----------------------------------------------------------------------------------


def wrong(**parts: Any) -> type[Listener]:
    def handle(self: Any, event: Event) -> None: ...

    base = {"handle": handle, "listens_for": ["x"], "__module__": "shop.listeners"}
    return type("Wrong", (Listener,), {**base, **parts})


def test_a_class_that_cannot_work_is_refused_in_words():
    async def later(self: Any, event: Event) -> None: ...

    async def later_yields(self: Any, event: Event) -> AsyncIterator[None]:
        yield

    def yields(self: Any, event: Event) -> Iterator[None]:
        yield

    def with_stock(self: Any, stock: int) -> None: ...

    def of_order(self: Any, event: Event, order: int) -> None: ...

    def of_nothing(self: Any) -> None: ...

    as_list = 'shop.listeners.Wrong: write what it listens for as a list, such as ["order_.*"].'
    asynchronous = "shop.listeners.Wrong.handle is asynchronous, and nobody would wait for it."
    refused: list[tuple[dict[str, Any], str]] = [
        ({"listens_for": "order_.*"}, as_list),
        ({"listens_for": ()}, as_list),
        ({"listens_for": OrderPaid}, as_list),
        ({"listens_for": re.compile("x")}, as_list),
        ({"listens_for": [12]}, "shop.listeners.Wrong: 12 is no name of an event"),
        ({"listens_for": [Event]}, "is no name of an event and no subclass of Event"),
        ({"listens_for": ["("]}, "shop.listeners.Wrong: '(' is no regular expression"),
        ({"handle": later}, asynchronous),
        ({"handle": later_yields}, asynchronous),
        ({"handle": yields}, "shop.listeners.Wrong.handle is a generator: calling it runs nothing"),
        ({"handle": Listener.handle}, "shop.listeners.Wrong has no method handle(self, event)."),
        ({"__init__": with_stock}, "shop.listeners.Wrong cannot be made without arguments"),
        (
            {"handle": of_nothing},
            "shop.listeners.Wrong.handle takes no event: it is called with the event as its first "
            "argument. Write def handle(self, event).",
        ),
        (
            {"handle": of_order, "queue": True},
            "shop.listeners.Wrong.handle cannot be queued: the cluster calls it with the event and "
            "nothing else, and that fails: missing a required argument: 'order'.",
        ),
        ({"listens_for": [""]}, "shop.listeners.Wrong: An empty text is the name of no event"),
        (
            {"queue": True, "__qualname__": "f.<locals>.Wrong"},
            "cannot be queued: the cluster would not find it again.",
        ),
    ]
    before = list(listeners)
    for parts, said in refused:
        with pytest.raises(ImproperlyConfigured, match=re.escape(said)):
            register(wrong(**parts))
    assert list(listeners) == before
    register(wrong())  # and nothing else of it was wrong
    register(wrong(handle=of_order, __qualname__="OfOrder"))  # an order can be dispatched with it


def test_what_is_no_class_of_ours_is_not_registered():
    class Other: ...

    for other in (Other, Stock(), print, "order_paid"):
        with pytest.raises(TypeError, match="is no subclass of Listener or Observer. A function"):
            register(other)  # type: ignore[type-var]


def test_what_would_never_run_does_not_listen():
    async def later(event: Event) -> None: ...

    def yields(event: Event) -> Iterator[None]:
        yield

    def alone() -> None: ...

    def named_only(*, event: Event) -> None: ...

    class Awaited:
        async def __call__(self, event: Event) -> None: ...

    refused: list[tuple[Any, str]] = [
        (later, "is asynchronous, and nobody would wait for it"),
        (Awaited(), "is asynchronous, and nobody would wait for it"),
        (yields, "is a generator: calling it runs nothing"),
        (Stock, "Stock is a class. A subclass of Listener is registered with @register"),
        ("hear", "'hear' is no listener: it cannot be called."),
        (alone, "alone takes no event: it is called with the event as its first argument."),
        (named_only, "named_only takes no event"),
    ]
    before = list(listeners)
    for listener, said in refused:
        with pytest.raises(TypeError, match=said):
            listen("x")(listener)
    assert list(listeners) == before


def of_order(event: Event, order: int) -> None: ...


def test_what_the_cluster_could_not_call_is_not_queued():
    with pytest.raises(TypeError, match="and that fails: missing a required argument: 'order'."):
        listen("x", queue=True)(of_order)
    with pytest.raises(ValueError, match="cannot be queued: the cluster would not find it again"):
        listen("x", queue=True)([].append)  # a method of something built in
    listen("x")(of_order)  # code may dispatch an order with it
    listen("x")([].append)


@pytest.mark.parametrize("first_is_queued", [True, False])
def test_a_queued_listener_has_its_name_for_itself(first_is_queued: bool):
    def twin(event: Event) -> None: ...

    twin.__qualname__ = "of_event"
    with listeners.registered("x", of_event, queue=first_is_queued):
        with pytest.raises(ValueError, match="two listeners called tests.test_listener_classes.of"):
            listen("y", queue=not first_is_queued)(twin)
        listen("y")(of_event)
    listen("x")(of_event)
    listen("x")(twin)  # nobody has to find these
    assert len(dispatch("x")) == 2


def of_event(event: Event) -> None: ...


def test_any_name_can_be_dispatched_as_an_argument():
    @listen("x")
    def hear(happening: Event, **kwargs: Any) -> None:
        heard.append(kwargs)

    @register
    class Hearing(Listener):
        listens_for = ["x"]

        def handle(self, happening: Event, **kwargs: Any) -> None:
            heard.append(kwargs)

    dispatch("x", event="a party")
    Event("x").dispatch(event="a wedding")
    assert heard == [{"event": "a party"}] * 2 + [{"event": "a wedding"}] * 2


def test_what_is_no_pattern_is_refused_before_anything_is_decorated():
    for pattern, error, said in (
        ("", ValueError, "An empty text is the name of no event"),
        (re.compile(b"x"), TypeError, "is an expression for bytes"),
        ("(", ValueError, "is no regular expression"),
        (12, TypeError, "12 is no name of an event"),
        (Event, TypeError, "no subclass of Event"),
    ):
        with pytest.raises(error, match=said):
            listen(pattern)  # type: ignore[arg-type]


# With a real cluster ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_cluster_finds_a_listener_that_is_a_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HEARD", str(tmp_path / "heard"))
    cluster = Cluster(tmp_path / "cluster.log", DJANGO_SETTINGS_MODULE="tests.listening.settings")
    cluster.start()
    try:
        record([Event("tests_noting", "1"), Event("tests_noting", "2")])
        wait_until(lambda: ListenerCall.objects.filter(state="sent").count() == 2)
    finally:
        cluster.stop()
        print(cluster.log())
    assert sorted((tmp_path / "heard").read_text().split()) == ["noted:1", "noted:2"]
