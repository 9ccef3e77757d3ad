"""What would happen at once if a chain were armed now: who would take which step, and when the
next wait would be over. Nothing is written."""

import datetime
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet

from automation.chains.chain import Chain
from automation.chains.claiming import CHUNK
from automation.chains.deciding import Plan, decide
from automation.chains.entering import candidates
from automation.chains.names import DONE, NEW
from automation.chains.runs import ChainRun
from automation.chains.transitions import Transition
from automation.rules.counting import in_time


@dataclass
class Prospect:
    """``taken``: how many would take each step at once, by its primary key; more than that unless
    it ``is_exact``. ``next_wait`` (UTC): when the first wait after that would be over, for people
    in the time zone of the chain; None if nobody waits."""

    taken: Counter[int] = field(default_factory=Counter)
    is_exact: bool = True
    next_wait: datetime.datetime | None = None

    def note_waits(self, ends: Iterable[datetime.datetime]) -> None:
        moments = [*ends, *filter(None, [self.next_wait])]
        self.next_wait = min(moments, default=None)


def prospect(chain: Chain, now: datetime.datetime) -> Prospect:
    """What arming ``chain`` at ``now`` (aware) would bring about at once. The chain has no
    problems. Rows that would come in are counted by the database, those on their way looked at
    one by one, the first ``CHUNK`` of them. Raises ``BrokenRule``, and ``TooSlow`` if it is not
    found out soon."""
    plan, found = Plan(chain), Prospect()
    rows = candidates(chain, now)
    if rows is not None:
        with in_time(rows.db):
            _count_newcomers(plan, rows, now, found)
    with in_time(ChainRun.objects.db):
        _look_at_runs(plan, now, found)
    return found


# Rows that would come in ------------------------------------------------------------------------


def _count_newcomers(
    plan: Plan, rows: QuerySet[Any], now: datetime.datetime, found: Prospect
) -> None:
    """They are counted by what they match, in one statement: whoever matches the same goes the
    same way, as far as steps lead that take no time."""
    asked = {f"_takes_{step.pk}": step for step in plan.transitions if _asks(step)}
    flags = {name: _matches(step, now) for name, step in asked.items()}
    if plan.goal is not None:
        flags["_arrived"] = _matches(plan.goal, now)
    for matched, number in _by_match(rows, flags):
        state = DONE if matched.get("_arrived") else NEW
        while state != DONE:
            leading = plan.leading_from(state)
            quick = [each for each in leading if each.wait.is_none]
            open_ones = [each for each in quick if matched.get(f"_takes_{each.pk}", True)]
            if not open_ones:
                waits = [each.wait for each in leading if not each.wait.is_none]
                found.note_waits(wait.over(now, plan.chain.zone()) for wait in waits)
                break
            found.taken[open_ones[0].pk] += number
            state = open_ones[0].to_state


def _asks(step: Transition) -> bool:
    return step.wait.is_none and bool(step.conditions.all())


def _matches(rule: Any, now: datetime.datetime) -> Exists:
    return Exists(rule.rows(now).filter(pk=OuterRef("pk")))


def _by_match(
    rows: QuerySet[Any], flags: dict[str, Exists]
) -> Iterable[tuple[dict[str, bool], int]]:
    """How many of ``rows`` there are for each combination of what they match."""
    if not flags:
        number = rows.count()
        return [({}, number)] if number else []
    grouped = rows.annotate(**flags).order_by().values_list(*flags).annotate(_number=Count("pk"))
    return [(dict(zip(flags, each[:-1], strict=True)), each[-1]) for each in grouped]


# Those on their way -----------------------------------------------------------------------------


def _look_at_runs(plan: Plan, now: datetime.datetime, found: Prospect) -> None:
    going = ChainRun.objects.filter(chain=plan.chain, is_paused=False).on_their_way()
    runs = list(going.order_by("next_update", "pk")[: CHUNK + 1])
    if len(runs) > CHUNK:
        found.is_exact = False
    open_runs = runs[:CHUNK]
    while open_runs:
        further = []
        for decision in decide(plan, open_runs, now):
            run, step = decision.run, decision.transition
            if step is not None:
                found.taken[step.pk] += 1
                run.state, run.entered_at, run.steps = step.to_state, now, run.steps + 1
            if decision.outcome:
                continue
            if step is not None:
                further.append(run)
                continue
            ends = [plan.over(each, run) for each in plan.leading_from(run.state)]
            found.note_waits(over for over in ends if over > now)
        open_runs = further
