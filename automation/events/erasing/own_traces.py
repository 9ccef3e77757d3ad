"""What events, their deliveries and the log of the admin keep of people."""

import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy

from automation.events.erasing.traces import Trace, cancel_waiting, delivery_trace, traces
from automation.events.models import EventRecord, ListenerCall, WebhookCall
from automation.events.outbox import delivery_models
from automation.events.states import State


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
        cancel_waiting(model._base_manager.filter(event__in=lost))
