"""Rows of the demo shop, and what an editor would build on them."""

import datetime
import itertools
from decimal import Decimal
from typing import Any

from django.utils import timezone

from automation.demo.models import Cart, CartItem, Customer, Order, Product
from automation.rules.definitions import read_condition
from automation.rules.models import Rule
from automation.rules.sources import sources
from generators.models import Generator
from mails.models import Mail

NOW = datetime.datetime(2026, 3, 10, 12, 0, tzinfo=datetime.UTC)

_numbers = itertools.count(1)


def customer(**values: Any) -> Customer:
    number = next(_numbers)
    defaults = {"email": f"ann{number}@example.com", "first_name": "Ann", "last_name": "Meier"}
    return Customer.objects.create(**{**defaults, "created_at": NOW, **values})


def cart(
    owner: Customer | None = None,
    *,
    days_old: float = 3,
    now: datetime.datetime = NOW,
    **values: Any,
) -> Cart:
    """An open cart with two items, last changed ``days_old`` days before ``now``."""
    changed = now - datetime.timedelta(days=days_old)
    made = Cart.objects.create(
        customer=owner or customer(),
        total=Decimal("129.90"),
        created_at=changed,
        updated_at=changed,
        **values,
    )
    for title, price in (("Lamp", "99.90"), ("Bulb", "30.00")):
        product, _made = Product.objects.get_or_create(
            title=title, defaults={"category": "Light", "price": Decimal(price)}
        )
        CartItem.objects.create(cart=made, product=product, title=title, price=Decimal(price))
    return made


def order(owner: Customer, **values: Any) -> Order:
    number = next(_numbers)
    return Order.objects.create(
        customer=owner, number=f"A-{number}", **{"created_at": NOW, **values}
    )


def ask(rule: Rule, *lines: tuple[str, ...]) -> None:
    """Give ``rule`` its conditions: (field, operator, value[, "or"]) each."""
    source = sources.get(rule.source)
    for position, (field, operator, value, *joined) in enumerate(lines):
        condition = read_condition(
            source, field=field, operator=operator, value=value, joined_by=(joined or ["and"])[0]
        )
        condition.rule, condition.position = rule, position
        condition.save()


def generator(
    *lines: tuple[str, ...], source: str = "demo.cart", armed: bool = True, **values: Any
) -> Generator:
    number = next(_numbers)
    defaults = {
        "name": f"Cart left {number}",
        "slug": f"cart-{number}",
        "group_template": "cart_left",
    }
    made = Generator.objects.create(source=source, **{**defaults, **values})
    ask(made, *(lines or [("status", "field.one_of", "open"), OLD]))
    if armed:
        made.arm(timezone.now())
    return made


OLD = ("updated_at", "relative_date.more_than_ago", "2 days")


def mail(**values: Any) -> Mail:
    number = next(_numbers)
    defaults = {
        "name": "Your cart",
        "slug": f"your-cart-{number}",
        "group": "cart_left",
        "subject": "{{ cart.customer.first_name }}, your cart waits",
        "body": "<p>Dear {{ cart.customer.first_name }}</p>"
        "<ul>{% for item in cart.items %}<li>{{ item.title }}: {{ item.price }}</li>{% endfor %}"
        "</ul>",
        "is_active": True,
    }
    made = Mail(**{**defaults, **values})
    made.full_clean()
    made.save()
    return made
