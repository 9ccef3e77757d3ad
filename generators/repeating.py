"""How often a row becomes an event: the key of its next event, and whether it had one.

Keys are unique over all events, ever, so whatever runs at once, a key happens once. What
the key of a row is made of says how often that is:

- once, or once in each period: ``generator:7:812``, ``generator:7:812:2026-W11``
- each time it matches anew: the number of its stay, ``generator:7:812:2``
- again after N days: the event before, ``generator:7:812:after-4711``, so that each event is
  followed by one other at most. While the last one is young its own key stands for the row.
- a key of its own: what the template makes of the row, ``generator:7:key:ann@example.com``
"""

import datetime
from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import (
    Case,
    CharField,
    Exists,
    Max,
    OuterRef,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.functions import SHA256, Concat, Left, Length
from django.utils.translation import gettext as _

from automation.events.event import KEY_LENGTH
from automation.events.models import EventRecord
from automation.rules.keys import key_expression, key_field
from automation.rules.snapshot import Snapshot
from automation.rules.templating import TemplateError, parse
from generators import presence
from generators.models import Generator
from generators.timing import Repeat, days_ago, period

# What a key has beside the row's: the generator's number or the name of a description, a period.
_AROUND = 120


class Keys:
    """The keys of the events that some rows make at ``now``, recorded already or not.

    Make it before the values of the rows are read: then a key never belongs to a later
    event than the values do. Raises ``TemplateError`` for a key template that is none.
    """

    def __init__(self, generator: Generator, rows: Iterable[str], now: datetime.datetime) -> None:
        self._repeat = generator.repeat
        self._prefix = generator.key_prefix()
        self._suffix = _period_suffix(generator, now)
        self._suffixes: dict[str, str] = {}
        self._young: dict[str, str] = {}
        if self._repeat == Repeat.ANEW:
            self._suffix = ":1"
            numbers = presence.episodes(generator, rows)
            self._suffixes = {row: f":{number}" for row, number in numbers.items()}
        elif self._repeat == Repeat.AFTER:
            self._suffix = ":after-0"
            last = _last_events(generator, rows)
            since = _too_young_since(generator, now)
            self._suffixes = {row: f":after-{pk}" for row, (pk, _at) in last.items()}
            young = [pk for pk, at in last.values() if at >= since]
            self._young = dict(
                EventRecord.objects.filter(pk__in=young).values_list("row_pk", "key")
            )
        elif self._repeat == Repeat.KEY:
            self._template = parse(generator.key_template)

    def key_of(self, row: str, snapshot: Snapshot) -> str:
        """The key of the event of ``row``. Raises ``TemplateError`` if the generator's own key
        cannot be made of it."""
        if self._repeat == Repeat.KEY:
            own = self._template.render(snapshot.context).strip()
            if not own:
                raise TemplateError(_("Its own key is empty."))
            return f"{self._prefix}key:{own}"
        if row in self._young:
            return self._young[row]
        return f"{self._prefix}{row}{self._suffixes.get(row, self._suffix)}"


def needs_rows(generator: Generator) -> bool:
    """Whether the key of a row's event depends on what happened to the row."""
    return generator.repeat in (Repeat.ANEW, Repeat.AFTER)


def with_had(rows: QuerySet[Any], generator: Generator, now: datetime.datetime) -> QuerySet[Any]:
    """``rows`` with ``_had``: whether each had the event already that it would make now.

    With keys of its own that is only known once the key is made; until then it says whether
    the row had any event of this generator.
    """
    if generator.repeat in (Repeat.AFTER, Repeat.KEY):
        had = _events(generator).filter(row_pk=OuterRef("_row_key"))
        if generator.repeat == Repeat.AFTER:
            had = had.filter(recorded_at__gte=_too_young_since(generator, now))
        return rows.alias(_row_key=key_expression(rows.model)).annotate(_had=Exists(had))
    recorded = EventRecord.objects.filter(key=OuterRef("_event_key"))
    return _with_key(rows, generator, now).annotate(_had=Exists(recorded))


def _with_key(rows: QuerySet[Any], generator: Generator, now: datetime.datetime) -> QuerySet[Any]:
    """``rows`` with the key of the event that each makes, computed by the database."""
    suffix: Any = Value(_period_suffix(generator, now))
    if generator.repeat == Repeat.ANEW:
        rows = rows.alias(_row_key=key_expression(rows.model))
        suffix = presence.suffix_expression(generator)
    return rows.annotate(_event_key=key_of_row(rows.model, generator.key_prefix(), suffix))


def key_of_row(model: type[models.Model], prefix: str, suffix: Any) -> Any:
    """The stored key of the event of each row of ``model``, computed by the database: its
    primary key between ``prefix`` and ``suffix``, which is an expression."""
    key = Concat(Value(prefix), key_expression(model), suffix, output_field=CharField())
    return _stored(key) if _can_be_long(key_field(model)) else key


def _period_suffix(generator: Generator, now: datetime.datetime) -> str:
    name = period(generator.repeat, generator.local(now))
    return f":{name}" if name else ""


def _events(generator: Generator) -> QuerySet[EventRecord]:
    """What the generator has recorded about rows of its source."""
    model = generator.source_or_error().model
    return EventRecord.objects.filter(rule=generator.pk, row_model=model._meta.label_lower)


def _last_events(
    generator: Generator, rows: Iterable[str]
) -> dict[str, tuple[int, datetime.datetime]]:
    """The last event of each of ``rows`` that had one: its number, and when the latest was."""
    found = _events(generator).filter(row_pk__in=list(rows)).order_by().values("row_pk")
    found = found.annotate(last=Max("pk"), at=Max("recorded_at"))
    return {row: (pk, at) for row, pk, at in found.values_list("row_pk", "last", "at")}


def _too_young_since(generator: Generator, now: datetime.datetime) -> datetime.datetime:
    """An event from then on is too young for its row to have another one at ``now``. Whole
    days count: a run that comes a second earlier in its day than the last time is not
    early."""
    return days_ago(generator.repeat_days - 1, generator.local(now))


def _can_be_long(field: Any) -> bool:
    if not isinstance(field, CharField | TextField):
        return False
    return field.max_length is None or field.max_length > KEY_LENGTH - _AROUND


class _Digest(SHA256):
    """SHA-256 as text, on PostgreSQL without its extension pgcrypto."""

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = "ENCODE(SHA256(CONVERT_TO(%(expressions)s, 'UTF8')), 'hex')"
        return self.as_sql(compiler, connection, template=template, **extra)


def _stored(key: Any) -> Any:
    """What ``stored_key`` makes of a key, computed by the database."""
    kept = KEY_LENGTH - 64 - 1
    cut = Concat(Left(key, kept), Value(":"), _Digest(key), output_field=CharField())
    return Case(
        When(models.lookups.GreaterThan(Length(key), KEY_LENGTH), then=cut),
        default=key,
        output_field=CharField(),
    )
