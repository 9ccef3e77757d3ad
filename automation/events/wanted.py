"""Whether what waits to go out is still wanted, asked right before it is handed over.

Whoever makes events says here which of them are to reach nobody any more, and why; the kinds of
delivery that are to know it (``Delivery.MUST_BE_WANTED``) ask, for a whole batch at a time.
"""

import datetime
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError
from django.db.models import prefetch_related_objects
from django.utils import timezone

from automation.events.outbox import Delivery
from automation.events.records import EventRecord
from automation.events.states import Cause

logger = logging.getLogger(__name__)

#: An answer is believed for so many seconds.
FRESH = 5.0
#: It is believed for so many times as long as it took, so that asking is never most of the work.
_SPACING = 10

#: Takes recorded events and the moment (aware), and returns why some of them are no longer wanted,
#: for people, by the primary key of the event. It asks the same number of queries for any number
#: of events, and none if none of them can be meant.
Question = Callable[[Sequence[EventRecord], datetime.datetime], Mapping[int, str]]

_questions: list[Question] = []


def register(question: Question) -> None:
    """``question`` is asked about every batch that goes out. Registering it again does nothing."""
    if question not in _questions:
        _questions.append(question)


@contextmanager
def only(*chosen: Question) -> Iterator[None]:
    """For tests: nothing but ``chosen`` is registered inside."""
    before = _questions[:]
    _questions[:] = chosen
    try:
        yield
    finally:
        _questions[:] = before


def unwanted(events: Sequence[EventRecord], now: datetime.datetime) -> dict[int, str]:
    """Why some of ``events`` are no longer wanted at ``now`` (aware), by primary key. What cannot
    be asked stops nothing. Raises only when the database is gone, or locked."""
    found: dict[int, str] = {}
    for question in _questions:
        try:
            found.update(question(events, now))
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("Whether events are still wanted cannot be asked; they go out")
    return found


class StillWanted:
    """One batch that is being delivered. It is asked about as a whole, and again when the answer
    is ``FRESH`` no longer."""

    def __init__(self, batch: Sequence[Delivery]) -> None:
        is_asked = bool(_questions) and type(batch[0]).MUST_BE_WANTED
        self._batch = [each for each in batch if _may_be_stopped(each)] if is_asked else []
        self._unwanted: dict[int, str] = {}
        self._good_until = -math.inf

    def reason_against(self, delivery: Delivery) -> str:
        """Why ``delivery`` must not go out any more, for people; empty if it may."""
        if not self._batch or not _may_be_stopped(delivery):
            return ""
        if time.monotonic() >= self._good_until:
            self._ask()
        return self._unwanted.get(delivery.event_id, "")

    def _ask(self) -> None:
        began = time.monotonic()
        prefetch_related_objects(self._batch, "event")
        events = {each.event_id: each.event for each in self._batch}
        self._unwanted = unwanted(list(events.values()), timezone.now())
        took = time.monotonic() - began
        self._good_until = began + max(FRESH, _SPACING * took)


def _may_be_stopped(delivery: Delivery) -> bool:
    """Whether no person wants it to go out all the same."""
    return delivery.cause != Cause.PERSON
