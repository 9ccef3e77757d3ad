"""A year in the life of abandoned carts: what customers do, and what is to happen to each cart,
told by an account that knows nothing of chains."""

import datetime
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dateutil import tz
from django.db.models import Min, Sum

from automation.chains import entering
from automation.chains.models import Chain, ChainRun, ChainStep
from automation.demo.models import Cart, Customer, Order
from automation.events.models import EventRecord
from tests.sequences import reminders

ZONES = ("Europe/Zurich", "America/New_York", "Asia/Kathmandu")
#: Two days after some of these the clocks change in one of the zones: one of the times never comes
#: then, or comes twice.
DAYS = ("2026-01-02", "2026-03-06", "2026-03-27", "2026-06-30", "2026-10-23", "2026-10-30")
TIMES = ("01:30", "02:30")
HOUR = datetime.timedelta(hours=1)

#: A step: the cart, its number, from, to, when, and its event's group, key, and moment.
Step = tuple[int, int, str, str, datetime.datetime, str, str, datetime.datetime | None]
#: How it ended: the cart, in which state, as what, when, after how many steps.
End = tuple[int, str, str, datetime.datetime, int]


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


# What is to happen ------------------------------------------------------------------------


def later(moment: datetime.datetime, days: int, zone: str) -> datetime.datetime:
    """So many days later on the wall of somebody there."""
    wall = moment.astimezone(tz.gettz(zone)).replace(tzinfo=None, fold=0)
    wall += datetime.timedelta(days=days)
    return tz.resolve_imaginary(wall.replace(tzinfo=tz.gettz(zone))).astimezone(datetime.UTC)


def expected(story: Story, run: int) -> tuple[list[Step], End]:
    """What happens to one cart, told by hand; ``run`` is the number of its run."""
    first = later(story.left_at, 2, story.zone)
    second = later(first, 7, story.zone)
    third = later(second, 14, story.zone)
    paid = sum(paid_at <= second for paid_at in story.paid_at)
    second_group = "cart_voucher" if paid >= 2 else "cart_last_reminder"
    steps: list[Step] = []
    way = [
        ("NEW", "REMINDED", first, "cart_reminder"),
        ("REMINDED", "LAST", second, second_group),
        ("LAST", "DONE", third, ""),
    ]
    for number, (state, following, at, group) in enumerate(way, 1):
        if story.ordered_at is not None and story.ordered_at <= at:
            return steps, (story.cart, state, "goal", at, number - 1)
        event = (group, f"chain:{run}:{number}", at) if group else ("", "", None)
        steps.append((story.cart, number, state, following, at, *event))
    return steps, (story.cart, "DONE", "done", third, 3)


def assert_right(told: list[Story]) -> None:
    """Every reminder came at its time, none after the purchase, none twice; and each run is
    where it is to be."""
    runs = dict(ChainRun.objects.values_list("subject_key", "pk"))
    assert len(runs) == ChainRun.objects.count() == len(told)
    lives = [expected(story, runs[str(story.cart)]) for story in told]
    assert found_steps() == sorted(step for steps, _end in lives for step in steps)
    assert found_ends() == sorted(end for _steps, end in lives)
    assert EventRecord.objects.count() == ChainStep.objects.exclude(event=None).count()
    left_over = {"lease_token": None, "lease_until": None, "next_update": None, "problems": {}}
    assert ChainRun.objects.filter(**left_over, is_paused=False).count() == len(told)


def found_steps() -> list[Step]:
    steps = ChainStep.objects.select_related("run", "event").order_by("run", "pk")
    found: list[Step] = []
    number = dict.fromkeys(ChainRun.objects.values_list("pk", flat=True), 0)
    for step in steps:
        number[step.run_id] += 1
        event = step.event
        assert event is None or event.row_pk == step.run.row_pk
        made = (event.group, event.key, event.recorded_at) if event else ("", "", None)
        at = (number[step.run_id], step.from_state, step.to_state, step.at)
        found.append((int(step.run.row_pk), *at, *made))
    return sorted(found)


def found_ends() -> list[End]:
    ends = ChainRun.objects.values_list("row_pk", "state", "outcome", "ended_at", "steps")
    return sorted((int(cart), *end) for cart, *end in ends)  # type: ignore[misc]


# The year ---------------------------------------------------------------------------------


def enter(now: datetime.datetime) -> None:
    entering.enter(Chain.objects.get(), now)


class Year:
    """Lets the stories happen, and calls ``advance`` whenever something may be due: it is to let
    new carts in and to advance all who are due."""

    def __init__(self, told: list[Story], advance: Callable[[datetime.datetime], Any]) -> None:
        self.advance = advance
        reminders()
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
        left = self.left.pop(now, [])
        Cart.objects.bulk_create(Cart(customer=customer) for _story, customer in left)
        new = Cart.objects.order_by("-pk")[: len(left)]
        for (story, _customer), cart in zip(reversed(left), new, strict=True):
            story.cart = cart.pk

    def pass_by(self) -> None:
        due = None
        while self.left or due:
            now = min(filter(None, [due, *self.left]))
            self.buy(now)
            self.leave(now)
            self.advance(now)
            assert_whole()
            due = ChainRun.objects.aggregate(first=Min("next_update"))["first"]
            assert due is None or due > now


def assert_whole() -> None:
    """No step is half done: each that a run has taken is in its history, and with its event; only
    the last one, to DONE, makes none."""
    taken = ChainRun.objects.aggregate(taken=Sum("steps"))["taken"] or 0
    told = ChainStep.objects.exclude(to_state="DONE")
    events = EventRecord.objects.count()
    assert (taken, told.count(), told.filter(event=None).count()) == (
        ChainStep.objects.count(), events, 0,
    )  # fmt: skip


def until(now: datetime.datetime, happens: list[Any]) -> list[Any]:
    """Take what happens until now."""
    found = []
    while happens and happens[-1][0] <= now:
        found.append(happens.pop()[1])
    return found
