"""Erasing a person: their address, and what is known of them, goes from everything that keeps
such things; the rows and their keys stay."""

import datetime
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connections, models, transaction
from django.db.models import Q, TextField
from django.db.models.functions import Cast

from automation.events.erasing import under_way
from automation.events.erasing.erased import ErasedAddress, occurrences, spellings
from automation.events.erasing.traces import Trace, traces
from automation.events.event import KEY_LENGTH, stored_key
from automation.events.models import EventRecord
from automation.rules import plain

logger = logging.getLogger(__name__)

#: Rows that are changed in one transaction.
LIMIT = 200


@dataclass
class Found:
    """How many rows of a kind there are about a person; ``held``: that cannot be changed now,
    for they are being sent, or recorded."""

    label: Any
    rows: int = 0
    held: int = 0


def find(address: str) -> list[Found]:
    """What there is about ``address``, of each kind. Reads whole tables."""
    return [_Search(trace, address).counted() for trace in traces]


def erase(address: str, now: datetime.datetime) -> Iterator[Found]:
    """Let nothing be sent to ``address`` any more, and remove the person: a generator, each
    step of which is one committed transaction. It may be left after any step and begun anew;
    what was erased is not found again. What is being sent or recorded at this moment stays
    (``held``)."""
    person = ErasedAddress.remember(address, now)
    if still := under_way.still_after_waiting():
        # They asked before, so they may be writing the person down.
        yield Found(traces.of(EventRecord).label, held=still)
    for trace in traces:
        yield Found(trace.label)
        yield from _Search(trace, address).erased(person.pseudonym, now)


def together(steps: Iterable[Found]) -> list[Found]:
    """The steps of ``erase`` as one for each kind."""
    found: dict[Any, Found] = {}
    for step in steps:
        of_kind = found.setdefault(step.label, Found(step.label))
        of_kind.rows += step.rows
        of_kind.held += step.held
    return list(found.values())


def log(address: str, found: Iterable[Found]) -> None:
    """A line in the log, without the address."""
    rows = ", ".join(f"{of_kind.label}: {of_kind.rows}" for of_kind in found)
    logger.info("%s was erased (%s)", ErasedAddress.of(address), rows)


class _Search:
    """The rows of one kind about one address."""

    def __init__(self, trace: Trace, address: str) -> None:
        self.trace = trace
        self.pattern = occurrences(address)
        self.rows = self._naming(address)

    def counted(self) -> Found:
        counted = Found(self.trace.label)
        for step in self._walk():
            counted.rows += step.rows
            counted.held += step.held
        return counted

    def erased(self, pseudonym: str, now: datetime.datetime) -> Iterator[Found]:
        """Erase them, each step in one transaction."""

        def change(rows: list[Any]) -> None:
            theirs = [row.pk for row in rows if self._is_theirs(row)]
            lost = self._empty(rows)
            self._save([row for row in rows if self._rename(row, pseudonym)])
            if self.trace.after:
                self.trace.after(theirs, lost, now)

        return self._walk(change)

    def _naming(self, address: str) -> models.QuerySet[Any]:
        """The rows in which the address stands, or something that looks like it to the
        database. Each text is read once for all the ways in which it may be written."""
        trace, asked = self.trace, Q()
        read: dict[str, Any] = {}
        for number, path in enumerate(dict.fromkeys([*trace.whose, *trace.columns])):
            name = f"_read_{number}"
            read[name] = Cast(path, TextField())
            for rough in {_rough(spelling) for spelling in spellings(address)}:
                asked |= Q(**{f"{name}__looks_like": rough})
        rows = trace.model._base_manager.alias(**read).filter(asked).order_by("pk")
        joined = {path.rpartition("__")[0] for path in trace.whose} - {""}
        if joined:
            rows = rows.select_related(*joined)
        return rows.only("pk", *trace.whose, *trace.columns)

    def _walk(self, change: Callable[[list[Any]], None] | None = None) -> Iterator[Found]:
        last: Any = None
        features = connections[self.rows.db].features
        while True:
            with transaction.atomic(using=self.rows.db):
                some = self.rows if last is None else self.rows.filter(pk__gt=last)
                if change and features.has_select_for_update:
                    of = ("self",) if features.has_select_for_update_of else ()
                    some = some.select_for_update(of=of)
                read = list(some[:LIMIT])
                if not read:
                    return
                last = read[-1].pk
                about = [row for row in read if self._is_about(row)]
                held = self._held(about)
                free = [row for row in about if row.pk not in held]
                if change and free:
                    change(free)
            yield Found(self.trace.label, len(free), len(held))

    def _held(self, rows: list[Any]) -> set[Any]:
        if self.trace.held is None or not rows:
            return set()
        held = self.trace.model._base_manager.filter(
            self.trace.held(), pk__in=[row.pk for row in rows]
        )
        return set(held.values_list("pk", flat=True))

    # One row --------------------------------------------------------------------------------

    def _is_theirs(self, row: Any) -> bool:
        return any(self._names(_value(row, path)) for path in self.trace.whose)

    def _is_about(self, row: Any) -> bool:
        return self._is_theirs(row) or any(
            self._names(getattr(row, name)) for name in self.trace.columns
        )

    def _names(self, value: Any) -> bool:
        return self.pattern.search(_as_text(value)) is not None

    def _empty(self, rows: list[Any]) -> list[Any]:
        """Empty what has to be, with a statement for all rows that lose the same; returns the
        primary keys of those that lost anything."""
        losing: dict[tuple[str, ...], list[Any]] = {}
        for row in rows:
            if names := tuple(self._to_empty(row)):
                losing.setdefault(names, []).append(row.pk)
        model = self.trace.model
        for names, pks in losing.items():
            empty = {name: model._meta.get_field(name).get_default() for name in names}  # type: ignore[union-attr]
            model._base_manager.filter(pk__in=pks).update(**empty)
        return [pk for pks in losing.values() for pk in pks]

    def _to_empty(self, row: Any) -> Iterator[str]:
        theirs = self._is_theirs(row)
        for name in self.trace.texts:
            value = getattr(row, name)
            if value != row._meta.get_field(name).get_default() and (theirs or self._names(value)):
                yield name

    def _rename(self, row: Any, pseudonym: str) -> bool:
        """Replace the address where only that is replaced; whether it stood there."""
        found = [name for name in self.trace.names if self._names(getattr(row, name))]
        for name in found:
            setattr(row, name, _renamed(getattr(row, name), self.pattern, pseudonym))
            setattr(row, name, _fitting(row, name))
        return bool(found)

    def _save(self, rows: list[Any]) -> None:
        """Save what was renamed."""
        try:
            with transaction.atomic(using=self.rows.db):
                if rows:
                    self.trace.model._base_manager.bulk_update(rows, self.trace.names)
        except IntegrityError:
            for row in rows:
                self._save_one(row)

    def _save_one(self, row: Any) -> None:
        """What was two spellings of an address must not become one and the same."""
        try:
            with transaction.atomic(using=self.rows.db):
                row.save(update_fields=self.trace.names)
        except IntegrityError:
            for name in self.trace.names:
                if isinstance(value := getattr(row, name), str) and "erased-" in value:
                    setattr(row, name, f"{value}:{row.pk}")
                    setattr(row, name, _fitting(row, name))
            row.save(update_fields=self.trace.names)


@TextField.register_lookup
class _LooksLike(models.Lookup):
    """A text in which the pieces of a pattern for LIKE stand, whatever the case of letters."""

    lookup_name = "looks_like"

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        text, parameters = self.process_lhs(compiler, connection)
        return f"UPPER({text}) LIKE UPPER(%s)", [*parameters, self.rhs]

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        # Only the letters of ASCII have to be known here, which takes half the time.
        text, parameters = self.process_lhs(compiler, connection)
        return f'({text}) COLLATE "C" ILIKE %s', [*parameters, self.rhs]

    def as_sqlite(self, compiler: Any, connection: Any) -> Any:
        text, parameters = self.process_lhs(compiler, connection)
        return f"{text} LIKE %s", [*parameters, self.rhs]


def _rough(spelling: str) -> str:
    """A pattern for LIKE that finds ``spelling`` also in a link, in HTML and in JSON: what
    is written differently there may be anything."""
    plainly = re.sub(r"%[0-9A-Fa-f]{2}|&#?\w+;", "%", spelling)
    return f"%{re.sub(r'[^a-zA-Z0-9.]+', '%', plainly)}%"


def _value(row: Any, path: str) -> Any:
    for name in path.split("__"):
        row = getattr(row, name)
    return row


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else plain.dumps(value)


def _renamed(value: Any, pattern: re.Pattern[str], pseudonym: str) -> Any:
    if isinstance(value, str):
        return pattern.sub(pseudonym, value)
    return plain.loads(pattern.sub(pseudonym, plain.dumps(value)))


def _fitting(row: Any, name: str) -> Any:
    """The value of a column, cut if it has become too long, and still unlike any other."""
    value, most = getattr(row, name), row._meta.get_field(name).max_length
    if most is None or not isinstance(value, str) or len(value) <= most:
        return value
    return stored_key(value) if most == KEY_LENGTH else value[:most]
