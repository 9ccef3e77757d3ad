"""What the cluster calls: thin, without results, repeatable at any time."""

import datetime
import logging
from typing import Any

from django.apps import apps
from django.utils import timezone

from automation.events import bell, delivering
from automation.events.health.metrics import count_ended
from automation.events.housekeeping import pruning
from automation.events.outbox import Delivery, delivery_models
from automation.events.schedule import tick_signal
from automation.events.states import State

logger = logging.getLogger(__name__)


def tick() -> None:
    """Once a minute: everybody finds what is due and what dead workers left."""
    now = timezone.now()
    for receiver, error in tick_signal.send_robust(sender=None, now=now):
        if isinstance(error, Exception):
            logger.error("The tick failed in %r", receiver, exc_info=error)


def beat() -> None:
    """Nothing: that a worker takes it is the sign of life that its watchdog asked for."""


def ring_for_deliveries(now: datetime.datetime, **kwargs: Any) -> None:
    """Queue again what dead workers left, and ring for every kind of delivery that is due."""
    for model in delivery_models():
        deliveries = model._default_manager
        _again, unknown = deliveries.sweep(now)
        count_ended(model, {State.UNKNOWN: unknown})
        if deliveries.due(now).exists():
            bell.enqueue(bell.DELIVER_TASK, model._meta.label)


def deliver(label: str) -> None:
    """Deliver what is due of this kind, for a bounded time; what is left is another task.

    A full batch may not be the last one: another worker is called to help.
    """
    model = apps.get_model(label)
    if not issubclass(model, Delivery):
        raise TypeError(f"{label} is not a kind of delivery.")

    def ring() -> None:
        bell.enqueue(bell.DELIVER_TASK, label)

    if delivering.work(model, on_full=ring).unfinished:
        ring()


def prune() -> None:
    """Go on with what is to be pruned; the next tick rings for the rest."""
    pruning.prune_due(timezone.now())
