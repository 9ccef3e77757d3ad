"""Running a generator: its new rows become events.

The steps, for any number of rows:

1. One query counts the rows that match and those among them without an event yet. Nothing
   new: done, and nothing was written but the count on the last run.
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
from dataclasses import dataclass, replace
from typing import Any

from django.db import models, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.events.event import GROUP_LENGTH, Event
from automation.events.models import EventRecord, template_data
from automation.events.recording import Writer
from automation.rules import conf
from automation.rules.keys import key_expression, key_field, key_text
from automation.rules.models import BrokenRule
from automation.rules.snapshot import snapshots
from automation.rules.templating import Template, TemplateError, parse
from generators import presence
from generators.models import Generator, Presence, Run, RunState, State
from generators.timing import Repeat

logger = logging.getLogger(__name__)

# Primary keys held in memory at a time; 8 bytes each where they are integers.
WINDOW = 100_000


class Stopped(Exception):
    """The run had to end before its end; the reason is for people."""


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
    attempt = _Attempt(generator, now)
    try:
        outcome = attempt.run()
    except BrokenRule as error:
        if generator.state == State.ARMED:
            generator.pause(str(error))
        outcome = Outcome(error=str(error))
    except Stopped as error:
        outcome = Outcome(attempt.looked_at, attempt.matched, attempt.new, str(error))
    except Exception as error:
        logger.exception("The generator %s failed", generator.slug)
        outcome = Outcome(
            looked_at=attempt.looked_at,
            matched=attempt.matched,
            new=attempt.new,
            error=_words(error),
        )
    attempt.write_down(outcome, timezone.now() - started)
    generator.finish_claim()
    return outcome


def _words(error: Exception) -> str:
    """An error for the run's row: ours as they are, others with their kind."""
    if isinstance(error, Stopped | TemplateError):
        return str(error)
    return "".join(traceback.format_exception_only(error)).strip()


class _Attempt:
    """One run in progress."""

    def __init__(self, generator: Generator, now: datetime.datetime) -> None:
        self.generator = generator
        self.now = now
        self.looked_at = self.matched = self.new = 0
        self.left_out: list[str] = []
        self.row: Run | None = None

    def run(self) -> Outcome:
        generator, now = self.generator, self.now
        source = generator.source_or_error()
        if not generator.conditions.exists():
            raise BrokenRule(_("It has no condition: it would mean every row there is."))
        matching = generator.rows(now)
        if generator.repeat == Repeat.ANEW:
            presence.note_departures(generator, matching)
        self.looked_at = source.rows([]).count()
        seen = _with_key(matching, generator, now).annotate(_recorded=_recorded())
        counts = seen.aggregate(matched=Count("pk"), unseen=Count("pk", filter=Q(_recorded=False)))
        self.matched = counts["matched"]
        if counts["unseen"]:
            self._start_row()
            for pks in _windows(without_events(matching, generator, now)):
                self._record(pks, matching)
        return Outcome(self.looked_at, self.matched, self.new, self._left_out())

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
        assert self.row is not None
        writer = Writer(
            now=self.now,
            rule_id=self.generator.pk,
            known_new=True,
            recording_id=self.row.recording,
        )
        size = conf.get().RECORD_CHUNK
        for start in range(0, len(pks), size):
            if not self.generator.renew_claim():
                raise Stopped(
                    _("The run was stopped: it was paused, or another worker has taken it over.")
                )
            chunk = list(pks[start : start + size])
            rows = matching.filter(pk__in=chunk)
            self.new += write(self.generator, writer, rows, self.now, self.left_out)

    def _start_row(self) -> None:
        self.row = Run.objects.create(
            generator=self.generator,
            started_at=self.now,
            rule_sentence=self.generator.sentence(),
            looked_at=self.looked_at,
            matched=self.matched,
        )

    def write_down(self, outcome: Outcome, duration: datetime.timedelta) -> None:
        """Keep what happened: on a row of its own, or counted on the quiet row before."""
        last = self.row or self.generator.runs.first()
        if self.row is None and not outcome.error and last and last.state == RunState.DONE:
            Run.objects.filter(pk=last.pk).update(
                quiet_runs=models.F("quiet_runs") + 1,
                last_quiet_at=self.now,
                looked_at=outcome.looked_at,
                matched=outcome.matched,
            )
            return
        if self.row is None:
            self._start_row()
        Run.objects.filter(pk=self.row.pk).update(  # type: ignore[union-attr]
            state=RunState.FAILED if outcome.error else RunState.DONE,
            duration=duration,
            looked_at=outcome.looked_at,
            matched=outcome.matched,
            new=outcome.new,
            error=outcome.error,
        )


def run_row(generator: Generator, pk: Any, now: datetime.datetime) -> int:
    """Record the event of one row if it matches at ``now`` and has none yet; returns how many
    were recorded. Idempotent, beside any run. A broken rule pauses its generator."""
    try:
        matching = generator.rows(now).filter(pk=pk)
        if generator.repeat == Repeat.ANEW:
            here = Presence.objects.filter(row_pk=key_text(pk))
            presence.note_departures(generator, matching, here)
        rows = without_events(matching, generator, now)
        writer = Writer(now=now, rule_id=generator.pk, known_new=True)
        return write(generator, writer, rows, now)
    except BrokenRule as error:
        generator.pause(str(error))
        return 0


def write(
    generator: Generator,
    writer: Writer,
    rows: QuerySet[Any],
    now: datetime.datetime,
    left_out: list[str] | None = None,
) -> int:
    """Record the events of ``rows``, a chunk of them, in one transaction. A row whose group
    cannot be made is left out, the reason added to ``left_out``."""
    made = list(events(generator, rows, now, left_out))
    if generator.repeat != Repeat.ANEW:
        return writer.write(made)
    with transaction.atomic(using=writer.database):
        new = writer.write(made)
        numbers = {event.row_pk: int(event.key.rpartition(":")[2]) for event in made}
        presence.note_arrivals(generator, numbers)
    return new


def without_events(
    rows: QuerySet[Any], generator: Generator, now: datetime.datetime
) -> QuerySet[Any]:
    """Those of ``rows`` whose event of the present period is not recorded yet."""
    return _with_key(rows, generator, now).filter(~_recorded())


def events(
    generator: Generator,
    rows: QuerySet[Any],
    now: datetime.datetime,
    left_out: list[str] | None = None,
) -> Iterator[Event]:
    """The events that ``rows`` make at ``now``. A row for which the group template cannot be
    rendered is left out and its reason added to ``left_out``; without that list it raises
    ``TemplateError``."""
    template = parse(generator.group_template)
    constant = "{" not in generator.group_template
    source = generator.source_or_error()
    prefix, suffix = generator.key_prefix(), generator.key_suffix(now)
    taken = list(snapshots(source, rows, now))
    numbers: dict[str, int] = {}
    if generator.repeat == Repeat.ANEW:
        numbers = presence.episodes(generator, (key_text(snapshot.pk) for snapshot in taken))
    for snapshot in taken:
        pk = key_text(snapshot.pk)
        if generator.repeat == Repeat.ANEW:
            suffix = f":{numbers.get(pk, 1)}"
        event = Event(
            group=generator.group_template.strip(),
            key=f"{prefix}{pk}{suffix}",
            context=snapshot.context,
            recipient=snapshot.recipient,
            language=snapshot.language,
            time_zone=snapshot.time_zone,
            row_model=source.model._meta.label_lower,
            row_pk=pk,
        )
        if not constant:
            try:
                event = replace(event, group=_group(template, event))
            except TemplateError as error:
                if left_out is None:
                    raise
                left_out.append(str(error))
                continue
        yield event


def _group(template: Template, event: Event) -> str:
    group = template.render(template_data(event)).strip()
    if not group:
        raise TemplateError(_("The event group is empty for row %(row)s.") % {"row": event.row_pk})
    if len(group) > GROUP_LENGTH:
        raise TemplateError(
            _("The event group is too long for row %(row)s.") % {"row": event.row_pk}
        )
    return group


def _with_key(rows: QuerySet[Any], generator: Generator, now: datetime.datetime) -> QuerySet[Any]:
    """``rows`` with the key of the event that each makes, computed by the database."""
    suffix: Any = Value(generator.key_suffix(now))
    if generator.repeat == Repeat.ANEW:
        rows = rows.alias(_row_key=key_expression(rows.model))
        suffix = presence.suffix_expression(generator)
    key = Concat(
        Value(generator.key_prefix()),
        key_expression(rows.model),
        suffix,
        output_field=models.CharField(),
    )
    return rows.annotate(_event_key=key)


def _recorded() -> Exists:
    return Exists(EventRecord.objects.filter(key=OuterRef("_event_key")))


def _windows(rows: QuerySet[Any]) -> Iterator[Sequence[Any]]:
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
