"""What the database finds for a rule is what plain Python finds for the same rule."""

import calendar
import datetime
import random
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from automation.demo.models import Cart, Customer, Order
from automation.rules.conditions import AND, OR, matching
from automation.rules.definitions import read_condition
from automation.rules.models import Segment
from automation.rules.sources import sources

ZONES = ["UTC", "Europe/Zurich", "America/St_Johns", "Pacific/Kiritimati"]
NOW = datetime.datetime(2026, 3, 29, 9, 30, tzinfo=datetime.UTC)  # the clocks changed today
TEXTS = ["", "Ann", "ann", "O'Brien", "50%", "a_b", "\\", "Zoë", "x" * 40]

# Random data --------------------------------------------------------------------------------


def load(number: int) -> None:
    """Sixty customers with their orders and carts, every kind of gap among them."""
    chance = random.Random(number)

    def moment() -> datetime.datetime:
        return NOW + datetime.timedelta(minutes=chance.choice([-60, -24, -1, 0, 1, 24, 60]) * 60
                                        + chance.randint(-3000, 3000))  # fmt: skip

    days = [datetime.date(1992, 2, 29), datetime.date(1990, 3, 29), datetime.date(2026, 3, 28)]
    customers = Customer.objects.bulk_create(
        Customer(
            email=f"c{index}@example.com",
            first_name=chance.choice(TEXTS),
            last_name=chance.choice(TEXTS),
            country=chance.choice(["CH", "DE", "AT"]),
            birthday=chance.choice([None, *days]),
            newsletter=chance.random() < 0.5,
            created_at=moment(),
        )
        for index in range(60)
    )
    Order.objects.bulk_create(
        Order(
            customer=chance.choice(customers[:40]),
            number=f"A{index}",
            status=chance.choice(["open", "paid", "shipped"]),
            total=Decimal(chance.randint(-500, 5000)) / 100,
            created_at=moment(),
        )
        for index in range(90)
    )
    Cart.objects.bulk_create(
        Cart(customer=chance.choice(customers), created_at=moment(), updated_at=moment())
        for _index in range(30)
    )


# The same questions in Python --------------------------------------------------------------


def value_of(row: Customer, line: dict[str, str], now: datetime.datetime) -> Any:
    """What a line asks about, from the row's own attributes."""
    name, _, rest = line["field"].partition(":")
    if not rest and name == "paid_orders":
        return len([o for o in row.orders.all() if o.status in ("paid", "shipped")])
    if not rest and name == "last_order_at":
        return max((order.created_at for order in row.orders.all()), default=None)
    if not rest:
        return getattr(row, name)
    orders = list(row.orders.all())
    if line.get("within"):
        since = shift(now, -1, line["within"])
        orders = [order for order in orders if since < order.created_at <= now]
    if line.get("among"):
        orders = [order for order in orders if order.status == "paid"]
    aggregate, _, path = rest.partition(":")
    if aggregate == "count":
        return len(orders)
    values = [getattr(order, path) for order in orders]
    if aggregate == "sum":
        return sum(values, Decimal(0))
    if not values:
        return None
    if aggregate == "average":
        return sum(values, Decimal(0)) / len(values)
    return max(values) if aggregate in ("largest", "latest") else min(values)


def shift(now: datetime.datetime, sign: int, span: str) -> datetime.datetime:
    amount, unit = span.split()
    unit = unit if unit.endswith("s") else f"{unit}s"
    if unit in ("minutes", "hours"):
        return now + sign * datetime.timedelta(**{unit: int(amount)})
    return now + relativedelta(**{unit: sign * int(amount)})


def holds(row: Customer, line: dict[str, str], now: datetime.datetime) -> bool:
    value, text = value_of(row, line, now), line["value"]
    operator = line["operator"].partition(".")[2]
    if operator in ("is_empty", "is_not_empty"):
        return (value is None or value == "") == (operator == "is_empty")
    negated = {"is_not": "is", "not_equal": "equal", "not_one_of": "one_of",
               "not_contains": "contains"}.get(operator)  # fmt: skip
    if negated:
        return not holds(row, {**line, "operator": f".{negated}"}, now)
    if value is None:
        return False
    return ANSWERS[operator](value, text, now)


def folded(text: str) -> str:
    """Letters of ASCII only: what lies beyond is compared as it is on some databases."""
    return "".join(c.lower() if c.isascii() else c for c in text)


def parts(text: str) -> list[str]:
    return text.split(" and ")


def day_of(value: datetime.date, now: datetime.datetime) -> datetime.date:
    return value.astimezone(now.tzinfo).date() if isinstance(value, datetime.datetime) else value


def bound(value: datetime.date, now: datetime.datetime, sign: int, span: str) -> datetime.date:
    moment = shift(now, sign, span)
    return moment if isinstance(value, datetime.datetime) else moment.date()


def here(value: datetime.date, now: datetime.datetime) -> datetime.date:
    return now if isinstance(value, datetime.datetime) else now.date()


def returns(value: datetime.date, now: datetime.datetime, days: int) -> bool:
    birthday, day = day_of(value, now), now.date() + datetime.timedelta(days=days)
    if birthday >= day:
        return False
    if (birthday.month, birthday.day) == (2, 29) and not calendar.isleap(day.year):
        birthday = datetime.date(2000, 2, 28)
    return (birthday.month, birthday.day) == (day.month, day.day)


def on(day: str) -> datetime.date:
    return datetime.date.fromisoformat(day)


ANSWERS: dict[str, Callable[[Any, str, datetime.datetime], bool]] = {
    "is": lambda v, t, now: v == t,
    "contains": lambda v, t, now: folded(t) in folded(v),
    "starts_with": lambda v, t, now: folded(v).startswith(folded(t)),
    "ends_with": lambda v, t, now: folded(v).endswith(folded(t)),
    "one_of": lambda v, t, now: v in t.split(", "),
    "yes": lambda v, t, now: v is True,
    "no": lambda v, t, now: v is False,
    "equal": lambda v, t, now: v == Decimal(t),
    "less": lambda v, t, now: v < Decimal(t),
    "at_most": lambda v, t, now: v <= Decimal(t),
    "more": lambda v, t, now: v > Decimal(t),
    "at_least": lambda v, t, now: v >= Decimal(t),
    "between": lambda v, t, now: Decimal(parts(t)[0]) <= v <= Decimal(parts(t)[1]),
    "more_than_ago": lambda v, t, now: v < bound(v, now, -1, t),
    "less_than_ago": lambda v, t, now: bound(v, now, -1, t) < v <= here(v, now),
    "between_ago": lambda v, t, now: (
        min(bound(v, now, -1, s) for s in parts(t))
        <= v
        <= max(bound(v, now, -1, s) for s in parts(t))
    ),
    "in_more_than": lambda v, t, now: v > bound(v, now, 1, t),
    "in_less_than": lambda v, t, now: here(v, now) <= v < bound(v, now, 1, t),
    "today": lambda v, t, now: day_of(v, now) == now.date(),
    "on": lambda v, t, now: day_of(v, now) == on(t),
    "before": lambda v, t, now: day_of(v, now) < on(t),
    "after": lambda v, t, now: day_of(v, now) > on(t),
    "from_to": lambda v, t, now: on(parts(t)[0]) <= day_of(v, now) <= on(parts(t)[1]),
    "anniversary_today": lambda v, t, now: returns(v, now, 0),
    "anniversary_in": lambda v, t, now: returns(v, now, int(t)),
}

# Random rules --------------------------------------------------------------------------------

TEXT = ["is", "is_not", "contains", "not_contains", "starts_with", "ends_with"]
NUMBER = ["equal", "not_equal", "less", "at_most", "more", "at_least"]
ABSOLUTE = ["on", "before", "after"]
AGO = ["more_than_ago", "less_than_ago", "in_more_than", "in_less_than"]

texts = st.sampled_from([*filter(str.strip, TEXTS), "n", "_", "%", "'", "ë"])
numbers = st.sampled_from(["0", "1", "2", "-1", "2.5", "-2.5", "19.90", "1000000000000000000000"])
days = st.sampled_from(["2026-03-28", "2026-03-29", "2026-03-30", "1990-03-29", "1992-02-29"])
spans = st.sampled_from(["0 days", "1 day", "2 days", "1 week", "1 month", "40 months"])
short_spans = st.sampled_from(["90 minutes", "1 hour", "24 hours"])


def line(field: st.SearchStrategy[str], kind: str, operators: list[str], value: Any) -> Any:
    return st.fixed_dictionaries(
        {
            "field": field,
            "operator": st.sampled_from([f"{kind}.{operator}" for operator in operators]),
            "value": value,
            "joined_by": st.sampled_from([AND, OR]),
        }
    )


def some(*names: str) -> st.SearchStrategy[str]:
    return st.sampled_from(names)


NONE = st.just("")
MOMENTS = some("created_at", "last_order_at")
DATES = some("birthday", "created_at", "last_order_at")
SUMS = some("orders:count", "orders:sum:total", "orders:largest:total", "orders:smallest:total")
LATEST = some("orders:latest:created_at", "orders:earliest:created_at")

plain_lines = st.one_of(
    line(some("first_name", "last_name"), "field", TEXT, texts),
    line(some("first_name", "birthday", "last_order_at"), "field", ["is_empty", "is_not_empty"],
         NONE),
    line(some("country"), "field", ["one_of", "not_one_of"], some("CH", "CH, DE", "AT")),
    line(some("newsletter"), "field", ["yes", "no"], NONE),
    line(some("paid_orders"), "field", NUMBER, numbers),
    line(some("paid_orders"), "field", ["between"], some("1 and 2", "0.5 and 1.5", "-1 and 0")),
    line(DATES, "relative_date", AGO, spans),
    line(MOMENTS, "relative_date", AGO, short_spans),
    line(DATES, "relative_date", ["between_ago"], some("1 day and 3 days", "1 month and 1 week")),
    line(DATES, "relative_date", ["today"], NONE),
    line(DATES, "date", ABSOLUTE, days),
    line(DATES, "date", ["from_to"],
         some("2026-03-28 and 2026-03-29", "1990-01-01 and 1992-02-29")),
    line(DATES, "anniversary", ["anniversary_today"], NONE),
    line(DATES, "anniversary", ["anniversary_in"], some("0", "1", "336", "337")),
)  # fmt: skip
related_lines = st.one_of(
    line(SUMS, "related", NUMBER, numbers),
    line(SUMS, "related", ["between"], some("1 and 2", "0 and 30.5")),
    line(some("orders:largest:total"), "related", ["is_empty", "is_not_empty"], NONE),
    line(LATEST, "related", AGO, spans),
    line(LATEST, "related", ["today"], NONE),
    line(LATEST, "related", ABSOLUTE, days),
).flatmap(
    lambda made: st.fixed_dictionaries(
        {
            **{name: st.just(value) for name, value in made.items()},
            "within": st.one_of(NONE, st.sampled_from(["1 day", "2 hours", "1 month"])),
            "among": some("", "paid"),
        }
    )
)
rules = st.lists(st.one_of(plain_lines, plain_lines, related_lines), min_size=1, max_size=5)


@pytest.mark.django_db
@pytest.mark.parametrize("number", range(6))
def test_fifty_random_rules_find_the_same_rows(number: int) -> None:
    load(number)
    paid = Segment.objects.create(name="Paid", slug="paid", source="demo.order")
    condition = read_condition(
        sources.get("demo.order"), field="status", operator="field.one_of", value="paid"
    )
    condition.rule = paid
    condition.save()
    source = sources.get("demo.customer")
    everybody = list(Customer.objects.prefetch_related("orders"))
    sizes: set[int] = set()

    @seed(number)
    @settings(
        max_examples=50,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(lines=rules, zone=st.sampled_from(ZONES))
    def check(lines: list[dict[str, str]], zone: str) -> None:
        now = NOW.astimezone(zoneinfo.ZoneInfo(zone))
        conditions = [read_condition(source, **parts) for parts in lines]
        found = set(matching(source, conditions, now).values_list("pk", flat=True))
        assert found == {row.pk for row in everybody if row_matches(row, lines, now)}
        sizes.add(len(found))

    check()
    assert len(sizes) > 5  # not only rules that everybody or nobody matches


def row_matches(row: Customer, lines: list[dict[str, str]], now: datetime.datetime) -> bool:
    groups: list[list[bool]] = []
    for line in lines:
        answer = holds(row, line, now)
        if groups and line["joined_by"] == OR:
            groups[-1].append(answer)
        else:
            groups.append([answer])
    return all(any(group) for group in groups)
