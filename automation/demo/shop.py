"""Fills the demo shop: the same people, things and amounts in every run.

Only the moments move: each is a distance from the ``now`` that the shop is loaded at, so
that there are always carts left two days ago and customers who joined yesterday.
"""

import unicodedata
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum
from random import Random
from zoneinfo import ZoneInfo

from django.db import transaction

from automation.demo.models import Cart, CartItem, Country, Customer, Order, OrderItem, Product
from automation.demo.names import DOMAINS, PLACES, PRODUCTS, Place
from automation.demo.places import CITIES

SHOP_TIME_ZONE = ZoneInfo("Europe/Zurich")

# Carts that are left for two days while somebody watches: minutes until then.
MINUTES_TO_TWO_DAYS = (3, 6, 10, 15, 30)

_SPELLED = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ı": "i"}


class Story(Enum):
    """How a customer and the shop have got on, with the share of customers it is true of."""

    NEW = 0.04  # joined since yesterday, has bought nothing yet
    LOOKING = 0.16  # joined a while ago, has bought nothing yet
    LOST = 0.20  # bought, the last time more than 90 days ago
    REGULAR = 0.60  # bought within the last 90 days


def load_shop(now: datetime, *, customers: int = 300, seed: int = 2026) -> None:
    """Fill the shop as of ``now`` (aware). Does nothing if there are customers already."""
    if Customer.objects.exists():
        return
    with transaction.atomic():
        products = Product.objects.bulk_create(
            Product(title=title, category=category, price=price)
            for title, category, price in PRODUCTS
        )
        _Shop(now.replace(microsecond=0), Random(seed), products).fill(customers)


@dataclass
class _Shop:
    now: datetime
    random: Random
    products: list[Product]
    orders: list[Order] = field(default_factory=list)
    order_items: list[OrderItem] = field(default_factory=list)
    carts: list[Cart] = field(default_factory=list)
    cart_items: list[CartItem] = field(default_factory=list)

    def fill(self, count: int) -> None:
        stories = self._stories(count)
        customers = self._customers(stories)
        for customer, story in zip(customers, stories, strict=True):
            self._buy(customer, story)
        self._number_orders()
        self._fill_carts(list(zip(customers, stories, strict=True)))
        Customer.objects.bulk_create(customers)
        Order.objects.bulk_create(self.orders)
        OrderItem.objects.bulk_create(self.order_items)
        Cart.objects.bulk_create(self.carts)
        CartItem.objects.bulk_create(self.cart_items)

    def _stories(self, count: int) -> list[Story]:
        stories = [
            story
            for story in (Story.NEW, Story.LOOKING, Story.LOST)
            for _ in range(round(count * story.value))
        ]
        stories += [Story.REGULAR] * (count - len(stories))
        self.random.shuffle(stories)
        return stories

    def _days_ago(self, at_least: float, at_most: float) -> datetime:
        days = self.random.uniform(at_least, at_most)
        return self.now - timedelta(seconds=round(days * 24 * 3600))

    def _age_in_days(self, moment: datetime) -> float:
        return (self.now - moment) / timedelta(days=1)

    # People ---------------------------------------------------------------

    def _customers(self, stories: list[Story]) -> list[Customer]:
        addresses: set[str] = set()
        customers = []
        for index, story in enumerate(stories):
            place = self._place(index)
            first_name, last_name = self._name(index, place)
            latitude, longitude = _near_a_city(index, place.country)
            customers.append(
                Customer(
                    email=self._address(first_name, last_name, addresses),
                    first_name=first_name,
                    last_name=last_name,
                    language="en" if self.random.random() < 0.05 else place.language,
                    country=Country(place.country),
                    time_zone=place.time_zone,
                    latitude=latitude,
                    longitude=longitude,
                    birthday=self._birthday(index),
                    newsletter=self.random.random() < 0.6,
                    created_at=self._joined(story),
                )
            )
        return customers

    def _place(self, index: int) -> Place:
        [place] = self.random.choices(PLACES, [place.weight for place in PLACES])
        return PLACES[-1] if index == 0 else place

    def _name(self, index: int, place: Place) -> tuple[str, str]:
        first_name = self.random.choice(place.first_names)
        last_name = self.random.choice(place.last_names)
        if index == 0:
            return "Brendan", "O'Brien"
        if index in (1, 2):  # two who share a first name, however few people there are
            return "Anna", last_name
        if index % 50 == 7:
            return "", last_name
        return first_name, last_name

    def _address(self, first_name: str, last_name: str, taken: set[str]) -> str:
        name = ".".join(part for part in (_ascii(first_name), _ascii(last_name)) if part)
        domain = self.random.choice(DOMAINS)
        address, number = f"{name}@{domain}", 1
        while address in taken:
            number += 1
            address = f"{name}{number}@{domain}"
        taken.add(address)
        return address

    def _birthday(self, index: int) -> date | None:
        ordinal = self.random.randint(date(1946, 1, 1).toordinal(), date(2006, 12, 31).toordinal())
        if index % 100 == 3:
            return date(1988, 2, 29)
        if index % 40 == 5:
            today = self.now.astimezone(SHOP_TIME_ZONE).date()
            # A leap year, so that it can be a birthday on a 29 February too.
            return today.replace(year=self.random.choice((1956, 1968, 1976, 1984, 1992, 2000)))
        if index % 10 == 8:
            return None
        return date.fromordinal(ordinal)

    def _joined(self, story: Story) -> datetime:
        match story:
            case Story.NEW:
                return self._days_ago(1 / 24, 23 / 24)
            case Story.LOOKING:
                return self._days_ago(25, 300)
            case Story.LOST:
                return self._days_ago(330, 900)
            case Story.REGULAR:
                return self._days_ago(30, 900)

    # Orders ---------------------------------------------------------------

    def _buy(self, customer: Customer, story: Story) -> None:
        """Orders of ``customer``, of which the story says when the last one was."""
        joined = self._age_in_days(customer.created_at)
        if story is Story.LOST:
            last, earlier = self._days_ago(95, 280), self.random.randint(0, 3)
        elif story is Story.REGULAR:
            lately = self.random.random() < 0.3
            last = self._days_ago(0.05, 6) if lately else self._days_ago(7, min(85, joined))
            earlier = self.random.randint(0, 5)
        else:
            return
        since = self._age_in_days(last)
        moments = [last, *(self._days_ago(since, joined) for _ in range(earlier))]
        for moment in sorted(moments):
            self._order(customer, moment)

    def _order(self, customer: Customer, moment: datetime) -> None:
        order = Order(customer=customer, currency=_currency(customer), created_at=moment)
        until_shipped = timedelta(seconds=self.random.randint(20 * 3600, 44 * 3600))
        cancelled = self.random.random() < 0.04
        if cancelled:
            order.status = Order.Status.CANCELLED
        elif moment + until_shipped < self.now:
            order.status = Order.Status.SHIPPED
            order.shipped_at = moment + until_shipped
        elif self._age_in_days(moment) > 0.5:
            order.status = Order.Status.PAID
        for product, quantity in self._choose():
            self.order_items.append(
                OrderItem(
                    order=order,
                    product=product,
                    title=product.title,
                    quantity=quantity,
                    price=product.price,
                )
            )
            order.total += quantity * product.price
        self.orders.append(order)

    def _number_orders(self) -> None:
        self.orders.sort(key=lambda order: order.created_at)
        for position, order in enumerate(self.orders):
            order.number = f"R-{100_000 + 7 * position}"
            if order.shipped_at:
                order.tracking_url = f"https://tracking.example.com/{order.number}"

    def _choose(self) -> list[tuple[Product, int]]:
        [count] = self.random.choices((1, 2, 3, 4, 6), (35, 30, 20, 10, 5))
        chosen = self.random.sample(self.products, count)
        return [(product, self.random.choice((1, 1, 1, 2, 3))) for product in chosen]

    # Carts ----------------------------------------------------------------

    def _fill_carts(self, customers: list[tuple[Customer, Story]]) -> None:
        for order in self.orders:
            if self._age_in_days(order.created_at) < 30:
                self._cart(order.customer, order.created_at, Cart.Status.ORDERED)
        settled = [customer for customer, story in customers if story is not Story.NEW]
        self.random.shuffle(settled)
        two_days_ago = self.now - timedelta(days=2)
        moments = [two_days_ago + timedelta(minutes=minutes) for minutes in MINUTES_TO_TWO_DAYS]
        moments += [self._days_ago(2.1, 20) for _ in range(round(len(customers) * 0.12))]
        moments += [self._days_ago(1 / 24, 1.9) for _ in range(round(len(customers) * 0.06))]
        for customer, moment in zip(settled, moments, strict=False):
            self._cart(customer, moment, Cart.Status.OPEN)

    def _cart(self, customer: Customer, moment: datetime, status: Cart.Status) -> None:
        cart = Cart(
            customer=customer,
            status=status,
            currency=_currency(customer),
            created_at=moment - timedelta(minutes=self.random.randint(2, 240)),
            updated_at=moment,
        )
        for product, quantity in self._choose():
            self.cart_items.append(
                CartItem(
                    cart=cart,
                    product=product,
                    title=product.title,
                    quantity=quantity,
                    price=product.price,
                )
            )
            cart.total += quantity * product.price
        self.carts.append(cart)


def _currency(customer: Customer) -> str:
    return next(place.currency for place in PLACES if place.country == customer.country)


def _ascii(name: str) -> str:
    """``name`` as it stands in an address: "Wüthrich" becomes "wuethrich"."""
    spelled = "".join(_SPELLED.get(letter, letter) for letter in name.lower())
    letters = unicodedata.normalize("NFKD", spelled)
    return "".join(letter for letter in letters if letter.isascii() and letter.isalnum())


def _near_a_city(index: int, country: str) -> tuple[float | None, float | None]:
    """A place in or around a city of the country; of some customers it is not known."""
    random = Random(f"place {index}")
    cities = [city for city in CITIES if city.country == country]
    if not cities or index % 17 == 0:
        return None, None
    city = random.choice(cities)
    return (
        round(city.latitude + random.uniform(-0.2, 0.2), 4),
        round(city.longitude + random.uniform(-0.2, 0.2), 4),
    )
