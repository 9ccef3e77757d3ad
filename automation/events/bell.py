"""The bell: tells the cluster that there may be work. Losing one costs a minute, never a
delivery: the tick rings again for whatever is due."""

import logging
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import transaction
from django_q.tasks import async_task

from automation.events.outbox import Delivery
from automation.rules.databases import database

logger = logging.getLogger(__name__)

DELIVER_TASK = "automation.events.tasks.deliver"


def ring(model: type[Delivery], *, using: str | None = None) -> None:
    """Ask a worker to deliver what is due of this kind, once the transaction is committed:
    that on our database, unless ``using`` is another one."""
    transaction.on_commit(
        lambda: enqueue(DELIVER_TASK, model._meta.label), using=using or database()
    )


def enqueue(task: str, *args: object) -> bool:
    """Put a task into the queue. False, and a line in the log, if the queue is out of reach:
    what is to be done stands in the database and is found by the next tick."""
    try:
        with _unbroken():
            async_task(task, *args)
    except Exception:
        logger.exception("The queue could not be reached for %s%r", task, args)
        return False
    return True


def _unbroken() -> AbstractContextManager[Any]:
    """The queue's failure must not break the transaction around, if it is a table."""
    from django_q.conf import Conf

    return transaction.atomic(using=Conf.ORM) if Conf.ORM else nullcontext()
