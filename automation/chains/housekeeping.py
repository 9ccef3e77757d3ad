"""What of chains is pruned, and where they keep what is known of people."""

import datetime
from collections.abc import Iterator

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy

from automation.chains.chain import Chain
from automation.chains.models import ChainResource, ChainRun, ChainStart, ChainStep
from automation.events.erasing.traces import Trace, delivery_trace, traces
from automation.events.housekeeping.chore import Chore, chores, delete, steps
from automation.events.housekeeping.own_chores import delivery_chore


def register() -> None:
    chores.register(
        Chore(
            "chain_steps",
            gettext_lazy("steps of runs of chains that have ended"),
            365,
            _delete_steps,
            lambda before: _old_steps(before).count(),
        )
    )
    chores.register(
        delivery_chore(ChainStart, "chain_starts", gettext_lazy("starts by events"), 90)
    )
    traces.register(Trace(Chain, gettext_lazy("chains"), names=["state_reason"]))
    traces.register(
        Trace(
            ChainRun,
            gettext_lazy("runs of chains"),
            names=["subject_key", "row_pk", "requested_by", "problems"],
        )
    )
    traces.register(
        Trace(ChainStep, gettext_lazy("steps of chains"), names=["requested_by", "note"])
    )
    traces.register(
        Trace(ChainResource, gettext_lazy("what chains in code are about"), names=["resource_id"])
    )
    traces.register(delivery_trace(ChainStart, gettext_lazy("starts by events"), []))


def _old_steps(before: datetime.datetime) -> QuerySet[ChainStep]:
    """The steps of runs that ended before that. The runs stay: who was on a chain is what keeps
    them from coming in again."""
    return ChainStep.objects.filter(run__ended_at__lt=before, at__lt=before)


def _delete_steps(before: datetime.datetime, limit: int) -> Iterator[int]:
    return steps(_old_steps(before), "at", limit, delete)
