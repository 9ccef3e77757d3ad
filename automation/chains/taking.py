"""Having one run take one of its steps now, because a person wants it: whatever the wait and the
conditions of the step say. The event is the one that the step always makes."""

import datetime
from typing import Any

from django.db import connections, transaction
from django.utils.translation import gettext as _

from automation.chains import metrics
from automation.chains.advancing import Advanced, write
from automation.chains.chain import Chain, State
from automation.chains.checking import problems_of_ways
from automation.chains.database_errors import is_busy, raise_if_gone
from automation.chains.deciding import (
    Decision,
    Plan,
    is_of_another_kind,
    primary_key,
    taking,
    zones_of,
)
from automation.chains.runs import ChainRun, key_is_taken
from automation.chains.transitions import Transition
from automation.events.models import EventRecord
from automation.rules.databases import database
from automation.rules.models import BrokenRule
from automation.rules.snapshot import snapshots
from automation.rules.templating import TemplateError


class NotTaken(Exception):
    """A run did not take a step, and nothing has changed. The text is for people."""


def as_seen(run: ChainRun, step: Transition) -> str:
    """What somebody has seen who asks for ``step``: where ``run`` was, what the step does."""
    return f"{run.steps} {step.to_state} {step.group_template}"


def foresee(run: ChainRun, step: Transition, now: datetime.datetime) -> Decision:
    """What would come of ``run`` if it took ``step`` at ``now`` (aware). Nothing is written.
    Raises ``NotTaken`` with what is in the way."""
    assert run.chain is not None
    _make_sure_that_it_may(run, run.chain)
    return _decision(run, run.chain, step.pk, now)


def take(
    run: ChainRun,
    step: Transition,
    now: datetime.datetime,
    *,
    requested_by: Any,
    note: str = "",
    seen: str | None = None,
) -> Advanced:
    """Have ``run`` take ``step`` at ``now`` (aware). The step, its event with all that it causes
    and the history are written together. With ``seen`` (of ``as_seen``) only if both still are
    as they were then.

    Raises ``NotTaken`` with the reason: it has gone on, is over or paused, a worker has it, its
    row is gone, its chain is not armed, or the event cannot be made.
    """
    try:
        with transaction.atomic(using=database()):
            held = _hold(run)
            assert held.chain_id is not None
            chain = Chain.objects.get(pk=held.chain_id)
            _make_sure_that_it_may(held, chain)
            if seen is not None and not seen.startswith(f"{held.steps} "):
                raise NotTaken(_("It has gone on meanwhile: look where it is now."))
            decision = _decision(held, chain, step.pk, now)
            assert decision.transition is not None
            if seen is not None and seen != as_seen(held, decision.transition):
                raise NotTaken(_("The step was changed meanwhile: look what it does now."))
            one = ChainRun.objects.using(database()).filter(pk=held.pk)
            done = write([decision], one, now, requested_by, note)
            # Whatever changes a chain pauses it: so nothing of this was read half changed.
            if not Chain.objects.using(database()).filter(pk=chain.pk, state=State.ARMED).exists():
                raise NotTaken(_not_armed(chain))
    except NotTaken:
        raise
    except Exception as error:
        raise_if_gone(error)
        if is_busy(error):
            raise NotTaken(_worker_has_it()) from error
        raise
    metrics.count_work(done.moved, done.ended)
    return done


def _hold(run: ChainRun) -> ChainRun:
    """The run, locked; whoever else wants to write to it waits, and workers leave it out."""
    rows = ChainRun.objects.using(database()).filter(pk=run.pk)
    if connections[database()].features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    held: ChainRun | None = rows.first()
    if held is None:
        raise NotTaken(_worker_has_it())
    return held


def _worker_has_it() -> str:
    return _("A worker has it at this moment. Look again in a minute.")


def _not_armed(chain: Chain) -> str:
    return _("The chain “%(chain)s” is not armed.") % {"chain": chain}


def _make_sure_that_it_may(run: ChainRun, chain: Chain) -> None:
    if run.is_over:
        raise NotTaken(_("It has ended."))
    if run.is_paused:
        raise NotTaken(_("It is paused. Let it go on first."))
    if chain.state != State.ARMED:
        raise NotTaken(_not_armed(chain))
    if run.lease_until is not None:
        raise NotTaken(_worker_has_it())


def _decision(run: ChainRun, chain: Chain, step_pk: Any, now: datetime.datetime) -> Decision:
    """That ``run`` takes the step, as the chain stands. Raises ``NotTaken``."""
    try:
        plan = Plan(chain)
        if wrong := problems_of_ways(chain.all_states, plan.transitions):
            raise NotTaken(wrong[0])
        leading = {each.pk: each for each in plan.leading_from(run.state)}
        if step_pk not in leading:
            raise NotTaken(_("This step does not lead on from where it is."))
        step = leading[step_pk]
        pk, snapshot = _row(run, plan), None
        zones = zones_of(plan.source, [pk])
        makes_event = bool(step.group_template.strip())
        if makes_event:
            rows = plan.source.rows([]).filter(pk=pk)
            snapshot = next(iter(snapshots(plan.source, rows, now)), None)
        if pk not in zones or (makes_event and snapshot is None):
            raise NotTaken(_("Its row is gone: it ends when it is looked at next."))
        decision = taking(plan, run, step, snapshot, zones[pk], now)
    except (BrokenRule, TemplateError) as error:
        raise NotTaken(str(error)) from error
    event = decision.event
    if event is not None and EventRecord.objects.filter(key=event.key).exists():
        raise NotTaken(key_is_taken(event.key))
    return decision


def _row(run: ChainRun, plan: Plan) -> Any:
    if is_of_another_kind(run, plan.source):
        said = _("This chain is about %(source)s, and this is not one of them: %(row)s.")
        raise NotTaken(said % {"source": plan.source, "row": run.subject})
    return primary_key(plan.source, run.subject_key)
