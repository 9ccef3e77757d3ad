"""Where the runs of a chain are, and which ways they took lately, for pictures and lists."""

import datetime
from collections.abc import Collection
from typing import Any, NamedTuple

from django.db.models import Count, Min, Q

from automation.chains.chain import Chain
from automation.chains.names import Outcome
from automation.chains.runs import ChainRun, ChainStep

DAYS = 30


class Taken(NamedTuple):
    """A way that was taken: the transition, by its primary key and what it was called then, and
    what the state was called that it led on from. Of a chain in code, and of whom a person moved,
    there is no primary key; the latter have no transition either."""

    transition_pk: int | None
    transition: str
    from_state: str


def in_states(chain: Chain) -> dict[str, int]:
    """How many are on their way in each state that anybody is in, also in ones that the chain
    does not have any more. One query, which reads an index."""
    active = ChainRun.objects.on_their_way().filter(chain=chain).order_by()
    return dict(active.values_list("state").annotate(number=Count("pk")))


def on_their_way(chains: Collection[Chain]) -> dict[int, int]:
    """How many are on their way on each of ``chains``, by its primary key; one query."""
    active = ChainRun.objects.on_their_way().filter(chain__in=chains).order_by()
    counts = dict(active.values_list("chain").annotate(number=Count("pk")))
    return {chain.pk: counts.get(chain.pk, 0) for chain in chains}


def next_looks(chains: Collection[Chain]) -> dict[int, datetime.datetime]:
    """When the first one on each of ``chains`` is looked at next, by the chain's primary key; one
    query. A chain that nobody is on has none."""
    waiting = ChainRun.objects.filter(chain__in=chains, next_update__isnull=False).order_by()
    return dict(waiting.values_list("chain").annotate(first=Min("next_update")))


def ways_taken(chain: Chain, now: datetime.datetime, days: int = DAYS) -> dict[Taken, int]:
    """How many took each way in the last ``days`` days, those whom a person moved among them."""
    counted = _ways(chain, now, days).annotate(number=Count("pk"))
    return {Taken(*way): number for *way, number in counted}


def arrived(chain: Chain, now: datetime.datetime, days: int = DAYS) -> dict[Taken, tuple[int, int]]:
    """How many runs took each way in the last ``days`` days, and how many of these reached the goal
    afterwards; one query."""
    has_arrived = Q(run__outcome=Outcome.GOAL)
    counted = _ways(chain, now, days).annotate(
        number=Count("run", distinct=True),
        arrived=Count("run", distinct=True, filter=has_arrived),
    )
    return {Taken(*way): (number, those) for *way, number, those in counted}


def _ways(chain: Chain, now: datetime.datetime, days: int) -> Any:
    since = now - datetime.timedelta(days=days)
    taken = ChainStep.objects.filter(run__chain=chain, at__gt=since).order_by()
    return taken.values_list(*Taken._fields)


def ended(chain: Chain, now: datetime.datetime, days: int = DAYS) -> dict[str, int]:
    """How many ended with each outcome in the last ``days`` days."""
    since = now - datetime.timedelta(days=days)
    runs = ChainRun.objects.filter(chain=chain, ended_at__gt=since).order_by()
    return dict(runs.values_list("outcome").annotate(number=Count("pk")))
