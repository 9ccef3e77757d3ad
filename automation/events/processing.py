"""Sending all rows through their model sources, for those that nobody saves."""

import datetime
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.db.models import Model, Q, QuerySet

from automation.events.declared import model_of, unharmed
from automation.events.dispatch import Answer
from automation.events.event import Event, stored_event, stored_text
from automation.events.listeners.calls import reason
from automation.events.model_sources import ModelSource, model_sources
from automation.events.models import EventRecord
from automation.events.recording import Recording, Writer, moment
from automation.rules import conf

logger = logging.getLogger(__name__)

#: How many rows are in memory at a time.
ROWS = 1_000

#: Of how many failed rows the reasons are kept; the others are only counted.
REASONS = 10

HOW_TO_REGISTER = "register_model_source() does it, in <app>/listeners.py."

# What fits into the parameters of one query everywhere.
_KEYS = 500

Filters = Q | Mapping[str, Any] | None
#: A row and its events.
Made = tuple[Model, list[Event]]


@dataclass
class Processed:
    """What one source made of the rows: how many were looked at (``rows``), how many events it
    gave for them (``seen``) and how many of these were new (``new``); how many rows ``failed``
    and made no events, with the first ``reasons``: the row's primary key, and what was wrong.
    ``error_count`` and ``errors`` are what listeners of the events raised, as ``record`` has it."""

    source: ModelSource
    rows: int = 0
    seen: int = 0
    new: int = 0
    failed: int = 0
    reasons: list[tuple[Any, str]] = field(default_factory=list)
    recording: Recording = field(default_factory=lambda: Recording(uuid.uuid4()), repr=False)

    @property
    def error_count(self) -> int:
        return self.recording.error_count

    @property
    def errors(self) -> list[Answer]:
        return self.recording.errors

    def fail(self, row: Model, error: Exception) -> None:
        self.failed += 1
        if len(self.reasons) < REASONS:
            self.reasons.append((row.pk, reason(error)))
        named = f"{row._meta.label} {row.pk}"
        logger.debug("The source %s failed on %s", self.source, named, exc_info=error)

    def log(self) -> None:
        """Tell of failed rows whoever does not look at what is returned."""
        if self.failed:
            label, (pk, reason) = self.source.model._meta.label, self.reasons[0]
            said = "The source %s failed on %d rows of %s, the first of them %s: %s"
            logger.error(said, self.source, self.failed, label, pk, reason)


def process_sources(
    *models: type[Model] | str,
    filters: Filters = None,
    now: datetime.datetime | None = None,
    dry_run: bool = False,
    progress: Callable[[Processed], None] | None = None,
) -> list[Processed]:
    """Send the rows of ``models`` through their sources, and record the events that are new. All
    models that have sources if none is named; ``filters``, a ``Q`` or a mapping, says which rows.

    Idempotent, safe beside others that do the same, and to be started again after it was
    killed: each chunk of rows is recorded in a transaction of its own, with the same number of
    statements for any number of rows. A row that fails makes no events, and stops no other.
    ``now`` (aware) is written down as the time of recording. With ``dry_run`` nothing is
    recorded: ``new`` are then the keys that are not recorded yet, counted chunk by chunk.
    ``progress`` is called after each chunk with what was done by then.

    Raises ``ImproperlyConfigured`` for a model without sources and for rows in another database
    than events; ``TypeError`` for ``filters`` that are neither; ``FieldError`` and ``ValueError``
    as ``QuerySet.filter`` does; ``ValueError`` for a naive ``now``; and errors of a database that
    cannot be reached any more.
    """
    chosen = _sources_of(models)
    # All are asked for their rows first: either nothing is wrong with any, or nothing is done.
    asked = [(source, _filtered(source.all_rows(), filters)) for source in chosen]
    at = moment(now)
    walks = [_Walk(source, rows, at, dry_run, progress) for source, rows in asked]
    return [walk.run() for walk in walks]


def _sources_of(models: Sequence[type[Model] | str]) -> list[ModelSource]:
    if not models:
        return list(model_sources)
    chosen: dict[ModelSource, None] = {}
    for model in [model_of(each, "process_sources") for each in models]:
        if not (found := model_sources.of(model)):
            known = ", ".join(each._meta.label for each in model_sources.models)
            raise ImproperlyConfigured(
                f"process_sources: no source is registered for {model._meta.label}. "
                + (f"Models with one: {known}." if known else HOW_TO_REGISTER)
            )
        chosen |= dict.fromkeys(found)
    return list(chosen)


def _filtered(rows: QuerySet[Any], filters: Filters) -> QuerySet[Any]:
    if filters is None:
        return rows
    if not isinstance(filters, Q | Mapping):
        raise TypeError(
            f"process_sources: filters is {filters!r}. Give a Q, or a mapping as QuerySet.filter "
            'takes it: {"status": "open"}.'
        )
    return rows.filter(filters if isinstance(filters, Q) else Q(**filters))


class _Walk:
    """One source on its way through the rows."""

    def __init__(
        self,
        source: ModelSource,
        rows: QuerySet[Any],
        now: datetime.datetime,
        dry_run: bool,
        progress: Callable[[Processed], None] | None,
    ) -> None:
        self.source = source
        self.queryset = rows.order_by("pk")
        self.queryset.query.standard_ordering = True  # whatever reverse() was called on before
        self.writer = Writer(now=now)
        self.dry_run = dry_run
        self.progress = progress
        self.done = Processed(source, recording=self.writer.recording)

    def run(self) -> Processed:
        for rows in self._chunks():
            made = self._make(rows)
            for some in _portions(made, conf.get().RECORD_CHUNK):
                self._write(some)
            self.done.rows += len(rows)
            if self.progress:
                self.progress(self.done)
        self.done.log()
        return self.done

    def _chunks(self) -> Iterator[list[Model]]:
        last = None
        while True:
            rest = self.queryset if last is None else self.queryset.filter(pk__gt=last)
            found = list(rest[:ROWS])
            # A filter over related rows finds a row once for each of them, one after the other.
            if rows := list({row.pk: row for row in found}.values()):
                last = rows[-1].pk
                yield rows
            if len(found) < ROWS:
                return

    def _make(self, rows: list[Model]) -> list[Made]:
        """The events of each row. Within a transaction, rows are only kept apart from each other
        if one of them met an error of the database: that takes two statements a row."""
        together, apart = unharmed(self.writer.database), partial(unharmed, self.writer.database)
        try:
            with together:
                made, failed = self._ask(rows, nullcontext, passes_on=DatabaseError)
        except DatabaseError:
            made, failed = self._ask(rows, apart, passes_on=())
        for row, error in failed:
            self.done.fail(row, error)
        return made

    def _ask(
        self, rows: list[Model], around: Any, passes_on: Any
    ) -> tuple[list[Made], list[tuple[Model, Exception]]]:
        made: list[Made] = []
        failed: list[tuple[Model, Exception]] = []
        for row in rows:
            try:
                with around():
                    made.append((row, self.source.events_of(row)))
            except passes_on:
                raise
            except Exception as error:
                self._raise_if_unreachable(error)
                failed.append((row, error))
        return made, failed

    def _write(self, made: list[Made]) -> None:
        """Write the events of some rows together. If that fails, of each half of them, until the
        row is found that cannot be written."""
        events = [event for _row, some in made for event in some]
        if not events:
            return
        try:
            self.done.new += self._count_new(events) if self.dry_run else self.writer.write(events)
            self.done.seen += len(events)
        except Exception as error:
            self._raise_if_unreachable(error)
            if len(made) == 1:
                self.done.fail(made[0][0], error)
                return
            half = len(made) // 2
            self._write(made[:half])
            self._write(made[half:])

    def _count_new(self, events: list[Event]) -> int:
        stored = list(map(stored_event, events))
        for event in stored:
            stored_text(event)  # what cannot be written is told now, too
        keys = list({event.key for event in stored})
        old = 0
        for start in range(0, len(keys), _KEYS):
            old += EventRecord.objects.filter(key__in=keys[start : start + _KEYS]).count()
        return len(keys) - old

    def _raise_if_unreachable(self, error: Exception) -> None:
        """A row is not to blame for a database that is gone."""
        of_database = isinstance(error, OperationalError | InterfaceError)
        if of_database and not connections[self.writer.database].is_usable():
            raise error


def _portions(made: list[Made], most: int) -> Iterator[list[Made]]:
    """``made`` in portions of about ``most`` events; a row's events stay together."""
    portion: list[Made] = []
    count = 0
    for row, events in made:
        if portion and count + len(events) > most:
            yield portion
            portion, count = [], 0
        portion.append((row, events))
        count += len(events)
    if portion:
        yield portion
