"""Runs of chains take their steps: who, when, and with which event."""

import datetime
import zoneinfo

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from automation.chains import advancing, claiming, entering, taking
from automation.chains.deciding import Decision
from automation.chains.models import Chain, ChainRun, ChainStep, Transition
from automation.demo.models import Cart, Customer, Order
from automation.events.models import EventRecord
from automation.rules.models import Condition
from tests import shop
from tests.sequences import OPEN, ORDERED, chain, reminders, transition
from tests.shop import NOW

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)


def go(of: Chain, at: datetime.datetime = NOW) -> advancing.Advanced:
    """All that happens to a chain at one moment."""
    of.refresh_from_db()
    entering.enter(of, at)
    return advancing.work(at).get(of, advancing.Advanced())


def groups() -> list[str]:
    return list(EventRecord.objects.order_by("pk").values_list("group", flat=True))


def the_run() -> ChainRun:
    return ChainRun.objects.get()


def test_a_cart_goes_through_the_chain_of_the_demo():
    cart = shop.cart(days_old=0)
    demo = reminders()
    go(demo)
    run = the_run()
    assert (run.state, run.next_update, run.subject_key) == ("NEW", NOW + 2 * DAY, str(cart.pk))
    go(demo, NOW + 2 * DAY)
    go(demo, NOW + 9 * DAY)
    assert groups() == ["cart_reminder", "cart_last_reminder"]
    # The clocks of the customer go forward in between.
    end = NOW + 23 * DAY - 60 * MINUTE
    assert the_run().next_update == end
    go(demo, end)
    run = the_run()
    assert (run.state, run.outcome, run.ended_at) == ("DONE", "done", end)
    assert (run.next_update, run.steps, run.lease_token) == (None, 3, None)
    steps = ChainStep.objects.values_list("from_state", "to_state", "transition", "at")
    assert list(steps) == [
        ("NEW", "REMINDED", "Reminder", NOW + 2 * DAY),
        ("REMINDED", "LAST", "Second reminder", NOW + 9 * DAY),
        ("LAST", "DONE", "Enough", end),
    ]
    keys = [f"chain:{run.pk}:1", f"chain:{run.pk}:2", None]
    assert list(ChainStep.objects.values_list("event__key", flat=True)) == keys


def test_the_event_knows_the_row_as_it_is_now_and_how_it_came_to_it():
    owner = shop.customer(language="de", time_zone="Asia/Kathmandu")
    cart = shop.cart(owner)
    of = chain(
        ("First", ["NEW"], "FIRST", {"days": 2}),
        ("Second", ["FIRST"], "SECOND", {"days": 7, "group": "cart_{{ chain.state }}"}),
        entry=[OPEN],
    )
    go(of)
    go(of, NOW + 2 * DAY)
    Cart.objects.update(total=5)
    go(of, NOW + 9 * DAY + 5 * MINUTE)
    event = EventRecord.objects.get()
    assert (event.group, event.row_model, event.row_pk) == (
        "cart_SECOND",
        "demo.cart",
        str(cart.pk),
    )
    who = (event.recipient, event.language, event.time_zone)
    assert who == (owner.email, "de", "Asia/Kathmandu")
    assert event.context["cart"]["total"] == 5
    assert event.context["chain"] == {
        "name": of.name, "state": "SECOND", "from_state": "FIRST",
        "days_in_state": 7, "days": 9, "step": 2,
    }  # fmt: skip


def test_the_first_valid_transition_in_order_is_taken():
    shop.cart()
    of = chain(
        ("Ordered", ["NEW"], "A", {"when": [ORDERED]}),
        ("Open", ["NEW"], "B", {"when": [OPEN]}),
        ("Any", ["NEW"], "C", {}),
        ("End", ["A", "B", "C"], "DONE", {"days": 1}),
        entry=[OPEN],
    )
    go(of)
    assert the_run().state == "B"


def test_a_transition_from_any_state_is_open_in_every_one_but_its_own():
    shop.cart()
    of = chain(
        ("Go", ["NEW"], "A", {}),
        ("Rest", [], "RESTING", {"days": 1}),
        entry=[OPEN],
    )
    go(of)
    go(of, NOW + DAY)
    assert the_run().state == "RESTING"
    go(of, NOW + 3 * DAY)
    assert (the_run().state, the_run().steps) == ("RESTING", 2)


def test_steps_without_a_wait_follow_each_other_at_the_same_moment():
    shop.cart()
    of = chain(
        ("One", ["NEW"], "A", {"group": "one"}),
        ("Two", ["A"], "B", {"group": "two"}),
        ("Three", ["B"], "DONE", {"group": "three"}),
        entry=[OPEN],
    )
    done = go(of)
    assert groups() == ["one", "two", "three"]
    assert (done.moved, done.events, done.ended) == (3, 3, {"done": 1})
    assert the_run().ended_at == NOW


def test_who_has_reached_the_goal_leaves_before_the_next_step():
    shop.cart()
    demo = reminders()
    go(demo)
    Cart.objects.update(status=Cart.Status.ORDERED)
    done = go(demo, NOW + 2 * DAY)
    assert (groups(), done.ended) == ([], {"goal": 1})
    assert (the_run().state, the_run().outcome, the_run().next_update) == ("NEW", "goal", None)


def test_who_is_on_the_way_for_too_long_leaves_at_the_end_of_the_last_day():
    shop.cart(shop.customer(time_zone="Europe/Zurich"))
    of = chain(("Later", ["NEW"], "DONE", {"days": 90}), entry=[OPEN], limit_days=30)
    go(of)
    zurich = zoneinfo.ZoneInfo("Europe/Zurich")  # where the clocks change in between
    limit = (NOW.astimezone(zurich) + 30 * DAY).astimezone(datetime.UTC)
    assert the_run().next_update == limit
    go(of, limit - MINUTE)
    assert the_run().ended_at is None
    go(of, limit)
    assert (the_run().outcome, the_run().ended_at) == ("limit", limit)


@pytest.mark.parametrize("group", ["", "first"])
@pytest.mark.parametrize("by_hand", [False, True])
def test_who_moves_waits_by_the_clock_of_the_new_place_from_the_next_state_on(group, by_hand):
    cart = shop.cart(shop.customer(time_zone="Europe/Zurich"))
    of = chain(
        ("First", ["NEW"], "A", {"days": 1, "group": group}),
        ("Second", ["A"], "DONE", {"days": 1, "wait_time": datetime.time(9)}),
        entry=[OPEN],
    )
    go(of)
    Customer.objects.filter(pk=cart.customer_id).update(time_zone="America/New_York")
    go(of, NOW + DAY - MINUTE)
    assert (the_run().time_zone, the_run().next_update) == ("Europe/Zurich", NOW + DAY)
    if by_hand:
        taking.take(the_run(), of.transitions.in_order()[0], NOW + DAY, requested_by="ann")
    else:
        go(of, NOW + DAY)
    new_york = zoneinfo.ZoneInfo("America/New_York")
    entered = (NOW + DAY).astimezone(new_york)
    nine = datetime.datetime.combine(entered + DAY, datetime.time(9), new_york)
    assert entered.time() <= datetime.time(9)
    assert (the_run().state, the_run().time_zone) == ("A", "America/New_York")
    assert the_run().next_update == nine
    Customer.objects.update(time_zone="")
    go(of, nine)
    assert (the_run().outcome, the_run().time_zone) == ("done", "America/New_York")


def test_a_run_whose_row_is_gone_ends():
    cart = shop.cart()
    demo = reminders()
    go(demo)
    cart.delete()
    go(demo, NOW + 2 * DAY)
    assert (the_run().outcome, groups()) == ("left", [])


def test_who_has_waited_and_does_not_match_is_looked_at_again_and_again():
    shop.cart()
    of = chain(
        ("Ordered", ["NEW"], "DONE", {"when": [ORDERED]}),
        ("Later", ["NEW"], "A", {"days": 3}),
        entry=[OPEN],
        look_minutes=30,
    )
    go(of)
    run = the_run()
    assert (run.next_update, run.looked_at) == (NOW + 30 * MINUTE, NOW)
    assert run.problems == {
        "Ordered": ["Its conditions do not hold."],
        "Later": ["It waits until 13 Mar 2026, 13:00 (CET)."],
    }
    go(of, NOW + 3 * DAY - MINUTE)
    assert the_run().next_update == NOW + 3 * DAY
    Cart.objects.update(status=Cart.Status.ORDERED)
    go(of, NOW + 3 * DAY)
    assert (the_run().state, the_run().problems) == ("DONE", {})


def test_somebody_from_where_nothing_leads_on_stays_for_the_goal():
    shop.cart()
    of = chain(("Go", ["NEW"], "A", {}), entry=[OPEN], goal=[ORDERED])
    go(of)
    assert (the_run().state, the_run().next_update) == ("A", NOW + DAY)
    Cart.objects.update(status=Cart.Status.ORDERED)
    go(of, NOW + DAY)
    assert the_run().outcome == "goal"


def test_an_event_that_cannot_be_made_keeps_its_run_where_it_is_and_stops_no_other():
    bad, good = shop.cart(shop.customer(country="")), shop.cart(shop.customer(country="CH"))
    of = chain(
        ("Go", ["NEW"], "A", {"group": "{{ cart.customer.country }}"}),
        ("Else", ["NEW"], "B", {}),
        ("End", ["A", "B"], "DONE", {"days": 1}),
        entry=[OPEN],
    )
    go(of)
    runs = {run.subject_key: run for run in ChainRun.objects.all()}
    assert (runs[str(good.pk)].state, groups()) == ("A", ["CH"])
    stuck = runs[str(bad.pk)]
    assert (stuck.state, stuck.steps) == ("NEW", 0)
    assert stuck.problems == {"Go": ["The event group is empty."]}
    assert stuck.next_update == NOW + 60 * MINUTE


def test_a_rule_that_cannot_be_asked_pauses_the_chain_and_loses_nobody():
    shop.cart()
    demo = reminders()
    go(demo)
    go(demo, NOW + 2 * DAY)
    Condition.objects.filter(rule__in=Transition.objects.all()).update(field="nothing")
    done = go(demo, NOW + 9 * DAY)
    assert groups() == ["cart_reminder"]
    demo.refresh_from_db()
    assert demo.state == "paused"
    assert demo.state_reason.startswith("“nothing” is not a field of")
    assert done.error == demo.state_reason
    run = the_run()
    assert (run.next_update, run.lease_token, run.state) == (NOW + 9 * DAY, None, "REMINDED")
    assert advancing.work(NOW + 9 * DAY) == {}


def test_a_paused_chain_moves_nobody_and_goes_on_where_everybody_is():
    shop.cart()
    demo = reminders()
    go(demo)
    demo.pause("Holidays")
    assert advancing.work(NOW + 3 * DAY) == {}
    demo.arm(NOW + 4 * DAY)
    go(demo, NOW + 4 * DAY)
    assert (the_run().state, the_run().entered_at) == ("REMINDED", NOW + 4 * DAY)


def test_a_chain_that_is_paused_while_a_worker_has_its_runs_does_not_move_them():
    shop.cart()
    demo = reminders()
    go(demo)
    at = NOW + 2 * DAY
    (claimed,) = ChainRun.objects.claim(at)
    Chain.objects.update(state="paused")
    done = advancing._advance_claimed(demo, claimed.lease_token, [claimed], at, "")
    assert (done.looked_at, the_run().state, the_run().lease_token) == (0, "NEW", None)


def test_a_worker_whose_claim_is_somebody_elses_writes_nothing():
    shop.cart()
    demo = reminders()
    go(demo)
    at = NOW + 2 * DAY
    (claimed,) = ChainRun.objects.claim(at)
    ChainRun.objects.update(lease_until=at - 999 * DAY)
    assert ChainRun.objects.sweep() == 1
    (again,) = ChainRun.objects.claim(at)
    late = advancing._advance_claimed(demo, claimed.lease_token, [claimed], at, "")
    assert late.looked_at == 0
    assert groups() == []
    assert advancing._advance_claimed(demo, again.lease_token, [again], at, "").moved == 1
    assert groups() == ["cart_reminder"]


def test_a_chain_that_goes_round_within_a_moment_is_paused_before_it_does():
    shop.cart()
    of = chain(("There", ["NEW"], "A", {"days": 1}), entry=[OPEN])
    go(of)
    transition(of, "Back", ["A"], "NEW", position=1)
    Transition.objects.filter(name="There").update(wait_number=0)
    go(of, NOW + DAY)
    of.refresh_from_db()
    assert (of.state, the_run().state) == ("paused", "NEW")
    assert of.state_reason == (
        "NEW → A → NEW: this goes round for ever within a moment. Let one of these steps wait."
    )


def test_one_chain_that_fails_stops_no_other_and_is_paused_when_it_fails_again_and_again():
    for _number in range(10):
        shop.cart()
    bad = chain(("Go", ["NEW"], "DONE", {"group": "bad"}), entry=[OPEN])
    good = chain(("Go", ["NEW"], "DONE", {"group": "good"}), entry=[OPEN])
    for each in (bad, good):
        entering.enter(each, NOW)
    alone = Chain.objects.filter(pk=bad.pk)

    def fail(execute, sql, *rest):
        if "demo_cartitem" in sql:
            raise RuntimeError("The shop is closed.")
        return execute(sql, *rest)

    for failures in (1, 10):
        alone.update(failures=failures - 1)
        with connection.execute_wrapper(fail):
            found = advancing.work(NOW, chains=alone)
        assert found[bad].error == "RuntimeError: The shop is closed."
        bad.refresh_from_db()
        assert (bad.state, bad.failures) == ("paused" if failures == 10 else "armed", failures)
    assert bad.state_reason == (
        "It failed again and again, the last time because: RuntimeError: The shop is closed."
    )
    assert [run.lease_token for run in ChainRun.objects.all()] == [None] * 20
    advancing.work(NOW)
    assert groups() == ["good"] * 10


def test_the_number_of_statements_is_the_same_for_any_number_of_runs():
    def statements(count: int) -> int:
        ChainRun.objects.all().delete()
        Cart.objects.all().delete()
        for _number in range(count):
            shop.cart()
        entering.enter(Chain.objects.get(), NOW)
        with CaptureQueriesContext(
            connection,
        ) as found:
            done = advancing.advance(Chain.objects.get(), NOW + 2 * DAY)
        assert done.moved == count
        return len(found)

    reminders()
    few = statements(2)
    assert statements(20) == few
    assert few < 40, few


def test_a_worker_takes_chunk_after_chunk_until_nothing_is_due(monkeypatch):
    monkeypatch.setattr(claiming, "CHUNK", 2)
    for _number in range(5):
        shop.cart()
    demo = reminders()
    go(demo)
    helped = []
    found = advancing.work(NOW + 2 * DAY, on_full=lambda: helped.append(True))
    assert (found[demo].moved, helped) == (5, [True])
    assert not ChainRun.objects.due(NOW + 2 * DAY).exists()


def test_a_run_that_its_workers_die_of_is_found_and_paused(monkeypatch):
    monkeypatch.setattr(claiming, "CHUNK", 10)
    for _number in range(3):
        shop.cart()
    demo = reminders()
    go(demo)
    at = NOW + 2 * DAY
    killer = ChainRun.objects.order_by("pk")[1]
    for _death in range(40):
        ChainRun.objects.sweep()
        claimed = ChainRun.objects.claim(at)
        if not claimed:
            break
        if killer in claimed:
            ChainRun.objects.filter(lease_token=claimed[0].lease_token).update(
                lease_until=NOW - 999 * DAY
            )
        else:
            advancing._advance_claimed(demo, claimed[0].lease_token, claimed, at, "")
    assert groups() == ["cart_reminder", "cart_reminder"]
    killer.refresh_from_db()
    assert (killer.is_paused, killer.next_update) == (True, None)
    assert killer.problems == {"": ["Each worker that had it died, 6 of them."]}
    assert ChainRun.objects.filter(pk=killer.pk).resume(at) == 1
    advancing.work(at)
    assert len(groups()) == 3


def test_what_a_worker_has_no_other_one_gets():
    demo = on_the_way(2)
    at = NOW + 2 * DAY
    assert len(ChainRun.objects.claim(at)) == 2
    assert ChainRun.objects.claim(at) == []
    assert advancing.advance(demo, at).looked_at == 0


def test_those_that_workers_died_of_are_taken_by_themselves(monkeypatch):
    monkeypatch.setattr(claiming, "CHUNK", 100)
    on_the_way(30)
    suspects = ChainRun.objects.order_by("pk")[:15].values_list("pk", flat=True)
    ChainRun.objects.filter(pk__in=list(suspects)).update(deaths=1)
    taken = [ChainRun.objects.claim(NOW + 2 * DAY) for _time in range(4)]
    assert [(len(some), {run.deaths for run in some}) for some in taken] == [
        (10, {1}), (5, {1}), (15, {0}), (0, set()),
    ]  # fmt: skip


def test_foreseeing_writes_nothing():
    shop.cart()
    demo = reminders()
    go(demo)
    (found,) = advancing.foresee(demo, NOW + 2 * DAY)
    (decision,) = found
    assert isinstance(decision, Decision)
    assert (decision.transition.name, decision.event.group) == ("Reminder", "cart_reminder")
    assert (the_run().state, the_run().looked_at, groups()) == ("NEW", None, [])


def test_two_paid_orders_make_it_the_voucher():
    cart = shop.cart()
    demo = reminders()
    go(demo)
    go(demo, NOW + 2 * DAY)
    for _number in range(2):
        shop.order(cart.customer, status=Order.Status.PAID)
    go(demo, NOW + 9 * DAY)
    assert groups() == ["cart_reminder", "cart_voucher"]


def test_conditions_of_a_step_are_asked_at_its_moment_and_in_its_time_zone():
    shop.cart(days_old=0)
    of = chain(
        ("Old", ["NEW"], "DONE", {"when": [shop.OLD]}),
        entry=[OPEN], look_minutes=60,
    )  # fmt: skip
    go(of)
    assert the_run().ended_at is None
    go(of, NOW + 3 * DAY)
    assert the_run().outcome == "done"


# What people decide -----------------------------------------------------------------------


def on_the_way(count: int = 1) -> Chain:
    for _number in range(count):
        shop.cart()
    demo = reminders()
    go(demo)
    return demo


def test_a_run_that_is_paused_sleeps_until_it_is_resumed():
    demo = on_the_way()
    assert ChainRun.objects.all().pause() == 1
    go(demo, NOW + 5 * DAY)
    assert (the_run().state, the_run().next_update) == ("NEW", None)
    assert ChainRun.objects.all().resume(NOW + 6 * DAY) == 1
    go(demo, NOW + 6 * DAY)
    assert the_run().state == "REMINDED"


def test_a_run_that_is_cancelled_has_ended():
    demo = on_the_way()
    assert (ChainRun.objects.all().cancel(NOW), ChainRun.objects.all().cancel(NOW)) == (1, 0)
    go(demo, NOW + 5 * DAY)
    assert (the_run().outcome, the_run().ended_at, groups()) == ("cancelled", NOW, [])


def test_runs_are_moved_to_another_state_by_people_who_are_named():
    demo = on_the_way(2)
    moved = ChainRun.objects.all().move("REMINDED", NOW + DAY, "ann", "She called us.")
    assert (moved, ChainRun.objects.all().move("REMINDED", NOW, "ann")) == (2, 0)
    steps = ChainStep.objects.values_list("from_state", "to_state", "requested_by", "note")
    assert list(steps) == [("NEW", "REMINDED", "ann", "She called us.")] * 2
    go(demo, NOW + DAY)
    assert set(ChainRun.objects.values_list("next_update", "steps")) == {(NOW + 8 * DAY, 1)}
    assert groups() == []


def test_who_is_moved_to_done_has_ended():
    on_the_way()
    ChainRun.objects.all().move("DONE", NOW + DAY, "ann")
    run = the_run()
    assert (run.outcome, run.ended_at, run.next_update) == ("done", NOW + DAY, None)


def test_an_armed_chain_with_a_circle_is_refused():
    with pytest.raises(ValidationError):
        chain(("A", ["NEW"], "X", {}), ("B", ["X"], "NEW", {}), entry=[OPEN])
