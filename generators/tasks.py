"""What the cluster calls for generators."""

import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from automation.events import bell
from automation.rules.databases import database
from automation.rules.keys import key_text
from automation.rules.sources import sources
from generators import running
from generators.models import Generator, State

RUN_TASK = "generators.tasks.run_generator"
RUN_ROW_TASK = "generators.tasks.run_row"

# A due generator is offered to the queue again after so long, in case its task was lost.
OFFER_AGAIN = datetime.timedelta(seconds=55)


def offer_due(now: datetime.datetime, **kwargs: Any) -> None:
    """Ring for each generator that is due, once a tick, whichever cluster ticks first."""
    unoffered = Q(offered_at=None) | Q(offered_at__lt=now - OFFER_AGAIN)
    due = Generator.objects.due(now).filter(unoffered)
    for pk in list(due.order_by("next_run_at").values_list("pk", flat=True)):
        if Generator.objects.filter(unoffered, pk=pk).update(offered_at=now):
            bell.enqueue(RUN_TASK, pk)


def row_saved(sender: Any, instance: Any, using: str, raw: bool = False, **kwargs: Any) -> None:
    """Ring for the generators that want to know at once, when the row is committed."""
    keys = sources.keys_of(instance)
    if raw or not keys or using != database():
        return

    def ring() -> None:
        wanted = Generator.objects.filter(state=State.ARMED, on_save=True, source__in=keys)
        for pk, source in wanted.values_list("pk", "source"):
            bell.enqueue(RUN_ROW_TASK, pk, key_text(keys[source]))

    transaction.on_commit(ring, using=using)


def run_row(pk: int, row: str) -> None:
    """Look at one row for an armed generator."""
    generator = Generator.objects.filter(pk=pk, state=State.ARMED).first()
    if generator is not None:
        running.run_row(generator, row, timezone.now())


def run_generator(pk: int) -> None:
    """Run the generator if it is (still) due."""
    now = timezone.now()
    generator = Generator.objects.due(now).filter(pk=pk).first()
    if generator is not None:
        running.run(generator, now)
