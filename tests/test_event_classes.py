"""Kinds of events that are classes, and events of rows."""

import copy
import datetime
import pickle
import re
import types
import uuid
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any

import pytest
from django.utils.translation import gettext_lazy

from automation.events import Event, dispatch, event, process_sources, record
from automation.events.dispatch import listeners
from automation.events.models import EventRecord
from tests import shop

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


class OrderPaid(Event):
    name = "order_paid"

    def __init__(self, number: int) -> None:
        super().__init__(key=f"order:{number}", context={"number": number})
        self.number = number


class OrderSent(Event): ...


class Opened(Event):
    """Whose ``__init__`` does not call the one of ``Event``."""

    def __init__(self, place: str) -> None:
        self.place = place


@dataclass(frozen=True, kw_only=True)
class CartLeft(Event):
    number: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"cart:{self.number}")


# Names ------------------------------------------------------------------------------------


def test_a_class_is_called_by_its_name_or_by_its_module_and_itself():
    class Renamed(OrderPaid):
        name = "order_paid_again"

    class OfItsOwn(OrderPaid): ...

    here = "test_a_class_is_called_by_its_name_or_by_its_module_and_itself.<locals>"
    assert [each.group for each in (OrderPaid, OrderSent, Renamed, OfItsOwn)] == [
        "order_paid", f"{__name__}::OrderSent", "order_paid_again", f"{__name__}::{here}.OfItsOwn",
    ]  # fmt: skip
    assert (OrderPaid(1).group, Renamed(1).group) == ("order_paid", "order_paid_again")


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("", ValueError, "Wrong: An event's group has 1 to 100 characters; this one has 0."),
        ("n" * 101, ValueError, "Wrong: .* has 1 to 100 characters; this one has 101: nnn"),
        (12, TypeError, "Wrong: name is 12; it must be a text."),
    ],
)
def test_a_name_that_no_event_can_have_is_refused_with_its_class(name, error, said):
    with pytest.raises(error, match=said):
        type("Wrong", (Event,), {"name": name})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("group", "Wrong: group on the class has no effect. Write name = 'x': that is the group"),
        ("Name", "Wrong: Name on the class has no effect. Write name = 'x', in small letters."),
        ("NAME", "Wrong: NAME on the class has no effect. Write name = 'x', in small letters."),
        ("recipient", r"Write def __init__\(self, …\): super\(\).__init__\(recipient=…, …\)."),
        ("context", r"super\(\).__init__\(context=…, …\)."),
    ],
)
def test_what_would_have_no_effect_on_a_class_is_refused(name, said):
    with pytest.raises(TypeError, match=said):
        type("Wrong", (Event,), {name: "x"})


def test_a_field_of_a_dataclass_and_a_property_have_effect():
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Reminded(Event):
        name = "reminded"
        recipient: str = "ann@example.com"
        NAME: str = "x"

    class Thanked(Event):
        name = "thanked"
        recipient = property(lambda self: "bob@example.com")  # type: ignore[assignment]

    assert [(each.group, each.recipient) for each in (Reminded(), Thanked())] == [
        ("reminded", "ann@example.com"), ("thanked", "bob@example.com"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("recipient", "ann@example.com", r"super\(\).__init__\(recipient=…, …\)."),
        ("context", field(default_factory=dict), r"super\(\).__init__\(context=…, …\)."),
        ("NAME", "x", "Write name = 'x', in small letters."),
    ],
)
def test_a_default_as_of_a_dataclass_is_refused_with_the_first_event(name, value, said):
    wrong = type("Wrong", (Event,), {name: value, "__annotations__": {name: str}})
    inherited = dataclass(frozen=True, kw_only=True)(type("Inherited", (wrong,), {}))
    for kind in (wrong, inherited):
        with pytest.raises(TypeError, match=f"Wrong: the default of {name} has no .*{said}"):
            kind(key="k")


def test_an_annotation_without_a_default_is_only_one():
    class Described(Event):
        recipient: str
        number: int = 7

    made = Described(key="k", recipient="ann@example.com")
    assert (made.recipient, made.number) == ("ann@example.com", 7)


def test_a_class_whose_name_is_too_long_to_be_recorded_is_told_what_to_do():
    long = type("Paid" * 30, (Event,), {})
    assert dispatch(long()) == []
    with pytest.raises(ValueError, match=f"has {len(long.group)}: {long.group}. Give the class a"):
        long(key="1").record()


# Values -----------------------------------------------------------------------------------


def test_an_event_whose_class_makes_its_own_start_has_every_field():
    opened = Opened("Bern")
    assert (opened.group, opened.key, dict(opened.context), opened.recipient, opened.place) == (
        f"{__name__}::Opened", "", {}, "", "Bern",
    )  # fmt: skip


def test_a_dataclass_is_an_event_too_and_may_make_its_own_key():
    left = CartLeft(number=7, context={"a": 1})
    assert (left.group, left.key, left.context, left.number) == (
        f"{__name__}::CartLeft", "cart:7", {"a": 1}, 7,
    )  # fmt: skip
    assert left.record().new == 1


def test_nothing_changes_an_event():
    for each in (Event("g", "k"), OrderPaid(1), CartLeft(number=1)):
        with pytest.raises(FrozenInstanceError):
            each.key = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Opened("Bern").context["a"] = 1  # type: ignore[index]


def test_who_sets_a_field_is_told_what_to_do_instead():
    class Wrong(Event):
        def __init__(self, number: int) -> None:
            self.number = number
            self.key = f"order:{number}"  # type: ignore[misc]

    with pytest.raises(FrozenInstanceError, match=r"whose key nothing changes. Pass it on"):
        Wrong(7)


def test_two_events_are_equal_if_they_are_of_one_class_and_say_the_same():
    assert OrderPaid(1) == OrderPaid(1)
    assert OrderPaid(1) != OrderPaid(2)
    assert OrderPaid(1) != Event("order_paid", "order:1", {"number": 1})


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
@pytest.mark.parametrize("made", [OrderPaid(1), Opened("Bern")], ids=["own", "without super"])
def test_an_event_can_be_copied(made: Event, copied: Any):
    again = copied(made)
    assert (again, vars(again)) == (made, vars(made))


def test_a_replaced_event_keeps_its_class_and_what_it_has_besides():
    replaced = OrderPaid(7).replaced(key="other")
    assert (type(replaced), replaced.key, replaced.number) == (OrderPaid, "other", 7)
    assert OrderPaid(7).replaced() == OrderPaid(7)


def test_a_context_may_be_any_mapping():
    made = Event("g", "k", types.MappingProxyType({"a": 1}))
    made.record()
    assert EventRecord.objects.get().context == {"a": 1}


# Dispatched and recorded ------------------------------------------------------------------


def test_a_listener_is_given_the_event_of_its_class_with_all_that_is_on_it():
    heard: list[tuple[Event, tuple[Any, ...], dict[str, Any]]] = []

    def hear(event: Event, *args: Any, **kwargs: Any) -> str:
        heard.append((event, args, kwargs))
        return "answer"

    made = OrderPaid(7)
    with listeners.registered(OrderPaid, hear):
        answers = made.dispatch("Bern", at=3)
        dispatch(Event("order_paid"))
    assert [answer.result for answer in answers] == ["answer"]
    assert heard[0][0] is made
    assert [(args, kwargs) for _event, args, kwargs in heard] == [(("Bern",), {"at": 3}), ((), {})]
    assert EventRecord.objects.count() == 0


def test_spaces_around_a_name_are_not_heard():
    heard: list[Event] = []
    with listeners.registered("order_paid", heard.append):
        dispatch(" order_paid ")
        Event("order_paid\n").dispatch()
    assert [each.group for each in heard] == ["order_paid"] * 2


@pytest.mark.django_db(transaction=True)
def test_a_listener_of_a_recorded_event_is_given_the_event_itself():
    heard: list[Event] = []
    made = OrderPaid(7)
    with listeners.registered(OrderPaid, heard.append):
        recorded = made.record(now=shop.NOW)
        OrderPaid(7).record()
    assert (recorded.new, len(heard), heard[0] is made) == (1, 1, True)
    assert EventRecord.objects.get().recorded_at == shop.NOW


def cyclic() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["me"] = found
    return found


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: OrderPaid.dispatch(7), "Make the event first"),
        (lambda: dispatch(OrderPaid), r"Make the event first: dispatch\(OrderPaid\(...\)\)."),
        (lambda: dispatch(Event(7)), "The group of an event is a text, and 7 is none."),
        (lambda: dispatch(7), "Only an event or its name can be dispatched, and 7 is none."),
        (lambda: record(Event("g", "k")), r"record\(\[event\]\), or event.record\(\)"),
        (lambda: record([7]), "Only events can be recorded, and 7 is none.$"),
        (lambda: record([OrderPaid]), "OrderPaid'> is none. Make the event first."),
        (lambda: OrderPaid.record(7), "Only events can be recorded, and 7 is none."),
        (lambda: record([Event("g", 7)]), "g: key is 7. It must be a text."),
        (lambda: record([Event("g", "k", row_pk=7)]), "g: row_pk is 7. It must be a text."),
        (lambda: record([Event("g", "k", [1])]), r"g: the context is \[1\]; it must be a mapping"),
        (
            lambda: record([Event("g", "k", {"a": [1, {"b": object()}]})]),
            r"g \(k\): context\['a'\]\[1\]\['b'\] is a object, which is not plain data.",
        ),
        (lambda: record([Event("g", "k", cyclic())]), r"context\['me'\]\['me'\] contains itself"),
        (lambda: record(OrderPaid), r"Make the event first: record\(\[OrderPaid\(…\)\]\), or"),
        (lambda: record(None), "takes any number of events, such as a list, and None is none."),
        (lambda: record("order_paid"), "such as a list, and 'order_paid' is none. An event is"),
        (lambda: record({"group": "g", "key": "k"}), "such as a list, and {'group': 'g', 'key'"),
    ],
)
def test_what_is_no_event_is_refused_in_words(wrong: Any, said: str):
    with pytest.raises(TypeError, match=said):
        wrong()
    assert EventRecord.objects.count() == 0


def test_what_has_no_name_or_key_is_refused_in_words():
    with pytest.raises(ValueError, match="What is dispatched needs a name"):
        dispatch(" ")
    with pytest.raises(ValueError, match="What is dispatched needs a name"):
        Event(key="k").dispatch()
    with pytest.raises(ValueError, match=f"{__name__}::Opened: An event needs a key"):
        Opened("Bern").record()


@pytest.mark.parametrize("now", [datetime.datetime(2026, 3, 1), datetime.date(2026, 3, 1), 7])
def test_a_time_without_a_zone_is_refused(now: Any):
    for write in (lambda: record([Event("g", "k")], now=now), lambda: process_sources(now=now)):
        with pytest.raises(ValueError, match="which has no time zone: give an aware datetime"):
            write()
    assert EventRecord.objects.count() == 0


def test_none_in_the_place_of_a_text_is_no_text():
    """As rows have it that know no address or language."""
    record([Event("g", "k", recipient=None, language=None, time_zone=None)])  # type: ignore[arg-type]
    found = EventRecord.objects.get()
    assert (found.recipient, found.language, found.time_zone) == ("", "", "")


def test_subject_and_text_survive_being_recorded():
    made = Event("g", "k", {"a": 1}, subject="Paid", text="Thank you.\nBye")
    made.record()
    assert EventRecord.objects.get().as_event() == made


def test_one_of_them_is_enough_and_may_be_lazy_or_none():
    lazily = gettext_lazy("Paid")
    Event("g", "k", subject=lazily, text=None).record()  # type: ignore[arg-type]
    again = EventRecord.objects.get().as_event()
    assert (again.subject, again.text, dict(again.context)) == ("Paid", "", {})


def test_a_context_that_has_a_name_event_itself_comes_back_as_it_was():
    made = Event("g", "k", {"event": {"subject": "of the meeting"}})
    made.record()
    assert EventRecord.objects.get().as_event() == made


@pytest.mark.parametrize(
    "made",
    [
        Event("g", "k", {"event": {"at": "the fair"}}, subject="Paid"),
        Event("g", "k", {"event": {"at": "the fair"}}, text="Paid"),
        Event("g", "k", {"event": {"subject": "Paid", "text": ""}}),
    ],
)
def test_what_would_be_lost_or_taken_for_what_the_event_brings_is_refused(made: Event):
    with pytest.raises(ValueError, match="g: the context has a name 'event', which is what"):
        made.record()
    assert EventRecord.objects.count() == 0


def test_create_if_new_gives_the_row_and_only_once():
    first = EventRecord.objects.create_if_new(OrderPaid(1))
    assert first == EventRecord.objects.get()
    assert (first.key, first.group) == ("order:1", "order_paid")
    assert EventRecord.objects.create_if_new(OrderPaid(1)) is None
    with pytest.raises(ValueError, match="needs a key"):
        EventRecord.objects.create_if_new(Event("g"))


def test_create_if_new_refuses_a_database_that_events_are_not_in():
    with pytest.raises(ValueError, match="in the database 'default', and this queryset uses 'old'"):
        EventRecord.objects.using("old").create_if_new(OrderPaid(1))
    assert EventRecord.objects.using("default").create_if_new(OrderPaid(1)) is not None


def test_create_if_new_writes_what_the_event_causes():
    mail = shop.mail(group="order_paid")
    recorded = EventRecord.objects.create_if_new(OrderPaid(1).replaced(recipient="a@example.com"))
    assert recorded is not None
    assert [message.mail for message in recorded.messages.all()] == [mail]


# Events of rows ---------------------------------------------------------------------------


def test_the_event_of_a_row_names_the_row_and_happens_once_for_it():
    customer = shop.customer()
    made = event("welcome", customer, {"a": 1}, recipient=customer.email)
    assert made == Event(
        "welcome", f"welcome:{customer.pk}", {"a": 1}, recipient=customer.email,
        row_model="demo.customer", row_pk=str(customer.pk),
    )  # fmt: skip


def test_the_event_of_what_names_a_row_has_the_same_key():
    number = uuid.UUID("12345678123456781234567812345678")
    keys = [event("g", each).key for each in (7, 0, "7", number)]
    assert keys == ["g:7", "g:0", "g:7", "g:12345678123456781234567812345678"]
    assert event(OrderPaid, 7) == Event("order_paid", "order_paid:7")


def test_a_further_field_may_say_which_row_it_was():
    made = event("g", shop.customer(), row_model="shop.person", row_pk="a")
    assert (made.row_model, made.row_pk) == ("shop.person", "a")


def test_the_event_of_nothing_is_refused():
    from automation.demo.models import Customer

    for nothing in (None, ""):
        with pytest.raises(ValueError, match="g: what the event is about has no name."):
            event("g", nothing)
    said = re.escape("has no key: it is not saved yet, or deleted.")
    with pytest.raises(ValueError, match=said):
        event("g", Customer(email="ann@example.com"))
    gone = shop.customer()
    gone.delete()
    with pytest.raises(ValueError, match=said):
        event("g", gone)
    with pytest.raises(TypeError, match="is no name of an event and no subclass of Event"):
        event(Event, 1)
