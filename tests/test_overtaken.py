"""None after the purchase: what waits to go out when the goal of its chain is reached."""

import datetime
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection, connections
from django.db.models import F, Func, IntegerField
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from automation.chains import advancing, entering, overtaken, taking
from automation.chains.models import Chain, ChainRun, Goal
from automation.demo.models import Cart
from automation.events import Event, record, wanted
from automation.events.delivering import deliver, work
from automation.events.models import EventRecord
from automation.rules import Source, sources
from automation.rules.models import Condition
from mails.models import Account, Message
from tests import coded, shop
from tests.sequences import OPEN, ORDERED, chain, reminders
from tests.shop import NOW
from tests.smtp import SmtpServer
from tests.test_counting import Slow
from tests.test_delivering import Says
from tests.year import Year, enter, stories

pytestmark = pytest.mark.django_db

DUE = NOW + datetime.timedelta(days=2)
SAID = "“Abandoned cart” has reached its goal meanwhile: status is Ordered."


def reminded(*carts: Cart, of: Chain | None = None, **values: Any) -> None:
    """Each of ``carts`` has come to its reminder, and the mail about that waits."""
    shop.mail(**{"group": "cart_reminder", **values})
    of = of or reminders(name="Abandoned cart")
    entering.enter(of, NOW)
    assert sum(done.events for done in advancing.work(DUE).values()) == len(carts)
    in_time()


def in_time() -> None:
    """Whatever waits is due now."""
    Message.objects.filter(state="queued").update(not_before=timezone.now())


def buy(*carts: Cart) -> None:
    pks = [cart.pk for cart in carts]
    Cart.objects.filter(pk__in=pks).update(status=Cart.Status.ORDERED)


def delivered(courier: Says | None = None) -> dict[str, int]:
    return deliver(Message.objects.claim(timezone.now()), courier or Says())


def told() -> dict[str, tuple[str, str]]:
    """What became of the message about each cart, by its customer."""
    found = Message.objects.values_list("recipient", "state", "reason")
    return {recipient: (state, reason) for recipient, state, reason in found}


def got(server: SmtpServer) -> list[str]:
    return sorted(received.recipients[0] for received in server.received)


SENT, CANCELLED = ("sent", ""), ("cancelled", SAID)


def test_who_has_bought_since_gets_no_reminder(smtp_server: SmtpServer):
    first, second, third = (shop.cart() for _number in range(3))
    reminded(first, second, third)
    buy(second)
    work(Message, waits=False)
    ann, ben, cleo = (cart.customer.email for cart in (first, second, third))
    assert got(smtp_server) == sorted([ann, cleo])
    assert told() == {ann: SENT, ben: CANCELLED, cleo: SENT}
    assert Message.objects.get(recipient=ben).cause == "overtaken"
    work(Message, waits=False)
    assert len(smtp_server.received) == 2


def test_who_bought_during_an_outage_gets_none_when_it_is_over(smtp_server: SmtpServer):
    first, second = shop.cart(), shop.cart()
    reminded(first, second)
    smtp_server.stop()
    work(Message, waits=False)
    assert [state for state, _reason in told().values()] == ["queued", "queued"]
    buy(first)
    smtp_server.start()
    Account.objects.update(stopped_until=timezone.now())
    in_time()
    work(Message, waits=False)
    assert got(smtp_server) == [second.customer.email]
    assert told() == {first.customer.email: CANCELLED, second.customer.email: SENT}


@pytest.mark.django_db(transaction=True)
def test_a_purchase_committed_while_a_batch_goes_out_is_in_time(monkeypatch):
    monkeypatch.setattr(wanted, "FRESH", 0)
    monkeypatch.setattr(wanted, "_SPACING", 0)
    first, second = shop.cart(), shop.cart()
    reminded(first, second)

    def elsewhere() -> None:
        other = threading.Thread(target=buy_and_close)
        other.start()
        other.join()

    def buy_and_close() -> None:
        buy(first, second)
        connections.close_all()

    assert delivered(Says(hand_over=elsewhere)) == {"sent": 1, "cancelled": 1}
    assert sorted(told().values()) == [CANCELLED, ("sent", "a note")]


def test_it_is_asked_of_a_chain_that_is_paused_and_of_a_run_that_has_ended():
    paused, ended = shop.cart(), shop.cart()
    reminded(paused, ended)
    buy(paused, ended)
    ChainRun.objects.filter(subject_key=str(ended.pk)).wake(DUE)
    advancing.work(DUE)
    assert ChainRun.objects.get(subject_key=str(ended.pk)).outcome == "goal"
    Chain.objects.get().pause()
    assert delivered() == {"cancelled": 2}


def test_a_step_that_was_taken_by_hand_is_overtaken_too():
    cart = shop.cart()
    shop.mail(group="cart_reminder")
    of = reminders(name="Abandoned cart")
    run = of.start(cart, NOW)
    buy(cart)
    taking.take(run, of.transitions.get(name="Reminder"), NOW, requested_by="ann")
    in_time()
    assert delivered() == {"cancelled": 1}


def test_a_goal_that_does_not_hold_any_more_is_none():
    cart = shop.cart()
    reminded(cart)
    buy(cart)
    Cart.objects.update(status=Cart.Status.OPEN)
    assert delivered() == {"sent": 1}


def test_what_is_about_a_row_that_is_gone_goes_out():
    cart = shop.cart()
    reminded(cart)
    cart.items.all().delete()
    Cart.objects.all().delete()
    assert delivered() == {"sent": 1}


def test_of_a_chain_that_was_deleted_no_goal_is_known():
    cart = shop.cart()
    reminded(cart)
    buy(cart)
    Chain.objects.get().delete()
    assert delivered() == {"sent": 1}


def test_each_chain_is_asked_for_its_own_goal():
    carts = [shop.cart() for _number in range(3)]
    step = ("Step", ["NEW"], "DONE", {"group": "cart_reminder"})
    shop.mail(group="cart_reminder")
    cheap = ("total", "field.at_most", "10")
    for name, goal in (("Ordered", [ORDERED]), ("Cheap", [cheap, ORDERED]), ("None", None)):
        entering.enter(chain(step, entry=[OPEN], goal=goal, name=name), NOW)
    Goal.objects.create(chain=Chain.objects.get(name="None"))  # without conditions: it is none
    advancing.work(NOW)
    in_time()
    buy(carts[0])
    Cart.objects.filter(pk=carts[1].pk).update(status=Cart.Status.ORDERED, total=5)
    assert delivered() == {"sent": 6, "cancelled": 3}
    cancelled = Message.objects.filter(state="cancelled").order_by("reason")
    assert list(cancelled.values_list("event__row_pk", "reason")) == [
        (str(carts[1].pk),
         "“Cheap” has reached its goal meanwhile: total is at most 10 and status is Ordered."),
        *((str(cart.pk), SAID.replace("Abandoned cart", "Ordered")) for cart in carts[:2]),
    ]  # fmt: skip


def test_an_event_that_is_the_goal_itself_does_not_overtake_itself():
    said = ("event", "event.had", "cart_reminder")
    reminded(shop.cart(), of=chain(
        ("Reminder", ["NEW"], "REMINDED", {"days": 2, "group": "cart_reminder"}),
        entry=[OPEN], goal=[said],
    ))  # fmt: skip
    assert delivered() == {"sent": 1}


def test_an_event_of_somebody_else_is_the_goal():
    cart = shop.cart()
    reminded(cart, of=chain(
        ("Reminder", ["NEW"], "REMINDED", {"days": 2, "group": "cart_reminder"}),
        entry=[OPEN], goal=[("event", "event.had", "cart_called")],
    ))  # fmt: skip
    record([Event("cart_called", "x", row_model="demo.cart", row_pk=str(cart.pk))])
    assert delivered() == {"cancelled": 1}


def test_an_event_of_somebody_else_is_the_goal_also_while_its_own_mail_waits():
    cart = shop.cart()
    reminded(cart, of=chain(
        ("Reminder", ["NEW"], "REMINDED", {"days": 2, "group": "cart_reminder"}),
        entry=[OPEN], goal=[("event", "event.had", "cart_paid")],
    ))  # fmt: skip
    shop.mail(group="cart_paid")
    payment = {"recipient": "ann@example.com", "row_model": "demo.cart", "row_pk": str(cart.pk)}
    record([Event("cart_paid", "x", **payment)])
    in_time()
    assert delivered() == {"cancelled": 1, "sent": 1}
    assert Message.objects.get(state="sent").event.group == "cart_paid"


def test_an_event_that_others_gave_such_a_key_is_theirs():
    bought = shop.cart()
    reminded(bought, shop.cart())
    buy(bought)
    Message.objects.all().delete()
    runs = ChainRun.objects.order_by("pk").values_list("pk", flat=True)
    keys = [f"chain:{runs[0]}:99", f"chain:{runs[0]}:x", f"chain:{10**17}:1", f"chain:{10**30}:1"]
    record(Event("cart_reminder", key, recipient="a@example.com") for key in keys)
    in_time()
    assert delivered() == {"sent": 4}


def test_a_run_about_another_kind_of_row_has_another_goal():
    cart = shop.cart()
    reminded(cart)
    buy(cart)
    ChainRun.objects.update(row_model="demo.order")
    assert delivered() == {"sent": 1}


def test_chains_in_code_decide_for_themselves():
    shop.mail(group="step")

    class Tells(coded.Step):
        final_state = "DONE"

        def build_event(self) -> Event:
            return Event("step", "", recipient="ann@example.com")

    with coded.registered({"NEW": [Tells], "DONE": []}):
        coded.run().execute(now=NOW)
    in_time()
    assert delivered() == {"sent": 1}


# What cannot be asked ---------------------------------------------------------------------


def broken(of: Chain, monkeypatch: Any) -> Any:
    Condition.objects.filter(rule=of.goal).update(field="vanished")
    return sources.registered()


def too_slow(of: Chain, monkeypatch: Any) -> Any:
    monkeypatch.setattr(overtaken, "PATIENCE", 0.01)
    Condition.objects.filter(rule=of.goal).update(field="slow", operator="at_least", value="1")
    annotations = {"slow": (Slow(F("id")), "slow")}
    return sources.registered(Source(Cart, fields=["status"], annotations=annotations))


def failing(of: Chain, monkeypatch: Any) -> Any:
    Condition.objects.filter(rule=of.goal).update(field="half", operator="at_least", value="1")
    annotations = {"half": (Func(F("id"), function="no_such", output_field=IntegerField()), "half")}
    return sources.registered(Source(Cart, fields=["status"], annotations=annotations))


@pytest.mark.parametrize(
    ("mishap", "said"), [(broken, "vanished"), (too_slow, "TooSlow"), (failing, "no_such")]
)
def test_a_goal_that_cannot_be_asked_stops_no_mail_and_no_other_goal(
    mishap: Callable[..., Any], said: str, caplog: Any, monkeypatch: Any
):
    carts = [shop.cart(), shop.cart()]
    reminded(*carts)
    other = chain(("Step", ["NEW"], "DONE", {"group": "cart_reminder"}), goal=[ORDERED])
    other.start(carts[0], NOW)
    advancing.work(DUE)
    in_time()
    buy(*carts)
    of = Chain.objects.get(name="Abandoned cart")
    with mishap(of, monkeypatch):
        assert delivered() == {"sent": 2, "cancelled": 1}
    (logged,) = caplog.records
    assert logged.levelname == "WARNING"
    assert logged.getMessage().startswith(f"The goal of the chain {of.slug} cannot be asked")
    assert said in logged.getMessage()


@contextmanager
def before_the_goal_is_asked(do: Callable[[], Any]) -> Iterator[None]:
    """``do`` happens right before the first statement about carts."""
    done: list[bool] = []

    def before(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if not done and 'FROM "demo_cart"' in sql:
            done.append(True)
            do()
        return execute(sql, *rest)

    with connection.execute_wrapper(before):
        yield
    assert done == [True]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_nothing_goes_out_unasked_because_the_connection_broke_or_carts_are_locked():
    first, second = shop.cart(), shop.cart()
    reminded(first, second)
    buy(second)
    given: dict[str, Any] = connection.get_connection_params()
    given = {key: given[key] for key in ("dbname", "user", "host", "port") if key in given}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()

    with psycopg.connect(**given) as other:
        other.autocommit = True
        end = partial(other.execute, "SELECT pg_terminate_backend(%s)", [pid])
        with before_the_goal_is_asked(end), pytest.raises((OperationalError, InterfaceError)):
            delivered()
        assert list(told().values()) == [("queued", ""), ("queued", "")]

        other.autocommit = False
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 50")
        lock = partial(other.execute, "LOCK TABLE demo_cart IN ACCESS EXCLUSIVE MODE")
        with before_the_goal_is_asked(lock), pytest.raises(OperationalError):
            delivered()
        assert list(told().values()) == [("queued", ""), ("queued", "")]
        connection.close()  # with its limit

    assert delivered() == {"sent": 1, "cancelled": 1}


# What it costs ----------------------------------------------------------------------------


def test_it_costs_no_query_for_each_message_and_none_where_no_chain_is_meant():
    def statements(count: int, key: str = "") -> int:
        Message.objects.all().delete()
        ChainRun.objects.all().delete()
        EventRecord.objects.all().delete()
        Cart.objects.all().delete()
        carts = [shop.cart() for _number in range(count)]
        Chain.objects.all().delete()
        reminded(*carts)
        buy(*carts[1:])
        if key:
            for event in EventRecord.objects.all():
                EventRecord.objects.filter(pk=event.pk).update(key=f"{key}{event.pk}")
        events = list(EventRecord.objects.all())
        with CaptureQueriesContext(connection) as found:
            assert len(wanted.unwanted(events, timezone.now())) == (0 if key else count - 1)
        return len(found)

    of_chains = 5 if connection.vendor == "sqlite" else 9  # with its time limit
    statements(2)  # what kinds of conditions there are is known from now on
    assert [statements(2), statements(30)] == [of_chains, of_chains]
    assert statements(30, "generator:1:") == 0


# A year -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.sqlite_only
def test_in_a_year_with_outages_nobody_who_has_bought_gets_a_mail(smtp_server: SmtpServer):
    luck = random.Random(8)
    told_of, moments = stories(200, luck), {}
    for group in ("cart_reminder", "cart_voucher", "cart_last_reminder"):
        shop.mail(group=group, subject=group, body="<p>Your cart waits.</p>")

    def advance(now: datetime.datetime) -> None:
        enter(now)
        advancing.work(now)
        if luck.random() < 0.05:  # otherwise the server is away
            send(now)

    def send(now: datetime.datetime) -> None:
        in_time()
        work(Message, waits=False)
        settled = Message.objects.exclude(state="queued").values_list("pk", flat=True)
        for pk in settled:
            moments.setdefault(pk, now)

    year = Year(told_of, advance)
    year.pass_by()
    send(datetime.datetime(2027, 6, 1, tzinfo=datetime.UTC))
    ordered = {str(story.cart): story.ordered_at for story in told_of}
    expected, found = {}, {}
    for message in Message.objects.select_related("event"):
        bought_at, at = ordered[message.event.row_pk], moments[message.pk]
        has_bought = bought_at is not None and bought_at <= at
        expected[message.pk] = "cancelled" if has_bought else "sent"
        found[message.pk] = message.state
    assert found == expected
    states = list(found.values())
    assert len(smtp_server.received) == states.count("sent") > 50
    assert states.count("cancelled") > 20
