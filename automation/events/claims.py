"""Rows that this worker takes, and no other at the same time."""

import datetime
from collections.abc import Callable
from typing import TypeVar

from django.db import connections
from django.db.models import Model, QuerySet

from automation.rules import conf

ModelType = TypeVar("ModelType", bound=Model)


def unlocked(rows: QuerySet[ModelType]) -> QuerySet[ModelType]:
    """``rows`` without those that another transaction has locked; they are locked by this one
    until it ends. A database without row locks gives all of them: there, one writes at a time."""
    features = connections[rows.db].features
    if not features.has_select_for_update_skip_locked:
        return rows
    of = ("self",) if features.has_select_for_update_of else ()
    return rows.select_for_update(skip_locked=True, of=of)


def locked(due: QuerySet[ModelType], most: Callable[[int], int]) -> list[int]:
    """The primary keys of the first of ``due`` that no other transaction has locked; they are
    locked by this one until it ends.

    Those that workers died of are taken by themselves: all have as many ``deaths`` as the first,
    and there are at most ``most(deaths)`` of them.
    """
    free = unlocked(due)
    deaths = free.values_list("deaths", flat=True).first()
    if deaths is None:
        return []
    return list(free.filter(deaths=deaths).values_list("pk", flat=True)[: most(deaths)])


def claim_size(deaths: int, limit: int | None = None) -> int:
    """How many deliveries are claimed at a time that workers died of ``deaths`` times."""
    size = conf.get().DELIVERY_BATCH // 10**deaths
    return max(min(size, limit or size), 1)


def lease(now: datetime.datetime) -> datetime.datetime:
    """When a claim of ``now`` is over unless it is renewed."""
    return now + datetime.timedelta(seconds=conf.get().DELIVERY_LEASE)
