"""What of generators is pruned, and where they keep what is known of people."""

import datetime
from collections.abc import Iterator

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy

from automation.events.erasing.traces import Trace, traces
from automation.events.housekeeping.chore import Chore, chores, delete, steps
from generators.models import Generator, Presence, Run, RunState


def register() -> None:
    chores.register(
        Chore(
            "runs",
            gettext_lazy("runs of generators"),
            180,
            _delete_runs,
            lambda before: _old_runs(before).count(),
        )
    )
    traces.register(Trace(Generator, gettext_lazy("generators"), names=["state_reason"]))
    traces.register(Trace(Run, gettext_lazy("runs of generators"), names=["error"]))
    traces.register(Trace(Presence, gettext_lazy("rows seen by generators"), names=["row_pk"]))


def _old_runs(before: datetime.datetime) -> QuerySet[Run]:
    """Runs that came to their end, but for the last one of each generator: it says how the
    generator does, and the quiet runs since are counted on it."""
    later = Run.objects.filter(generator=OuterRef("generator")).filter(
        Q(started_at__gt=OuterRef("started_at"))
        | Q(started_at=OuterRef("started_at"), pk__gt=OuterRef("pk"))
    )
    ended = Run.objects.exclude(state=RunState.RUNNING)
    return ended.filter(Exists(later), started_at__lt=before)


def _delete_runs(before: datetime.datetime, limit: int) -> Iterator[int]:
    return steps(_old_runs(before), "started_at", limit, delete)
