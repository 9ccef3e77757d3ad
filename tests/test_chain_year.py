"""A year in the life of an abandoned cart: a thousand carts, three time zones, clocks that change,
orders at any time. What the chain does is compared with an account that knows nothing of it."""

import datetime
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from dateutil import tz
from django.db import connection, connections
from django.db.models import Min

from automation.chains import advancing, claiming, entering
from automation.chains.models import Chain, ChainRun
from automation.demo.models import Cart, Customer, Order
from automation.events.models import EventRecord
from tests.sequences import reminders

ZONES = ("Europe/Zurich", "America/New_York", "Asia/Kathmandu")
#: Two days after some of these the clocks change in one of the zones: one of the times never comes
#: then, or comes twice.
DAYS = ("2026-01-02", "2026-03-06", "2026-03-27", "2026-06-30", "2026-10-23", "2026-10-30")
TIMES = ("01:30", "02:30")
HOUR = datetime.timedelta(hours=1)

Happened = tuple[int, str, datetime.datetime]


@dataclass
class Story:
    """What one customer does in that year."""

    zone: str
    left_at: datetime.datetime
    ordered_at: datetime.datetime | None
    paid_at: list[datetime.datetime] = field(default_factory=list)
    cart: int = 0


def stories(count: int, luck: random.Random) -> list[Story]:
    told = []
    for _number in range(count):
        zone = luck.choice(ZONES)
        naive = datetime.datetime.fromisoformat(f"{luck.choice(DAYS)} {luck.choice(TIMES)}")
        left = tz.resolve_imaginary(naive.replace(tzinfo=tz.gettz(zone)))
        left = left.astimezone(datetime.UTC)
        ordered = left + 12 * HOUR * luck.randint(1, 60) if luck.random() < 0.5 else None
        paid = [left + 84 * HOUR * luck.randint(-4, 6) for _ in range(luck.choice((0, 0, 1, 2, 3)))]
        told.append(Story(zone, left, ordered, paid))
    return told


def later(moment: datetime.datetime, days: int, zone: str) -> datetime.datetime:
    """So many days later on the wall of somebody there."""
    wall = moment.astimezone(tz.gettz(zone)).replace(tzinfo=None, fold=0)
    wall += datetime.timedelta(days=days)
    return tz.resolve_imaginary(wall.replace(tzinfo=tz.gettz(zone))).astimezone(datetime.UTC)


def expected(story: Story) -> list[Happened]:
    """What happens to one cart, told by hand."""
    first = later(story.left_at, 2, story.zone)
    second = later(first, 7, story.zone)
    happened = [(story.cart, "cart_reminder", first)]
    paid = sum(paid_at <= second for paid_at in story.paid_at)
    group = "cart_voucher" if paid >= 2 else "cart_last_reminder"
    happened.append((story.cart, group, second))
    bought = story.ordered_at
    return [each for each in happened if bought is None or each[2] < bought]


def found() -> list[Happened]:
    records = EventRecord.objects.values_list("row_pk", "group", "recorded_at")
    return sorted((int(cart), group, moment) for cart, group, moment in records)


class Year:
    """Lets the stories happen, and calls ``advance`` whenever something may be due."""

    def __init__(self, told: list[Story], advance: Callable[[datetime.datetime], Any]) -> None:
        self.advance = advance
        self.chain = reminders()
        Customer.objects.bulk_create(
            Customer(email=f"ann{number}@example.com", time_zone=story.zone)
            for number, story in enumerate(told)
        )
        self.left: dict[datetime.datetime, list[tuple[Story, Customer]]] = {}
        #: What customers buy, and who pays, the earliest last.
        self.orders: list[tuple[datetime.datetime, Story]] = []
        self.paid: list[tuple[datetime.datetime, Order]] = []
        for story, customer in zip(told, Customer.objects.order_by("pk"), strict=True):
            self.left.setdefault(story.left_at, []).append((story, customer))
            for number, moment in enumerate(story.paid_at):
                order = Order(
                    customer=customer, number=f"{customer.pk}-{number}", status=Order.Status.PAID
                )
                self.paid.append((moment, order))
            if story.ordered_at:
                self.orders.append((story.ordered_at, story))
        for happens in (self.orders, self.paid):
            happens.sort(key=lambda each: each[0], reverse=True)

    def buy(self, now: datetime.datetime) -> None:
        """Everything that is bought until now, as a project's own code may write it: without
        anything that would tell the chain."""
        carts = [story.cart for story in until(now, self.orders)]
        Cart.objects.filter(pk__in=carts).update(status=Cart.Status.ORDERED)
        Order.objects.bulk_create(until(now, self.paid))

    def leave(self, now: datetime.datetime) -> None:
        """Carts are left."""
        left = self.left.pop(now)
        Cart.objects.bulk_create(Cart(customer=customer) for _story, customer in left)
        new = Cart.objects.order_by("-pk")[: len(left)]
        for (story, _customer), cart in zip(reversed(left), new, strict=True):
            story.cart = cart.pk
        entering.enter(Chain.objects.get(pk=self.chain.pk), now)

    def pass_by(self) -> None:
        due = None
        while self.left or due:
            now = min(filter(None, [due, *self.left]))
            self.buy(now)
            if now in self.left:
                self.leave(now)
            self.advance(now)
            due = ChainRun.objects.aggregate(first=Min("next_update"))["first"]


def until(now: datetime.datetime, happens: list[Any]) -> list[Any]:
    """Take what happens until now."""
    found = []
    while happens and happens[-1][0] <= now:
        found.append(happens.pop()[1])
    return found


def assert_right(told: list[Story]) -> None:
    assert found() == sorted(happened for story in told for happened in expected(story))
    assert not ChainRun.objects.on_their_way().exists()


@pytest.mark.slow
@pytest.mark.sqlite_only
@pytest.mark.django_db
def test_a_year_of_a_thousand_carts_is_as_it_should_be():
    told = stories(1_000, random.Random(1))
    Year(told, advancing.work).pass_by()
    assert_right(told)


@pytest.mark.slow
@pytest.mark.sqlite_only
@pytest.mark.django_db
def test_a_year_is_the_same_in_chunks_of_any_size_and_order(monkeypatch):
    luck = random.Random(2)
    told = stories(40, luck)

    def advance(now: datetime.datetime) -> None:
        monkeypatch.setattr(claiming, "CHUNK", luck.randint(1, 9))
        pks = list(ChainRun.objects.due(now).values_list("pk", flat=True))
        for pk in luck.sample(pks, len(pks) // 2):
            chain = Chain.objects.get()
            advancing.advance(chain, now, runs=ChainRun.objects.filter(pk=pk))
        advancing.work(now)

    Year(told, advance).pass_by()
    assert_right(told)


class Killed(BaseException):
    """What ends a worker: nothing catches it."""


@pytest.mark.slow
@pytest.mark.sqlite_only
@pytest.mark.django_db
def test_a_year_is_the_same_when_workers_are_killed_at_any_statement():
    luck = random.Random(3)
    told = stories(40, luck)
    kills = 0

    def advance(now: datetime.datetime) -> None:
        for _worker in range(4):
            if not work_and_die(now):
                return
        advancing.work(now)

    def work_and_die(now: datetime.datetime) -> bool:
        nonlocal kills
        left = luck.randint(1, 60)

        def kill(execute: Any, *statement: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                raise Killed
            return execute(*statement)

        try:
            with connection.execute_wrapper(kill):
                advancing.work(now)
        except Killed:
            kills += 1
            # Time goes by, until nobody believes any more that the worker lives.
            long_ago = now - datetime.timedelta(days=999)
            ChainRun.objects.exclude(lease_until=None).update(lease_until=long_ago)
            return True
        return False

    Year(told, advance).pass_by()
    assert_right(told)
    assert kills > 20


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_year_is_the_same_with_several_workers_at_once(monkeypatch):
    monkeypatch.setattr(claiming, "CHUNK", 5)
    told = stories(40, random.Random(4))
    failed: list[Exception] = []

    def advance(now: datetime.datetime) -> None:
        def work() -> None:
            try:
                advancing.work(now)
            except Exception as error:
                failed.append(error)
            finally:
                connections.close_all()

        workers = [threading.Thread(target=work) for _number in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    Year(told, advance).pass_by()
    assert failed == []
    assert_right(told)
