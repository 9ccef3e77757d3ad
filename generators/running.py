"""Running a generator: its new rows become events.

The steps, for any number of rows:

1. One query counts the rows that match and those among them without an event yet. Nothing
   new: done, and nothing was written but the count on the last run. (A generator with keys of
   its own makes the key of every matching row instead, chunk by chunk.)
2. The primary keys of the new ones are read, a window at a time.
3. Chunk by chunk the rows are asked again and their values taken in the same statement, so
   that an event never shows values that do not match (related lists in one more each); then
   events and deliveries are written in one transaction.
"""

import datetime
import logging
import traceback
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import InterfaceError, OperationalError, models, transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.events.event import GROUP_LENGTH, Event, stored_key
from automation.events.models import EventRecord, template_data
from automation.events.recording import Writer
from automation.rules import conf, plain
from automation.rules.keys import key_field, key_text
from automation.rules.models import BrokenRule
from automation.rules.snapshot import snapshots
from automation.rules.templating import Template, TemplateError, parse
from generators import presence, repeating
from generators.metrics import count_run
from generators.models import (
    MOST_FAILURES,
    SCHEDULE_FIELDS,
    Generator,
    Presence,
    Run,
    RunState,
    State,
)
from generators.timing import Repeat

logger = logging.getLogger(__name__)

# Primary keys held in memory at a time; 8 bytes each where they are integers.
WINDOW = 100_000

# Of so many rows the own keys are made for a page that only wants to count.
OWN_KEYS = 2_000

# Some errors quote the statement that failed, with all its values.
ERROR_LENGTH = 2_000


class Stopped(Exception):
    """The run had to end before its end; the reason is for people."""


class KeepsDying(Exception):
    """It is not tried again."""


#: What does not count as a failure of the generator: somebody ended its run, or the database is
#: out of reach.
NOT_ITS_FAULT = (Stopped, OperationalError, InterfaceError)


@dataclass(frozen=True)
class Outcome:
    """What a run found: counts of rows, and the error that stopped it, if any."""

    looked_at: int = 0
    matched: int = 0
    new: int = 0
    error: str = ""


def run(generator: Generator, now: datetime.datetime) -> Outcome | None:
    """Evaluate ``generator`` at ``now`` (aware) and record its new events.

    Idempotent. None if another worker is running it already. Errors are written on the
    run; a rule that cannot be asked pauses its generator with the reason.
    """
    if not generator.claim():
        return None
    started = timezone.now()
    attempt, stopped_by = _Attempt(generator, now), ""
    try:
        if generator.failures == MOST_FAILURES:
            raise KeepsDying(_("Each worker that ran it died."))
        outcome = attempt.run()
    except Exception as error:
        said = _said(generator, error)
        outcome = Outcome(attempt.looked_at, attempt.matched, attempt.new, said)
        if not isinstance(error, NOT_ITS_FAULT):
            stopped_by = said
    try:
        # Somebody may have changed it meanwhile, or deleted it.
        generator.refresh_from_db(fields=[*SCHEDULE_FIELDS, "state"])
    except Generator.DoesNotExist:
        return outcome
    duration = timezone.now() - started
    attempt.write_down(outcome, duration)
    generator.finish_claim(failed=stopped_by)
    count_run(bool(outcome.error), duration)
    return outcome


def run_row(generator: Generator, row: Any, now: datetime.datetime) -> int:
    """Record the event of one row, named by its primary key, if it matches at ``now`` and has
    none yet; returns how many were recorded. Idempotent, beside any run. Errors are written
    down as those of a run, each once a day; a broken rule pauses its generator."""
    try:
        pk = generator.source_or_error().model._meta.pk.to_python(row)
        matching = _matching(generator, now).filter(pk=pk)
        if generator.repeat == Repeat.ANEW:
            here = Presence.objects.filter(row_pk=key_text(pk))
            presence.note_departures(generator, matching, here)
        return write(generator, _writer(generator, now), _candidates(generator, matching, now), now)
    except TemplateError as error:
        reason = error.reason
    except Exception as error:
        reason = _said(generator, error)
    Run.note_failed_row(generator, key_text(row), reason, now)
    return 0


def _matching(generator: Generator, now: datetime.datetime) -> QuerySet[Any]:
    if not generator.conditions.exists():
        raise BrokenRule(_("It has no condition: it would mean every row there is."))
    return generator.rows(now)


def _candidates(
    generator: Generator, matching: QuerySet[Any], now: datetime.datetime
) -> QuerySet[Any]:
    """The rows that may make an event: of keys of its own that is not known before they are
    made."""
    if generator.repeat == Repeat.KEY:
        return matching
    return repeating.with_had(matching, generator, now).filter(_had=False)


def _said(generator: Generator, error: Exception) -> str:
    """An error for people: ours as they are, others with their kind. A rule that cannot be
    asked pauses its generator."""
    if isinstance(error, BrokenRule) and generator.state == State.ARMED:
        generator.pause(str(error))
    if isinstance(error, BrokenRule | Stopped | KeepsDying | TemplateError):
        return str(error)
    logger.error("The generator %s failed", generator.slug, exc_info=error)
    said = "".join(traceback.format_exception_only(error)).strip()
    return plain.text(said[:ERROR_LENGTH])


class _Attempt:
    """One run in progress."""

    def __init__(self, generator: Generator, now: datetime.datetime) -> None:
        self.generator = generator
        self.now = now
        self.looked_at = self.matched = self.new = 0
        self.left_out: list[str] = []
        self.writer = _writer(generator, now)
        self.row: Run | None = None

    def run(self) -> Outcome:
        generator, now = self.generator, self.now
        matching = _matching(generator, now)
        if generator.repeat == Repeat.ANEW:
            presence.note_departures(generator, matching)
        self.looked_at = generator.source_or_error().rows([]).count()
        if self._count(matching):
            for pks in windows(_candidates(generator, matching, now)):
                self._record(pks, matching)
        return Outcome(self.looked_at, self.matched, self.new, self._left_out())

    def _count(self, matching: QuerySet[Any]) -> int:
        """Count the rows that match; returns how many of them may make an event."""
        if self.generator.repeat == Repeat.KEY:
            self.matched = matching.count()
            return self.matched
        counts = repeating.with_had(matching, self.generator, self.now).aggregate(
            matched=Count("pk"), unseen=Count("pk", filter=Q(_had=False))
        )
        self.matched = counts["matched"]
        return int(counts["unseen"])

    def _left_out(self) -> str:
        if not self.left_out:
            return ""
        said = ngettext(
            "%(count)d row was left out: %(reason)s",
            "%(count)d rows were left out, the first because: %(reason)s",
            len(self.left_out),
        )
        return said % {"count": len(self.left_out), "reason": self.left_out[0]}

    def _record(self, pks: Sequence[Any], matching: QuerySet[Any]) -> None:
        size = conf.get().RECORD_CHUNK
        for start in range(0, len(pks), size):
            if not self.generator.renew_claim():
                raise Stopped(
                    _("The run was stopped: it was paused, or another worker has taken it over.")
                )
            rows = matching.filter(pk__in=list(pks[start : start + size]))
            with transaction.atomic(using=self.writer.database):
                new = write(self.generator, self.writer, rows, self.now, self.left_out)
                # A run that records nothing is none that anybody wants to read about.
                if new and self.row is None:
                    self._start_row()
            self.new += new

    def _start_row(self) -> None:
        self.row = Run.objects.create(
            generator=self.generator,
            recording=self.writer.recording.id,
            started_at=self.now,
            rule_sentence=self.generator.sentence(),
            looked_at=self.looked_at,
            matched=self.matched,
        )

    def write_down(self, outcome: Outcome, duration: datetime.timedelta) -> None:
        """Keep what happened: on a row of its own, or counted on the one before if that says
        the same."""
        before = self.generator.runs.all()
        last = (before.exclude(pk=self.row.pk) if self.row else before).first()
        state = RunState.FAILED if outcome.error else RunState.DONE
        if last and last.state == RunState.RUNNING:
            last.give_up()
        if self.row is None and last and (last.state, last.error) == (state, outcome.error):
            last.count_again(self.now, looked_at=outcome.looked_at, matched=outcome.matched)
            return
        if self.row is None:
            self._start_row()
        Run.objects.filter(pk=self.row.pk).update(  # type: ignore[union-attr]
            state=state,
            duration=duration,
            looked_at=outcome.looked_at,
            matched=outcome.matched,
            new=outcome.new,
            error=outcome.error,
        )


def _writer(generator: Generator, now: datetime.datetime) -> Writer:
    # Which keys of its own are recorded is not asked before.
    return Writer(now=now, rule_id=generator.pk, known_new=generator.repeat != Repeat.KEY)


def write(
    generator: Generator,
    writer: Writer,
    rows: QuerySet[Any],
    now: datetime.datetime,
    left_out: list[str] | None = None,
) -> int:
    """Write the events of ``rows``, a chunk of them, in one transaction; returns how many were
    new. A row whose event cannot be made is left out, the reason added to ``left_out``."""
    made = list(events(generator, rows, now, left_out))
    if generator.repeat != Repeat.ANEW:
        return writer.write(made)
    with transaction.atomic(using=writer.database):
        new = writer.write(made)
        numbers = {event.row_pk: int(event.key.rpartition(":")[2]) for event in made}
        # The key decides who saw a row come in: who did not write it knows less than who did.
        arrived = {event.row_pk for event in writer.written} & numbers.keys()
        presence.note_arrivals(generator, {row: numbers[row] for row in arrived})
    return new


def without_events(
    rows: QuerySet[Any], generator: Generator, now: datetime.datetime
) -> QuerySet[Any]:
    """Those of ``rows`` that would make an event now. With keys of its own those keys are made
    for that, of ``OWN_KEYS`` rows at most; of more rows it only leaves out those that had an
    event themselves. Raises ``BrokenRule``."""
    if generator.repeat == Repeat.KEY:
        pks = list(rows.order_by("pk").values_list("pk", flat=True)[: OWN_KEYS + 1])
        if len(pks) <= OWN_KEYS:
            return rows.filter(pk__in=_with_new_keys(rows.filter(pk__in=pks), generator, now))
    return repeating.with_had(rows, generator, now).filter(_had=False)


def _with_new_keys(rows: QuerySet[Any], generator: Generator, now: datetime.datetime) -> list[str]:
    """The first row of each own key that is not recorded yet."""
    by_key: dict[str, str] = {}
    try:
        for event in events(generator, rows, now, left_out=[]):
            by_key.setdefault(stored_key(event.key), event.row_pk)
    except TemplateError as error:
        raise BrokenRule(str(error)) from error
    recorded = EventRecord.objects.filter(key__in=list(by_key))
    return [by_key[key] for key in by_key.keys() - set(recorded.values_list("key", flat=True))]


def standing_event(generator: Generator, pk: Any, now: datetime.datetime) -> EventRecord | None:
    """The event that keeps the row ``pk`` from making another one at ``now``, if it matches.
    Raises ``BrokenRule``, and ``TemplateError`` if its event cannot be made."""
    rows = generator.source_or_error().rows([]).filter(pk=pk)
    keys = [stored_key(event.key) for event in events(generator, rows, now)]
    return EventRecord.objects.filter(key__in=keys).first()


def events(
    generator: Generator,
    rows: QuerySet[Any],
    now: datetime.datetime,
    left_out: list[str] | None = None,
) -> Iterator[Event]:
    """The events that ``rows`` make at ``now``. A row whose group or key cannot be made is left
    out and its reason added to ``left_out``; without that list it raises ``TemplateError``."""
    template = parse(generator.group_template)
    constant = "{" not in generator.group_template
    source = generator.source_or_error()
    pks = rows.values_list("pk", flat=True) if repeating.needs_rows(generator) else ()
    keys = repeating.Keys(generator, [key_text(pk) for pk in pks], now)
    for snapshot in snapshots(source, rows, now):
        pk = key_text(snapshot.pk)
        try:
            event = Event(
                group=generator.group_template.strip(),
                key=keys.key_of(pk, snapshot),
                context=snapshot.context,
                recipient=snapshot.recipient,
                language=snapshot.language,
                time_zone=snapshot.time_zone,
                row_model=source.model._meta.label_lower,
                row_pk=pk,
            )
            yield event if constant else event.replaced(group=_group(template, event))
        except TemplateError as error:
            said = _("%(reason)s (row %(row)s)") % {"reason": error, "row": pk}
            if left_out is None:
                raise TemplateError(said, reason=str(error)) from error
            left_out.append(said)


def _group(template: Template, event: Event) -> str:
    group = template.render(template_data(event)).strip()
    if not group:
        raise TemplateError(_("The event group is empty."))
    if len(group) > GROUP_LENGTH:
        raise TemplateError(_("The event group is too long."))
    return group


def windows(rows: QuerySet[Any]) -> Iterator[Sequence[Any]]:
    """The primary keys of ``rows`` in ascending order, a bounded number at a time."""
    pks: Sequence[Any]
    whole = isinstance(key_field(rows.model), models.IntegerField)
    last = None
    while True:
        window = rows.order_by("pk").values_list("pk", flat=True)
        if last is not None:
            window = window.filter(pk__gt=last)
        found = window[:WINDOW].iterator(chunk_size=10_000)
        pks = array("q", found) if whole else list(found)
        if pks:
            yield pks
            last = pks[-1]
        if len(pks) < WINDOW:
            return
