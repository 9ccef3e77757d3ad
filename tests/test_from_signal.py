"""Django's signals as events."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_save
from django.dispatch import Signal

from automation.demo.models import Cart
from automation.events import Event, from_signal, listen
from automation.events.dispatch import listeners
from tests import shop
from tests.observed import fresh, heard

__all__ = ["fresh"]

pytestmark = pytest.mark.sqlite_only

opened = Signal()


class Shop:
    pass


class Opened(Event):
    def __init__(self, sender, city, **kwargs):
        self.city = city


class Closed(Event):
    """Made of nothing."""


@dataclass(frozen=True)
class Renamed(Event):
    name = "renamed"
    sender: Any = None
    city: str = ""


@pytest.fixture(autouse=True)
def all_heard(fresh: None) -> Iterator[None]:
    opened.receivers.clear()

    @listen(re.compile("^(?!events::db)"))
    def hear(event, *args, **kwargs):
        heard.append((event.group, args, kwargs))

    yield
    opened.receivers.clear()


def test_a_signal_is_dispatched_under_a_name_with_what_it_sent():
    from_signal(opened, event="shop::opened")
    opened.send(Shop, city="Bern")
    assert heard == [("shop::opened", (), {"sender": Shop, "city": "Bern"})]


def test_a_signal_may_send_something_that_is_called_event():
    from_signal(opened, event="shop::opened")
    opened.send(Shop, event="a party")
    assert heard == []  # hear() calls its own first argument so
    got = []
    with listeners.registered("shop::opened", lambda happening, **kwargs: got.append(kwargs)):
        opened.send(Shop, event="a party")
    assert got == [{"sender": Shop, "event": "a party"}]


def test_a_class_of_events_is_made_of_what_the_signal_sent():
    from_signal(opened, event=Opened)
    cities = []

    @listen(Opened)
    def hear_city(event, **kwargs):
        cities.append(event.city)

    opened.send(Shop, city="Bern", at="9")
    assert cities == ["Bern"]
    assert heard == [(Opened.group, (), {"sender": Shop, "city": "Bern", "at": "9"})]


def test_a_class_without_an_init_of_its_own_is_made_of_nothing():
    from_signal(opened, event=Closed)
    opened.send(Shop, city="Bern")
    assert heard == [(Closed.group, (), {"sender": Shop, "city": "Bern"})]


def test_a_dataclass_is_made_of_what_the_signal_sent():
    from_signal(opened, event=Renamed)
    opened.send(Shop, city="Bern")
    assert heard == [("renamed", (), {"sender": Shop, "city": "Bern"})]


def test_a_hook_says_what_happens():
    answers = {
        "Bern": "opened::bern", "Rome": Opened, "Paris": Event("opened::paris"), "Oslo": None
    }  # fmt: skip

    def hook(sender, **kwargs):
        return answers[kwargs["city"]]

    from_signal(opened, hook=hook)
    for city in answers:
        opened.send(Shop, city=city)
    assert [group for group, _args, _kwargs in heard] == [
        "opened::bern", Opened.group, "opened::paris",
    ]  # fmt: skip


def test_only_the_sender_that_is_asked_for_is_heard():
    from_signal(opened, event="shop::opened", sender=Shop)
    opened.send(Signal, city="Bern")
    assert heard == []
    opened.send(Shop, city="Bern")
    assert [kwargs["sender"] for _group, _args, kwargs in heard] == [Shop]


@pytest.mark.django_db
def test_the_sender_of_a_models_signal_may_be_named():
    connection = from_signal(post_save, event="cart::saved", sender="demo.Cart")
    try:
        owner = shop.customer()
        cart = Cart.objects.create(customer=owner)
    finally:
        assert connection.disconnect()
    Cart.objects.create(customer=owner)
    assert [(group, kwargs["instance"], kwargs["created"]) for group, _args, kwargs in heard] == [
        ("cart::saved", cart, True)
    ]


def test_doing_it_again_changes_nothing():
    def hook(sender, **kwargs):
        return "hook"

    for _ in range(2):
        from_signal(opened, event="shop::opened")
        from_signal(opened, hook=hook)
    opened.send(Shop)
    assert [group for group, _args, _kwargs in heard] == ["shop::opened", "hook"]
    from_signal(opened, event="shop::opened", sender=Shop)  # is another matter
    assert from_signal(opened, event="a") == from_signal(opened, event="a")


def test_it_lasts_although_nobody_keeps_it_and_ends_when_it_is_disconnected():
    import gc

    from_signal(opened, hook=lambda sender, **kwargs: "kept")
    connection = from_signal(opened, event="ended")
    gc.collect()
    assert (connection.disconnect(), connection.disconnect()) == (True, False)
    opened.send(Shop)
    assert [group for group, _args, _kwargs in heard] == ["kept"]
    connection.connect()
    opened.send(Shop)
    assert [group for group, _args, _kwargs in heard] == ["kept", "kept", "ended"]


def test_the_sender_gets_what_listeners_answered():
    from_signal(opened, event="shop::greeting")

    @listen("shop::greeting")
    def greet(event, city, **kwargs):
        return f"Good morning, {city}"

    ((_receiver, answers),) = opened.send(Shop, city="Bern")
    assert [answer.result for answer in answers] == [None, "Good morning, Bern"]


def broken_hook(sender, **kwargs):
    raise LookupError("no city")


def lost_hook(sender, **kwargs):
    return 7


class Narrow(Event):
    def __init__(self, sender, town):
        self.town = town


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"hook": broken_hook}, "LookupError: no city"),
        ({"hook": lost_hook}, "7 is no event: return its name, an Event, a subclass of Event, or"),
        (
            {"event": Narrow},
            f"{__name__}.Narrow cannot be made of what the signal sent (sender, city): missing a "
            "required argument: 'town'. Let its __init__ take that, with **kwargs for the rest, "
            "or give a hook that makes it.",
        ),
    ],
)
def test_errors_are_logged_and_never_reach_who_sends(wrong, said, caplog):
    from_signal(opened, **wrong)
    from_signal(opened, event="and::on")
    opened.send(Shop, city="Bern")
    assert [group for group, _args, _kwargs in heard] == ["and::on"]
    (made_by,) = wrong.values()
    (record,) = caplog.records
    assert record.getMessage() == f"A signal made no event: {__name__}.{made_by.__name__} failed"
    assert said in caplog.text


def narrow_hook(sender, city): ...


async def slow_hook(sender, **kwargs): ...


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "give either event=… or hook=…."),
        ({"event": "a", "hook": broken_hook}, "give either event=… or hook=…."),
        ({"event": 7}, "7 is no name of an event and no subclass of Event."),
        ({"event": Event}, "is no name of an event and no subclass of Event."),
        ({"event": ""}, "the event has no name."),
        ({"hook": "name"}, "the hook 'name' cannot be called."),
        ({"hook": narrow_hook}, "write def hook(sender, **kwargs)."),
        ({"hook": slow_hook}, "slow_hook is asynchronous, and nobody would wait for it."),
    ],
)
def test_what_cannot_work_is_refused(wrong, said):
    with pytest.raises(TypeError, match=re.escape(said)):
        from_signal(opened, **wrong)
    assert opened.receivers == []


def test_a_model_may_be_named_as_the_sender_of_any_signal():
    from_signal(opened, event="shop::opened", sender="demo.Cart")
    opened.send(Cart, city="Bern")
    opened.send(Shop, city="Chur")
    assert [kwargs["sender"] for _group, _args, kwargs in heard] == [Cart]


def test_a_text_that_names_no_model_can_be_no_sender():
    said = "no model 'shop.Shop'.* What is no model cannot be named by a text: give the class"
    with pytest.raises(ImproperlyConfigured, match=said):
        from_signal(opened, event="shop::opened", sender="shop.Shop")


def test_what_is_no_signal_and_a_sender_that_is_not_there_are_refused():
    with pytest.raises(TypeError, match="'opened' is no signal of Django."):
        from_signal("opened", event="a")
    before = list(post_save.receivers)
    with pytest.raises(ImproperlyConfigured, match="Did you mean 'demo.Customer'?"):
        from_signal(post_save, event="a", sender="demo.Custmer")
    assert post_save.receivers == before
