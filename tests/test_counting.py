"""Counts on pages are exact where that is quick, and never keep anybody waiting."""

import pytest
from django.db import OperationalError, connection
from django.db.models import F, Func, IntegerField

from automation.demo.models import Customer
from automation.rules.counting import (
    Counted,
    TooSlow,
    counted,
    counted_together,
    in_time,
    time_limit,
)
from tests import shop

pytestmark = pytest.mark.django_db


class Slow(Func):
    """Takes a while for every row, in the database."""

    output_field = IntegerField()

    def as_sql(self, compiler, connection, **extra):
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
        steps = 300_000 if connection.vendor == "sqlite" else 500_000
        inner, parameters = compiler.compile(self.get_source_expressions()[0])
        sql = f"({endless % steps} SELECT MAX(i) + {inner} * 0 FROM n WHERE i + {inner} > 0)"
        return sql, [*parameters, *parameters]


def test_a_quick_count_is_exact():
    for _number in range(3):
        shop.customer()
    assert counted(Customer.objects.all()) == Counted(3)
    assert str(counted(Customer.objects.all())) == "3"


def test_a_count_that_takes_too_long_stops_at_a_bound():
    for _number in range(300):
        shop.customer()
    slow = Customer.objects.alias(slow=Slow(F("id"))).filter(slow__gt=0)
    assert counted(slow, patience=2, bound=1) == Counted(1, exact=False)
    assert counted(slow, patience=0.01, bound=1) == Counted(None, exact=False)


def test_several_counts_share_their_time():
    for _number in range(3):
        shop.customer(country="CH")
    for _number in range(300):
        shop.customer(country="DE")
    swiss, german = (Customer.objects.filter(country=country) for country in ("CH", "DE"))
    slow = Customer.objects.alias(slow=Slow(F("id"))).filter(slow__gt=0)
    assert counted_together([swiss, german, slow, swiss], seconds=0.5, bound=100) == [
        Counted(3), Counted(100, exact=False), Counted(None, exact=False),
        Counted(None, exact=False),
    ]  # fmt: skip


def test_nothing_is_stopped_outside_of_the_limit():
    shop.customer()
    slow = Customer.objects.alias(slow=Slow(F("id"))).filter(slow__gt=0)
    with pytest.raises(OperationalError), time_limit("default", 0.01):
        slow.count()
    assert Customer.objects.count() == 1
    assert slow.count() == 1


@pytest.mark.postgres
def test_a_server_that_speaks_another_language_stops_what_is_slow_too():
    said = "RAISE EXCEPTION 'Zeitüberschreitung der Anweisung' USING ERRCODE = '57014'"
    with pytest.raises(TooSlow), in_time("default"), connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN {said}; END $$")


def test_another_error_is_not_swallowed():
    with pytest.raises(Exception, match="Cannot resolve keyword"):
        counted(Customer.objects.filter(vanished=1))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (Counted(7), "7"),
        (Counted(100_000, exact=False), "more than 100,000"),
        (Counted(None, exact=False), "too many to count quickly"),
    ],
)
def test_a_count_is_said_in_words(count, text):
    assert str(count) == text
