"""Recording events: only new ones, with their deliveries, both or neither.

Rows of ``EventRecord`` and of every delivery are written a chunk at a time, each chunk in
one transaction and with a constant number of statements.
"""

import datetime
import logging
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from django.db import router, transaction
from django.utils import timezone

from automation.events import bell
from automation.events.dispatch import call_listeners, listened_groups, listeners
from automation.events.erasing import erased
from automation.events.event import Event, stored_event
from automation.events.inserting import insert_rows
from automation.events.models import Action, EventRecord, ListenerCall
from automation.rules import conf, plain

logger = logging.getLogger(__name__)

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
    a few at a time."""

    id: uuid.UUID
    seen: int = 0
    new: int = 0

    def __iter__(self) -> Iterator[EventRecord]:
        found = EventRecord.objects.filter(recording=self.id).order_by("pk")
        return found.iterator(chunk_size=1_000)


def record(events: Iterable[Event], *, now: datetime.datetime | None = None) -> Recording:
    """Record those of ``events`` whose key is new, and what they cause.

    Idempotent: calling it again with the same events writes nothing. Safe from any number
    of processes at once. The deliveries of every active action that hears an event's group
    are written in the transaction of the event; listeners are called after its commit.
    ``now`` (aware) is the time that is written down. Raises ``ValueError`` for an event
    without key or group; events of earlier chunks stay recorded.
    """
    writer = Writer(now=now or timezone.now())
    remaining, size = iter(events), conf.get().RECORD_CHUNK
    while chunk := list(islice(remaining, size)):
        writer.write(chunk)
    return writer.recording


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
            if new:
                # Nothing goes out for somebody who was erased; what code does is its own matter.
                wanted = [(pk, event) for pk, event in new if event.key not in about_erased]
                self._route(wanted)
                self._queue_listeners(wanted)
                self._tell_listeners([about_erased.get(event.key, event) for _pk, event in new])
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
                plain.dumps(event.context),
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

    def _queue_listeners(self, new: list[tuple[int, Event]]) -> None:
        """Write down which queued listener is to be told of which event."""
        hearing: dict[str, set[str]] = {}
        for group in {event.group for _pk, event in new}:
            for name in listeners.queued(group):
                hearing.setdefault(name, set()).add(group)
        for name, heard in sorted(hearing.items()):
            told = ((pk, "") for pk, event in new if event.group in heard)
            ListenerCall.enqueue(name, told, self.now)
        if hearing:
            bell.ring(ListenerCall, using=self.database)

    def _tell_listeners(self, new: list[Event]) -> None:
        groups = listened_groups({event.group for event in new})
        heard = [event for event in new if event.group in groups]
        if heard:
            transaction.on_commit(lambda: call_listeners(heard), using=self.database)
