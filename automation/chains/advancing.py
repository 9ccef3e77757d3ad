"""Advancing chains: runs whose time has come take their next step.

A chunk of due runs of one chain is claimed, and then, in one transaction:

1. the runs are locked that are still ours, and that the chain still wants to move;
2. ``deciding`` finds out what becomes of each, with the same number of queries for any number;
3. the runs say where they are now and when they are looked at next: one statement, which asks once
   more whether a run that takes a step still may, so a goal that was reached before it is in time;
4. the events are recorded with all that they cause, and the steps are written down;
5. the chain is asked whether it is armed still. If not, nothing of all that has happened.

All of it or nothing. A worker that dies leaves a claim that runs out; who takes over finds the runs
as they were before. The key of an event names the run and the number of its step, so even a step
that was taken twice would happen once.
"""

import datetime
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import router, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from automation.chains import claiming, failing, metrics
from automation.chains.chain import Chain, State
from automation.chains.checking import problems_of_ways, starts_itself
from automation.chains.database_errors import in_words, is_busy, raise_if_gone
from automation.chains.deciding import DEAD_END, Decision, Plan, decide, standing
from automation.chains.failing import (
    Parted,
    Stopped,
    let_go,
    note_failure,
    note_success,
    part,
    set_aside,
)
from automation.chains.runs import ChainRun, ChainStep, key_is_taken, who
from automation.events.inserting import insert_rows, update_rows
from automation.events.models import EventRecord
from automation.events.recording import Writer, moment
from automation.rules import plain
from automation.rules.models import BrokenRule

#: For how long a worker goes on by default, in seconds.
SECONDS = 120

#: Whose row changes between the question and the step is looked at again so soon.
AGAIN = datetime.timedelta(minutes=1)

#: How often a chain is tried, one time after the other, when others were in the way.
TRIES = 3


@dataclass
class Advanced:
    """What came of a stretch of work: how many runs were looked at, took a step, ended (by
    outcome), could not because of an error; ``events``: how many were recorded."""

    looked_at: int = 0
    moved: int = 0
    events: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    #: Steps by the name of their transition.
    steps: Counter[str] = field(default_factory=Counter)
    #: The last error, also if all others went on.
    error: str = ""
    #: Whether the chain cannot go on for now.
    failed: bool = False
    #: Whether there may be more to do.
    unfinished: bool = False
    #: Whether the error was only that others were in the way.
    is_busy: bool = False

    def add(self, other: "Advanced") -> None:
        self.looked_at += other.looked_at
        self.moved += other.moved
        self.events += other.events
        self.ended.update(other.ended)
        self.steps.update(other.steps)
        self.error = other.error or self.error


def due_chains(now: datetime.datetime) -> QuerySet[Chain]:
    """Armed chains with runs that are to be looked at. One statement, which reads the index of
    what is due and none of those who sleep."""
    due = ChainRun.objects.filter(chain=OuterRef("pk"), next_update__lte=now)
    return Chain.objects.filter(Exists(due), state=State.ARMED).order_by("pk")


def work(
    now: datetime.datetime | None = None,
    *,
    chains: QuerySet[Chain] | None = None,
    seconds: float = SECONDS,
    on_full: Callable[[], Any] | None = None,
    progress: Callable[[Chain, Advanced], Any] | None = None,
) -> dict[Chain, Advanced]:
    """Advance what is due at ``now`` (aware; None: at each moment as it comes), of ``chains`` or
    all of them, chunk by chunk, until nothing is left or ``seconds`` are over. A chain that fails
    stops no other one. Any number of workers at once share the work. ``on_full`` is called when a
    whole chunk was there: another worker may help. Raises only when the database is gone, and
    ``ValueError`` for a naive ``now``."""
    now = now and moment(now)
    end = time.monotonic() + seconds
    found: dict[Chain, Advanced] = {}
    tried: Counter[int] = Counter()
    ChainRun.objects.sweep()
    while True:
        failed = [pk for pk, tries in tried.items() if tries >= TRIES]
        due = due_chains(now or timezone.now()).exclude(pk__in=failed)
        if chains is not None:
            due = due.filter(pk__in=chains.values("pk"))
        claimed = 0
        for chain in due:
            done = advance(chain, now or timezone.now())
            claimed += done.looked_at or done.is_busy
            if done.failed:
                tried[chain.pk] += 1 if done.is_busy else TRIES
                done.error = done.error if tried[chain.pk] >= TRIES else ""
            total = found.setdefault(chain, Advanced())
            total.add(done)
            if progress is not None:
                progress(chain, total)
            if on_full is not None and done.looked_at >= claiming.CHUNK:
                on_full()
                on_full = None
            if time.monotonic() > end:
                total.unfinished = True
                return found
        if not claimed:
            return found


def advance(
    chain: Chain,
    now: datetime.datetime,
    *,
    runs: Any = None,
    limit: int | None = None,
    requested_by: Any = "",
) -> Advanced:
    """Look at one chunk of the runs of ``chain`` (or of ``runs``, some of them) that are due at
    ``now`` (aware). Idempotent; safe from any number of processes. A rule that cannot be asked
    pauses the chain with the reason, and so does what fails again and again."""
    now = moment(now)
    of_chain = (ChainRun.objects.all() if runs is None else runs).filter(chain=chain)
    try:
        claimed = of_chain.claim(now, limit)
    except Exception as error:
        return Advanced(error=note_failure(chain, error), failed=True, is_busy=is_busy(error))
    if not claimed:
        return Advanced()
    token = claimed[0].lease_token
    try:
        done = _advance_claimed(chain, token, claimed, now, requested_by)
    except Stopped:
        let_go(token)
        return Advanced()
    except BrokenRule as error:
        # Whoever has mended and armed it since has taken them away.
        chain.stop(str(error), Exists(ChainRun.objects.held(token)))
        let_go(token)
        return Advanced(looked_at=len(claimed), error=str(error), failed=True)
    except Exception as error:
        let_go(token)
        said = note_failure(chain, error)
        return Advanced(len(claimed), error=said, failed=True, is_busy=is_busy(error))
    metrics.count_work(done.moved, done.ended)
    return done


def advance_run(run: ChainRun, now: datetime.datetime, requested_by: Any = "") -> Advanced:
    """Look at one run at ``now`` (aware) because somebody wants it, and let it take the step that
    it may take: waits and conditions hold as ever. What it does is as ``advance`` says; nothing
    if it is paused, has ended, or a worker has it at this moment."""
    one = ChainRun.objects.filter(pk=run.pk)
    one.wake(now)
    chain = Chain.objects.filter(runs=run, state=State.ARMED).first()
    if chain is None:
        return Advanced()
    return advance(chain, now, runs=one, requested_by=requested_by)


def foresee(chain: Chain, now: datetime.datetime) -> Iterator[list[Decision]]:
    """What would become of the due runs of ``chain``, chunk by chunk. Nothing is written. Raises
    ``BrokenRule``."""
    plan, last = Plan(chain), 0
    due = ChainRun.objects.filter(chain=chain, next_update__lte=now).order_by("pk")
    while some := list(due.filter(pk__gt=last)[: claiming.CHUNK]):
        last = some[-1].pk
        yield decide(plan, some, now)


def _advance_claimed(
    chain: Chain,
    token: Any,
    claimed: Sequence[ChainRun],
    now: datetime.datetime,
    requested_by: Any,
) -> Advanced:
    """Look at all of them together; if that fails, those go on that are not at fault. Raises what
    nobody's run is at fault for."""
    pks, done = [run.pk for run in claimed], Advanced()

    def look(some: Sequence[int]) -> bool:
        found = _advance_some(chain, token, some, now, requested_by)
        done.add(found)
        return bool(found.looked_at)

    try:
        look(pks)
    except (Stopped, BrokenRule):
        raise
    except Exception as error:
        raise_if_gone(error)
        if is_busy(error):
            raise
        first = error
    else:
        note_success(chain)
        return done
    if len(claimed) == 1 and not claimed[0].deaths:
        let_go(token, fewer=pks)  # it may work the next time
        return Advanced(1, error=note_failure(chain, first), failed=True)
    parted = part(pks, first, look, time.monotonic() + failing.SECONDS)
    _note_who_fails(chain, token, parted, done, now)
    return done


def _note_who_fails(
    chain: Chain, token: uuid.UUID, parted: Parted, done: Advanced, now: datetime.datetime
) -> None:
    """Set those aside that are at fault. If none went on, that is a failure of the chain; and if
    too many are at fault for that, it is not they."""
    goes_on, errors = bool(done.looked_at), [*parted.at_fault.values()]
    last = errors[-1] if errors else parted.error
    done.looked_at += len(parted.at_fault) + len(parted.unknown)
    done.error = in_words(last)
    if not goes_on and len(errors) >= failing.MANY:
        let_go(token)
        done.failed = True
    else:
        set_aside(chain, token, parted.at_fault, now)
        let_go(token, fewer=parted.unknown)
        done.failed = not goes_on and bool(parted.unknown)
    if goes_on:
        note_success(chain)
    elif done.looked_at > 1:  # the only one was counted when it failed first
        note_failure(chain, last)


def _advance_some(
    chain: Chain,
    token: uuid.UUID,
    pks: Sequence[int],
    now: datetime.datetime,
    requested_by: Any,
) -> Advanced:
    database = router.db_for_write(EventRecord)
    still = Chain.objects.using(database).filter(pk=chain.pk, state=State.ARMED)
    with transaction.atomic(using=database):
        # As it stands now: somebody may have paused or changed it.
        armed = still.first()
        mine = ChainRun.objects.held(token).filter(pk__in=pks).order_by("pk")
        held = list(mine.select_for_update()) if armed else []
        if armed is None or not held:
            ChainRun.objects.give_back(token)
            return Advanced()
        plan = Plan(armed)
        wrong = problems_of_ways(armed.all_states, plan.transitions)
        if wrong := wrong or starts_itself(armed, plan.transitions):
            raise BrokenRule(wrong[0])
        decisions = decide(plan, held, now)
        decisions = _with_keys_of_their_own(decisions, now)
        done = write(decisions, standing(plan, decisions, now), now, requested_by)
        # Whatever changes a chain pauses it: so nothing of this was read half changed.
        if not still.exists():
            raise Stopped
        return done


def _with_keys_of_their_own(
    decisions: Sequence[Decision], now: datetime.datetime
) -> list[Decision]:
    """``decisions``, but who would make an event whose key somebody else has taken stays where
    they are and says so: it would not be recorded."""
    keys = [each.event.key for each in decisions if each.event is not None]
    known = EventRecord.objects.filter(key__in=keys) if keys else EventRecord.objects.none()
    taken = set(known.values_list("key", flat=True))
    return [
        Decision(
            each.run, next_update=now + DEAD_END, problems={"": [key_is_taken(each.event.key)]}
        )
        if each.event is not None and each.event.key in taken
        else each
        for each in decisions
    ]


def write(
    decisions: Sequence[Decision],
    stand: QuerySet[Any],
    now: datetime.datetime,
    requested_by: Any,
    note: str = "",
) -> Advanced:
    """Write down what was decided about the runs that ``stand``, which is asked in the statement
    that writes them. The caller holds the runs, in a transaction; ``note`` stands in the history
    of those that take a step."""
    written = _write_runs(decisions, stand, now)
    moved = [decision for decision in written if decision.transition is not None]
    made = [decision.event for decision in moved if decision.event is not None]
    events: dict[str, int] = {}
    if made:
        Writer(now=now, known_new=True).write(made)
        keys = [event.key for event in made]
        recorded = EventRecord.objects.filter(key__in=keys)
        events = dict(recorded.values_list("key", "pk"))
    if moved:
        insert_rows(
            ChainStep,
            ("run_id", "from_state", "to_state", "transition", "transition_pk", "event_id"),
            [
                (
                    each.run.pk,
                    each.run.state,
                    each.state,
                    str(each.transition),
                    each.transition.pk if each.transition else None,
                    events.get(each.event.key) if each.event else None,
                )
                for each in moved
            ],
            {"at": now, "requested_by": who(requested_by), "note": note},
        )
    ended = Counter(str(each.outcome) for each in written if each.outcome)
    steps = Counter(str(each.transition) for each in moved)
    return Advanced(len(decisions), len(moved), len(events), ended, steps)


def _write_runs(
    decisions: Sequence[Decision], stand: QuerySet[Any], now: datetime.datetime
) -> list[Decision]:
    """Write where the runs are now that still ``stand``. Returns the decisions about these; the
    others are looked at again soon."""
    values = map(_values(now), decisions)
    written = update_rows(ChainRun, _COLUMNS, values, _constants(now), within=stand)
    if changed := [each.run.pk for each in decisions if each.run.pk not in written]:
        soon = {"next_update": now + AGAIN, **_constants(now)}
        ChainRun.objects.filter(pk__in=changed).update(**soon)
    return [each for each in decisions if each.run.pk in written]


_COLUMNS = (
    "state", "entered_at", "steps", "time_zone", "next_update", "ended_at", "outcome", "problems",
)  # fmt: skip


def _values(now: datetime.datetime) -> Callable[[Decision], tuple[Any, ...]]:
    def values(decision: Decision) -> tuple[Any, ...]:
        run, moves = decision.run, decision.transition is not None
        return (
            run.pk,
            decision.state,
            now if moves else run.entered_at,
            run.steps + moves,
            decision.time_zone,
            decision.next_update,
            now if decision.outcome else None,
            str(decision.outcome),
            plain.dumps(decision.problems),
        )

    return values


def _constants(now: datetime.datetime) -> dict[str, Any]:
    return {"looked_at": now, "lease_token": None, "lease_until": None, "deaths": 0}
