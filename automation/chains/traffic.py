"""How many are where on a chain, and how many went which way lately, for a page: what takes too
long to count is not known (None)."""

import datetime
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeVar

from django.db.models import Exists, OuterRef, Q

from automation.chains import activity
from automation.chains.chain import Chain
from automation.chains.names import NEW, Outcome
from automation.chains.runs import ChainRun
from automation.chains.transitions import Transition
from automation.rules.counting import TooSlow, in_time
from automation.rules.keys import key_expression
from automation.rules.models import BrokenRule
from automation.rules.panel import Narrow

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Traffic:
    """``here``: how many are in each state now. ``went``: how many took each step in the last
    days, by (name of the transition, state it came from); ``ended``: how many came to each
    outcome then. None: it takes too long to count."""

    here: Counter[str] | None = field(default_factory=Counter)
    went: Counter[tuple[str, str]] | None = field(default_factory=Counter)
    ended: Counter[str] | None = field(default_factory=Counter)

    @property
    def on_their_way(self) -> int | None:
        return None if self.here is None else self.here.total()


def traffic(chain: Chain, now: datetime.datetime) -> Traffic:
    """Three queries, however many runs there are."""
    ended = _in_time(lambda: activity.ended(chain, now))
    return Traffic(
        here(chain),
        _in_time(lambda: _went(chain, now)),
        None if ended is None else Counter({n: ended[n] for n in Outcome.values if n in ended}),
    )


def here(chain: Chain) -> Counter[str] | None:
    """How many are in each state now."""
    return _in_time(lambda: Counter(activity.in_states(chain)))


def on_each(chains: Collection[Chain]) -> Counter[int] | None:
    """How many are on their way on each of ``chains``, by its primary key."""
    return _in_time(lambda: Counter(activity.on_their_way(chains)))


def next_looks(chains: Collection[Chain]) -> dict[int, datetime.datetime] | None:
    """When the first one on each of ``chains`` is looked at next, by the chain's primary key."""
    return _in_time(lambda: activity.next_looks(chains))


def on_the_way(chain: Chain, states: list[str] | None = None) -> Exists:
    """Whether a row is on its way, in one of ``states`` if they are given. For a queryset of the
    rows of the chain's source."""
    key = key_expression(chain.source_or_error().model, OuterRef("pk"))
    runs = ChainRun.objects.on_their_way().filter(chain=chain, subject_key=key)
    return Exists(runs if states is None else runs.filter(state__in=states))


def those_at_the_start(step: Transition, now: datetime.datetime) -> Narrow | None:
    """For a step that leads from the start alone: what picks those rows that match the entry at
    ``now`` (aware), or are there already. None if any row may take the step, and if the entry
    cannot be asked."""
    entry = step.chain.entry_rule()
    if entry is None or states_before(step) != [NEW]:
        return None
    try:
        coming = entry.rows(now)
    except BrokenRule:
        return None
    there = on_the_way(step.chain, [NEW])
    return lambda rows: rows.filter(Q(pk__in=coming.values("pk")) | there)


def states_before(step: Transition) -> list[str]:
    """The states that ``step`` leads from."""
    return [state for state in step.chain.all_states if step.leads_from(state)]


def _went(chain: Chain, now: datetime.datetime) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for (name, state, _to), number in activity.ways_taken(chain, now).items():
        found[name, state] += number
    return found


def _in_time(ask: Callable[[], Answer]) -> Answer | None:
    try:
        with in_time(ChainRun.objects.db):
            return ask()
    except TooSlow:
        return None
