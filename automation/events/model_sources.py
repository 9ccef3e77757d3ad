"""Model sources: functions from a row to the events that it makes, in code.

Events are recorded when the row is saved, and by ``process_sources`` for rows that nobody
saves. Their keys decide which of them are new, so both may see the same row any number of
times.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import router
from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable
from django.db.models.signals import post_save

from automation.events.declared import (
    dotted_name,
    is_asynchronous,
    is_proxy_of,
    model_of,
    unharmed,
    with_proxies,
)
from automation.events.event import Event
from automation.events.models import EventRecord
from automation.events.recording import record
from automation.rules.keys import key_text

logger = logging.getLogger(__name__)

#: From a row to its events: a generator function, or one that returns any iterable, or None.
SourceFunction = Callable[[Any], Iterable[Event] | None]


@dataclass(frozen=True, eq=False)
class ModelSource:
    """A function of a project that makes events of the rows of a model."""

    model: type[Model]
    function: SourceFunction
    on_save: bool = True
    rows: QuerySet[Any] | None = None

    def __str__(self) -> str:
        return dotted_name(self.function)

    def all_rows(self) -> QuerySet[Any]:
        """What ``process_sources`` looks at, in the database of the events. Raises
        ``ImproperlyConfigured`` if the rows are in another one."""
        rows = self.model._default_manager.all() if self.rows is None else self.rows.all()
        self.check_database(router.db_for_write(self.model))
        return rows.using(router.db_for_write(self.model))

    def events_of(self, instance: Model) -> list[Event]:
        """All events of the row, which each of them names unless it names another. Raises
        ``TypeError`` for what is no event, and what the function raises."""
        made = self.function(instance)
        if made is None:
            return []
        if isinstance(made, Event) or not isinstance(made, Iterable):
            raise TypeError(f"{self} returned {made!r}. Let it yield events, or return a list.")
        named = {"row_model": self.model._meta.label_lower, "row_pk": key_text(instance.pk)}
        return [
            event if event.row_model or event.row_pk else event.replaced(**named)
            for event in map(self._event, made)
        ]

    def _event(self, made: Any) -> Event:
        if isinstance(made, Event):
            return made
        raise TypeError(
            f"{self} yielded {made!r}, which is no Event. Yield event(group, row, context), or "
            "Event(group, key, context)."
        )

    def record_saved(self, instance: Model, using: str) -> None:
        """Record the events of a row that was saved just now, in its transaction. Never raises:
        what fails is logged, and nothing of this source is recorded for this save."""
        try:
            self.check_database(using)
            with unharmed(using):
                record(self.events_of(instance))
        except Exception:
            named = f"{self.model._meta.label} {instance.pk}"
            logger.exception("The source %s failed on %s; it recorded nothing", self, named)

    def check_database(self, alias: str) -> None:
        """Raise ``ImproperlyConfigured`` unless rows in ``alias`` are beside the events."""
        if (of_events := router.db_for_write(EventRecord)) != alias:
            raise ImproperlyConfigured(
                f"{self}: the rows of {self.model._meta.label} are in the database '{alias}', "
                f"events in '{of_events}'. Events are recorded in the transaction of their row, "
                "so both have to be in the same one: let a database router put them there."
            )


class Registry:
    """The model sources of a project, in the order in which they were registered."""

    def __init__(self) -> None:
        self._sources: list[ModelSource] = []

    def add(self, source: ModelSource) -> None:
        """Adding the same function for the same model again changes nothing. Raises
        ``ImproperlyConfigured`` if it is said to be something else than before."""
        for known in self._sources:
            if (known.model, known.function) != (source.model, source.function):
                continue
            if known.on_save != source.on_save or known.rows is not source.rows:
                raise ImproperlyConfigured(
                    f"{source} is registered for {source.model._meta.label} already, with another "
                    "on_save or other rows. Register it once."
                )
            return
        self._sources.append(source)
        if source.on_save:
            for sender in with_proxies(source.model):
                post_save.connect(_row_saved, sender=sender)

    def of(self, model: type[Model]) -> list[ModelSource]:
        return [source for source in self._sources if source.model is model]

    @property
    def models(self) -> list[type[Model]]:
        return list(dict.fromkeys(source.model for source in self._sources))

    def __iter__(self) -> Iterator[ModelSource]:
        return iter(self._sources)

    @contextmanager
    def registered(self) -> Iterator[None]:
        """For tests: what is registered inside is gone after it."""
        before = list(self._sources)
        try:
            yield
        finally:
            self._sources = before


model_sources = Registry()


def register_model_source(
    model: type[Model] | str,
    source: SourceFunction,
    *,
    on_save: bool = True,
    rows: QuerySet[Any] | None = None,
) -> None:
    """Let ``source(row)`` say which events the rows of ``model`` make: it yields them, or returns
    an iterable, or None. It is called whenever a row is saved, and their events are recorded in
    the row's transaction; with ``on_save=False`` only by ``process_sources``. ``rows`` is what
    that looks at, such as ``Cart.objects.select_related("customer")``; all rows of the default
    manager if it is not given.

    It may be called any number of times for the same row: the keys of events decide which are
    new. What it raises is logged and never breaks a save. Doing it again with the same arguments
    changes nothing. Raises ``TypeError`` for a source that cannot be called or only be awaited,
    ``ImproperlyConfigured`` for a model without rows of its own and for ``rows`` of another.
    """
    if not callable(source):
        raise TypeError(f"register_model_source: {source!r} cannot be called.")
    if is_asynchronous(source):
        raise TypeError(
            f"register_model_source: {dotted_name(source)} is asynchronous, and nobody would wait "
            "for it. Make it a plain function."
        )
    found = model_of(model, "register_model_source")
    if rows is not None:
        _validate_rows(found, rows)
    model_sources.add(ModelSource(found, source, on_save, rows))


def _validate_rows(model: type[Model], rows: Any) -> None:
    if not isinstance(rows, QuerySet) or rows.model is not model:
        raise ImproperlyConfigured(
            f"register_model_source: rows has to be a QuerySet of {model._meta.label}."
        )
    if rows.query.combinator:
        raise ImproperlyConfigured(
            "register_model_source: rows cannot be filtered after union(), intersection() or "
            "difference(). Write it as one query: first | second, or filter(Q(...) | Q(...))."
        )
    if rows.query.is_sliced or not issubclass(rows._iterable_class, ModelIterable):
        raise ImproperlyConfigured(
            "register_model_source: rows has to be of whole rows, not sliced, and without values()."
        )


def _row_saved(sender: type[Model], instance: Model, raw: bool, using: str, **kwargs: Any) -> None:
    if raw:
        return  # Fixtures bring rows back; what happened to them is recorded elsewhere.
    for source in model_sources:
        if source.on_save and (source.model is sender or is_proxy_of(sender, source.model)):
            source.record_saved(instance, using)
