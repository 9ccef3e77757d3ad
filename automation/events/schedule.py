"""The tick: the one schedule that the product has in django-q2's table.

django-q2 stops all schedules when one of them has bad arguments, so there is exactly one,
without arguments; generators keep their own times.
"""

import datetime
import logging
from typing import Any

from django.db import models, router
from django.dispatch import Signal

logger = logging.getLogger(__name__)

TICK_NAME = "automation tick"
TICK_TASK = "automation.events.tasks.tick"

#: A cluster that has not ticked for so long does not run.
SILENCE = datetime.timedelta(minutes=2)

#: Sent once a minute in the cluster with ``now`` (aware). Receivers find what is due and
#: ring for it; an error in one of them is logged and stops no other.
tick_signal = Signal()


def ensure_tick(using: str = "default", **kwargs: Any) -> None:
    """Make sure that the tick is scheduled, once. Runs after every migrate."""
    from django_q.models import Schedule

    if using != router.db_for_write(Schedule):
        return  # the cluster looks for it elsewhere
    schedules = Schedule.objects.using(using)
    schedules.update_or_create(
        name=TICK_NAME,
        defaults={
            "func": TICK_TASK,
            "schedule_type": Schedule.MINUTES,
            "minutes": 1,
            "repeats": -1,
            "args": None,
            "kwargs": None,
        },
    )


def signs_of_life() -> list[tuple[str, datetime.datetime]]:
    """When each cluster that is known was last seen at work, by name."""
    from automation.events.cluster.heartbeat import Heartbeat

    beats = Heartbeat.objects.order_by("name")
    return list(beats.values_list("name", "beaten_at"))


def is_silent(now: datetime.datetime) -> bool:
    """Whether no cluster seems to work at ``now`` (aware): the tick is overdue by minutes, or no
    cluster that is known was seen at work for as long. (One whose workers are stuck still plans
    the next tick.)"""
    from automation.events.cluster.heartbeat import Heartbeat

    tick = _next_tick()
    if tick is None or tick < now - SILENCE:
        return True
    last = Heartbeat.objects.aggregate(last=models.Max("beaten_at"))["last"]
    return last is not None and last < now - SILENCE


def _next_tick() -> datetime.datetime | None:
    from django_q.models import Schedule

    return Schedule.objects.filter(name=TICK_NAME).values_list("next_run", flat=True).first()
