"""What grows and how long it is kept: the kinds of data that ``prune`` makes small again.

A chore is one kind of data. Floors above register theirs as they are loaded::

    from automation.events.housekeeping.chore import Chore, chores

    chores.register(Chore("runs", _("runs of generators"), 180, prune=prune_runs, count=count_runs))
"""

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction

from automation.events.claims import unlocked
from automation.rules import conf

#: Rows that are changed in one transaction.
LIMIT = 1_000


@dataclass(frozen=True)
class Chore:
    """One kind of data. ``name`` is its key in ``KEEP_DAYS``, ``label`` says it to people,
    ``default_days`` is how long it is kept where the setting does not say (None: for ever).

    ``prune(before, limit)`` does away with what is older than ``before``: a generator, each
    step of which is one committed transaction of at most ``limit`` rows and gives their
    number. It may be left after any step and is begun anew another time; two at once do not
    harm each other. ``count(before)`` is how many rows that would be.
    """

    name: str
    label: Any
    default_days: int | None
    prune: Callable[[datetime.datetime, int], Iterator[int]]
    count: Callable[[datetime.datetime], int]

    @property
    def days(self) -> int | None:
        """For how many days it is kept; None: for ever."""
        days: int | None = conf.get().KEEP_DAYS.get(self.name, self.default_days)
        return days

    def before(self, now: datetime.datetime, days: int | None = None) -> datetime.datetime | None:
        """What is older than this goes at ``now``; None if nothing does. ``days`` stands for
        the setting."""
        days = self.days if days is None else days
        return None if days is None else now - datetime.timedelta(days=days)


class Chores:
    """The registered chores, in their order."""

    def __init__(self) -> None:
        self._chores: dict[str, Chore] = {}

    def register(self, chore: Chore) -> None:
        """Registering a chore of the same name again replaces it."""
        self._chores[chore.name] = chore

    def __iter__(self) -> Iterator[Chore]:
        return iter(list(self._chores.values()))

    def get(self, name: str) -> Chore | None:
        return self._chores.get(name)

    @property
    def names(self) -> list[str]:
        return list(self._chores)

    @contextmanager
    def registered(self, *some: Chore) -> Iterator[None]:
        """For tests: only ``some`` are registered inside, and what was there before returns."""
        before = self._chores
        self._chores = {chore.name: chore for chore in some}
        try:
            yield
        finally:
            self._chores = before


chores = Chores()


def steps(
    rows: models.QuerySet[Any],
    by: str,
    limit: int,
    change: Callable[[models.QuerySet[Any]], int],
) -> Iterator[int]:
    """``change`` all of ``rows``, the oldest by the column ``by`` first, at most ``limit`` in a
    transaction; gives how many each one changed. ``change`` must leave none of the rows that it
    is given among ``rows``, or it would be given them again.

    What another process holds is left to it, and what is no longer among ``rows`` when it is
    this one's turn stays as it is.
    """
    last: Any = None
    while True:
        with transaction.atomic(using=rows.db):
            # What was done before need not be passed over again.
            left = rows if last is None else rows.filter(**{f"{by}__gte": last})
            chosen = list(unlocked(left).order_by(by).values_list("pk", by)[:limit])
            if not chosen:
                return
            last = chosen[-1][1]
            changed = change(rows.filter(pk__in=[pk for pk, _at in chosen]))
        yield changed


def delete(rows: models.QuerySet[Any]) -> int:
    """Delete ``rows``, of which nothing else hangs; returns how many."""
    return rows.delete()[0]
