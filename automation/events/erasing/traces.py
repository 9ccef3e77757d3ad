"""Where what is known of people is kept, so that a person can be erased there.

Floors above say where they keep it, as they are loaded::

    traces.register(Trace(Message, _("messages"), whose=["recipient"], texts=["html"], names=[]))
"""

import datetime
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _

from automation.events.deciding import named
from automation.events.models import EventRecord
from automation.events.outbox import Delivery
from automation.events.states import Cause, State


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


def delivery_trace(
    model: type[Delivery], label: Any, texts: Sequence[str], names: Sequence[str] = ()
) -> Trace:
    """The trace of a kind of delivery: ``texts`` are what was delivered, ``names`` further
    columns in which an address may stand."""

    def cancel(theirs: list[Any], lost: list[Any], _now: datetime.datetime) -> None:
        cancel_waiting(model._base_manager.filter(pk__in=theirs))
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


def cancel_waiting(deliveries: models.QuerySet[Any]) -> None:
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
