"""What is wrong with a description is said, all of it, before anything is read."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from automation.events import Event
from automation.events.models import EventRecord
from automation.rules.models import Segment
from generators import DescriptionError, events_from
from tests import shop
from tests.described import OPEN, events, left, problems

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"source": "demo.crat"}, "The source “demo.crat” is not registered. "
         "Did you mean “demo.cart”?"),
        ({"source": EventRecord}, "The source “automation_events.eventrecord” is not registered."),
        ({"group": " "}, "Give the events a group: mails and listeners find them by it."),
        ({"group": "x" * 101}, "The group is longer than 100 characters."),
        ({"group": "{{ cart.totl }}", "name": "x"}, "group: Line 1, column 4: “cart.totl” is "
         "not known here. Did you mean “cart.total”?"),
        ({"group": "a_{{ cart.total }}"}, "Give it a name: keys begin with it, and the group is "
         "another one for each row."),
        ({"key": "same"}, "The key “same” is the same for all rows. Name a value of the row "
         "between {{ and }}."),
        ({"key": "{{ cart.idd }}"}, "key: Line 1, column 4: “cart.idd” is not known here."),
        ({"time_zone": "Europe/Zurch"}, "“Europe/Zurch” is not a time zone. Write it as in "
         "Europe/Zurich."),
        ({"repeat": "anew"}, "It cannot repeat “anew”. In code there are “once”, “day”, “week”, "
         "“month”, “year”; with a key of your own in “key” anything else can be said."),
        ({"name": "x" * 101}, "The name is longer than 100 characters."),
    ],
    ids=lambda given: str(given)[:40],
)  # fmt: skip
def test_a_description_says_what_is_wrong_with_it(values, said):
    (found,) = problems(left(**values))
    label = values.get("name") or values.get("group", "cart_left")
    assert found.startswith(f"“{label}”: {said}")
    assert left(**values).problems() == [found]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("totl", "more", 1), "“totl” is not a field of “demo.cart” that rules may ask about. "
         "Did you mean “total”?"),
        (("total", "mor", 1), "“total” cannot be asked “mor”. Did you mean “more”?"),
        (("total", "field.mor", 1), "“total” cannot be asked “field.mor”. "
         "Did you mean “field.more”?"),
        (("total", "more", "much"), "“total” “field.more” 'much': “much” is not a number. Write "
         "it in digits, for example 2 or 19.90."),
        (("total", "more"), "“total” “field.more” '': Enter a value, for example 2."),
        (("total", "is_empty", 1), "“total” “field.is_empty” takes no value, so not 1 either."),
        (("total", "more", object), "<class 'object'> is nothing to compare with."),
        (("total", "more", True), "True is nothing to compare with."),
        (("updated_at", "more_than_ago", datetime.timedelta(seconds=5)),
         "datetime.timedelta(seconds=5) is no span of time: at least a minute, in whole minutes."),
        (("total", "more", 1, "nor"), "A condition is joined by “and” or “or”, not by 'nor'."),
        (("total",), "('total',) is no condition. Write (field, operator, value)"),
        ("total > 1", "'total > 1' is no condition."),
        ({"field": "total", "operator": "more", "valeu": 1}, "A condition has no “valeu”. Did you "
         "mean “value”?"),
        (("segment", "in", "nobody"), "“segment” “segment.in” 'nobody': There is no segment "
         "“nobody”."),
        (("status", "one_of", "opne"), "“status” “field.one_of” 'opne': "),
    ],
    ids=str,
)  # fmt: skip
def test_a_condition_says_what_is_wrong_with_it(line, said):
    (found,) = problems(left(OPEN, line))
    assert found.startswith(f"“cart_left”: conditions[1]: {said}")


def test_everything_that_is_wrong_is_said_at_once_and_before_anything_is_read():
    with CaptureQueriesContext(connection) as queries:
        found = problems(left(("a", "is", 1), ("b", "is", 1)), left(group="", name="c"))
    assert [problem.partition(": ")[0] for problem in found] == ["“cart_left”"] * 2 + ["“c”"]
    assert len(queries) == 0


def test_two_with_the_same_keys_are_refused():
    assert problems(left(), left(("total", "more", 1))) == [
        "“cart_left”: Its keys begin with “cart_left:” as those of another description do, so "
        "only one of them would make events. Give each its name."
    ]


def test_a_segment_that_is_made_of_itself_is_refused():
    segment = Segment.objects.create(name="Odd", slug="odd", source="demo.cart")
    shop.ask(segment, ("segment", "segment.in", "odd"))
    assert problems(left(("segment", "in", "odd"))) == [
        "“cart_left”: conditions[0]: “Odd” is made of itself."
    ]


def test_a_moment_without_time_zone_is_refused():
    with pytest.raises(ValueError, match="has no time zone: events_from needs a moment that has"):
        events_from([left()], now=datetime.datetime(2026, 3, 10))


def test_what_is_no_description_is_refused():
    with pytest.raises(TypeError, match="Of a Generator it is generator.as_description()"):
        events_from([shop.generator()])  # type: ignore[list-item]


@pytest.mark.parametrize("given", [left(), None, 3], ids=str)
def test_what_is_no_list_of_descriptions_is_refused(given):
    with pytest.raises(TypeError, match=r"events_from takes any number .*: events_from\(\[descrip"):
        events_from(given)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"group": None}, "The group is None. It must be a text or a subclass of Event."),
        ({"group": Event}, "The group is <class 'automation.events.event.Event'>. It must be a "
         "text or a subclass of Event."),
        ({"key": 7}, "key is 7. It must be a text; empty is none."),
        ({"time_zone": None}, "time_zone is None. It must be a text; empty is none."),
    ],
    ids=str,
)  # fmt: skip
def test_what_must_be_a_text_says_so(values, said):
    assert problems(left(**values)) == [f"“A description”: {said}"]
    assert left(**values).problems() == [f"“A description”: {said}"]
    assert problems(left(**{"name": "c", **values})) == [f"“c”: {said}"]


def test_a_row_whose_event_cannot_be_made_stops_the_others_unless_its_reason_has_a_place():
    first, second = shop.cart(shop.customer(country="")), shop.cart(shop.customer(country="CH"))
    described = left(group="{{ cart.customer.country }}", name="left")
    said = f"“left”: The event group is empty. (row {first.pk})"
    with pytest.raises(DescriptionError) as raised:
        events(described)
    assert raised.value.problems == [said]
    reasons: list[str] = []
    assert [event.row_pk for event in events(described, left_out=reasons)] == [str(second.pk)]
    assert reasons == [said]
