"""Chains in code: what a step does, what it leaves alone, and who is refused."""

import datetime
import threading
import zoneinfo
from functools import cached_property

import pytest
from django.db import connections, transaction

from automation import chains
from automation.chains import DONE, NEW, executing_due
from automation.chains.models import ChainRun, ChainStep
from automation.events import Event, record
from automation.events.dispatch import listeners
from automation.events.models import EventRecord
from tests import coded, shop
from tests.coded import CART, DAY, HOUR, AWeek, Back, BackLater, Complete, Step, TwoDays, carts
from tests.shop import NOW

__all__ = ["carts"]

pytestmark = pytest.mark.django_db


class Telling(TwoDays):
    event_group = "cart_told"


TELLING = {NEW: [Telling], "REMINDED": [Complete]}


def test_the_event_of_a_step_knows_the_context_and_the_chain():
    with coded.registered(TELLING):
        run = coded.run([*CART, ("row", shop.cart())], time_zone="Europe/Zurich")
        step = run.execute({"tone": "kind"}, now=NOW + 3 * DAY).step
    event = EventRecord.objects.get()
    assert step.event == event
    assert (event.key, event.group) == (f"chain:{run.pk}:1", "cart_told")
    assert (event.row_model, event.row_pk, event.time_zone) == (
        "demo.cart", run.row_pk, "Europe/Zurich",
    )  # fmt: skip
    assert event.context == {
        "booking": "123456",
        "tone": "kind",
        "chain": {
            "name": "carts",
            "state": "REMINDED",
            "from_state": "NEW",
            "days_in_state": 3,
            "days": 3,
            "step": 1,
        },
    }


def test_a_step_whose_key_somebody_else_has_is_not_taken():
    with coded.registered(TELLING):
        run = coded.run()
        record([Event("theirs", run.event_key(1), {})])
        with pytest.raises(chains.ChainError, match="There is another event with the key “chain:"):
            run.execute(now=NOW + 2 * DAY)
    run.refresh_from_db()
    assert (run.state, run.steps, run.lease_until) == (NEW, 0, None)


def test_an_event_without_a_key_gets_that_of_the_step():
    class Own(TwoDays):
        def build_event(self):
            return Event("cart_own", context={"days": self.days}, recipient="ann@example.com")

    with coded.registered({NEW: [Own], "REMINDED": []}):
        run = coded.run()
        run.execute(now=NOW + 2 * DAY)
    found = EventRecord.objects.values_list("key", "group", "recipient")
    assert list(found) == [(f"chain:{run.pk}:1", "cart_own", "ann@example.com")]


@pytest.mark.django_db(transaction=True)
def test_a_callback_that_raises_changes_nothing_and_is_called_again_later():
    heard, tries = [], []

    def callback(transition):
        tries.append(ChainRun.objects.get().state)
        record([Event("from_callback", f"of:{transition.run.pk}")], now=NOW)
        if len(tries) == 1:
            raise RuntimeError("Not today")

    with coded.registered(TELLING), listeners.registered("cart_told", heard.append):
        run = coded.run()
        with pytest.raises(RuntimeError, match="Not today"):
            run.execute(callback=callback, now=NOW + 2 * DAY)
        assert (ChainRun.objects.get().state, run.state, run.steps) == (NEW, NEW, 0)
        assert (ChainStep.objects.count(), EventRecord.objects.count(), heard) == (0, 0, [])
        assert run.execute(callback=callback, now=NOW + 2 * DAY).moved
    assert tries == ["REMINDED", "REMINDED"]
    groups = EventRecord.objects.order_by("group").values_list("group", flat=True)
    assert list(groups) == ["cart_told", "from_callback"]
    assert [event.group for event in heard] == ["cart_told"]


def test_the_transitions_own_callback_comes_before_the_one_given_and_that_before_the_chains():
    told = []

    class Own(TwoDays):
        def callback(self):
            told.append("its own")

    class End(AWeek):
        final_state = DONE

    declared = {NEW: [Own], "REMINDED": [AWeek], "REMINDED_AGAIN": [BackAgain], "BACK": [End]}
    with coded.registered(declared, callback=lambda transition: told.append("the chain's")):
        run = coded.run()
        run.execute(callback=lambda transition: told.append("given"), now=NOW + 2 * DAY)
        run.execute(callback=lambda transition: told.append("given"), now=NOW + 9 * DAY)
        run.execute(now=NOW + 10 * DAY)
        run.execute(callback=lambda transition: told.append("at the end"), now=NOW + 20 * DAY)
    assert (told, run.state) == (["its own", "given", "the chain's"], DONE)


class BackAgain(Step):
    final_state = "BACK"


def test_the_end_calls_back_what_was_written_for_it():
    told = []

    class End(Complete):
        def callback(self, **more):
            told.append(more)

    with coded.registered({NEW: [End]}):
        coded.run().execute({"complete": True}, callback_kwargs={"by": "mail"}, now=NOW)
    assert told == [{"by": "mail"}]


ZURICH = zoneinfo.ZoneInfo("Europe/Zurich")


@pytest.mark.parametrize(
    ("next_update", "moment"),
    [
        (None, None),
        (3 * HOUR, NOW + 3 * HOUR),
        (datetime.date(2026, 3, 29), datetime.datetime(2026, 3, 29, tzinfo=ZURICH)),
        (datetime.datetime(2026, 4, 1, 9, tzinfo=ZURICH),
         datetime.datetime(2026, 4, 1, 7, tzinfo=datetime.UTC)),
    ],
)  # fmt: skip
def test_the_next_update_is_a_moment_a_day_or_a_time_from_now(next_update, moment):
    class Later(Back):
        @property
        def next_update(self):
            return self.context["when"]

    with coded.registered({NEW: [Later], "REMINDED": [Complete]}):
        run = coded.run(time_zone="Europe/Zurich")
        run.execute({"when": next_update}, now=NOW)
    run.refresh_from_db()
    assert (run.not_before, run.next_update) == (moment, moment)


@pytest.mark.parametrize(
    ("next_update", "error"),
    [(datetime.datetime(2026, 4, 1), ValueError), ("tomorrow", TypeError)],
)
def test_a_next_update_that_is_none_changes_nothing(next_update, error):
    class Later(Back):
        @cached_property
        def next_update(self):
            return self.context["when"]

    with coded.registered({NEW: [Later], "REMINDED": [Complete]}):
        run = coded.run()
        with pytest.raises(error, match="next_update"):
            run.execute({"when": next_update}, now=NOW)
    stored = ChainRun.objects.get()
    assert (stored.state, stored.steps, stored.lease_until) == (NEW, 0, None)


def test_what_is_not_due_is_executed_if_somebody_insists():
    with coded.registered({NEW: [BackLater], "REMINDED": [Complete]}):
        run = coded.run()
        run.execute(now=NOW)
        with pytest.raises(chains.NotDue, match="not to be looked at before"):
            run.execute(now=NOW, dry_run=True)
        assert run.execute({"complete": True}, now=NOW, force=True).state == DONE


@pytest.mark.parametrize("options", [{}, {"look_every": HOUR}])
def test_who_insists_and_finds_nothing_valid_shortens_no_wait(options):
    with coded.registered({NEW: [BackLater], "REMINDED": [Complete]}, **options):
        run = coded.run()
        run.execute(now=NOW)
        assert not run.execute(now=NOW + HOUR, force=True).moved
        assert (run.not_before, run.next_update) == (NOW + DAY, NOW + DAY)
        with pytest.raises(chains.NotDue):
            run.execute({"complete": True}, now=NOW + 2 * HOUR)
        assert run.execute({"complete": True}, now=NOW + DAY).state == DONE


def test_who_took_over_from_one_that_is_too_slow_is_not_disturbed():
    class Slow(Back):
        def is_valid(self):
            # Meanwhile its lease has run out, and another one has moved the run on.
            ChainRun.objects.move("REMINDED_AGAIN", NOW, requested_by="another one")
            return True

    with coded.registered({NEW: [Slow], "REMINDED": [AWeek], "REMINDED_AGAIN": [Complete]}):
        run = coded.run()
        with pytest.raises(chains.Locked, match="Nothing was changed"):
            run.execute(callback=lambda transition: pytest.fail("called"), now=NOW)
    assert ChainRun.objects.get().state == "REMINDED_AGAIN"
    assert list(ChainStep.objects.values_list("requested_by", flat=True)) == ["another one"]


def test_why_it_did_not_move_stands_on_the_run():
    class Silent(Step):
        final_state = "REMINDED"

        def is_valid(self):
            return False

    with coded.registered({NEW: [Silent, Complete], "REMINDED": []}):
        run = coded.run()
        assert run.execute(now=NOW).errors == {
            "Silent": [],
            "Complete": ["Booking is not complete yet"],
        }
    run.refresh_from_db()
    assert run.problems == {
        "Silent": ["It is not valid yet."],
        "Complete": ["Booking is not complete yet"],
    }
    assert run.looked_at == NOW


def test_what_a_transition_puts_into_its_context_is_its_own():
    class Curious(Step):
        final_state = "REMINDED"

        def is_valid(self):
            self.context["seen"] = True
            return False

    class Second(Step):
        final_state = DONE

        def is_valid(self):
            return "seen" not in self.context

    with coded.registered({NEW: [Curious, Second], "REMINDED": []}):
        given = {}
        assert coded.run().execute(given, now=NOW).state == DONE
    assert given == {}


def test_what_it_puts_deep_into_its_context_is_its_own_too():
    class Curious(Step):
        final_state = "REMINDED"

        def is_valid(self):
            self.context["cart"]["items"].append("bread")
            self.context["cart"]["seen"][0].add("Curious")
            return False

    class Second(Step):
        final_state = DONE

        def is_valid(self):
            return self.context["cart"] == {"items": [], "seen": (set(),), "shop": shop}

    always = {"cart": {"items": [], "seen": (set(),), "shop": shop}}
    with coded.registered({NEW: [Curious, Second], "REMINDED": []}, initial_context=always):
        assert coded.run().execute(now=NOW).state == DONE
    assert always == {"cart": {"items": [], "seen": (set(),), "shop": shop}}


def test_a_run_in_a_state_that_has_vanished_says_so():
    run = coded.run()
    ChainRun.objects.update(state="GONE")
    with pytest.raises(chains.UnknownState, match="carts has no state “GONE”"):
        run.execute(now=NOW)


def test_a_run_of_a_chain_from_the_admin_is_not_executed_by_code():
    with pytest.raises(chains.UnknownChain, match="built in the admin"):
        ChainRun(subject_key="7").execute()


def test_a_moment_without_a_time_zone_is_refused():
    run, naive = coded.run(), datetime.datetime(2026, 3, 10)
    for asked in (run.execute, coded.run, executing_due.work):
        with pytest.raises(ValueError, match="has no time zone: give an aware datetime"):
            asked(now=naive)


ITSELF = "A callback cannot execute its own run"


def test_a_callback_that_executes_its_own_run_is_refused_and_nothing_has_changed():
    def again(transition):
        ChainRun.objects.get(pk=transition.run.pk).execute({"complete": True}, now=NOW + 2 * DAY)

    run = coded.run()
    with pytest.raises(chains.ChainError, match=ITSELF):
        run.execute(callback=again, now=NOW + 2 * DAY)
    stored = ChainRun.objects.get()
    assert (run.state, stored.state, stored.lease_until, ChainStep.objects.count()) == (
        NEW, NEW, None, 0,
    )  # fmt: skip
    assert run.execute(now=NOW + 2 * DAY).moved


def test_a_callback_that_keeps_that_to_itself_has_its_step_and_what_it_returns_is_so():
    refused = []

    def again(transition):
        with pytest.raises(chains.ChainError, match=ITSELF) as error:
            transition.run.execute({"complete": True}, now=transition.now)
        refused.append(error)
        assert transition.run.execute({"complete": True}, dry_run=True).state == DONE

    run = coded.run()
    found = run.execute(callback=again, now=NOW + 2 * DAY)
    assert (found.state, run.state, ChainRun.objects.get().state) == ("REMINDED",) * 3
    assert len(refused) == 1
    assert run.execute({"complete": True}, callback=again, now=NOW + 2 * DAY).state == DONE


def test_a_callback_executes_other_runs():
    other = coded.run([("online_booking", 2)])
    run = coded.run()
    run.execute(callback=lambda transition: other.execute(now=NOW + 2 * DAY), now=NOW + 2 * DAY)
    assert set(ChainRun.objects.values_list("state", flat=True)) == {"REMINDED"}


def test_a_step_within_a_transaction_of_the_caller_goes_with_it():
    run = coded.run()
    with pytest.raises(RuntimeError), transaction.atomic():
        run.execute(now=NOW + 2 * DAY)
        raise RuntimeError
    stored = ChainRun.objects.get()
    assert (stored.state, stored.lease_until) == (NEW, None)
    assert stored.execute(now=NOW + 2 * DAY).moved


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_who_execute_at_once_take_one_step():
    told = []
    run, barrier = coded.run(), threading.Barrier(6)
    found = []

    def go() -> None:
        try:
            barrier.wait()
            mine = ChainRun.objects.get(pk=run.pk)
            found.append(mine.execute(callback=told.append, now=NOW + 2 * DAY).moved)
        except chains.Locked:
            found.append(False)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=go) for _number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False] * 5 + [True]
    assert (len(told), ChainStep.objects.count()) == (1, 1)
