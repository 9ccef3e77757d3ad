"""What a rule's page shows beside its form."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from automation.rules.counting import Counted
from automation.rules.definitions import read_condition
from automation.rules.panel import panel
from automation.rules.rule import Condition
from automation.rules.sources import sources
from tests import shop

pytestmark = pytest.mark.django_db

NOW = shop.NOW
SOURCE = "demo.cart"


def conditions(*lines: tuple[str, ...]) -> list[Condition]:
    return [
        read_condition(
            sources.get(SOURCE), field=field, operator=operator, value=value,
            joined_by=(joined or ["and"])[0],
        )
        for field, operator, value, *joined in lines
    ]  # fmt: skip


LINES = [
    ("status", "field.one_of", "open"),
    ("updated_at", "relative_date.more_than_ago", "2 days"),
    ("customer__country", "field.one_of", "DE", "or"),
    ("items:count", "related.at_least", "2"),
]
# Fields called like what the panel counts must not be mixed up with it.
LINES += [("total", "field.more", "1")]


def test_it_counts_all_rows_those_that_match_and_those_of_each_line():
    swiss, german = shop.customer(country="CH"), shop.customer(country="DE")
    old = shop.cart(swiss, days_old=3)
    shop.cart(swiss, days_old=1)
    young = shop.cart(german, days_old=1)
    shop.cart(german, days_old=3, status="ordered")
    found = panel(sources.get(SOURCE), conditions(*LINES), NOW)
    assert (found.total, found.matching) == (Counted(4), Counted(2))
    assert [line.number for line in found.lines] == [3, 2, 2, 4, 4]
    assert [sample.row for sample in found.sample] == [young, old]
    assert found.labels == [
        "status", "last changed on", "customer › country", "cart items › number of cart items",
        "total",
    ]  # fmt: skip
    assert found.sample[0].values == ["Open", "9 Mar, 12:00", "Germany", "2", "129.90"]


def test_a_rule_without_lines_counts_everything():
    shop.cart()
    found = panel(sources.get(SOURCE), [], NOW)
    assert (found.total, found.matching, found.lines) == (Counted(1), Counted(1), [])


def test_rows_of_more_interest_come_before_newer_ones():
    carts = [shop.cart(status=status) for status in ("open", "ordered", "open", "ordered")]
    found = panel(
        sources.get(SOURCE), [], NOW, show=3, first=lambda rows: rows.filter(status="open")
    )
    assert [sample.row for sample in found.sample] == [carts[2], carts[0], carts[3]]
    assert found.has_more


def test_a_value_that_two_lines_look_at_is_shown_once():
    shop.cart()
    twice = conditions(LINES[0], ("status", "field.one_of", "ordered", "or"))
    assert panel(sources.get(SOURCE), twice, NOW).labels == ["status"]


def test_the_queries_do_not_grow_with_the_lines():
    shop.cart()
    source, numbers = sources.get(SOURCE), []
    for lines in (LINES[:1], LINES, LINES * 3):
        asked = conditions(*lines)
        with CaptureQueriesContext(connection) as queries:
            panel(source, asked, NOW)
        numbers.append(len(queries))
    assert numbers[0] == numbers[1] == numbers[2]
