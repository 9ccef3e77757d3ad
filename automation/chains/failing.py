"""Runs that fail when they are looked at: which of them are at fault, or whether the chain is."""

import datetime
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.models import F, Value
from django.db.models.functions import Least
from django.utils.translation import gettext as _

from automation.chains import claiming
from automation.chains.chain import MOST_FAILURES, Chain
from automation.chains.database_errors import in_words, is_busy, raise_if_gone
from automation.chains.runs import ChainRun
from automation.rules.models import BrokenRule

logger = logging.getLogger(__name__)

#: For how long those at fault are looked for, in seconds.
SECONDS = 30

#: If so many fail, each by itself, and none goes on, it is the chain that is at fault.
MANY = 10


class Stopped(Exception):
    """The chain was paused while its runs were looked at."""


@dataclass
class Parted:
    """``at_fault``: which runs fail by themselves, each with its error; ``unknown``: of which that
    was not found out; ``error``: with what all of them failed together."""

    error: Exception
    at_fault: dict[int, Exception] = field(default_factory=dict)
    unknown: list[int] = field(default_factory=list)


def part(
    pks: Sequence[int], error: Exception, look: Callable[[Sequence[int]], bool], end: float
) -> Parted:
    """Find those of ``pks``, which failed together with ``error``, that fail by themselves: they
    are halved, and the halves that fail again. ``look`` looks at some, and says whether any of
    them went on. It ends at ``end`` of the monotonic clock. Raises what no run is at fault for:
    ``BrokenRule``, ``Stopped``, others in the way, a database that is gone."""
    found, goes_on = Parted(error), False
    failed = deque([(list(pks), error)])
    while failed:
        group, error = failed.popleft()
        if len(group) == 1:
            found.at_fault[group[0]] = error
            continue
        if time.monotonic() > end or (len(found.at_fault) >= MANY and not goes_on):
            found.unknown += group
            continue
        middle = len(group) // 2
        for half in (group[:middle], group[middle:]):
            try:
                goes_on = look(half) or goes_on
            except (BrokenRule, Stopped):
                raise
            except Exception as again:
                raise_if_gone(again)
                if is_busy(again):
                    raise
                failed.append((half, again))
    return found


def set_aside(
    chain: Chain, token: uuid.UUID, errors: Mapping[int, Exception], now: datetime.datetime
) -> None:
    """Let go of runs that are at fault: they stay where they are, say why, and are looked at again
    later, each by itself."""
    later = now + datetime.timedelta(minutes=chain.look_minutes)
    known = {"looked_at": now, "next_update": later, "deaths": claiming.ALONE, **claiming.FREE}
    by_reason: dict[str, list[int]] = {}
    for pk, error in errors.items():
        by_reason.setdefault(in_words(error), []).append(pk)
    for said, pks in by_reason.items():
        logger.error("%d runs of the chain %s failed: %s", len(pks), chain.slug, said)
        held = ChainRun.objects.held(token).filter(pk__in=pks)
        held.change({"problems": {"": [said]}, **known})


def let_go(token: uuid.UUID, *, fewer: Sequence[int] = ()) -> None:
    """Let go of what is claimed with ``token``; those of ``fewer`` are taken fewer at a time."""
    fewer_at_a_time = {"deaths": Least(F("deaths") + 1, Value(claiming.ALONE)), **claiming.FREE}
    try:
        if fewer:
            ChainRun.objects.held(token).filter(pk__in=fewer).change(fewer_at_a_time)
        ChainRun.objects.give_back(token)
    except (OperationalError, InterfaceError):
        logger.exception("Runs of a chain could not be given back; their claim runs out")


def note_failure(chain: Chain, error: Exception, counter: str = "failures") -> str:
    """Count an error of the chain, by the name of the counter; one that fails again and again is
    paused. Nothing is counted when only others were in the way. Raises ``error`` if the database is
    gone."""
    raise_if_gone(error)
    said = in_words(error)
    if is_busy(error):
        logger.warning("The chain %s is tried again: %s", chain.slug, said)
        return said
    logger.error("The chain %s failed", chain.slug, exc_info=error)
    counted = Chain.objects.filter(pk=chain.pk)
    counted.update(**{counter: F(counter) + 1})
    most: dict[str, Any] = {f"{counter}__gte": MOST_FAILURES}
    if counted.filter(**most).exists():
        reason = _("It failed again and again, the last time because: %(reason)s")
        chain.stop(reason % {"reason": said})
    return said


def note_success(chain: Chain, counter: str = "failures") -> None:
    """What went wrong before is not counted any more."""
    if getattr(chain, counter):
        Chain.objects.filter(pk=chain.pk).update(**{counter: 0})
