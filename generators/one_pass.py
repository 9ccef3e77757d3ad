"""The events of descriptions: one pass over each source for up to 250 that describe it.

1. One query finds the primary keys of the rows that any of them means, a window at a time.
2. Chunk by chunk the values of those rows are read once, and in the same statement for each
   description whether it means the row: an event never shows values that do not match.
"""

import datetime
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import BooleanField, Case, Exists, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone

from automation.events.event import GROUP_LENGTH, Event
from automation.events.models import EventRecord
from automation.rules import conditions as language
from automation.rules import conf
from automation.rules.keys import key_text
from automation.rules.snapshot import Snapshot, snapshots
from automation.rules.sources import Source
from automation.rules.templating import Template, TemplateError, parse
from generators import repeating
from generators.descriptions import Description, DescriptionError, Ready
from generators.running import windows

#: So many descriptions are asked in one statement: databases take no longer ones.
TOGETHER = 250


def events_from(
    descriptions: Iterable[Description],
    *,
    now: datetime.datetime | None = None,
    only_new: bool = False,
    left_out: list[str] | None = None,
) -> Iterator[Event]:
    """The events of all rows that ``descriptions`` mean at ``now`` (aware; this moment if it is
    not given), to be recorded with ``record(...)``. Nothing is written.

    What was recorded before is among them, and ``record`` leaves it out by its key; with
    ``only_new`` the database leaves it out before any values are read, but for descriptions
    with a ``key`` of their own. The rows of a source are read once for each 250 of its
    descriptions, in chunks of ``RECORD_CHUNK`` in the order of their primary keys, and only as
    far as events are asked for.

    Raises ``DescriptionError`` at once, with everything that is wrong with any of them. A row
    whose group or key cannot be made raises it when its turn comes; with ``left_out``, a list,
    the reason is added there instead, and the others go on. Raises ``ValueError`` for a
    ``now`` without time zone.
    """
    now = timezone.now() if now is None else now
    if timezone.is_naive(now):
        raise ValueError(f"{now!r} has no time zone: events_from needs a moment that has one.")
    by_source: dict[Source, list[Ready]] = {}
    for ready in _ready(descriptions, now):
        by_source.setdefault(ready.source, []).append(ready)
    return _events(by_source, now, only_new, left_out)


def _ready(descriptions: Iterable[Description], now: datetime.datetime) -> list[Ready]:
    if isinstance(descriptions, Description) or not isinstance(descriptions, Iterable):
        raise TypeError(
            f"events_from takes any number of descriptions, and {descriptions!r} is no list of "
            "them: events_from([description])."
        )
    found: list[Ready] = []
    problems: list[str] = []
    by_prefix: dict[str, Description] = {}
    for description in descriptions:
        if not isinstance(description, Description):
            raise TypeError(
                f"{description!r} is no Description. Of a Generator it is "
                "generator.as_description(), of an exported one Description.of_definition(entry)."
            )
        try:
            ready = Ready.of(description, now)
        except DescriptionError as error:
            problems += error.problems
            continue
        if not description.key:
            other = by_prefix.setdefault(ready.prefix, description)
            if other is not description:
                problems.append(
                    f"“{description}”: Its keys begin with “{ready.prefix}” as those of another "
                    "description do, so only one of them would make events. Give each its name."
                )
        found.append(ready)
    if problems:
        raise DescriptionError(problems)
    return found


def _events(
    by_source: dict[Source, list[Ready]],
    now: datetime.datetime,
    only_new: bool,
    left_out: list[str] | None,
) -> Iterator[Event]:
    passes = (
        (source, described[start : start + TOGETHER])
        for source, described in by_source.items()
        for start in range(0, len(described), TOGETHER)
    )
    for source, described in passes:
        makers = [_Maker(ready, left_out) for ready in described]
        for snapshot in _rows(source, described, now, only_new):
            for maker, means_it in zip(makers, snapshot.also, strict=True):
                if means_it and (event := maker.event(snapshot)):
                    yield event


def _rows(
    source: Source, described: Sequence[Ready], now: datetime.datetime, only_new: bool
) -> Iterator[Snapshot]:
    """Each row that one of them means, once. ``also`` says which of them mean it."""
    rows, asked = language.prepared_together(
        source, [(ready.conditions, ready.now) for ready in described]
    )
    meant = [language.combined(questions) for questions in asked]
    if only_new:
        for number, ready in enumerate(described):
            if not ready.description.key:
                rows, is_new = _is_new(rows, f"_key{number}", ready)
                meant[number] &= is_new
    flags = {f"_meant{number}": _flag(question) for number, question in enumerate(meant)}
    # One that asks nothing means every row.
    matching = rows.filter(reduce(or_, meant)) if all(meant) else rows
    size = conf.get().RECORD_CHUNK
    for pks in windows(matching):
        for start in range(0, len(pks), size):
            chunk = rows.filter(pk__in=list(pks[start : start + size])).annotate(**flags)
            yield from snapshots(source, chunk, now, also=list(flags))


def _is_new(rows: QuerySet[Any], name: str, ready: Ready) -> tuple[QuerySet[Any], Q]:
    """``rows`` with the key of the event of each as ``name``, and whether that is to come."""
    key = repeating.key_of_row(rows.model, ready.prefix, Value(ready.suffix))
    recorded = EventRecord.objects.filter(key=OuterRef(name))
    return rows.alias(**{name: key}), Q(~Exists(recorded))


def _flag(question: Q) -> Any:
    """A question as a value: yes or no, also where the answer would be unknown."""
    if not question:
        return Value(True, output_field=BooleanField())
    return Case(When(question, then=Value(True)), default=Value(False), output_field=BooleanField())


class _Maker:
    """Makes the events of one description."""

    def __init__(self, ready: Ready, left_out: list[str] | None) -> None:
        self._ready = ready
        self._left_out = left_out
        group, key = ready.description.group_template, ready.description.key
        self._group: str | Template = parse(group) if "{" in group else group.strip()
        self._key = parse(key) if key else None

    def event(self, snapshot: Snapshot) -> Event | None:
        """None for a row that is left out."""
        pk = key_text(snapshot.pk)
        try:
            return Event(
                group=self._group_of(snapshot),
                key=f"{self._ready.prefix}{self._key_of(pk, snapshot)}{self._ready.suffix}",
                context=snapshot.context,
                recipient=snapshot.recipient,
                language=snapshot.language,
                time_zone=snapshot.time_zone,
                row_model=self._ready.source.model._meta.label_lower,
                row_pk=pk,
            )
        except TemplateError as error:
            said = f"“{self._ready.description}”: {error} (row {pk})"
            if self._left_out is None:
                raise DescriptionError([said]) from error
            self._left_out.append(said)
            return None

    def _group_of(self, snapshot: Snapshot) -> str:
        if isinstance(self._group, str):
            return self._group
        group = self._group.render(snapshot.context).strip()
        if not group:
            raise TemplateError("The event group is empty.")
        if len(group) > GROUP_LENGTH:
            raise TemplateError("The event group is too long.")
        return group

    def _key_of(self, pk: str, snapshot: Snapshot) -> str:
        if self._key is None:
            return pk
        key = self._key.render(snapshot.context).strip()
        if not key:
            raise TemplateError("Its own key is empty.")
        return key
