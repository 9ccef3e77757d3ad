"""What is pruned on this floor: events, results of the queue, sessions; and how deliveries are."""

import datetime
from collections.abc import Iterator
from functools import reduce
from operator import and_
from typing import Any

from django.apps import apps
from django.db import router
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy

from automation.events.housekeeping.chore import Chore, chores, delete, steps
from automation.events.models import EventRecord, ListenerCall, WebhookCall
from automation.events.outbox import Delivery, delivery_models
from automation.events.states import State

#: A delivery in one of these will never go out by itself any more, and nobody has to decide
#: anything about it.
SETTLED = (State.SENT, State.FAILED, State.SKIPPED, State.CANCELLED)

#: What an event loses when it is emptied. Its key, its group, and the rule and the row that it
#: came from stay, for they are what makes it happen only once.
EMPTY: dict[str, Any] = {"context": {}, "recipient": "", "language": "", "time_zone": ""}


def register_chores() -> None:
    chores.register(Chore("events", gettext_lazy("what events knew"), None, empty_events, _events))
    for model, name, label, days in (
        (WebhookCall, "webhook_calls", gettext_lazy("calls of webhooks"), 90),
        (ListenerCall, "listener_calls", gettext_lazy("calls of listeners"), 30),
    ):
        chores.register(delivery_chore(model, name, label, days))
    chores.register(
        Chore("queue_results", gettext_lazy("results of the queue"), 30, _forget_results, _results)
    )
    if apps.is_installed("django.contrib.sessions"):
        chores.register(
            Chore("sessions", gettext_lazy("sessions that ended"), 30, _end_sessions, _sessions)
        )


# Deliveries -------------------------------------------------------------------------------


def _over(before: datetime.datetime) -> Q:
    """Which deliveries came to their end before that, however long ago they were made: one may
    have waited for a pause, an account or a person. What has no moment of its own ended when it
    was due at the earliest."""
    over = Q(state__in=SETTLED, not_before__lt=before)
    for moment in ("handed_at", "sent_at"):
        over &= Q(**{moment: None}) | Q(**{f"{moment}__lt": before})
    return over


def delivery_chore(model: type[Delivery], name: str, label: Any, default_days: int | None) -> Chore:
    """The chore that deletes the settled deliveries of one kind. Their events stay."""

    def settled(before: datetime.datetime) -> QuerySet[Any]:
        # None ends before it is made, and that moment has an index.
        return model._default_manager.filter(_over(before), created_at__lt=before)

    def prune(before: datetime.datetime, limit: int) -> Iterator[int]:
        return steps(settled(before), "created_at", limit, delete)

    return Chore(name, label, default_days, prune, lambda before: settled(before).count())


# Events -----------------------------------------------------------------------------------


def _full_events(before: datetime.datetime) -> QuerySet[EventRecord]:
    """Events that can be emptied: nothing that is made from them waits to be sent, or for a
    person's decision, or came to its end since."""
    nothing_open = [
        ~Exists(model._base_manager.filter(~_over(before), event=OuterRef("pk")))
        for model in delivery_models()
    ]
    return EventRecord.objects.filter(
        reduce(and_, nothing_open, Q()), recorded_at__lt=before, emptied_at=None
    )


def empty_events(before: datetime.datetime, limit: int) -> Iterator[int]:
    """Take what is personal from events. Their rows stay: a key is recorded once, ever."""

    def empty(events: QuerySet[Any]) -> int:
        return events.update(**EMPTY, emptied_at=timezone.now())

    return steps(_full_events(before), "recorded_at", limit, empty)


def _events(before: datetime.datetime) -> int:
    return _full_events(before).count()


# What is not ours -------------------------------------------------------------------------


def _old_results(before: datetime.datetime) -> QuerySet[Any]:
    """What django-q2 has written down of its tasks. Those that still wait stay."""
    from django_q.models import Task

    return Task.objects.using(router.db_for_write(Task)).filter(stopped__lt=before)


def _forget_results(before: datetime.datetime, limit: int) -> Iterator[int]:
    return steps(_old_results(before), "stopped", limit, delete)


def _results(before: datetime.datetime) -> int:
    return _old_results(before).count()


def _ended_sessions(before: datetime.datetime) -> QuerySet[Any]:
    return apps.get_model("sessions.Session")._default_manager.filter(expire_date__lt=before)


def _end_sessions(before: datetime.datetime, limit: int) -> Iterator[int]:
    return steps(_ended_sessions(before), "expire_date", limit, delete)


def _sessions(before: datetime.datetime) -> int:
    return _ended_sessions(before).count()
