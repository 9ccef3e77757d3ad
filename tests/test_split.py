"""A share of all rows, by the primary key alone: the same rows always and everywhere."""

import hashlib
import math
import uuid

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models import Count
from django.urls import reverse
from django.utils import translation

from automation.demo.models import Customer
from automation.rules.conditions import matching
from automation.rules.definitions import dump, load, read_condition
from automation.rules.explaining import explain
from automation.rules.models import Segment
from automation.rules.offers import Offer
from automation.rules.sources import Source, sources
from automation.rules.split_condition import SplitCondition, place
from tests import forms, shop
from tests.shop import NOW

pytestmark = pytest.mark.django_db


class Numbered(models.Model):  # noqa: DJ008
    class Meta:
        app_label = "tests"


class Ticketed(models.Model):  # noqa: DJ008
    id = models.UUIDField(primary_key=True)

    class Meta:
        app_label = "tests"


class Named(models.Model):  # noqa: DJ008
    code = models.CharField(primary_key=True, max_length=40)

    class Meta:
        app_label = "tests"


KEYS = {
    Numbered: lambda number: number,
    Ticketed: lambda number: uuid.UUID(hashlib.md5(str(number).encode()).hexdigest()),
    Named: lambda number: f"Käufer-{number}",
}


def fill(model, count):
    """A table of ``model`` with so many rows, gone with the connection or the transaction."""
    key, table = model._meta.pk, model._meta.db_table
    columns = f"{connection.ops.quote_name(key.column)} {key.db_type(connection)} PRIMARY KEY"
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s)"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {table} ({columns})")
        if model is Numbered:
            cursor.execute(f"INSERT INTO {table} {numbers} SELECT i FROM n", [count])
            return
    model.objects.bulk_create(model(pk=KEYS[model](number)) for number in range(1, count + 1))


def line(text, source, operator="in", **parts):
    return read_condition(source, field="split", operator=f"split.{operator}", value=text, **parts)


def value(text):
    return line(text, sources.get("demo.cart")).value


def keys(source, text, operator="in"):
    rows = matching(source, [line(text, source, operator)], NOW)
    return set(rows.values_list("pk", flat=True))


@pytest.mark.parametrize(
    ("model", "count"), [(Numbered, 100_000), (Ticketed, 5_000), (Named, 5_000)]
)
def test_shares_are_as_large_as_they_say_and_the_same_in_python(model, count):
    """By the binomial distribution a share is off by 5 of its deviations once in a million; and
    what is dealt here is always the same."""
    fill(model, count)
    source, numbers = Source(model, []), range(1, count + 1)
    every = {key: place("test", key) for key in map(KEYS[model], numbers)}

    def size(*shares):
        part = math.prod(shares)
        return pytest.approx(count * part, abs=5 * math.sqrt(count * part * (1 - part)))

    first = keys(source, "20 % of test")
    assert first == {key for key, found in every.items() if found < 20}
    assert len(first) == size(0.2)
    rest = keys(source, "20–100 % of test")
    assert rest == every.keys() - first
    # Another name deals anew: what two shares have in common is their product.
    other = keys(source, "50 % of other")
    assert len(first & other) == size(0.2, 0.5)
    assert len(rest & other) == size(0.8, 0.5)


def test_parts_of_one_split_meet_without_a_gap_and_without_overlap():
    rows = [shop.customer() for _number in range(200)]
    source = sources.get("demo.customer")
    parts = ["0–33.3 % of x", "33.3–66.6 % of x", "66.6–100 % of x"]
    found = [pk for part in parts for pk in keys(source, part)]
    assert sorted(found) == sorted(row.pk for row in rows)


def test_the_place_of_a_row_never_changes():
    """What once was dealt stays dealt, in every release."""
    assert [round(place("spring-test", key), 6) for key in (1, 2, "a", uuid.UUID(int=7))] == [
        42.051977,
        52.619981,
        44.848861,
        88.276913,
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20 % of spring-test", ["0", "20", "spring-test"]),
        ("20% spring-test", ["0", "20", "spring-test"]),
        ("  20,5 %  von  Spring   Test ", ["0", "20.5", "spring test"]),
        ("12.50 percent of “a”", ["0", "12.5", "a"]),
        ("50–100 % of spring-test", ["50", "100", "spring-test"]),
        ("50 % - 100 % of of-course", ["50", "100", "of-course"]),
        ("0 to 100 % of 20", ["0", "100", "20"]),
    ],
)
def test_a_share_is_read_as_people_write_it(text, expected):
    low, high, name = value(text)
    assert [str(low), str(high), name] == expected
    assert value(line(text, sources.get("demo.cart")).value_text()) == [low, high, name]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Write how many percent, and of which split: 20 % of spring-test"),
        ("spring-test", "Write how many percent, and of which split: 20 % of spring-test"),
        ("20 of spring-test", "Write how many percent, and of which split: 20 % of spring-test"),
        ("20 %", "Give the split a name, such as spring-test"),
        ("20 % of", "Give the split a name, such as spring-test"),
        ("% of x", "Enter how many percent: a number such as 20"),
        ("half % of x", "“half” is no percentage. Write a number such as 20"),
        ("0 % of x", "The percentages must be from 0 to 100"),
        ("50-20 % of x", "The percentages must be from 0 to 100"),
        ("101 % of x", "The percentages must be from 0 to 100"),
        ("1.2.3 % of x", "“1.2.3” is not a number"),
        (f"20 % of {'x' * 101}", "The name of the split is too long"),
    ],
)
def test_what_is_no_share_is_refused_in_words(text, said):
    with pytest.raises(ValidationError) as error:
        value(text)
    assert error.value.messages[0].startswith(said)


def test_a_share_is_said_and_explained():
    customer = shop.customer()
    segment = Segment.objects.create(name="Test", slug="test", source="demo.customer")
    found = place("spring-test", customer.pk)
    shop.ask(
        segment,
        ("split", "split.in", "0-100 % of Spring-Test"),
        ("split", "split.not_in", "50-100 % of spring-test"),
    )
    first, second = explain(segment, customer.pk, NOW)
    assert first.sentence == "random share is within 0 to 100 % of “spring-test”"
    assert second.sentence == "random share is not within 50 to 100 % of “spring-test”"
    assert (first.passed, second.passed) == (True, found < 50)
    assert first.shown == f"has its place at {found:.1f} of 100"
    with translation.override("de"):
        shown = explain(segment, customer.pk, NOW)[0].shown
    assert f"{found:.1f}".replace(".", ",") in shown


def test_a_share_travels_as_a_definition():
    segment = Segment.objects.create(name="Test", slug="test", source="demo.customer")
    shop.ask(segment, ("split", "split.in", "5-20.5 % of spring-test"))
    data = dump(Segment.objects.all())
    assert data["segments"][0]["conditions"] == [
        {
            "joined_by": "and",
            "field": "split",
            "operator": "split.in",
            "value": "5-20.5 % of spring-test",
        }
    ]
    segment.delete()
    load(data)
    assert SplitCondition.objects.get().value_text() == "5-20.5 % of spring-test"


def test_the_names_in_use_are_those_of_rules_about_the_same_rows():
    for source, names in {"demo.customer": ["b", "A", "a"], "demo.cart": ["c"]}.items():
        segment = Segment.objects.create(name=source, slug=source[5:], source=source)
        shop.ask(segment, *(("split", "split.in", f"20 % of {name}") for name in names))
    offered = Offer.of(sources.get("demo.customer")).for_script()["subjects"]["split"]
    assert offered["suggestions"] == [("a", ""), ("b", "")]
    assert [(each["label"], each["input"]) for each in offered["operators"]] == [
        ("is among", "share"),
        ("is not among", "share"),
    ]


def test_a_saved_share_is_shown_in_the_language_in_use():
    offer = Offer.of(sources.get("demo.customer"))
    saved = line("50–100 % of of course", sources.get("demo.customer")).value_text()
    with translation.override("de"):
        shown = offer.value_in_this_language("split", "split.in", saved)
        assert shown == "50-100 % von of course"
        assert value(shown) == value(saved)


def test_what_a_form_without_scripts_sends_is_told_at_its_line(admin_client):
    segment = Segment.objects.create(name="Test", slug="test", source="demo.customer")
    page = reverse("admin:automation_rules_segment_change", args=[segment.pk])
    sent = forms.filled(admin_client, page, "segment") | {
        "conditions-0-field": "split",
        "conditions-0-operator": "split.in",
        "conditions-0-value": " % of spring-test",
    }
    answer = admin_client.post(page, sent)
    said = "Enter how many percent: a number such as 20, or from where to where: 50–100."
    assert forms.errors(answer) == {"conditions-0-value": [said]}
    assert 'value=" % of spring-test"' in answer.content.decode()
    admin_client.post(page, {**sent, "conditions-0-value": "20 % of spring-test"})
    assert [str(part) for part in SplitCondition.objects.get().value] == ["0", "20", "spring-test"]


def test_a_share_is_one_line_among_others():
    rows = [shop.customer(country="CH" if number % 2 else "DE") for number in range(60)]
    segment = Segment.objects.create(name="Test", slug="test", source="demo.customer")
    shop.ask(segment, ("country", "field.one_of", "CH"), ("split", "split.in", "50 % of x"))
    expected = {row.pk for row in rows if row.country == "CH" and place("x", row.pk) < 50}
    assert set(segment.rows(NOW).values_list("pk", flat=True)) == expected
    assert Customer.objects.aggregate(rows=Count("pk"))["rows"] == 60
