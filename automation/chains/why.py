"""Why a run has not moved on: each transition that it could take, with its wait and conditions."""

import datetime
from dataclasses import dataclass

from automation.chains.deciding import Decision, Plan, decide, is_of_another_kind, primary_key
from automation.chains.runs import ChainRun
from automation.chains.transitions import Transition
from automation.rules.explaining import Explanation, explain, matches


@dataclass(frozen=True)
class Way:
    """A transition that a run could take. ``over_at`` (UTC) is when its wait is over;
    ``conditions`` are asked of the row now, and None where there is no such row."""

    transition: Transition
    over_at: datetime.datetime
    has_waited: bool
    conditions: list[Explanation] | None

    @property
    def is_valid(self) -> bool:
        return self.has_waited and self.conditions is not None and matches(self.conditions)


@dataclass(frozen=True)
class Why:
    """What stands between a run and its next step. ``goal`` is what is asked of the row for the
    goal, None where there is none; ``limit`` (UTC) is when its time is over; ``decision`` is what
    would become of it if it were looked at now."""

    ways: list[Way]
    goal: list[Explanation] | None
    limit: datetime.datetime | None
    decision: Decision


def why(run: ChainRun, now: datetime.datetime) -> Why:
    """Why ``run``, of a chain in the database, is where it is at ``now`` (aware). Nothing is
    written. Raises ``BrokenRule`` if one of the rules cannot be asked."""
    assert run.chain is not None
    plan = Plan(run.chain)
    other = is_of_another_kind(run, plan.source)
    pk = None if other else primary_key(plan.source, run.subject_key)
    ways = []
    for transition in plan.leading_from(run.state):
        over = plan.over(transition, run)
        ways.append(Way(transition, over, over <= now, explain(transition, pk, now)))
    goal = explain(plan.goal, pk, now) if plan.goal is not None else None
    (decision,) = decide(plan, [run], now)
    return Why(ways, goal, plan.limit_of(run), decision)
