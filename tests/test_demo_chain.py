"""The demo's abandoned cart: the chain that editors get, and the same one in code."""

import datetime
import json

import pytest

from automation import chains
from automation.chains import advancing, entering, executing_due
from automation.chains.models import Chain, ChainRun, ChainStep
from automation.demo.definitions import FILE
from automation.demo.models import Cart, Customer, Order
from automation.demo.shop import MINUTES_TO_TWO_DAYS, load_shop
from automation.events.models import EventRecord
from automation.rules import definitions
from mails.models import Mail, Message
from tests import shop

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

NOW = shop.NOW
MINUTE = datetime.timedelta(minutes=1)
DAY = datetime.timedelta(days=1)


@pytest.fixture(autouse=True)
def chain() -> Chain:
    demo = json.loads(FILE.read_text(encoding="utf-8"))
    mails = [each for each in demo["mails"] if each["slug"].startswith("cart-")]
    known = {name: demo[name] for name in ("version", "chains", "snippets", "layouts")}
    definitions.load({**known, "mails": mails})
    Mail.objects.update(is_active=True)
    made: Chain = Chain.objects.get()
    made.arm(NOW)
    return made


def look(now: datetime.datetime) -> None:
    """What the cluster does for chains, at this moment."""
    entering.enter(Chain.objects.get(), now)
    advancing.work(now)
    executing_due.work(now)


def days_pass(*days: float) -> None:
    """Let the cluster look, so many days after ``NOW``."""
    for day in days:
        look(NOW + day * DAY)


def bought(cart: Cart, times: int) -> Cart:
    """The cart, whose customer has paid for so many orders before."""
    for _number in range(times):
        shop.order(cart.customer, status=Order.Status.PAID)
    return cart


def order(cart: Cart) -> None:
    Cart.objects.filter(pk=cart.pk).update(status=Cart.Status.ORDERED)


def events_of(cart: Cart) -> list[tuple[str, float]]:
    """The events about a cart, and how many days after ``NOW``."""
    found = EventRecord.objects.filter(row_pk=str(cart.pk)).order_by("recorded_at")
    return [(event.group, (event.recorded_at - NOW) / DAY) for event in found]


# In the admin -----------------------------------------------------------------------------


def test_nothing_about_it_is_odd(chain):
    assert (chain.problems(), chain.warnings()) == ([], [])


def test_a_cart_gets_a_reminder_and_a_week_later_a_second_one():
    cart = bought(shop.cart(days_old=0.75), times=1)
    days_pass(0, 1, 1.5, 2, 8, 8.5, 9, 22, 22.5)
    assert events_of(cart) == [("cart_reminder", 1.5), ("cart_last_reminder", 8.5)]
    assert ChainRun.objects.get().outcome == "done"


def test_who_has_two_paid_orders_gets_a_voucher_instead():
    cart = bought(shop.cart(days_old=0.75), times=2)
    days_pass(0, 1, 1.5, 2, 8, 8.5, 9, 22)
    assert events_of(cart) == [("cart_reminder", 1.5), ("cart_voucher", 8.5)]


def test_each_step_sends_its_mail_and_no_other_one():
    known, new = bought(shop.cart(), times=2), shop.cart()
    days_pass(0, 7)
    sent = Message.objects.values_list("recipient", "mail__slug")
    assert sorted(sent) == sorted(
        [
            (known.customer.email, "cart-reminder"),
            (known.customer.email, "cart-voucher"),
            (new.customer.email, "cart-reminder"),
            (new.customer.email, "cart-last-reminder"),
        ]
    )


@pytest.mark.parametrize(("day", "count"), [(1, 0), (5, 1), (12, 2)])
def test_nothing_comes_after_the_order(day, count):
    cart = bought(shop.cart(days_old=0.75), times=2)
    days_pass(*(before for before in (0, 1.5, 8.5) if before < day))
    order(cart)
    days_pass(day, 8.5, 23)
    assert len(events_of(cart)) == count
    assert ChainRun.objects.get().outcome == "goal"


def test_an_empty_cart_is_not_reminded_of():
    empty = Cart.objects.create(customer=shop.customer(), updated_at=NOW - 3 * DAY)
    days_pass(0)
    assert events_of(empty) == []
    assert not ChainRun.objects.exists()


def test_a_cart_that_changes_all_the_time_leaves_after_sixty_days():
    cart = shop.cart(days_old=0)
    for day in (0, 1, 30, 59, 60):
        Cart.objects.update(updated_at=NOW + day * DAY)
        look(NOW + day * DAY)
    assert events_of(cart) == []
    assert ChainRun.objects.get().outcome == "limit"


def test_in_the_shop_carts_are_reminded_of_at_once_and_while_somebody_watches():
    load_shop(NOW)
    look(NOW)
    left = Cart.objects.filter(status="open", updated_at__lt=NOW - 2 * DAY)
    reminded = EventRecord.objects.filter(group="cart_reminder")
    assert reminded.count() == left.count() > 30
    for minute in range(5, max(MINUTES_TO_TWO_DAYS) + 6, 5):
        look(NOW + minute * MINUTE)
    assert reminded.count() == left.count() + len(MINUTES_TO_TWO_DAYS)
    assert not EventRecord.objects.exclude(group="cart_reminder").exists()


# In code ----------------------------------------------------------------------------------


def test_the_chain_in_code_makes_the_same_events_at_the_same_time():
    carts = [
        bought(
            shop.cart(Customer.objects.create(email=f"{number}@example.com"), days_old=old), paid
        )
        for number, (old, paid) in enumerate([(0.75, 0), (0.75, 3), (1.25, 2), (9, 2)])
    ]
    look(NOW)
    for cart in carts:
        chains.get_or_create("abandoned_cart", [cart], now=NOW)
    days_pass(0, 0.5, 1, 1.5, 7)
    order(carts[2])
    days_pass(7.5, 8, 8.5, 22, 22.5)
    made = ChainStep.objects.exclude(event=None).order_by("run__row_pk", "at")
    steps = made.values_list("run__row_pk", "event__group", "event__recipient", "at")
    in_code = steps.filter(run__chain=None)
    assert list(in_code) == list(steps.exclude(run__chain=None))
    assert len(in_code) == 3 * 2 + 1
    assert not ChainRun.objects.on_their_way().exists()
