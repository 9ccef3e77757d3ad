"""Generators in code: descriptions become events, with one pass over each source."""

import datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from automation.demo.models import Cart, Customer
from automation.events import Event, record
from automation.events.models import EventRecord
from automation.rules import definitions
from automation.rules.models import Segment
from automation.rules.sources import Source, sources
from generators import Description, DescriptionError, events_from, one_pass, running
from generators.models import Generator
from tests import shop
from tests.described import DAY, NOW, OPEN, events, left, problems

pytestmark = pytest.mark.django_db

# What they make -------------------------------------------------------------------------------


def test_each_matching_row_becomes_an_event_that_is_recorded_once():
    old, _young = shop.cart(days_old=3), shop.cart(days_old=1)
    described = left(OPEN, ("updated_at", "more_than_ago", datetime.timedelta(days=2)))
    (event,) = events(described)
    assert (event.group, event.key) == ("cart_left", f"cart_left:{old.pk}")
    assert (event.row_model, event.row_pk) == ("demo.cart", str(old.pk))
    assert event.recipient == old.customer.email
    assert event.context["cart"]["total"] == Decimal("129.90")
    assert [item["title"] for item in event.context["cart"]["items"]] == ["Lamp", "Bulb"]
    assert record(events_from([described], now=NOW)).new == 1
    assert record(events_from([described], now=NOW)).new == 0


def test_rows_are_asked_at_the_given_moment():
    shop.cart(days_old=1)
    described = left(("updated_at", "more_than_ago", "2 days"))
    assert events(described) == []
    assert len(events(described, now=NOW + 2 * DAY)) == 1


class CartLeft(Event):
    name = "cart_left"


def test_a_class_of_events_stands_for_its_group():
    shop.cart()
    assert events(left(group=CartLeft)) == events(left(group="cart_left"))
    assert str(left(group=CartLeft)) == "cart_left"


def test_nothing_is_recorded_before_somebody_does():
    shop.cart()
    assert len(events(left())) == 1
    assert EventRecord.objects.count() == 0


def test_group_and_key_can_depend_on_the_row():
    owner = shop.customer(country="CH")
    shop.cart(owner), shop.cart(owner)
    described = left(
        group="cart_left_{{ cart.customer.country | downcase }}",
        key="left:{{ cart.customer.email }}",
    )
    assert [(event.group, event.key) for event in events(described)] == [
        ("cart_left_ch", f"left:{owner.email}")
    ] * 2
    assert record(events_from([described], now=NOW)).new == 1


@pytest.mark.parametrize(
    ("repeat", "key"),
    [
        ("once", "cart_left:{}"),
        ("day", "cart_left:{}:2026-03-11"),
        ("week", "cart_left:{}:2026-W11"),
        ("month", "cart_left:{}:2026-03"),
        ("year", "cart_left:{}:2026"),
    ],
)
def test_a_row_has_an_event_in_each_period_of_the_time_zone(repeat, key):
    cart = shop.cart()
    described = left(repeat=repeat, time_zone="Pacific/Auckland")
    assert [event.key for event in events(described)] == [key.format(cart.pk)]


def test_sources_are_named_by_key_by_model_or_by_themselves():
    cart = shop.cart()
    unregistered = Source(Cart, fields=["status"], name="basket")
    for source in ("demo.cart", Cart, sources.get("demo.cart"), unregistered):
        assert [event.row_pk for event in events(left(source=source))] == [str(cart.pk)]
    assert events(left(source=unregistered))[0].context == {
        "basket": {"id": cart.pk, "status": "open"}
    }


@pytest.mark.parametrize(
    "line",
    [
        ("total", "more", 100),
        ("total", "more", Decimal("100.5")),
        ("total", "more", 100.5),
        ("total", "field.between", (100, 130)),
        ("status", "one_of", ["ordered", Cart.Status.OPEN]),
        ("updated_at", "relative_date.more_than_ago", datetime.timedelta(hours=12)),
        ("updated_at", "more_than_ago", datetime.timedelta(minutes=90)),
        ("updated_at", "between_ago", (datetime.timedelta(days=2), datetime.timedelta(days=4))),
        ("updated_at", "before", datetime.date(2026, 3, 8)),
        ("updated_at", "from_to", (datetime.date(2026, 3, 7), datetime.date(2026, 3, 7))),
        ("updated_at", "is_not_empty"),
        ("items:count", "equal", 2),
        ("items:sum:price", "related.at_least", 120),
        ("event", "had_not", ("cart_left", datetime.timedelta(days=30))),
        {"field": "customer__first_name", "operator": "field.is", "value": "Ann"},
    ],
    ids=str,
)
def test_conditions_take_the_values_that_developers_have(line):
    cart = shop.cart(days_old=3)
    shop.cart(shop.customer(first_name="Bea"), days_old=0, status="ordered")
    Cart.objects.exclude(pk=cart.pk).update(total=1, updated_at=NOW - datetime.timedelta(minutes=5))
    assert str(cart.pk) in [event.row_pk for event in events(left(line))]


def test_an_or_binds_a_condition_to_the_one_above():
    first, second = shop.cart(shop.customer(country="CH")), shop.cart(shop.customer(country="DE"))
    shop.cart(shop.customer(country="FR"))
    shop.cart(shop.customer(country="CH"), status="ordered")
    described = left(
        OPEN, ("customer__country", "one_of", "CH"), ("customer__country", "one_of", "DE", "or")
    )
    assert [event.row_pk for event in events(described)] == [str(first.pk), str(second.pk)]


def test_a_condition_can_ask_for_a_segment():
    swiss = Segment.objects.create(name="Swiss", slug="swiss", source="demo.cart")
    shop.ask(swiss, ("customer__country", "field.one_of", "CH"))
    cart = shop.cart(shop.customer(country="CH"))
    shop.cart(shop.customer(country="DE"))
    for value in ("swiss", swiss):
        found = events(left(("segment", "in", value)))
        assert [event.row_pk for event in found] == [str(cart.pk)]


def test_every_row_is_meant_only_if_that_is_said():
    shop.cart()
    everything = left(conditions=())
    assert problems(everything) == [
        "“cart_left”: It has no condition: it would mean every row there is. Is that what is "
        "meant, say every_row=True."
    ]
    everything = left(conditions=(), every_row=True)
    assert len(events(everything)) == 1
    assert len(events(left(("total", "more", 1000), name="dear"), everything)) == 1


# One pass for all -----------------------------------------------------------------------------


FIVE = [
    left(OPEN, ("total", "more", 100), name="a"),
    left(("updated_at", "more_than_ago", "2 days"), name="b"),
    left(("items:count", "equal", 2), name="c"),
    left(("customer__country", "not_one_of", "DE"), name="d"),
    left(conditions=(), every_row=True, name="e"),
]


def statements(*descriptions: Description) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        events(*descriptions)
    return [query["sql"] for query in queries]


def test_five_descriptions_of_a_source_cost_the_queries_of_one():
    for _number in range(3):
        shop.cart()
    one = statements(FIVE[0])
    # One for the primary keys, one for the values, one for the only list.
    assert len(one) == 2 + len(sources.get("demo.cart").lists)
    assert len(statements(*FIVE)) == len(one)


def test_queries_do_not_grow_with_the_rows():
    shop.cart()
    few = len(statements(*FIVE))
    owner = shop.customer()
    for _number in range(30):
        shop.cart(owner)
    assert len(statements(*FIVE)) == few


def test_a_row_is_read_once_however_many_mean_it(monkeypatch):
    shop.cart()
    taken = []
    snapshots = one_pass.snapshots

    def counted(*args, **more):
        for snapshot in snapshots(*args, **more):
            taken.append(snapshot.pk)
            yield snapshot

    monkeypatch.setattr(one_pass, "snapshots", counted)
    assert len(events(*FIVE)) == 5
    assert len(taken) == 1


def test_rows_are_read_in_chunks_and_only_as_far_as_events_are_asked_for(settings, monkeypatch):
    settings.AUTOMATION = {"RECORD_CHUNK": 2}
    monkeypatch.setattr(running, "WINDOW", 5)
    owner = shop.customer()
    carts = [shop.cart(owner) for _number in range(13)]
    made = events_from([left()], now=NOW)
    with CaptureQueriesContext(connection) as queries:
        next(made)
    assert len(queries) == 2 + len(sources.get("demo.cart").lists)
    assert [event.row_pk for event in made] == [str(cart.pk) for cart in carts[1:]]


def test_a_chunk_of_several_descriptions_holds_no_more_rows_than_one(settings, monkeypatch):
    settings.AUTOMATION = {"RECORD_CHUNK": 4}
    owner = shop.customer()
    for _number in range(10):
        shop.cart(owner)
    sizes = []
    snapshots = one_pass.snapshots

    def measured(*args, **more):
        found = list(snapshots(*args, **more))
        sizes.append(len(found))
        return found

    monkeypatch.setattr(one_pass, "snapshots", measured)
    assert len(events(*FIVE)) == 50
    assert sizes == [4, 4, 2]


def test_descriptions_together_mean_the_rows_that_each_means_alone():
    birthday = datetime.date(1990, 3, 10)
    for country, status, days, born in (
        ("CH", "open", 3, birthday), ("", "open", 1, None), ("DE", "ordered", 3, None),
        ("CH", "ordered", 0, birthday - DAY),
    ):  # fmt: skip
        shop.cart(shop.customer(country=country, birthday=born), status=status, days_old=days)
    lines: list[list[tuple[str, ...]]] = [
        [("customer__country", "field.not_one_of", "CH")],
        [("customer__birthday", "field.is_empty", "")],
        [("customer__birthday", "anniversary.anniversary_today", "")],
        [("customer__birthday", "date.before", "1990-03-10"), ("total", "field.less", "1", "or")],
        [("customer__country", "field.is_empty", "")],
        [("status", "field.not_one_of", "open"), ("total", "field.more", "1000", "or")],
        [("total", "field.equal", "0.5")],
        [("items:count", "related.more", "1"), ("status", "field.one_of", "open")],
        [("updated_at", "relative_date.more_than_ago", "2 days")],
        [("event", "event.person_had_not", "cart_left")],
    ]
    generators = [shop.generator(*some, armed=False) for some in lines]
    together = events(*(generator.as_description() for generator in generators))
    expected = {
        f"{generator.key_prefix()}{pk}"
        for generator in generators
        for pk in generator.rows(NOW).values_list("pk", flat=True)
    }
    assert len(expected) > len(generators)
    assert {event.key for event in together} == expected


def test_each_description_has_the_days_of_its_own_time_zone():
    shop.cart(days_old=0)  # on 10 March at noon, in UTC
    today = ("updated_at", "today")
    later = datetime.datetime(2026, 3, 10, 23, 30, tzinfo=datetime.UTC)  # the 11th in Zurich
    described = [left(today, name=zone, time_zone=zone) for zone in ("UTC", "Europe/Zurich")]
    assert [event.key.partition(":")[0] for event in events(*described, now=later)] == ["UTC"]


def test_many_descriptions_of_a_source_take_several_passes(monkeypatch):
    """Databases take so many alternatives in one statement, and no more."""
    shop.cart()
    together, queries = events(*FIVE), len(statements(*FIVE))
    monkeypatch.setattr(one_pass, "TOGETHER", 2)
    assert events(*FIVE) == together
    assert len(statements(*FIVE)) == 3 * queries


def test_each_source_has_its_pass():
    cart = shop.cart()
    customers = Description(Customer, "customer_new", [("first_name", "is", "Ann")])
    assert [event.key for event in events(left(), customers)] == [
        f"cart_left:{cart.pk}", f"customer_new:{cart.customer_id}",
    ]  # fmt: skip


def test_what_was_recorded_can_be_left_out_before_it_is_read():
    first = shop.cart()
    described = [left(name="a"), left(name="b", repeat="month")]
    record(events_from(described, now=NOW))
    assert len(events(*described)) == 2
    assert events(*described, only_new=True) == []
    with CaptureQueriesContext(connection) as queries:
        events(*described, only_new=True)
    assert len(queries) == 1
    second = shop.cart()
    assert [event.key for event in events(*described, only_new=True)] == [
        f"a:{second.pk}", f"b:{second.pk}:2026-03",
    ]  # fmt: skip
    assert [event.key for event in events(*described, now=NOW + 30 * DAY, only_new=True)] == [
        f"b:{first.pk}:2026-04", f"a:{second.pk}", f"b:{second.pk}:2026-04",
    ]  # fmt: skip


# Of generators, and of exported ones ----------------------------------------------------------


@pytest.mark.parametrize("repeat", ["once", "day", "month", "key"])
def test_an_event_comes_once_whichever_way_a_generator_is_asked(repeat):
    shop.cart(), shop.cart()
    generator = shop.generator(repeat=repeat, key_template="{{ cart.customer.email }}")
    assert running.run(generator, NOW).new == 2
    described = Generator.objects.filter(pk=generator.pk).as_descriptions()
    assert record(events_from(described, now=NOW)).new == 0
    shop.cart()
    assert record(events_from(described, now=NOW)).new == 1
    assert running.run(generator, NOW).new == 0
    assert [event for event in events(*described, only_new=True) if repeat != "key"] == []


def test_a_generator_makes_the_same_events_as_its_description():
    shop.cart()
    generator = shop.generator(time_zone="Europe/Zurich", repeat="week")
    made = list(running.events(generator, generator.rows(NOW), NOW))
    assert events(generator.as_description()) == made


@pytest.mark.parametrize(
    ("repeat", "label"), [("anew", "each time it matches anew"), ("after", "again after … days")]
)
def test_a_generator_that_goes_by_its_own_events_is_no_description(repeat, label):
    generator = shop.generator(slug="mine", repeat=repeat)
    with pytest.raises(DescriptionError) as raised:
        generator.as_description()
    assert raised.value.problems == [
        f"“mine” makes events “{label}”: that depends on the events it has recorded as a "
        "generator, so it cannot be a description. Run the generator instead."
    ]


def test_an_exported_generator_is_a_description():
    cart = shop.cart()
    shop.generator(slug="left", repeat="year")
    (entry,) = definitions.dump()["generators"]
    described = Description.of_definition(entry)
    assert [event.key for event in events(described)] == [f"left:{cart.pk}:2026"]
    with pytest.raises(DescriptionError, match="The definition “left” has no “source”."):
        Description.of_definition({"slug": "left"})
