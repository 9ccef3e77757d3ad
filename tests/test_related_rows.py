"""Rows that belong to a row, counted by their own date."""

import datetime

import pytest
from django.core.exceptions import ValidationError

from automation.demo.models import Customer
from automation.rules import RelatedList, Source, sources
from automation.rules.definitions import read_condition
from automation.rules.models import Segment
from tests import shop

pytestmark = pytest.mark.django_db

NOW = shop.NOW


@pytest.mark.parametrize(
    ("zone", "matching_days"),
    [
        # It is 10 March, noon in UTC: the 11th in Kiritimati, the 10th elsewhere.
        ("Pacific/Kiritimati", {11}),
        ("Pacific/Honolulu", {10}),
        ("UTC", {10}),
    ],
)
def test_rows_that_go_by_a_date_count_by_the_days_of_the_rules_time_zone(zone, matching_days):
    for day in range(8, 13):
        shop.order(shop.customer(birthday=datetime.date(2026, 3, day)))
    of_a_date = RelatedList("orders", ["number"], dated_by="customer__birthday")
    with sources.registered(Source(Customer, ["email", "birthday"], {"orders": of_a_date})):
        rule = Segment.objects.create(source="demo.customer", slug="s", time_zone=zone)
        condition = read_condition(
            sources.get("demo.customer"),
            field="orders:count", operator="related.at_least", value="1", within="1 day",
        )  # fmt: skip
        condition.rule = rule
        condition.save()
        assert {customer.birthday.day for customer in rule.rows(NOW)} == matching_days


def test_rows_that_go_by_a_date_are_not_counted_in_hours():
    of_a_date = RelatedList("orders", ["number"], dated_by="customer__birthday")
    with (
        sources.registered(Source(Customer, ["email"], {"orders": of_a_date})),
        pytest.raises(ValidationError, match="birthday is a date without a time of day"),
    ):
        read_condition(
            sources.get("demo.customer"),
            field="orders:count", operator="related.at_least", value="1", within="3 hours",
        )  # fmt: skip
