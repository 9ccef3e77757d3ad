"""What a developer opens to editors, and what is refused at registration."""

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Count, F, Max, Q, Sum

from automation.demo.models import Cart, Customer, Order
from automation.rules import Field, Kind, RelatedList, Source, sources
from automation.rules.checks import check_sensitive_fields
from automation.rules.snapshot import snapshots
from automation.rules.sources import UnknownField, UnknownSource
from tests import shop


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Source(Cart, ["colour"]), "'colour' is unknown. demo.Cart has no field 'colour'; it has:"),
        (Source(Cart, ["customer__shoe"]), "demo.Customer has no field 'shoe'"),
        (Source(Cart, ["customer"]), "'customer' is a relation, not a value. Name a field behind"),
        (Source(Cart, ["total__x"]), "'total__x' goes on behind 'total', which is no relation"),
        (Source(Cart, ["status__startswith"]), "goes on behind 'status', which is no relation"),
        (Source(Customer, ["orders__total"]), "leads over 'orders' to many rows. Declare"),
        (Source(Cart, ["a__b__c__d__e"]), "has 4 hops; at most 3 are allowed"),
        (Source(User, ["password"]), "'password' looks like a secret. If editors may really see"),
        (Source(Cart, ["status"], recipient="customer__mail"), "has no field 'mail'"),
        (Source(Cart, ["status"], lists={"x": RelatedList("customer", ["email"])}),
         "'customer' leads to no list of rows. demo.Cart has: items"),
        (Source(Cart, ["status"], lists={"items": RelatedList("items", ["colour"])}),
         "'colour' is unknown"),
        (Source(Cart, ["status"], lists={"items": RelatedList("items", ["title"], ["-x"])}),
         "'x' is unknown"),
        (Source(Cart, ["status"], annotations={"n": Count("thing")}), "annotation 'n':"),
        (Source(Cart, ["status"], computed=["voucher"]), "give both or none"),
        (Source(Cart, ["status"], lists={"status": RelatedList("items", ["title"])}),
         "'status' is a field and a list"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_at_registration(source: Source, message: str):
    with pytest.raises(ImproperlyConfigured) as refused:
        sources.register(source)
    assert message in str(refused.value)


def test_a_source_is_registered_once():
    with pytest.raises(ImproperlyConfigured, match="is registered already"):
        sources.register(Source(Cart, ["status"]))
    with sources.registered(Source(Cart, ["status"], name="basket")):
        assert sources.get("demo.basket").row_name == "basket"
    with pytest.raises(UnknownSource):
        sources.get("demo.basket")


def test_a_secret_may_be_opened_by_name_and_is_never_forgotten():
    opened = Source(User, [Field("password", sensitive=True)], name="login")
    with sources.registered(opened):
        (warning,) = check_sensitive_fields()
    assert (warning.id, warning.msg) == (
        "automation_rules.W001",
        "The source 'auth.login' shows editors the field 'password'.",
    )


def test_fields_are_completed_from_the_model():
    source = sources.get("demo.cart")
    country = source.field("customer__country")
    assert (country.full_label, country.kind) == ("customer › country", Kind.CHOICE)
    assert ("CH", "Switzerland") in country.choices
    assert source.field("paid_orders").kind == Kind.NUMBER


def test_an_unknown_field_names_the_nearest():
    with pytest.raises(UnknownField, match="Did you mean “customer › country”"):
        sources.get("demo.cart").field("customer__contry")


@pytest.mark.django_db
def test_two_counts_never_multiply_each_other():
    ann = shop.customer()
    for total in (10, 20, 30):
        shop.order(ann, total=total)
    shop.cart(ann)
    shop.cart(ann)
    source = Source(
        Customer,
        ["email"],
        annotations={
            "orders_made": Count("orders"),
            "carts_made": Count("carts"),
            "spent": Sum("orders__total"),
        },
        name="counted",
    )
    source.validate()
    assert list(source.rows().values_list("orders_made", "carts_made", "spent")) == [(3, 2, 60)]


@pytest.mark.django_db
def test_a_snapshot_takes_values_lists_and_what_is_computed_with_constant_queries(
    django_assert_num_queries,
):
    def vouchers(rows, now):
        return [{"voucher": f"V{row['id']}-{now.year}"} for row in rows]

    source = Source(
        Customer,
        ["first_name", "birthday"],
        lists={"orders": RelatedList("orders", ["number", "total"], order_by=["-total"], limit=2)},
        annotations={"last": Max("orders__created_at"), "double": F("id") * 2},
        recipient="email",
        computed=["voucher"],
        compute=vouchers,
        name="fan",
    )
    source.validate()
    for name in ("Ann", "Bob", "Cem"):
        owner = shop.customer(first_name=name)
        for total in (10, 30, 20):
            shop.order(owner, total=total)
    with django_assert_num_queries(2):
        taken = list(snapshots(source, source.rows([]), shop.NOW))
    assert [snapshot.context["fan"]["first_name"] for snapshot in taken] == ["Ann", "Bob", "Cem"]
    known = taken[0].context["fan"]
    assert [order["total"] for order in known["orders"]] == [30, 20]
    assert known["voucher"] == f"V{taken[0].pk}-2026"
    assert (known["double"], known["last"]) == (2 * taken[0].pk, shop.NOW)
    assert taken[0].recipient == Customer.objects.get(first_name="Ann").email


@pytest.mark.django_db
def test_a_list_that_shows_the_keys_of_its_rows_shows_every_value_in_its_place():
    """Of two names for one column Django reads one, and all that follows would be shifted."""
    listed = ["id", "title", "cart__id", "product__id", "price"]
    source = Source(Cart, ["status"], lists={"items": RelatedList("items", listed)}, name="keyed")
    cart = shop.cart()
    (taken,) = snapshots(source, source.rows([]), shop.NOW)
    assert taken.context["keyed"]["items"] == [
        {
            "id": item.pk,
            "title": item.title,
            "cart": {"id": cart.pk},
            "product": {"id": item.product_id},
            "price": item.price,
        }
        for item in cart.items.order_by("pk")
    ]


@pytest.mark.django_db
def test_the_shape_names_exactly_what_a_snapshot_holds():
    shop.cart()
    source = sources.get("demo.cart")
    (taken,) = snapshots(source, source.rows([]), shop.NOW)

    def names(data):
        if isinstance(data, dict):
            return {key: names(value) for key, value in data.items()}
        return [names(data[0])] if isinstance(data, list) else None

    assert names(taken.context) == names(source.shape)


@pytest.mark.django_db
def test_a_list_can_lie_behind_a_single_row():
    ann = shop.customer()
    shop.order(ann)
    source = Source(
        Order,
        ["number"],
        lists={"other_carts": RelatedList("customer__carts", ["status"])},
        name="with_carts",
    )
    source.validate()
    shop.cart(ann)
    (taken,) = snapshots(source, source.rows([]).filter(Q()), shop.NOW)
    assert taken.context["with_carts"]["other_carts"] == [{"status": "open"}]
