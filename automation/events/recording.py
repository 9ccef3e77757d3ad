"""Recording events: only new ones, with their deliveries, both or neither.

Rows of ``EventRecord`` and of every delivery are written a chunk at a time, each chunk in
one transaction and with a constant number of statements.
"""

import datetime
import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from django.db import Error as DatabaseProblem
from django.db import router, transaction
from django.utils import timezone

from automation.events import bell, watching
from automation.events.declared import dotted_name, unharmed
from automation.events.dispatch import Answer, call_listeners, listened_groups, listeners
from automation.events.erasing import erased
from automation.events.event import Event, stored_event, stored_text
from automation.events.inserting import insert_rows
from automation.events.models import Action, EventRecord, ListenerCall
from automation.rules import conf, plain

logger = logging.getLogger(__name__)

#: Of so many calls that raised a recording keeps the answers; the others are only counted.
ERRORS = 100

_COLUMNS = (
    "key",
    "group",
    "context",
    "recipient",
    "language",
    "time_zone",
    "row_model",
    "row_pk",
)


@dataclass
class Recording:
    """What one call of ``record`` wrote. Iterating it reads the new events from the database,
    a few at a time. ``error_count``: how often listeners raised that were called after the
    commit, and ``errors`` the first 100 of their answers; within a transaction of the caller they
    are called, and are there, after that. The tracebacks are in the log and not on the errors:
    they would keep alive whatever was in memory."""

    id: uuid.UUID
    seen: int = 0
    new: int = 0
    errors: list[Answer] = field(default_factory=list)
    error_count: int = 0

    def note_error(self, answer: Answer) -> None:
        """Count the call that raised, and keep its answer if it is one of the first."""
        self.error_count += 1
        if len(self.errors) < ERRORS:
            self.errors.append(answer)

    def __iter__(self) -> Iterator[EventRecord]:
        found = EventRecord.objects.filter(recording=self.id).order_by("pk")
        return found.iterator(chunk_size=1_000)


def record(events: Iterable[Event], *, now: datetime.datetime | None = None) -> Recording:
    """Record those of ``events`` whose key is new, and what they cause.

    Idempotent: calling it again with the same events writes nothing. Safe from any number
    of processes at once. The deliveries of every active action that hears an event's group
    are written in the transaction of the event; listeners are called after its commit, and one
    that raises stops nothing: its error is in ``Recording.errors`` and on a row of its own.
    ``now`` (aware) is the time that is written down. Raises ``ValueError`` for an event
    without key or group and for a naive ``now``, and ``TypeError`` for what is no event; events
    of earlier chunks stay recorded.
    """
    writer = Writer(now=moment(now))
    remaining, size = _several(events), conf.get().RECORD_CHUNK
    while chunk := list(islice(remaining, size)):
        writer.write(chunk)
    return writer.recording


def moment(now: datetime.datetime | None) -> datetime.datetime:
    """``now``, or what the clock says. Raises ``ValueError`` for one without a time zone."""
    if now is None:
        return timezone.now()
    if not isinstance(now, datetime.datetime) or timezone.is_naive(now):
        raise ValueError(
            f"now is {now!r}, which has no time zone: give an aware datetime, such as "
            "django.utils.timezone.now()."
        )
    return now


def _several(events: Any) -> Iterator[Event]:
    if isinstance(events, Event):
        raise TypeError("record() takes any number of events: record([event]), or event.record().")
    if isinstance(events, type) and issubclass(events, Event):
        name = events.__name__
        raise TypeError(f"Make the event first: record([{name}(…)]), or {name}(…).record().")
    if isinstance(events, str | bytes | Mapping) or not isinstance(events, Iterable):
        raise TypeError(
            f"record() takes any number of events, such as a list, and {events!r} is none. "
            "An event is made by Event(group, key, context)."
        )
    return iter(events)


class Writer:
    """Writes chunks of events as one recording. ``rule_id`` names the rule that made them;
    with ``known_new`` the caller has left out keys that are recorded already, as far as it
    could see, and they are not looked up again."""

    def __init__(
        self,
        *,
        now: datetime.datetime,
        rule_id: int | None = None,
        known_new: bool = False,
        recording_id: uuid.UUID | None = None,
    ) -> None:
        self.recording = Recording(recording_id or uuid.uuid4())
        self.now = now
        self.rule_id = rule_id
        self.known_new = known_new
        self.database = router.db_for_write(EventRecord)
        #: The events that were new in the chunk written last.
        self.written: list[Event] = []

    def write(self, events: Sequence[Event]) -> int:
        """Write one chunk in one transaction; returns how many of ``events`` were new."""
        stored = list(map(stored_event, reversed(events)))
        self.recording.seen += len(events)
        with transaction.atomic(using=self.database):
            screened, about_erased = erased.screened(stored)
            keyed = {event.key: event for event in screened}
            if not self.known_new:
                self._forget_recorded(keyed)
            new = self._insert(dict(sorted(keyed.items()))) if keyed else []
            told = [(pk, about_erased.get(event.key, event)) for pk, event in new]
            watched = None
            if watching.watchers:
                told = [(pk, _as_read(event)) for pk, event in told]
                watched = watching.Chunk(told, reversed(stored))
            if new:
                # Nothing goes out for somebody who was erased; what code does is its own matter.
                wanted = [(pk, event) for pk, event in new if event.key not in about_erased]
                self._route(wanted)
                self._queue_listeners(wanted, watched)
                self._tell_listeners(told, watched)
            if watched:
                fresh = {event.key for _pk, event in new}
                known = [each for each in reversed(screened) if each.key not in fresh]
                watched.written([_as_read(event) for event in known])
        self.recording.new += len(new)
        self.written = [event for _pk, event in new]
        return len(new)

    def _forget_recorded(self, keyed: dict[str, Event]) -> None:
        """Leave out what is recorded already: a refused insert would still use up an id."""
        keys = list(keyed)
        for start in range(0, len(keys), 500):
            some = keys[start : start + 500]
            for key in EventRecord.objects.filter(key__in=some).values_list("key", flat=True):
                keyed.pop(key, None)

    def _insert(self, keyed: dict[str, Event]) -> list[tuple[int, Event]]:
        """Insert in the order of keys, so that two processes with the same events wait for
        each other instead of locking each other out. Returns what was inserted."""
        last = EventRecord.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        rows = (
            (
                key,
                event.group,
                stored_text(event),
                event.recipient,
                event.language,
                event.time_zone,
                event.row_model,
                event.row_pk,
            )
            for key, event in keyed.items()
        )
        constants = {
            "recording": self.recording.id,
            "recorded_at": self.now,
            "rule_id": self.rule_id,
        }
        if not insert_rows(EventRecord, _COLUMNS, rows, constants):
            return []
        # Ids only grow, and no other process writes to this recording.
        written = EventRecord.objects.filter(recording=self.recording.id, pk__gt=last)
        return [(pk, keyed[key]) for pk, key in written.values_list("pk", "key")]

    def _route(self, new: list[tuple[int, Event]]) -> None:
        """Write the deliveries of every active action for the events whose group it hears."""
        groups = {event.group for _pk, event in new}
        for action in Action.objects.filter(is_active=True):
            heard = {group for group in groups if action.hears(group)}
            if not heard:
                continue
            model = action.delivery_model
            model.enqueue(
                action.pk,
                (
                    (pk, recipient)
                    for pk, event in new
                    if event.group in heard
                    for recipient in dict.fromkeys(action.recipients(event))
                ),
                self.now,
            )
            bell.ring(model, using=self.database)

    def _queue_listeners(
        self, new: list[tuple[int, Event]], watched: watching.Chunk | None
    ) -> None:
        """Write down which queued listener is to be told of which event."""
        if watched:
            new = watched.not_silenced(new)
        hearing: dict[str, set[str]] = {}
        for group in {event.group for _pk, event in new}:
            for name in listeners.queued(group):
                hearing.setdefault(name, set()).add(group)
        for name, heard in sorted(hearing.items()):
            told = ((pk, "") for pk, event in new if event.group in heard)
            ListenerCall.enqueue(name, told, self.now)
        if hearing:
            bell.ring(ListenerCall, using=self.database)

    def _tell_listeners(self, new: list[tuple[int, Event]], watched: watching.Chunk | None) -> None:
        if watched:
            new = watched.not_silenced(new)
        groups = listened_groups({event.group for _pk, event in new})
        heard = [(pk, _as_read(event)) for pk, event in new if event.group in groups]
        if heard:
            transaction.on_commit(
                partial(self._call_listeners, heard, watched), using=self.database
            )

    def _call_listeners(
        self, heard: list[tuple[int, Event]], watched: watching.Chunk | None
    ) -> None:
        """Call them, and keep what they raised on rows from which a person can have them called
        again, as far as another process can find them."""
        failed: dict[str, list[tuple[int, Exception]]] = {}
        for pk, event in heard:
            answers = call_listeners(event, within=partial(unharmed, self.database))
            if watched:
                watched.answered(pk, answers)
            for answer in answers:
                if answer.error is None:
                    continue
                _forget_frames(answer.error)
                self.recording.note_error(answer)
                if listeners.can_be_found(answer.listener):
                    name = dotted_name(answer.listener)
                    failed.setdefault(name, []).append((pk, answer.error))
        try:
            for name, errors in sorted(failed.items()):
                ListenerCall.write_failed(name, errors, self.now)
        except DatabaseProblem:
            logger.exception("That listeners failed could not be written down")


def _forget_frames(error: BaseException | None) -> None:
    """Drop the traceback of ``error`` and of what led to it. Its frames, and those that called
    them, hold the events of the whole chunk."""
    remaining, known = [error], set()
    while remaining:
        error = remaining.pop()
        if error is not None and id(error) not in known:
            known.add(id(error))
            error.__traceback__ = None
            remaining += [error.__cause__, error.__context__]
            remaining += getattr(error, "exceptions", ())  # of an ExceptionGroup


def _as_read(event: Event) -> Event:
    """``event`` with the context that the cluster reads later, in which a UUID is a text:
    whoever hears it gets the same wherever that is. To do so with every event would cost."""
    context = plain.as_read(dict(event.context))
    # The very object where that says the same.
    return event if context == event.context else event.replaced(context=context)
