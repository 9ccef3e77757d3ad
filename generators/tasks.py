"""What the cluster calls for generators."""

import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from automation.events import bell
from generators import running
from generators.models import Generator

RUN_TASK = "generators.tasks.run_generator"

# A due generator is offered to the queue again after so long, in case its task was lost.
OFFER_AGAIN = datetime.timedelta(seconds=55)


def offer_due(now: datetime.datetime, **kwargs: Any) -> None:
    """Ring for each generator that is due, once a tick, whichever cluster ticks first."""
    unoffered = Q(offered_at=None) | Q(offered_at__lt=now - OFFER_AGAIN)
    due = Generator.objects.due(now).filter(unoffered)
    for pk in list(due.order_by("next_run_at").values_list("pk", flat=True)):
        if Generator.objects.filter(unoffered, pk=pk).update(offered_at=now):
            bell.enqueue(RUN_TASK, pk)


def run_generator(pk: int) -> None:
    """Run the generator if it is (still) due."""
    now = timezone.now()
    generator = Generator.objects.due(now).filter(pk=pk).first()
    if generator is not None:
        running.run(generator, now)
