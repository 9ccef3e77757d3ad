"""What the lines of a rule's form have to choose from, and how values look in them."""

from decimal import Decimal

import pytest
from django.apps import apps
from django.db.models import Count
from django.utils import translation

from automation.demo.models import Customer
from automation.rules import dates
from automation.rules.comparisons import read_number
from automation.rules.conditions import INPUTS
from automation.rules.fields import Field
from automation.rules.models import Segment
from automation.rules.offers import Offer
from automation.rules.sources import RelatedList, Source, sources

pytestmark = pytest.mark.django_db


@pytest.fixture
def carts() -> Offer:
    return Offer.of(sources.get("demo.cart"))


def test_an_example_of_choices_is_made_of_them(carts):
    assert carts.example(carts.subjects["status"], "field.one_of") == "Open, Ordered"


def test_each_question_has_a_field_that_the_page_knows(carts):
    used = {
        question["input"]
        for subject in carts.for_script()["subjects"].values()
        for question in subject["operators"]
        if question["example"]
    }
    assert used <= set(INPUTS)
    assert used >= {"number", "numbers", "day", "days", "span", "spans", "name_and_span"}


def test_only_segments_of_the_related_rows_limit_them():
    Segment.objects.create(name="Big carts", slug="carts", source="demo.cart")
    Segment.objects.create(name="Big orders", slug="orders", source="demo.order")
    subjects = Offer.of(sources.get("demo.customer")).for_script()["subjects"]
    assert subjects["orders:count"]["among"] == [("orders", "Big orders")]
    assert subjects["country"]["among"] == []


@pytest.mark.parametrize(("dated_by", "offered"), [("created_at", True), ("", False)])
def test_only_related_rows_with_a_date_are_limited_to_a_time(dated_by, offered):
    orders = RelatedList("orders", ["total"], dated_by=dated_by)
    with sources.registered(Source(Customer, fields=["email"], lists={"orders": orders})):
        subjects = Offer.of(sources.get("demo.customer")).for_script()["subjects"]
    assert subjects["orders:count"]["within"] is offered


def test_further_words_come_along_from_fields_lists_and_annotations():
    total = Field("total", keywords="revenue")
    source = Source(
        Customer,
        fields=["email", Field("country", keywords="nation")],
        lists={"orders": RelatedList("orders", [total], keywords="bought")},
        annotations={"carts_made": (Count("carts"), "carts", "basket"), "plain": Count("orders")},
    )
    with sources.registered(source):
        subjects = Offer.of(source).for_script()["subjects"]
    said = {path: subject["keywords"] for path, subject in subjects.items() if subject["keywords"]}
    assert said.pop("split")
    assert said == {
        "country": "nation",
        "carts_made": "basket",
        "orders:count": "bought",
        **{
            f"orders:{name}:total": "bought revenue"
            for name in ("sum", "smallest", "largest", "average")
        },
    }


@pytest.mark.parametrize(
    ("written", "german"),
    [
        ("2 days", "2 Tage"),
        ("1 week and 3 months", "1 Woche und 3 Monate"),
        ("welcome 30 days", "welcome 30 Tage"),
        ("2026-03-01 and 2026-03-31", "2026-03-01 und 2026-03-31"),
    ],
)
def test_values_are_shown_in_the_readers_words(written, german):
    assert dates.in_this_language(written) == written
    with translation.override("de"):
        assert dates.in_this_language(written) == german


@pytest.mark.parametrize("text", ["2 days", "2 Tage", "2 Tagen"])
def test_a_span_is_read_in_english_and_in_the_readers_language(text):
    with translation.override("de"):
        assert str(dates.read_span(text)) == "2 days"


@pytest.mark.parametrize(
    ("text", "number"), [("19,90", "19.90"), ("-0,5", "-0.5"), ("1’234.50", "1234.50")]
)
def test_a_number_may_be_written_with_a_comma(text, number):
    assert read_number(text) == Decimal(number)


def test_no_two_kinds_of_thing_have_the_same_name():
    # The admin's list of permissions names them so, and nothing else.
    names = [(m._meta.app_label, str(m._meta.verbose_name)) for m in apps.get_models()]
    assert len(names) == len(set(names))
