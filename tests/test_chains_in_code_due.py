"""The cluster executes the runs of chains in code whose time has come."""

import datetime
import io
import uuid
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone
from django_q.models import OrmQ

from automation import chains
from automation.chains import DONE, NEW, executing_due
from automation.chains.models import ChainRun, ChainStep
from automation.chains.tasks import execute_due, ring_for_code
from automation.demo.models import Cart, Order
from automation.events.health import Level, examinations
from automation.events.models import EventRecord
from tests import coded, shop
from tests.coded import DAY, HOUR, Complete, Step, TwoDays
from tests.shop import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def carts() -> Iterator[None]:
    with coded.registered(look_every=HOUR):
        yield


def looked_at(at: datetime.datetime) -> dict[str, tuple[int, int, str]]:
    found = executing_due.work(at)
    return {name: (each.looked_at, each.moved, each.error) for name, each in found.items()}


def test_runs_are_looked_at_every_so_often_until_they_move():
    run = coded.run()
    moments = [NOW, NOW + HOUR / 2, NOW + HOUR, NOW + 2 * DAY, NOW + 2 * DAY]
    found = [looked_at(at).get("carts") for at in moments]
    # It moves on and is looked at again, as the next transition may be valid already.
    assert found == [(1, 0, ""), None, (1, 0, ""), (2, 1, ""), None]
    run.refresh_from_db()
    assert (run.state, run.next_update) == ("REMINDED", NOW + 2 * DAY + HOUR)
    assert run.problems == {
        "Complete": ["Booking is not complete yet"],
        "AWeek": ["It waits for 7 days."],
    }


def test_runs_that_began_before_the_cluster_executed_their_chain_are_woken():
    with coded.registered():
        runs = [coded.run([("online_booking", str(number))]) for number in range(3)]
        ChainRun.objects.filter(pk=runs[1].pk).pause()
        ChainRun.objects.filter(pk=runs[2].pk).cancel(NOW)
        assert ChainRun.objects.all().wake(NOW) == 0
    assert looked_at(NOW + 2 * DAY) == {}
    assert ChainRun.objects.filter(chain_type="carts").wake(NOW) == 1
    assert looked_at(NOW + 2 * DAY) == {"carts": (2, 1, "")}
    assert list(ChainStep.objects.values_list("run", flat=True)) == [runs[0].pk]


def test_the_chains_own_callback_and_context_are_used():
    told = []

    def callback(transition):
        told.append((str(transition), transition.build_context()))

    def context(run):
        return {"run": run.pk}

    with coded.registered(look_every=HOUR, callback=callback, initial_context=context):
        run = coded.run()
        executing_due.work(NOW + 2 * DAY)
    assert told == [("TwoDays", {"booking": "123456", "run": run.pk})]


def test_until_its_next_update_a_run_sleeps_also_when_it_is_woken():
    class Later(TwoDays):
        next_update = 3 * DAY

    with coded.registered({NEW: [Later], "REMINDED": [Complete]}, look_every=HOUR):
        run = coded.run()
        executing_due.work(NOW + 2 * DAY)
        ChainRun.objects.wake(NOW + 3 * DAY)
        assert looked_at(NOW + 3 * DAY) == {"carts": (0, 0, "")}
        run.refresh_from_db()
        assert (run.next_update, run.lease_until) == (NOW + 5 * DAY, None)
        assert looked_at(NOW + 5 * DAY) == {"carts": (1, 0, "")}


def test_a_transition_that_takes_time_but_does_not_know_how_much_takes_some():
    class There(Step):
        final_state = "THERE"
        next_update = property(lambda self: None)

    class Back(There):
        final_state = "BACK"

    circle = {NEW: [There], "THERE": [Back], "BACK": [There]}
    with coded.registered(circle, look_every=HOUR):
        coded.run()
        assert looked_at(NOW) == {"carts": (1, 1, "")}
    assert ChainRun.objects.get().next_update == NOW + HOUR


def test_one_that_fails_stops_no_other_and_says_so():
    class Fails(Step):
        final_state = "REMINDED"

        def is_valid(self):
            if self.resource("cart") == "2":
                raise RuntimeError("The bookings are away")
            return True

    with coded.registered({NEW: [Fails], "REMINDED": [Complete]}, look_every=HOUR):
        runs = [coded.run([("cart", number)]) for number in (1, 2, 3)]
        found = executing_due.work(NOW)["carts"]
    # The two that have moved are looked at once more.
    said = "RuntimeError: The bookings are away"
    assert (found.looked_at, found.moved, found.error) == (5, 2, said)
    for run in runs:
        run.refresh_from_db()
    assert [run.state for run in runs] == ["REMINDED", NEW, "REMINDED"]
    assert (runs[1].problems, runs[1].next_update) == ({"": [said]}, NOW + HOUR)
    assert [run.lease_until for run in runs] == [None, None, None]


def test_a_callback_that_fails_is_tried_again_with_the_next_look():
    tries = []

    def callback(transition):
        tries.append(str(transition))
        if len(tries) == 2:
            raise RuntimeError("Not today")

    with coded.registered(look_every=HOUR, callback=callback):
        run = coded.run()
        executing_due.work(NOW + 2 * DAY)
        executing_due.work(NOW + 9 * DAY)
        run.refresh_from_db()
        assert (run.state, run.steps, run.next_update) == ("REMINDED", 1, NOW + 9 * DAY + HOUR)
        assert run.problems == {"": ["RuntimeError: Not today"]}
        executing_due.work(NOW + 9 * DAY + HOUR)
    run.refresh_from_db()
    assert (run.state, tries) == ("REMINDED_AGAIN", ["TwoDays", "AWeek", "AWeek"])


def test_chains_without_look_every_are_left_to_code():
    with coded.registered():
        run = coded.run()
        assert run.next_update is None
        run.execute(now=NOW + 2 * DAY)
        assert executing_due.work(NOW + 9 * DAY) == {}
        assert ChainRun.objects.get().state == "REMINDED"


def test_what_a_dead_worker_had_is_done_by_another_one():
    coded.run()
    (held,) = ChainRun.objects.claim(NOW + 2 * DAY)
    assert looked_at(NOW + 2 * DAY) == {}
    over = timezone.now() - datetime.timedelta(seconds=1)
    ChainRun.objects.filter(lease_token=held.lease_token).update(lease_until=over)
    assert looked_at(NOW + 2 * DAY) == {"carts": (2, 1, "")}
    assert ChainRun.objects.get().deaths == 0


def test_a_tick_rings_for_what_only_a_dead_worker_has():
    coded.run()
    (held,) = ChainRun.objects.claim(NOW)
    ring_for_code(timezone.now())
    assert not OrmQ.objects.exists()
    over = timezone.now() - datetime.timedelta(seconds=1)
    ChainRun.objects.filter(lease_token=held.lease_token).update(lease_until=over)
    ring_for_code(timezone.now())
    assert OrmQ.objects.count() == 1
    out = io.StringIO()
    call_command("advance_chains", at=(NOW + 2 * DAY).isoformat(), stdout=out)
    assert "carts" in out.getvalue()
    assert ChainRun.objects.get().state == "REMINDED"


@pytest.mark.parametrize(
    ("said", "following"),
    [("canceling statement", HOUR), ("database is locked", datetime.timedelta(minutes=1))],
)
def test_a_statement_that_fails_for_one_run_stops_no_other(said, following):
    class Asks(Step):
        final_state = DONE

        def is_valid(self):
            if self.resource("cart") == "1":
                raise OperationalError(said)
            return True

    with coded.registered({NEW: [Asks]}, look_every=HOUR):
        runs = [coded.run([("cart", number)]) for number in (1, 2)]
        found = executing_due.work(NOW)["carts"]
    said = f"django.db.utils.OperationalError: {said}"
    assert (found.looked_at, found.moved, found.error) == (2, 1, said)
    for run in runs:
        run.refresh_from_db()
    assert [run.state for run in runs] == [NEW, DONE]
    assert (runs[0].problems, runs[0].next_update) == ({"": [said]}, NOW + following)


def test_a_run_that_was_taken_from_a_slow_worker_is_left_to_who_has_it():
    class Slow(Step):
        final_state = "REMINDED"

        def is_valid(self):
            others = ChainRun.objects.exclude(pk=self.run.pk)
            others.update(lease_token=uuid.uuid4(), lease_until=timezone.now() + DAY)
            return True

    with coded.registered({NEW: [Slow], "REMINDED": [Complete]}, look_every=HOUR):
        first, second = coded.run([("cart", 1)]), coded.run([("cart", 2)])
        found = executing_due.work(NOW)["carts"]
    assert (found.looked_at, found.error) == (2, "")  # the first one twice
    assert list(ChainStep.objects.values_list("run", flat=True)) == [first.pk]
    second.refresh_from_db()
    assert (second.state, second.lease_until is None) == (NEW, False)


def test_the_tick_rings_only_if_something_is_due(django_assert_num_queries):
    coded.run(now=timezone.now() + DAY)
    with coded.registered(look_every=HOUR), django_assert_num_queries(2):
        # One for this chain, one for the demo's.
        assert not executing_due.due(timezone.now())
    ring_for_code(timezone.now())
    ChainRun.objects.update(next_update=NOW, entered_at=NOW)
    assert executing_due.due(timezone.now())
    execute_due()
    assert ChainRun.objects.get().state == "REMINDED"


def test_runs_that_no_code_knows_wait_and_the_doctor_says_so():
    coded.run()
    with chains.registered():
        chains.registry.code_chains.remove("carts")
        assert executing_due.work(NOW + 9 * DAY) == {}
        (finding,) = examination(NOW + 9 * DAY)
    assert (finding.level, finding.what) == (
        Level.WARNING,
        "Runs wait for chains that no code registers: carts",
    )
    assert ChainRun.objects.get().state == NEW
    assert looked_at(NOW + 9 * DAY) == {"carts": (2, 1, "")}


def test_runs_that_are_late_are_a_problem():
    coded.run()
    (finding,) = examination(NOW + HOUR)
    assert finding.level == Level.PROBLEM
    assert finding.what.endswith("looked at long ago: carts")


def examination(now: datetime.datetime):
    (found,) = [each for each in examinations if each.name == "code_chains"]
    return list(found.examine(now))


# The command ------------------------------------------------------------------------------


def advance(*arguments: str) -> list[list[str]]:
    out = io.StringIO()
    try:
        call_command("advance_chains", "--at", (NOW + 2 * DAY).isoformat(), *arguments, stdout=out)
    except CommandError as error:
        out.write(f"{error}\n")
    return [line.split() for line in out.getvalue().splitlines()[1:]]


def test_the_command_executes_what_is_due_and_shows_it():
    coded.run()
    assert advance("--dry-run") == [["carts", "0", "1", "1", "0", "0"]]
    assert ChainRun.objects.get().state == NEW
    assert advance("carts") == [["carts", "0", "2", "1", "0", "0"]]
    assert advance() == []


def test_the_command_says_what_fails():
    coded.run()
    ChainRun.objects.update(state="GONE")
    said = "The chain carts has no state “GONE” (any more)."
    for arguments in (["--dry-run"], []):
        error = advance(*arguments)[0]
        assert " ".join(error[6:]).endswith(said)


# The demo's chain -------------------------------------------------------------------------


def demo_run(cart: Cart) -> ChainRun:
    run, _created = chains.get_or_create("abandoned_cart", [cart], now=NOW)
    return run


def days_of(*days: float) -> None:
    for day in days:
        executing_due.work(NOW + day * DAY)


def steps() -> list[tuple[str, str, datetime.datetime]]:
    return list(ChainStep.objects.values_list("transition", "event__group", "at"))


def test_the_demos_cart_is_reminded_of_twice():
    cart = shop.cart(days_old=0)
    demo_run(cart)
    days_of(0, 1.9, 2, 8.9, 9, 23)
    assert steps() == [
        ("Reminder", "cart_reminder", NOW + 2 * DAY),
        ("SecondReminder", "cart_last_reminder", NOW + 9 * DAY),
        ("Enough", None, NOW + 23 * DAY),
    ]
    event = EventRecord.objects.get(group="cart_last_reminder")
    assert (event.recipient, event.row_pk) == (cart.customer.email, str(cart.pk))
    assert event.context["cart"]["items"][0]["title"] == "Lamp"
    assert event.context["chain"] == {
        "name": "abandoned_cart",
        "state": "LAST",
        "from_state": "REMINDED",
        "days_in_state": 7,
        "days": 9,
        "step": 2,
    }


def test_somebody_with_two_paid_orders_gets_a_voucher_and_nobody_anything_after_the_order():
    cart = shop.cart(days_old=0)
    for _number in range(2):
        shop.order(cart.customer, status=Order.Status.PAID)
    other = shop.cart(days_old=0)
    demo_run(cart)
    demo_run(other)
    days_of(2)
    Cart.objects.filter(pk=other.pk).update(status=Cart.Status.ORDERED)
    days_of(9)
    assert sorted(steps()) == [
        ("Ordered", None, NOW + 9 * DAY),
        ("Reminder", "cart_reminder", NOW + 2 * DAY),
        ("Reminder", "cart_reminder", NOW + 2 * DAY),
        ("Voucher", "cart_voucher", NOW + 9 * DAY),
    ]
    assert set(ChainRun.objects.values_list("state", "outcome")) == {
        ("LAST", ""),
        (DONE, "done"),
    }


def test_a_cart_that_is_gone_ends_its_chain():
    cart = shop.cart(days_old=0)
    demo_run(cart)
    Cart.objects.all().delete()
    days_of(1)
    assert steps() == [("Ordered", None, NOW + DAY)]
