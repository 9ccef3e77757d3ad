"""The demo shop: the same in every run, and full of rows that rules are made for."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.sites import site
from django.db import connection
from django.db.models import Count, F, Max, Sum
from django.test import Client
from django.test.utils import CaptureQueriesContext

from automation.demo.models import Cart, CartItem, Customer, Order, OrderItem, Product
from automation.demo.names import DOMAINS
from automation.demo.shop import load_shop

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def shop(db: None) -> None:
    load_shop(NOW)


def everything(now: datetime) -> list[list[tuple[Any, ...]]]:
    """All of the shop, with moments as distances from ``now``."""
    rows: list[list[tuple[Any, ...]]] = []
    for model, order in (
        (Customer, "email"),
        (Product, "title"),
        (Order, "number"),
        (OrderItem, "pk"),
        (Cart, "pk"),
        (CartItem, "pk"),
    ):
        columns = [
            field.name
            for field in model._meta.fields
            if not field.primary_key and not field.is_relation
        ]
        rows.append(
            [
                tuple(value - now if isinstance(value, datetime) else value for value in row)
                for row in model._default_manager.order_by(order).values_list(*columns)
            ]
        )
    return rows


def empty() -> None:
    Customer.objects.all().delete()
    Product.objects.all().delete()


# The same in every run --------------------------------------------------------------------


def test_two_runs_make_the_same_shop(shop: None) -> None:
    first = everything(NOW)
    empty()
    load_shop(NOW)
    assert everything(NOW) == first


def test_later_only_the_moments_move(shop: None) -> None:
    first = everything(NOW)
    empty()
    # A year later the same people have their birthday.
    later = NOW.replace(year=2027)
    load_shop(later)
    assert everything(later) == first


def test_another_seed_makes_another_shop(shop: None) -> None:
    first = everything(NOW)
    empty()
    load_shop(NOW, seed=1)
    assert everything(NOW) != first


def test_loading_again_changes_nothing(shop: None) -> None:
    first = everything(NOW)
    load_shop(NOW + DAY)
    assert everything(NOW) == first


def test_the_number_of_customers_can_be_chosen(db: None) -> None:
    load_shop(NOW, customers=40)
    assert Customer.objects.count() == 40


# Rows that rules are made for -------------------------------------------------------------


def test_there_is_as_much_as_a_few_hundred_customers_leave_behind(shop: None) -> None:
    models = (Customer, Product, Order, OrderItem, Cart, CartItem)
    assert [model._default_manager.count() for model in models] == [300, 37, 746, 1689, 165, 381]


def test_some_carts_are_left_for_more_than_two_days(shop: None) -> None:
    carts = Cart.objects.filter(status="open")
    assert {
        "more than 2 days": carts.filter(updated_at__lt=NOW - 2 * DAY).count(),
        "more than 20 days": carts.filter(updated_at__lt=NOW - 20 * DAY).count(),
        "less than 1 hour": carts.filter(updated_at__gt=NOW - DAY / 24).count(),
        "all": carts.count(),
    } == {"more than 2 days": 36, "more than 20 days": 0, "less than 1 hour": 0, "all": 59}


def test_some_carts_become_two_days_old_while_one_watches(shop: None) -> None:
    open_carts = Cart.objects.filter(status="open", updated_at__gte=NOW - 2 * DAY)
    moments = open_carts.order_by("updated_at").values_list("updated_at", flat=True)[:5]
    minutes = [(moment + 2 * DAY - NOW) / timedelta(minutes=1) for moment in moments]
    assert minutes == [3, 6, 10, 15, 30]


def test_some_customers_are_new_since_yesterday(shop: None) -> None:
    new = Customer.objects.filter(created_at__gt=NOW - DAY)
    assert (new.count(), new.filter(orders__isnull=False).count()) == (12, 0)


def test_some_orders_were_shipped_in_the_last_days(shop: None) -> None:
    counts = Order.objects.values_list("status").annotate(Count("pk")).order_by("status")
    assert dict(counts) == {"cancelled": 41, "open": 3, "paid": 8, "shipped": 694}
    assert Order.objects.filter(shipped_at__gt=NOW - 3 * DAY).count() == 22


def test_some_customers_have_not_ordered_for_ninety_days_and_some_never(shop: None) -> None:
    customers = Customer.objects.annotate(last=Max("orders__created_at"))
    assert {
        "never": customers.filter(last=None).count(),
        "long ago": customers.filter(last__lt=NOW - 90 * DAY).count(),
        "lately": customers.filter(last__gte=NOW - 90 * DAY).count(),
    } == {"never": 60, "long ago": 60, "lately": 180}


def test_some_customers_have_their_birthday_today_and_some_keep_it_to_themselves(
    shop: None,
) -> None:
    customers = Customer.objects
    assert {
        "today": customers.filter(birthday__month=3, birthday__day=2).count(),
        "29 February": customers.filter(birthday__month=2, birthday__day=29).count(),
        "unknown": customers.filter(birthday=None).count(),
    } == {"today": 10, "29 February": 3, "unknown": 30}


@pytest.mark.parametrize(
    ("now", "today"),
    [
        (datetime(2028, 2, 29, 12, tzinfo=UTC), (2, 29)),
        (datetime(2026, 7, 31, 22, 30, tzinfo=UTC), (8, 1)),  # half past midnight in Zurich
    ],
)
def test_today_is_the_day_in_zurich(db: None, now: datetime, today: tuple[int, int]) -> None:
    load_shop(now)
    birthdays = [
        birthday
        for birthday in Customer.objects.order_by("pk").values_list("birthday", flat=True)[5::40]
        if birthday is not None
    ]
    assert [(birthday.month, birthday.day) for birthday in birthdays] == [today] * 8


def test_some_names_are_missing_shared_or_hard_to_quote(shop: None) -> None:
    names = Customer.objects.order_by("pk").values_list("first_name", "last_name")
    assert names[0] == ("Brendan", "O'Brien")
    assert [first for first, _last in names[1:3]] == ["Anna", "Anna"]
    assert Customer.objects.filter(first_name="").count() == 6
    assert Customer.objects.filter(last_name__contains="ü").exists()


# What makes sense -------------------------------------------------------------------------


def test_no_address_belongs_to_a_real_person(shop: None) -> None:
    addresses = list(Customer.objects.values_list("email", flat=True))
    assert {address.partition("@")[2] for address in addresses} == set(DOMAINS)
    assert [address for address in addresses if not address.isascii()] == []


def test_totals_are_the_sums_of_their_items(shop: None) -> None:
    for rows in (Order.objects.all(), Cart.objects.all()):
        sums = rows.annotate(sum=Sum(F("items__price") * F("items__quantity")))
        wrong = [row for row in sums if row.total != row.sum or row.total <= Decimal(0)]
        assert wrong == []


def test_no_story_contradicts_itself(shop: None) -> None:
    assert {
        "ordered before joining": Order.objects.filter(
            created_at__lt=F("customer__created_at")
        ).count(),
        "ordered in the future": Order.objects.filter(created_at__gt=NOW).count(),
        "shipped before ordered": Order.objects.filter(shipped_at__lt=F("created_at")).count(),
        "shipped in the future": Order.objects.filter(shipped_at__gt=NOW).count(),
        "shipped without a date": Order.objects.filter(
            status="shipped", shipped_at__isnull=True
        ).count(),
        "a date without being shipped": Order.objects.exclude(status="shipped")
        .filter(shipped_at__isnull=False)
        .count(),
        "left a cart before joining": Cart.objects.filter(
            created_at__lt=F("customer__created_at")
        ).count(),
        "born after joining": Customer.objects.filter(birthday__gt=date(2010, 1, 1)).count(),
    } == dict.fromkeys(
        (
            "ordered before joining",
            "ordered in the future",
            "shipped before ordered",
            "shipped in the future",
            "shipped without a date",
            "a date without being shipped",
            "left a cart before joining",
            "born after joining",
        ),
        0,
    )


def test_later_orders_have_higher_numbers(shop: None) -> None:
    by_number = list(Order.objects.order_by("number").values_list("created_at", flat=True))
    assert by_number == sorted(by_number)


# In the admin -----------------------------------------------------------------------------


def queries(client: Client, path: str) -> int:
    client.get(path)  # what Django reads once in a process, as content types
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


@pytest.mark.parametrize("model", [Customer, Product, Order, Cart])
def test_lists_need_as_many_queries_for_two_rows_as_for_all(
    shop: None, admin_client: Client, model: type[Customer]
) -> None:
    path = f"/admin/demo/{model._meta.model_name}/"
    two = "?id__in=" + ",".join(map(str, model._default_manager.values_list("pk", flat=True)[:2]))
    assert queries(admin_client, path + two) == queries(admin_client, path)


@pytest.mark.parametrize("model", [Order, Cart])
def test_forms_need_as_many_queries_for_one_item_as_for_six(
    shop: None, admin_client: Client, model: type[Order]
) -> None:
    counts = [
        queries(
            admin_client,
            f"/admin/demo/{model._meta.model_name}/"
            f"{model._default_manager.annotate(n=Count('items')).filter(n=number)[0].pk}/change/",
        )
        for number in (1, 6)
    ]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("model", [Customer, Product, Order, Cart])
def test_everything_in_the_shop_can_be_searched(
    shop: None, admin_client: Client, model: type[Customer]
) -> None:
    assert site.is_registered(model)
    answer = admin_client.get(f"/admin/demo/{model._meta.model_name}/?q=an")
    assert 0 < answer.context["cl"].result_count < model._default_manager.count()


def test_the_items_of_an_order_can_be_changed(shop: None, admin_client: Client) -> None:
    order = Order.objects.annotate(n=Count("items")).filter(n=2)[0]
    path = f"/admin/demo/order/{order.pk}/change/"
    page = admin_client.get(path).context
    [items] = page["inline_admin_formsets"]
    form, *_rest = items.formset.forms
    hat = Product.objects.get(title="Felt hat")
    data = {
        part.add_prefix(name): part[name].value() or ""
        for part in (
            page["adminform"].form,
            items.formset.management_form,
            *items.formset.forms,
        )
        for name in part.fields
        if name not in ("created_at", "shipped_at")
    }
    data |= {
        "created_at_0": "2026-02-01",
        "created_at_1": "12:00:00",
        form.add_prefix("product"): hat.pk,
        form.add_prefix("title"): hat.title,
    }
    assert admin_client.post(path, data).status_code == 302
    assert OrderItem.objects.filter(order=order, product=hat, title="Felt hat").count() == 1
