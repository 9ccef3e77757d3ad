"""How often something may be done, over all workers and hosts: a row that says when next.

Who wants to do it reserves slots with one conditional update, a quarter of a second's worth at a
time, so that a fast pace takes few writes.
"""

import datetime
import math
from collections import deque

from django.db import IntegrityError, models, transaction

from automation.rules.databases import database

#: For so many seconds slots are reserved at a time; a slot that is older is lost. So a worker
#: that stood still and then catches up is ahead of the pace by no more than that.
BLOCK = 0.25


class Pace(models.Model):
    """When the next slot of ``name`` is that nobody has reserved. Without a row, or with one of
    the past: now."""

    name = models.CharField(max_length=255, unique=True)
    next_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.name


def reserve(
    name: str,
    rate: float,
    count: int,
    now: datetime.datetime,
    latest: datetime.datetime | None = None,
) -> tuple[datetime.datetime, bool]:
    """Reserve ``count`` slots of ``rate`` a second, which need not be used. Returns the first,
    the others follow evenly; and whether they are reserved, which they are not if the first is
    after ``latest``."""
    length = datetime.timedelta(seconds=count / rate)
    while True:
        found = Pace.objects.filter(name=name).values_list("next_at", flat=True).first()
        start = max(found, now) if found else now
        if latest is not None and start > latest:
            return start, False
        if found is None:
            try:
                with transaction.atomic(using=database()):
                    Pace.objects.create(name=name, next_at=start + length)
            except IntegrityError:
                continue  # another worker was the first
            return start, True
        # Only if nobody else has reserved since it was read.
        if Pace.objects.filter(name=name, next_at=found).update(next_at=start + length):
            return start, True


def forget(now: datetime.datetime, **kwargs: object) -> None:
    """Remove what no longer says anything, once a tick."""
    Pace.objects.filter(next_at__lt=now - datetime.timedelta(hours=1)).delete()


class Slots:
    """One worker's slots of a pace. ``rate``: how often in a second."""

    def __init__(self, name: str, rate: float) -> None:
        self.name, self.rate = name, rate
        self._mine: deque[datetime.datetime] = deque()
        self._gap = datetime.timedelta(seconds=1 / rate)
        self._old = max(datetime.timedelta(seconds=BLOCK), self._gap)

    def take(self, now: datetime.datetime, patience: float) -> tuple[datetime.datetime, bool]:
        """The next slot, and whether it is the caller's now, which waits for it: not if it is
        more than ``patience`` seconds away."""
        self._forget_old(now)
        if not self._mine:
            latest = now + datetime.timedelta(seconds=patience)
            count = max(math.floor(self.rate * BLOCK), 1)
            first, reserved = reserve(self.name, self.rate, count, now, latest)
            if not reserved:
                return first, False
            self._extend(first, count)
        return self._mine.popleft(), True

    def take_any(self, now: datetime.datetime, most: int) -> datetime.datetime:
        """The next slot, however far away it is. ``most``: how many the caller will want."""
        self._forget_old(now)
        if not self._mine:
            first, _reserved = reserve(self.name, self.rate, max(most, 1), now)
            self._extend(first, max(most, 1))
        return self._mine.popleft()

    def _extend(self, first: datetime.datetime, count: int) -> None:
        self._mine.extend(first + self._gap * number for number in range(count))

    def _forget_old(self, now: datetime.datetime) -> None:
        while self._mine and self._mine[0] < now - self._old:
            self._mine.popleft()
