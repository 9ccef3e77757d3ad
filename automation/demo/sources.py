"""What the shop opens to editors."""

from django.db.models import Count, Max, Q
from django.utils.translation import gettext_lazy as _

from automation.demo.models import Cart, Customer, Order
from automation.rules import Field, RelatedList, Source, sources

PERSON = ["first_name", "last_name", "email", "language", "country", "birthday", "newsletter"]


#: Words for paid orders that are not their names.
BOUGHT = _("bought purchase purchases purchased")


def paid(path: str) -> Q:
    """Orders at the end of ``path`` that were paid."""
    return Q(**{f"{path}__status__in": [Order.Status.PAID, Order.Status.SHIPPED]})


sources.register(
    Source(
        Customer,
        fields=[*PERSON, "time_zone", "created_at"],
        lists={
            "orders": RelatedList(
                "orders",
                ["number", "status", "total", "currency", "created_at"],
                order_by=["-created_at"],
                limit=10,
                dated_by="created_at",
            )
        },
        annotations={
            "paid_orders": (
                Count("orders", filter=paid("orders")),
                _("number of paid orders"),
                BOUGHT,
            ),
            "last_order_at": (Max("orders__created_at"), _("last order")),
        },
        recipient="email",
        language="language",
        time_zone="time_zone",
    )
)

sources.register(
    Source(
        Cart,
        fields=[
            "status",
            "total",
            "currency",
            "created_at",
            "updated_at",
            *(f"customer__{name}" for name in PERSON),
        ],
        lists={
            "items": RelatedList(
                "items", ["title", "quantity", "price"], order_by=["-price"], limit=20
            )
        },
        annotations={
            "paid_orders": (
                Count("customer__orders", filter=paid("customer__orders")),
                _("number of paid orders before"),
                BOUGHT,
            ),
        },
        recipient="customer__email",
        language="customer__language",
        time_zone="customer__time_zone",
    )
)

sources.register(
    Source(
        Order,
        fields=[
            "number",
            "status",
            "total",
            "currency",
            "created_at",
            "shipped_at",
            Field("tracking_url", label=_("tracking link")),
            *(f"customer__{name}" for name in PERSON),
        ],
        lists={"items": RelatedList("items", ["title", "quantity", "price"], limit=100)},
        recipient="customer__email",
        language="customer__language",
        time_zone="customer__time_zone",
    )
)
