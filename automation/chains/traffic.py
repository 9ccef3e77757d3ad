"""How many are where on a chain, and how many went which way lately, for a page: what takes too
long to count is not known (None)."""

import datetime
from collections import Counter
from collections.abc import Callable, Collection, Sequence
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


#: A step from one state: the transition's primary key, and the state.
Way = tuple[int, str]


@dataclass(frozen=True)
class Share:
    """``arrived`` of ``went``."""

    went: int = 0
    arrived: int = 0

    def __add__(self, other: "Share") -> "Share":
        return Share(self.went + other.went, self.arrived + other.arrived)


@dataclass(frozen=True)
class Traffic:
    """``here``: how many are in each state now. ``went``: how many took each step in the last
    days, by the transition's primary key and the state it came from; ``ended``: how many came to
    each outcome then. ``compared``: where steps lead on from one state to different ends, how many
    went and how many of these reached the goal since. None: it takes too long to count."""

    here: Counter[str] | None = field(default_factory=Counter)
    went: Counter[Way] | None = field(default_factory=Counter)
    ended: Counter[str] | None = field(default_factory=Counter)
    compared: dict[Way, Share] | None = field(default_factory=dict)

    @property
    def on_their_way(self) -> int | None:
        return None if self.here is None else self.here.total()


def traffic(chain: Chain, steps: Sequence[Transition], now: datetime.datetime) -> Traffic:
    """What there is to say of ``chain``, which has these ``steps``. Three queries, however many
    runs there are, and one more if there is a goal and somebody can go different ways."""
    ended = _in_time(lambda: activity.ended(chain, now))
    return Traffic(
        here(chain),
        _in_time(lambda: _went(chain, steps, now)),
        None if ended is None else Counter({n: ended[n] for n in Outcome.values if n in ended}),
        _in_time(lambda: _compared(chain, steps, now)),
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


def branches(chain: Chain, steps: Sequence[Transition]) -> list[Way]:
    """The steps of ``chain`` that lead on from a state that others of ``steps`` lead on from,
    too."""
    leading = [[(step.pk, at) for step in steps if step.leads_from(at)] for at in chain.all_states]
    return [way for ways in leading if len(ways) > 1 for way in ways]


def _went(chain: Chain, steps: Sequence[Transition], now: datetime.datetime) -> Counter[Way]:
    found: Counter[Way] = Counter()
    for taken, number in activity.ways_taken(chain, now).items():
        if (way := _as_it_is_now(chain, steps, taken)) is not None:
            found[way] += number
    return found


def _compared(
    chain: Chain, steps: Sequence[Transition], now: datetime.datetime
) -> dict[Way, Share]:
    open_ways = branches(chain, steps)
    if chain.goal_rule() is None or not open_ways:
        return {}
    found = {way: Share() for way in open_ways}
    for taken, share in activity.arrived(chain, now).items():
        way = _as_it_is_now(chain, steps, taken)
        if way in found:
            found[way] += Share(*share)
    return found


def _as_it_is_now(chain: Chain, steps: Sequence[Transition], taken: activity.Taken) -> Way | None:
    """The way that ``taken`` is under the names of today: a step that was made anew, by an import
    for instance, is the one with its name. None if there is no such step any more."""
    named = (step for step in steps if step.name == taken.transition)
    same = (step for step in steps if step.pk == taken.transition_pk)
    step = next(same, None) or next(named, None)
    if step is None:
        return None
    state = taken.from_state
    if state not in chain.all_states or not step.leads_from(state):
        state = chain.former_states.get(state, state)
    return step.pk, state


def _in_time(ask: Callable[[], Answer]) -> Answer | None:
    try:
        with in_time(ChainRun.objects.db):
            return ask()
    except TooSlow:
        return None
