"""Erasing a person: their address, and what is known of them, goes from everything that keeps
such things; the rows and their keys stay.

Floors above say where they keep it, as they are loaded::

    traces.register(Trace(Message, _("messages"), whose=["recipient"], texts=["html"], names=[]))
"""

import datetime
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, connections, models, transaction
from django.db.models import Exists, OuterRef, Q, TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events.deciding import named
from automation.events.erasing import under_way
from automation.events.erasing.erased import ErasedAddress, occurrences, spellings
from automation.events.event import KEY_LENGTH, stored_key
from automation.events.models import EventRecord, ListenerCall, WebhookCall
from automation.events.outbox import Cause, Delivery, State, delivery_models
from automation.rules import plain

logger = logging.getLogger(__name__)

#: Rows that are changed in one transaction.
LIMIT = 200


@dataclass(frozen=True)
class Trace:
    """Where a model keeps what is known of people. ``label`` says it to people.

    A row is a person's if one of the paths ``whose`` names them. The columns ``texts`` of
    their rows are emptied; of others' rows those that name them. In the columns ``names``
    only the address is replaced. ``held`` gives the rows that cannot be changed just now,
    ``after`` is called in the transaction with the rows that were a person's and those that
    lost a text.
    """

    model: type[models.Model]
    label: Any
    whose: Sequence[str] = ()
    texts: Sequence[str] = ()
    names: Sequence[str] = ()
    held: Callable[[], Q] | None = None
    after: Callable[[list[Any], list[Any], datetime.datetime], None] | None = None

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys([*self.texts, *self.names]))


class Traces:
    def __init__(self) -> None:
        self._traces: dict[Any, Trace] = {}

    def register(self, trace: Trace) -> None:
        """Registering a trace of the same model again replaces it."""
        self._traces[trace.model] = trace

    def of(self, model: type[models.Model]) -> Trace:
        return self._traces[model]

    def __iter__(self) -> Iterator[Trace]:
        """Events come last: whose a delivery is, they say."""
        return iter(sorted(self._traces.values(), key=lambda trace: trace.model is EventRecord))

    @contextmanager
    def registered(self, trace: Trace) -> Iterator[None]:
        """For tests: ``trace`` is registered inside, and what was there before returns."""
        before = dict(self._traces)
        try:
            self.register(trace)
            yield
        finally:
            self._traces = before


traces = Traces()


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


# What is kept on this floor -----------------------------------------------------------------


def register_traces() -> None:
    traces.register(
        Trace(
            EventRecord,
            gettext_lazy("events"),
            whose=["recipient"],
            texts=["context", "recipient", "language", "time_zone"],
            names=["key", "row_pk"],
            held=_being_delivered,
            after=_after_events,
        )
    )
    traces.register(
        delivery_trace(WebhookCall, gettext_lazy("calls of webhooks"), ["body", "answer"])
    )
    traces.register(delivery_trace(ListenerCall, gettext_lazy("calls of listeners"), []))
    traces.register(
        Trace(
            LogEntry,
            gettext_lazy("the log of the admin"),
            names=["change_message", "object_repr", "object_id"],
        )
    )


def delivery_trace(
    model: type[Delivery], label: Any, texts: Sequence[str], names: Sequence[str] = ()
) -> Trace:
    """The trace of a kind of delivery: ``texts`` are what was delivered, ``names`` further
    columns in which an address may stand."""

    def cancel(theirs: list[Any], lost: list[Any], _now: datetime.datetime) -> None:
        _cancel(model._base_manager.filter(pk__in=theirs))
        _name_anew(model._base_manager.filter(pk__in={*theirs, *lost}))

    return Trace(
        model,
        label,
        whose=["recipient", "event__recipient"],
        texts=texts,
        names=["recipient", "reason", *names],
        held=lambda: Q(state=State.SENDING),
        after=cancel,
    )


def _being_delivered() -> Q:
    """Events from which something is being sent at this moment."""
    found = Q()
    for model in delivery_models():
        sending = model._base_manager.filter(event=OuterRef("pk"), state=State.SENDING)
        found |= Q(Exists(sending))
    return found


def _after_events(_theirs: list[Any], lost: list[Any], now: datetime.datetime) -> None:
    EventRecord.objects.filter(pk__in=lost, emptied_at=None).update(emptied_at=now)
    for model in delivery_models():
        _cancel(model._base_manager.filter(event__in=lost))


def _cancel(deliveries: models.QuerySet[Any]) -> None:
    """What still waits cannot go out any more: what it would say is gone."""
    deliveries.filter(state=State.QUEUED).update(
        state=State.CANCELLED, cause=Cause.ERASED, reason=_("The person was erased.")
    )


def _name_anew(deliveries: models.QuerySet[Any]) -> None:
    """The log of the admin keeps how a row was called then, and earlier releases called messages
    by their subject. Now they are called by what is left."""
    kind = ContentType.objects.get_for_model(deliveries.model)
    names = {str(each.pk): str(each)[:200] for each in named(deliveries)}
    logged = LogEntry.objects.filter(content_type=kind, object_id__in=list(names)).only("object_id")
    for entry in logged:
        entry.object_repr = names[str(entry.object_id)]
    LogEntry.objects.bulk_update(logged, ["object_repr"])
