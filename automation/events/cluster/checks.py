"""System checks of ``Q_CLUSTER``: what of it would let tasks run twice, or not at all."""

import math
import os
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import router


@register()
def check_cluster(**kwargs: Any) -> list[CheckMessage]:
    cluster = getattr(settings, "Q_CLUSTER", None)
    if not cluster:
        return [
            Error(
                "Q_CLUSTER is not set.",
                hint="django-q2 would look for a Redis on this machine, with settings that run "
                "tasks twice. docs/deployment.md has one to start from.",
                id="automation_events.E101",
            )
        ]
    return [*_times(cluster), *_values(cluster), *_database(cluster)]


def _times(cluster: dict[str, Any]) -> Iterator[CheckMessage]:
    timeout = cluster.get("timeout")
    if not timeout:
        yield Error(
            "Q_CLUSTER has no timeout.",
            hint="A task that hangs would keep its worker for ever. Set 'timeout': 300.",
            id="automation_events.E102",
        )
        return
    # The last of the waiting tasks starts when the workers are through with those before it,
    # and "retry" counts from the moment at which it was taken from the queue.
    workers, limit = _workers(cluster), _queue_limit(cluster)
    longest = timeout * (1 + math.ceil((limit + 1) / workers))
    if cluster.get("retry", 60) <= longest:
        yield Warning(
            f"Q_CLUSTER's retry is not more than {longest} seconds: a task could be run again "
            "while it waits or runs.",
            hint="Make it longer than timeout × (1 + (queue_limit + 1) / workers, rounded up). "
            f"Here 'retry': {longest + timeout} leaves room.",
            id="automation_events.W101",
        )


def _values(cluster: dict[str, Any]) -> Iterator[CheckMessage]:
    workers = _workers(cluster)
    wrong = [
        (
            "W102",
            cluster.get("bulk", 1) != 1,
            "takes several tasks at a time (bulk)",
            "They would wait in this cluster while others are free. Set 'bulk': 1.",
        ),
        (
            "W103",
            _queue_limit(cluster) > workers,
            f"takes up to {_queue_limit(cluster)} tasks in advance (queue_limit)",
            "They would wait here while other clusters are free, and be lost with this one. Set "
            f"'queue_limit': {workers}, as many as workers.",
        ),
        (
            "W104",
            cluster.get("max_attempts", 0) != 1,
            "tries tasks again (max_attempts)",
            "What was left undone is found by the tick, which knows when it is time. Set "
            "'max_attempts': 1.",
        ),
        (
            "W105",
            cluster.get("ack_failures", False) is not True,
            "keeps tasks that have failed (ack_failures)",
            "They would run again and again. Set 'ack_failures': True.",
        ),
        (
            "W106",
            cluster.get("save_limit", 250) != -1,
            "keeps the results of tasks (save_limit)",
            "Ours have none, and each would cost rows. Set 'save_limit': -1.",
        ),
        (
            "W107",
            cluster.get("catch_up", True) is not False,
            "makes up for every tick that was missed (catch_up)",
            "One tick finds all that is due. Set 'catch_up': False.",
        ),
        (
            "W108",
            bool(cluster.get("sync", False)),
            "runs tasks in the process that asks for them (sync)",
            "A page would wait until mails are sent, and the tick never comes. Leave 'sync' out.",
        ),
    ]
    for number, is_wrong, what, why in wrong:
        if is_wrong:
            yield Warning(f"The cluster {what}.", hint=why, id=f"automation_events.{number}")


def _database(cluster: dict[str, Any]) -> Iterator[CheckMessage]:
    from automation.events.records import EventRecord

    queue, events = cluster.get("orm"), router.db_for_write(EventRecord)
    if queue and queue != events:
        yield Warning(
            f"The queue is in the database '{queue}', the events are in '{events}'.",
            hint="Nothing is lost by it: a task that gets lost between the two costs a minute, "
            f"until the tick. Set 'orm': '{events}' unless you want that.",
            id="automation_events.W109",
        )


def _workers(cluster: dict[str, Any]) -> int:
    return int(cluster.get("workers") or os.cpu_count() or 4)


def _queue_limit(cluster: dict[str, Any]) -> int:
    """How many tasks it takes in advance; without a limit it is django-q2's default."""
    return int(cluster.get("queue_limit") or _workers(cluster) ** 2)
