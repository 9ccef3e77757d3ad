"""Pruning: what is kept for so many days and no longer goes, a few rows at a time.

Once a day, at ``PRUNE_AT`` in the site's time zone, each chore is due. A worker claims one,
works for about a minute and gives it back with what is left for the next tick; so no task
takes long, a killed worker costs nothing, and it does not matter how many clusters there are.
"""

import datetime
import logging
import time
import uuid
from collections.abc import Iterator
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from automation.events import bell
from automation.events.housekeeping.chore import LIMIT, Chore, chores
from automation.rules import conf, plain

logger = logging.getLogger(__name__)

PRUNE_TASK = "automation.events.tasks.prune"

#: For how long a chore is a worker's without a sign of life from it.
LEASE = datetime.timedelta(minutes=5)
#: After so many seconds a worker gives a chore back. Less than Q_CLUSTER's timeout.
SECONDS = 50.0
#: So much of an error is kept.
MAX_ERROR = 500


class Pruning(models.Model):
    """When a kind of data was pruned last, and who is at it."""

    name = models.CharField(max_length=50, unique=True)
    #: When it was begun last; it is due again at the next ``PRUNE_AT`` after that.
    begun_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    #: How many rows that was, so far.
    pruned = models.PositiveBigIntegerField(default=0)
    is_open = models.BooleanField(default=False)
    error = models.TextField(blank=True, default="")
    token = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = gettext_lazy("pruning")
        verbose_name_plural = gettext_lazy("prunings")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name

    @classmethod
    def due(cls, now: datetime.datetime) -> models.QuerySet["Pruning"]:
        """Those with something left to do that no living worker is at."""
        since = last_night(now)
        if since is None:
            return cls.objects.none()
        return cls.objects.filter(
            Q(is_open=True) | Q(begun_at__lt=since),
            Q(claimed_until=None) | Q(claimed_until__lt=now),
            name__in=chores.names,
        )

    def claim(self, now: datetime.datetime) -> bool:
        """Take it for this worker. False if another one was first."""
        token = uuid.uuid4()
        begun: dict[str, Any] = {}
        if not self.is_open:
            begun = {"begun_at": now, "is_open": True, "pruned": 0, "error": ""}
        mine = Pruning.due(now).filter(pk=self.pk, is_open=self.is_open)
        if not mine.update(token=token, claimed_until=now + LEASE, **begun):
            return False
        self.token = token
        return True

    def keep(self, rows: int) -> bool:
        """Note that ``rows`` more are done, as the worker whose it is. False if it is
        another's by now."""
        return (
            self._own().update(
                pruned=models.F("pruned") + rows, claimed_until=timezone.now() + LEASE
            )
            == 1
        )

    def let_go(self) -> None:
        """Let any worker go on with it."""
        self._own().update(token=None, claimed_until=None)

    def finish(self, error: str = "") -> None:
        """Nothing is left to do until the next night."""
        self._own().update(
            is_open=False, done_at=timezone.now(), error=error, token=None, claimed_until=None
        )

    def _own(self) -> models.QuerySet["Pruning"]:
        return Pruning.objects.filter(pk=self.pk, token=self.token)


def last_night(now: datetime.datetime) -> datetime.datetime | None:
    """The last ``PRUNE_AT`` at or before ``now``; None if nothing is pruned by itself."""
    if not (at := conf.get().PRUNE_AT):
        return None
    local = timezone.localtime(now, timezone.get_default_timezone())
    time_of_day = datetime.time.fromisoformat(at)
    tonight = datetime.datetime.combine(local.date(), time_of_day, tzinfo=local.tzinfo)
    # By the clock on the wall, whatever happened to it in between.
    return tonight if tonight <= local else tonight - datetime.timedelta(days=1)


def ring_for_pruning(now: datetime.datetime, **kwargs: Any) -> None:
    """Ring once if anything is due. A chore that is new here begins with the next night."""
    known = set(Pruning.objects.values_list("name", flat=True))
    new = [Pruning(name=name, begun_at=now) for name in chores.names if name not in known]
    if new:
        Pruning.objects.bulk_create(new, ignore_conflicts=True)
    if Pruning.due(now).exists():
        bell.enqueue(PRUNE_TASK)


def prune_due(now: datetime.datetime, seconds: float = SECONDS) -> None:
    """Go on with what is due, for about ``seconds``. Safe from any number of processes."""
    end = time.monotonic() + seconds
    for pruning in Pruning.due(now).order_by("pk"):
        chore = chores.get(pruning.name)
        if chore is not None and pruning.claim(now):
            _go_on(pruning, chore, now, end)
        if time.monotonic() > end:
            return


def _go_on(pruning: Pruning, chore: Chore, now: datetime.datetime, end: float) -> None:
    """Work at a claimed chore until it is done or time is up. What goes wrong with one is kept
    for people and stops no other."""
    try:
        for done in prune(chore, now):
            if not pruning.keep(done):
                return
            if time.monotonic() > end:
                pruning.let_go()
                return
    except Exception as error:
        logger.exception("Pruning %s failed", chore.name)
        pruning.finish(plain.text(f"{type(error).__name__}: {error}"[:MAX_ERROR]))
    else:
        pruning.finish()


def prune(
    chore: Chore, now: datetime.datetime, days: int | None = None, limit: int = LIMIT
) -> Iterator[int]:
    """Do ``chore`` step by step; gives the number of rows of each transaction. ``days`` stands
    for the setting."""
    before = chore.before(now, days)
    if before is not None:
        yield from chore.prune(before, limit)
