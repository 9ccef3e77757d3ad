"""What each kind of condition means, which rows it finds, and how it is said."""

import datetime
import zoneinfo

import pytest
from django.core.exceptions import ValidationError

from automation.demo.models import CartItem, Customer, Product
from automation.rules.conditions import matching
from automation.rules.dates import shifted
from automation.rules.definitions import read_condition
from automation.rules.fields import Kind
from automation.rules.models import BrokenRule, Segment
from automation.rules.rule import kinds_of_condition
from automation.rules.sources import Source, sources
from tests import shop

pytestmark = pytest.mark.django_db

NOW = shop.NOW
ZURICH = zoneinfo.ZoneInfo("Europe/Zurich")


def segment(*lines: tuple[str, ...], source: str = "demo.customer", zone: str = "UTC") -> Segment:
    made = Segment.objects.create(name="Test", slug="test", source=source, time_zone=zone)
    shop.ask(made, *lines)
    return made


def names(*lines: tuple[str, ...], now: datetime.datetime = NOW, zone: str = "UTC") -> list[str]:
    rows = segment(*lines, zone=zone).rows(now)
    return list(rows.order_by("first_name").values_list("first_name", flat=True))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (("last_name", "field.is", "Meier"), ["Ann"]),
        (("last_name", "field.is_not", "Meier"), ["Bob", "Cem"]),
        (("last_name", "field.contains", "EI"), ["Ann", "Bob"]),
        (("last_name", "field.not_contains", "ei"), ["Cem"]),
        (("last_name", "field.starts_with", "w"), ["Bob"]),
        (("last_name", "field.ends_with", "ER"), ["Ann"]),
        (("last_name", "field.is_empty", ""), ["Cem"]),
        (("last_name", "field.is_not_empty", ""), ["Ann", "Bob"]),
        (("country", "field.one_of", "CH, Germany"), ["Ann", "Bob"]),
        (("country", "field.not_one_of", "CH"), ["Bob", "Cem"]),
        (("newsletter", "field.yes", ""), ["Ann"]),
        (("newsletter", "field.no", ""), ["Bob", "Cem"]),
        (("birthday", "field.is_empty", ""), ["Bob", "Cem"]),
        (("birthday", "field.is_not_empty", ""), ["Ann"]),
        (("paid_orders", "field.at_least", "1"), ["Ann"]),
        (("paid_orders", "field.less", "1"), ["Bob", "Cem"]),
        (("paid_orders", "field.equal", "2"), ["Ann"]),
        (("paid_orders", "field.not_equal", "2"), ["Bob", "Cem"]),
        (("paid_orders", "field.more", "2"), []),
        (("paid_orders", "field.at_most", "2"), ["Ann", "Bob", "Cem"]),
    ],
)
def test_comparing_a_field(line, expected):
    ann = shop.customer(
        first_name="Ann", last_name="Meier", country="CH", newsletter=True,
        birthday=datetime.date(1990, 5, 1),
    )  # fmt: skip
    shop.customer(first_name="Bob", last_name="Weiss", country="DE")
    shop.customer(first_name="Cem", last_name="", country="AT")
    for status in ("paid", "shipped", "cancelled"):
        shop.order(ann, status=status)
    assert names(line) == expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("more_than_ago", ["3 days ago"]),
        ("less_than_ago", ["1 day ago", "now"]),
        ("in_less_than", ["in 1 day", "now"]),
        ("in_more_than", ["in 3 days"]),
    ],
)
def test_a_moment_compared_with_now(operator, expected):
    for days, name in ((-3, "3 days ago"), (-1, "1 day ago"), (0, "now"), (1, "in 1 day"),
                       (3, "in 3 days")):  # fmt: skip
        shop.customer(first_name=name, created_at=NOW + datetime.timedelta(days=days))
    assert names(("created_at", f"relative_date.{operator}", "2 days")) == expected


def test_a_date_is_compared_with_today_where_the_rule_lives():
    shop.customer(first_name="Ann", birthday=datetime.date(2026, 3, 9))
    late = datetime.datetime(2026, 3, 10, 23, 30, tzinfo=datetime.UTC)  # the 11th in Zurich
    line = ("birthday", "relative_date.more_than_ago", "1 day")
    assert segment(line, zone="Europe/Zurich").rows(late).count() == 1
    Segment.objects.update(time_zone="UTC")
    assert Segment.objects.get().rows(late).count() == 0


def test_a_day_ago_is_the_same_time_of_day_when_the_clocks_changed():
    after = datetime.datetime(2026, 3, 29, 12, 0, tzinfo=ZURICH)  # summer time began at two
    assert shifted(after, -1, "days") == datetime.datetime(2026, 3, 28, 12, 0, tzinfo=ZURICH)
    assert shifted(after, -24, "hours") == datetime.datetime(2026, 3, 28, 11, 0, tzinfo=ZURICH)
    assert shifted(after, -1, "months").date() == datetime.date(2026, 2, 28)
    assert shifted(after, -999_999, "weeks") < shifted(after, -100, "weeks")


@pytest.mark.parametrize(
    ("today", "line", "expected"),
    [
        ("2026-05-01", ("birthday", "anniversary.anniversary_today", ""), ["Ann"]),
        ("2026-04-24", ("birthday", "anniversary.anniversary_in", "7"), ["Ann"]),
        ("2026-02-28", ("birthday", "anniversary.anniversary_today", ""), ["Leap"]),
        ("2028-02-28", ("birthday", "anniversary.anniversary_today", ""), []),
        ("2028-02-29", ("birthday", "anniversary.anniversary_today", ""), ["Leap"]),
        ("2026-03-01", ("birthday", "anniversary.anniversary_today", ""), []),
    ],
)
def test_a_birthday_comes_once_a_year(today, line, expected):
    shop.customer(first_name="Ann", birthday=datetime.date(1990, 5, 1))
    shop.customer(first_name="Leap", birthday=datetime.date(1992, 2, 29))
    shop.customer(first_name="Nobody", birthday=None)
    noon = datetime.datetime.fromisoformat(f"{today}T12:00:00+00:00")
    assert names(line, now=noon) == expected


def test_or_binds_a_line_to_the_one_above():
    shop.customer(first_name="Ann", country="CH", newsletter=True)
    shop.customer(first_name="Bob", country="DE", newsletter=True)
    shop.customer(first_name="Cem", country="CH", newsletter=False)
    rule = segment(
        ("country", "field.one_of", "CH"),
        ("country", "field.one_of", "DE", "or"),
        ("newsletter", "field.yes", ""),
    )
    found = rule.rows(NOW).order_by("first_name").values_list("first_name", flat=True)
    assert list(found) == ["Ann", "Bob"]
    assert rule.sentence() == (
        "Customers where (country is Switzerland or country is Germany) and "
        "gets the newsletter is yes"
    )


def test_a_condition_is_a_sentence():
    rule = segment(
        ("status", "field.one_of", "open, ordered"),
        ("updated_at", "relative_date.more_than_ago", "2 days"),
        ("customer__birthday", "anniversary.anniversary_in", "1"),
        ("paid_orders", "field.at_least", "2"),
        source="demo.cart",
    )
    assert [str(condition) for condition in rule.conditions.all()] == [
        "status is one of Open or Ordered",
        "last changed on more than 2 days ago",
        "customer birthday has its anniversary in 1 day",
        "number of paid orders before is at least 2",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("paid_orders", "field.at_least", "two"),
         "“two” is not a number. Write it in digits, for example 2 or 19.90."),
        (("paid_orders", "field.at_least", "NaN"),
         "“NaN” is not a number. Write it in digits, for example 2 or 19.90."),
        (("paid_orders", "field.at_least", "1e50"),
         "“1e50” is not a number. Write it in digits, for example 2 or 19.90."),
        (("last_name", "field.is", " "), "Enter a value, for example CH."),
        (("country", "field.one_of", "CH, XX"),
         "“XX” is not one of the choices: CH, DE, AT, FR, GB, IE."),
        (("created_at", "relative_date.more_than_ago", "two days"),
         "“two days” is no span of time. Write for example 2 days, 3 hours or 1 month."),
        (("created_at", "relative_date.more_than_ago", "2 fortnights"),
         "“2 fortnights” is no span of time. Write for example 2 days, 3 hours or 1 month."),
        (("birthday", "relative_date.more_than_ago", "2 hours"),
         "birthday is a date without a time of day: count in days, weeks or months."),
        (("birthday", "anniversary.anniversary_in", "400"),
         "Enter a whole number of days from 0 to 366."),
        (("password", "field.starts_with", "a"),
         "“password” is not a field of Customers that rules may use."),
        (("orders__customer__email", "field.is", "a"),
         "“orders__customer__email” is not a field of Customers that rules may use."),
        (("last_name", "field.regex", "a"), "last name cannot be asked “field.regex”."),
        (("last_name", "relative_date.more_than_ago", "2 days"),
         "last name cannot be asked “relative_date.more_than_ago”."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_what_to_do(line, message):
    field, operator, value = line
    with pytest.raises(ValidationError) as refused:
        read_condition(sources.get("demo.customer"), field=field, operator=operator, value=value)
    assert refused.value.messages == [message]


def test_a_saved_rule_with_an_undeclared_field_asks_nothing():
    rule = segment(("last_name", "field.is", "Meier"))
    condition = rule.conditions.get()
    condition.field = "email__startswith"
    condition.save()
    with pytest.raises(BrokenRule, match="“email__startswith” is not a field of Customers"):
        rule.rows(NOW)
    condition.field = "last_name"
    condition.save()
    with sources.registered(Source(Customer, ["email"])), pytest.raises(BrokenRule):
        rule.rows(NOW)


def test_every_kind_can_be_asked_and_said_with_every_operator_about_every_subject():
    asked = 0
    for source in sources:
        Segment.objects.update_or_create(
            slug="regulars", defaults={"name": "Regulars", "source": source.key}
        )
        for model in kinds_of_condition():
            for subject in model.subjects(source):
                for operator in model.operators(subject):
                    value = operator.example
                    if subject.kind == Kind.CHOICE:
                        value = str(subject.choices[0][0])
                    condition = read_condition(
                        source,
                        field=subject.path,
                        operator=f"{model.kind}.{operator.name}",
                        value=value,
                    )
                    assert condition.sentence(source)
                    again = read_condition(
                        source,
                        field=subject.path,
                        operator=f"{model.kind}.{operator.name}",
                        value=condition.value_text(),
                    )
                    assert again.value == condition.value
                    assert matching(source, [condition], NOW).count() == 0
                    asked += 1
    assert asked > 300


def test_the_day_itself_is_no_anniversary_and_what_lies_ahead_has_none():
    shop.customer(first_name="Born today", birthday=datetime.date(2026, 3, 1))
    shop.customer(first_name="Next year", birthday=datetime.date(2027, 3, 1))
    shop.customer(first_name="Last year", birthday=datetime.date(2025, 3, 1))
    rule = shop.generator(
        ("birthday", "anniversary.anniversary_today", ""), source="demo.customer", armed=False
    )
    now = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
    assert [each.first_name for each in rule.rows(now)] == ["Last year"]


@pytest.mark.parametrize(
    ("operator", "expected"),
    [("less", {1, 2}), ("at_most", {1, 2}), ("equal", set()), ("not_equal", {1, 2, 3}),
     ("more", {3}), ("at_least", {3})],
)  # fmt: skip
def test_a_sum_of_whole_numbers_is_compared_with_a_broken_one(operator, expected):
    for quantity in (1, 2, 3):
        cart = shop.cart(shop.customer(first_name=str(quantity)))
        cart.items.all().delete()
        CartItem.objects.create(
            cart=cart, product=Product.objects.get_or_create(title="Mug", price=1)[0],
            title="Mug", quantity=quantity, price=1,
        )  # fmt: skip
    rule = shop.generator(("items:sum:quantity", f"related.{operator}", "2.5"), armed=False)
    assert {int(cart.customer.first_name) for cart in rule.rows(shop.NOW)} == expected
