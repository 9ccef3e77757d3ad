"""What django-dispatcher can do, chains in code can do, without its faults."""

import datetime
import threading

import pytest
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from automation import chains
from automation.chains import DONE, NEW, Transition
from automation.chains.models import ChainResource, ChainRun, ChainStep
from tests import coded
from tests.coded import CART, DAY, carts
from tests.shop import NOW

__all__ = ["carts"]

pytestmark = pytest.mark.django_db


def test_transition_classes_have_a_final_state_say_errors_build_a_context_and_may_call_back():
    told = []

    class Tell(coded.TwoDays):
        def callback(self, **more):
            told.append((self.build_context(), more))

        @property
        def next_update(self):
            return (self.now + 3 * DAY).date()

    class Never(coded.Step):
        final_state = "NEVER"

        def is_valid(self):
            self.errors.append("Not today")
            return False

    with coded.registered({NEW: [Never, Tell], "NEVER": [], "REMINDED": [coded.Complete]}):
        run = coded.run()
        early = run.execute(now=NOW)
        late = run.execute({"tone": "kind"}, callback_kwargs={"by": "mail"}, now=NOW + 2 * DAY)
    assert early.errors == {"Never": ["Not today"], "Tell": ["It waits for 2 days."]}
    assert (late.errors, late.state) == ({"Never": ["Not today"]}, "REMINDED")
    assert told == [({"booking": "123456", "tone": "kind"}, {"by": "mail"})]
    assert run.not_before == datetime.datetime(2026, 3, 15, tzinfo=datetime.UTC)


def test_errors_of_one_run_never_show_in_another():
    """There, ``errors`` belonged to the class."""
    first, second = coded.run(), coded.run([("online_booking", 2)])
    assert Transition.__dict__.get("errors") is None
    said = [run.execute(now=NOW).errors for run in (first, second, first)]
    assert (
        said
        == [{"Complete": ["Booking is not complete yet"], "TwoDays": ["It waits for 2 days."]}] * 3
    )


def test_a_chain_goes_from_new_to_done_and_the_first_valid_transition_wins():
    run = coded.run()
    states = [
        run.execute({"complete": day == 10}, now=NOW + day * DAY).state for day in (1, 2, 9, 10)
    ]
    assert states == ["NEW", "REMINDED", "REMINDED_AGAIN", DONE]
    other = coded.run([("online_booking", 2)])
    assert str(other.execute({"complete": True}, now=NOW + 2 * DAY).transition) == "Complete"


def test_done_is_saved_and_calls_nothing_back():
    """There, DONE was found again each time, and never saved."""
    told = []
    run = coded.run()
    run.execute({"complete": True}, callback=told.append, now=NOW)
    stored = ChainRun.objects.get()
    assert (stored.state, stored.outcome, stored.ended_at) == (DONE, "done", NOW)
    again = stored.execute({"complete": True}, callback=told.append, now=NOW + DAY)
    assert (again.state, again.transition, again.errors, again.moved) == (DONE, None, {}, False)
    assert told == []
    assert ChainStep.objects.count() == 1


def test_get_or_create_finds_exactly_these_resources_or_a_subset_and_refuses_several():
    run, created = chains.get_or_create("carts", CART, now=NOW)
    assert (created, run.state) == (True, NEW)
    assert chains.get_or_create("carts", reversed(CART)) == (run, False)
    assert chains.get_or_create("carts", CART[1:], can_be_subset=True) == (run, False)
    other, created = chains.get_or_create("carts", [CART[1], ("online_booking", 2)])
    assert (created, other == run) == (True, False)
    with pytest.raises(chains.SeveralRuns, match="customer 57844"):
        chains.get_or_create("carts", CART[1:], can_be_subset=True)
    assert chains.get_or_create("carts", CART, can_be_subset=True) == (run, False)
    alone, created = chains.get_or_create("carts", CART[1:])
    assert (created, alone in (run, other)) == (True, False)


def test_resources_are_never_part_of_a_statement():
    """There, they were put into the SQL as they came."""
    evil = [("cart", "1'), ('customer', '57844")]
    run, _created = chains.get_or_create("carts", evil)
    assert chains.get_or_create("carts", evil, can_be_subset=True) == (run, False)
    assert ChainResource.objects.get().resource_id == evil[0][1]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_race_creates_one_run():
    """There, two who came at once created two."""
    barrier, found = threading.Barrier(8), []

    def come(can_be_subset: bool) -> None:
        try:
            barrier.wait()
            found.append(chains.get_or_create("carts", CART, can_be_subset=can_be_subset))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=come, args=(number % 2 == 0,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(created for _run, created in found) == [False] * 7 + [True]
    assert {run.pk for run, _created in found} == {ChainRun.objects.get().pk}
    assert ChainResource.objects.count() == 2


def test_execute_says_errors_transition_and_state_and_a_dry_run_only_says_them():
    told = []
    run = coded.run()
    for dry_run in (True, False):
        found = run.execute(
            initial_context={"tone": "kind"},
            callback=lambda transition, **more: told.append((transition.build_context(), more)),
            callback_kwargs={"by": "mail"},
            requested_by="ann",
            dry_run=dry_run,
            now=NOW + 2 * DAY,
        )
        assert isinstance(found.transition, coded.TwoDays)
        assert (found.errors, found.state) == (
            {"Complete": ["Booking is not complete yet"]},
            "REMINDED",
        )
        assert (found.dry_run, found.step is None) == (dry_run, dry_run)
        stored = ChainRun.objects.get()
        assert stored.state == run.state == (NEW if dry_run else "REMINDED")
        assert stored.looked_at == (None if dry_run else NOW + 2 * DAY)
        assert ChainStep.objects.count() == (0 if dry_run else 1)
        assert len(told) == (0 if dry_run else 1)
    assert told == [({"booking": "123456", "tone": "kind"}, {"by": "mail"})]


def test_a_run_is_locked_while_it_is_executed_not_due_before_its_time_and_can_be_disabled():
    class Later(coded.TwoDays):
        next_update = 3 * DAY

        def is_valid(self):
            with pytest.raises(chains.Locked):
                ChainRun.objects.get().execute(now=self.now)
            return True

    with coded.registered({NEW: [Later], "REMINDED": [coded.Complete]}):
        run = coded.run()
        assert run.execute(now=NOW).moved
        with pytest.raises(chains.NotDue) as early:
            run.execute({"complete": True}, now=NOW + 2 * DAY)
        assert early.value.until == NOW + 3 * DAY
        ChainRun.objects.pause()
        with pytest.raises(chains.Disabled):
            run.execute({"complete": True}, now=NOW + 3 * DAY)
        ChainRun.objects.resume(NOW + 3 * DAY)
        assert run.execute({"complete": True}, now=NOW + 3 * DAY).state == DONE


def test_a_lock_does_not_outlive_its_process():
    """There, a crash left ``is_locked`` for ever."""
    run = coded.run()
    gone = timezone.now() - datetime.timedelta(seconds=1)
    ChainRun.objects.update(lease_token="00000000-0000-0000-0000-000000000001", lease_until=gone)
    assert run.execute(now=NOW + 2 * DAY).state == "REMINDED"
    assert ChainRun.objects.get().lease_token is None


def test_what_raises_leaves_no_lock():
    class Broken(coded.TwoDays):
        def is_valid(self):
            raise RuntimeError("The database of the bookings is away")

    with coded.registered({NEW: [Broken], "REMINDED": [coded.Complete]}):
        run = coded.run()
        for _time in range(2):
            with pytest.raises(RuntimeError, match="bookings"):
                run.execute(now=NOW)
    assert ChainRun.objects.get().lease_until is None


def test_the_history_says_what_changed_when_and_who_asked():
    """There, steps had a day and no time of day."""
    run = coded.run()
    moment = NOW + 2 * DAY + datetime.timedelta(hours=1, seconds=7)
    step = run.execute(requested_by="Ann Meier", now=moment).step
    run.execute({"complete": True}, now=moment + DAY)
    columns = ("from_state", "to_state", "transition", "requested_by", "at")
    assert list(run.history.values_list(*columns)) == [
        (NEW, "REMINDED", "TwoDays", "Ann Meier", moment),
        ("REMINDED", DONE, "Complete", "", moment + DAY),
    ]
    assert step == run.history.first()


def test_the_admin_filters_by_state_type_and_next_look_searches_resources_and_shows_the_history(
    admin_client,
):
    """The days of the filter are those of the request, not of when the code was loaded."""
    now = timezone.now()
    old, _new = chains.get_or_create("carts", [("cart", 1)], now=now - 10 * DAY)
    young, _new = chains.get_or_create("carts", [("cart", 22)], now=now)
    assert old.execute(now=now - 5 * DAY, requested_by="Ann").moved
    ChainRun.objects.filter(pk=old.pk).update(next_update=now)
    ChainRun.objects.filter(pk=young.pk).update(next_update=now + 2 * DAY)
    old.refresh_from_db()

    def listed(**query: str) -> list[int]:
        response = admin_client.get(reverse("admin:automation_chains_chainrun_changelist"), query)
        return sorted(run.pk for run in response.context["cl"].result_list)

    assert listed(chain_type="carts") == [old.pk, young.pk]
    assert listed(chain_type="carts", state=NEW) == [young.pk]
    assert listed(chain_type="carts", state=old.state) == [old.pk]
    assert (listed(next="today"), listed(next="later")) == ([old.pk], [young.pk])
    assert listed(q="cart:22") == [young.pk]

    page = admin_client.get(reverse("admin:automation_chains_chainrun_change", args=[old.pk]))
    told = page.content.decode()
    assert [said for said in ("cart", "asked for by Ann", old.state) if said not in told] == []
