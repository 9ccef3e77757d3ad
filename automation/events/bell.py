"""The bell: tells the cluster that there may be work. Losing one costs a minute, never a
delivery: the tick rings again for whatever is due."""

import logging

from django.db import transaction
from django_q.tasks import async_task

from automation.events.outbox import Delivery

logger = logging.getLogger(__name__)

DELIVER_TASK = "automation.events.tasks.deliver"


def ring(model: type[Delivery], *, using: str | None = None) -> None:
    """Ask a worker to deliver what is due of this kind, once the transaction is committed."""
    transaction.on_commit(lambda: enqueue(DELIVER_TASK, model._meta.label), using=using)


def enqueue(task: str, *args: object) -> bool:
    """Put a task into the queue. False, and a line in the log, if the queue is out of reach:
    what is to be done stands in the database and is found by the next tick."""
    try:
        # Outside of a transaction that the queue's failure could break.
        with transaction.atomic():
            async_task(task, *args)
    except Exception:
        logger.exception("The queue could not be reached for %s%r", task, args)
        return False
    return True
