"""What is changed, paused or taken over while a worker is at it: the worker writes nothing then."""

import uuid
from contextlib import suppress
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, OperationalError, connection, transaction

from automation import chains
from automation.chains import advancing, entering, failing
from automation.chains.chain import State
from automation.chains.entering import NotArmed
from automation.chains.models import Chain, ChainRun, ChainStep, Goal, Transition
from automation.chains.taking import NotTaken, take
from automation.events.models import EventRecord
from automation.rules import definitions
from automation.rules.models import Condition
from tests import coded, shop
from tests.coded import DAY
from tests.rivals import Rival, before, elsewhere, wait_until_somebody_waits_for_us
from tests.sequences import OPEN, ORDERED, Step, chain
from tests.shop import NOW

pytestmark = pytest.mark.django_db

MAIL: Step = ("Mail", ["NEW"], "DONE", {"group": "mail"})
NEVER: Step = ("Mail", ["NEW"], "DONE", {
    "group": "mail", "when": [("total", "field.at_most", "-5")]})  # fmt: skip
LATER: Step = ("Later", ["NEW"], "DONE", {"days": 3})

STEP_IS_WRITTEN = ("INSERT INTO", ChainStep._meta.db_table)


def two_connections(test: Any) -> Any:
    return pytest.mark.postgres(pytest.mark.django_db(transaction=True)(test))


def removes(model: Any) -> Any:
    """As a page does: the rule goes, and its chain is paused with it."""

    def remove() -> None:
        with transaction.atomic():
            model.objects.all().delete()
            Chain.objects.get().pause("It was changed.")

    return remove


def outcome() -> tuple[str, int, int]:
    """State of the chain, events, runs that a worker still has."""
    held = ChainRun.objects.exclude(lease_token=None).count()
    return Chain.objects.get().state, EventRecord.objects.count(), held


# A worker that advances -------------------------------------------------------------------


@two_connections
def test_nobody_takes_a_step_whose_conditions_were_removed_while_it_was_read():
    chain(NEVER).start(shop.cart(), NOW)
    conditions = ("SELECT", 'FROM "automation_rules_condition"')
    with before(*conditions, do=lambda: elsewhere(removes(Transition))):
        advancing.work(NOW)
    assert outcome() == ("paused", 0, 0)


@two_connections
def test_nobody_goes_on_who_has_arrived_at_a_goal_that_was_removed_meanwhile():
    chain(MAIL, goal=[ORDERED]).start(shop.cart(status="ordered"), NOW)
    with before("SELECT", Goal._meta.db_table, do=lambda: elsewhere(removes(Goal))):
        advancing.work(NOW)
    assert outcome() == ("paused", 0, 0)


@two_connections
def test_who_pauses_a_chain_stops_what_its_worker_is_about_to_write():
    paused = chain(MAIL)
    run = paused.start(shop.cart(), NOW)
    with before(*STEP_IS_WRITTEN, do=lambda: elsewhere(paused.pause)):
        advancing.work(NOW)
    assert outcome() == ("paused", 0, 0)
    Chain.objects.get().arm(NOW)
    advancing.work(NOW)
    assert outcome() == ("armed", 1, 0)
    assert run.history.count() == 1


@two_connections
def test_who_arms_a_chain_again_waits_until_older_workers_have_undone_what_they_did():
    chain(MAIL).start(shop.cart(), NOW)

    def change_and_arm() -> None:
        changed = Chain.objects.get()
        changed.pause()
        changed.transitions.update(group_template="other")
        changed.arm(NOW)

    rival = Rival(change_and_arm)

    def let_it_wait() -> None:
        rival.start()
        wait_until_somebody_waits_for_us()

    with before(*STEP_IS_WRITTEN, do=let_it_wait):
        found = advancing.work(NOW)
    rival.join()
    assert not any(done.error for done in found.values())
    assert outcome() == ("armed", 0, 0)
    advancing.work(NOW)
    assert list(EventRecord.objects.values_list("group", flat=True)) == ["other"]


@two_connections
@pytest.mark.parametrize("step", [MAIL, LATER])
def test_who_arms_a_chain_again_waits_for_a_step_that_a_person_has_taken_by_the_old_rules(step):
    run = chain(step).start(shop.cart(), NOW)

    def change_and_arm() -> None:
        changed = Chain.objects.get()
        changed.pause()
        changed.transitions.update(group_template="other")
        changed.arm(NOW)

    rival = Rival(change_and_arm)

    def let_it_wait() -> None:
        rival.start()
        wait_until_somebody_waits_for_us()

    said = pytest.raises(NotTaken, match="is not armed")
    with before(*STEP_IS_WRITTEN, do=let_it_wait), said:
        take(run, Transition.objects.get(), NOW, requested_by="ann")
    rival.join()
    assert outcome() == ("armed", 0, 0)
    take(run, Transition.objects.get(), NOW, requested_by="ann")
    assert list(EventRecord.objects.values_list("group", flat=True)) == ["other"]


def test_what_is_claimed_is_free_when_its_chain_is_armed_again():
    of = chain(MAIL)
    of.start(shop.cart(), NOW)
    ChainRun.objects.all().claim(NOW)
    of.claim_entry()
    of.pause()
    of.arm(NOW)
    assert outcome() == ("armed", 0, 0)
    assert Chain.objects.get().claim_entry()


@two_connections
@pytest.mark.parametrize(
    "work", [lambda of: advancing.work(NOW), lambda of: entering.enter(of, NOW)]
)
def test_what_a_worker_finds_out_does_not_pause_a_chain_that_was_mended_and_armed_since(work):
    of = chain(MAIL, entry=[OPEN], goal=[ORDERED])
    of.start(shop.cart(), NOW)
    Condition.objects.update(field="vanished")

    def mend() -> None:
        Chain.objects.get().pause()
        Condition.objects.update(field="status")
        Chain.objects.get().arm(NOW)

    with before("UPDATE", '"state_reason"', do=lambda: elsewhere(mend)):
        work(of)
    assert outcome() == ("armed", 0, 0)


def test_what_a_worker_finds_out_does_not_pause_a_chain_that_is_a_draft_by_now():
    of = chain(MAIL)
    Chain.objects.update(state=State.DRAFT)
    of.stop("A field is gone.")
    of.refresh_from_db()
    assert (of.state, of.state_reason) == ("draft", "")


def test_a_chain_that_is_gone_when_it_fails_harms_no_worker():
    of = chain(MAIL)
    Chain.objects.filter(pk=of.pk).delete()
    assert failing.note_failure(of, ValueError("Why?")) == "ValueError: Why?"


# A worker that lets rows in ---------------------------------------------------------------


@two_connections
def test_nobody_comes_into_a_chain_that_is_paused_meanwhile():
    paused = chain(LATER, entry=[OPEN])
    shop.cart()
    runs_are_written = ("INSERT INTO", ChainRun._meta.db_table)
    with before(*runs_are_written, do=lambda: elsewhere(paused.pause)):
        found = entering.enter(Chain.objects.get(), NOW)
    assert (found.new, found.error, ChainRun.objects.count()) == (0, "", 0)
    paused = Chain.objects.get()
    assert (paused.state, paused.next_entry_at, paused.lease_token) == ("paused", None, None)


def test_nobody_comes_into_a_chain_that_was_paused_since_it_was_read():
    read = chain(LATER, entry=[OPEN])
    Chain.objects.get().pause()
    assert entering.enter(read, NOW) is None
    with pytest.raises(NotArmed, match="is not armed"):
        read.start(shop.cart(), NOW)
    assert not ChainRun.objects.exists()


# Who lives, and who has what --------------------------------------------------------------


@two_connections
def test_a_slow_worker_that_still_writes_is_not_dead_and_keeps_nobody_waiting():
    chain(MAIL).start(shop.cart(), NOW)
    ChainRun.objects.all().claim(NOW)
    ChainRun.objects.update(lease_until=NOW - DAY)
    swept: list[int] = []

    def sweep() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        swept.append(ChainRun.objects.sweep())

    with transaction.atomic():
        ChainRun.objects.select_for_update().get()
        elsewhere(sweep)
    assert (swept, ChainRun.objects.get().deaths) == ([0], 0)
    elsewhere(sweep)
    assert (swept, ChainRun.objects.get().deaths) == ([0, 1], 1)


@pytest.mark.postgres
def test_what_is_claimed_is_found_without_reading_who_sleeps():
    of = chain(LATER)
    ChainRun.objects.bulk_create(
        ChainRun(chain=of, subject_key=str(number), entered_at=NOW, started_at=NOW)
        for number in range(1000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE automation_chains_chainrun")
    held = ChainRun.objects.held(uuid.uuid4())
    assert "automation_run_lease" in held.order_by("pk").explain()


def test_who_is_moved_to_the_end_is_not_paused_any_more():
    chain(LATER).start(shop.cart(), NOW)
    ChainRun.objects.all().pause()
    ChainRun.objects.all().move("DONE", NOW)
    run = ChainRun.objects.get()
    assert (run.is_over, run.is_paused) == (True, False)


# The project's own code -------------------------------------------------------------------


def test_whoever_saves_a_row_does_not_suffer_when_its_runs_cannot_be_asked(
    caplog, django_capture_on_commit_callbacks
):
    cart = shop.cart()
    chain(LATER).start(cart, NOW)

    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if ChainRun._meta.db_table in sql:
            raise OperationalError("The table is gone.")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail), django_capture_on_commit_callbacks(execute=True):
        cart.save()
    assert "The table is gone." in caplog.text


def test_a_callback_that_hides_an_error_of_the_database_takes_no_step():
    def hide(_transition: Any) -> None:
        with suppress(IntegrityError):
            ChainStep.objects.create(pk=ChainStep.objects.get().pk, run=run, at=NOW)

    with coded.registered():
        run = coded.run()
        with pytest.raises(chains.ChainError, match="kept an error of the database to itself"):
            run.execute(callback=hide, now=NOW + 2 * DAY)
    assert run.state == "NEW"
    run.refresh_from_db()
    assert (run.state, run.lease_token, run.history.count()) == ("NEW", None, 0)


def test_code_arms_no_chain_that_somebody_would_be_lost_on():
    of = chain(("Mail", ["NEW"], "MAILED", {}), ("Enough", ["MAILED"], "DONE", {"days": 3}))
    of.start(shop.cart(), NOW)
    advancing.work(NOW)
    (data,) = definitions.dump(Chain.objects.all())["chains"]
    first, second = data["transitions"]
    renamed = [{**first, "to_state": "TOLD"}, {**second, "from_states": ["TOLD"]}]
    definitions.load(
        {"version": 1, "chains": [{**data, "states": ["TOLD"], "transitions": renamed}]}
    )
    of = Chain.objects.get()
    said = "Some are in states that this chain has not (any more): MAILED. Move them to another one"
    with pytest.raises(ValidationError) as refused:
        of.arm(NOW)
    assert refused.value.messages == [f"{said}, or end them."]
    of.runs.move("TOLD", NOW)
    of.arm(NOW)
    assert Chain.objects.get().state == "armed"
