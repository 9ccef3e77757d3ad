"""What people decide about runs, one or many at once: each of them logged."""

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import router, transaction
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from automation.chains import tasks
from automation.chains.chain import State
from automation.chains.claiming import ChainRunQuerySet
from automation.chains.registry import code_chains
from automation.chains.runs import ChainRun
from automation.events import bell

#: So many are decided in one transaction.
AT_A_TIME = 1_000

#: So much of why somebody decides something is kept.
NOTE_LENGTH = 500

ADVANCE, DECIDE = "automation_chains.advance_run", "automation_chains.decide_run"


@dataclass(frozen=True)
class Wanted:
    """What somebody wants, and when (aware). A move also says to which state, and ``asked_at``:
    whoever has come to another state since stays there."""

    user: Any
    now: datetime.datetime
    to_state: str = ""
    note: str = ""
    asked_at: datetime.datetime | None = None


@dataclass(frozen=True)
class Decision:
    """``meant`` are those of some runs that it is possible for; ``apply`` does it and returns for
    how many. The texts are for people: ``wanted`` says for which it is possible."""

    label: Promise
    question: Promise
    button: Promise
    done: Promise
    wanted: Promise
    permission: str
    meant: Q
    apply: Callable[[ChainRunQuerySet, Wanted], int]


_GOING = Q(ended_at=None)

DECISIONS = {
    "look": Decision(
        _("Look now …"),
        _(
            "They are looked at within a minute and not only when their time has come. Waits and "
            "conditions hold as ever."
        ),
        _("Yes, look now"),
        _("They are looked at now."),
        _("runs that wait for their next look, of chains that are armed"),
        ADVANCE,
        _GOING & Q(next_update__isnull=False) & (Q(chain__state=State.ARMED) | Q(chain=None)),
        lambda runs, wanted: _look(runs, wanted.now),
    ),
    "pause_runs": Decision(
        _("Pause …"),
        _("They stay where they are, and nothing is sent to them, until somebody lets them go on."),
        _("Yes, pause"),
        _("Paused."),
        _("runs that are on their way and not paused"),
        DECIDE,
        _GOING & Q(is_paused=False),
        lambda runs, wanted: runs.pause(),
    ),
    "resume_runs": Decision(
        _("Let go on …"),
        _("They go on from where they are: a wait that is over by now is over."),
        _("Yes, let go on"),
        _("They go on."),
        _("paused runs"),
        DECIDE,
        _GOING & Q(is_paused=True),
        lambda runs, wanted: runs.resume(wanted.now),
    ),
    "end_runs": Decision(
        _("End …"),
        _("They end where they are. Nothing more comes of them, and that cannot be undone."),
        _("Yes, end"),
        _("Ended."),
        _("runs that are on their way"),
        DECIDE,
        _GOING,
        lambda runs, wanted: runs.cancel(wanted.now),
    ),
    "move_runs": Decision(
        _("Move to another state …"),
        _(
            "They are put there at once, whatever leads there, and their waits count from now on. "
            "No event is made by that: what is sent on the way there is not sent."
        ),
        _("Yes, move"),
        _("Moved."),
        _("runs that are on their way"),
        DECIDE,
        _GOING,
        lambda runs, wanted: runs.move(wanted.to_state, wanted.now, wanted.user, wanted.note),
    ),
}


def open_to(run: ChainRun) -> dict[str, Decision]:
    """What can be decided about ``run`` as it stands; looking at it is a page of its own."""
    if run.is_over:
        return {}
    names = ("resume_runs" if run.is_paused else "pause_runs", "move_runs", "end_runs")
    return {name: DECISIONS[name] for name in names}


def decide(name: str, chosen: Any, wanted: Wanted) -> int:
    """Decide about those of ``chosen`` that it is possible for, in small transactions, and log
    each. Returns how many they were. Safe beside working clusters: what moved meanwhile is left
    alone, and who had a run at this moment writes nothing of it."""
    decision, decided = DECISIONS[name], 0
    database = router.db_for_write(ChainRun)
    meant = chosen.filter(_still(decision, wanted))
    for pks in _chunks(meant):
        with transaction.atomic(using=database):
            held = ChainRun.objects.using(database).filter(pk__in=pks)
            still = held.filter(_still(decision, wanted)).order_by("pk")
            pks = list(still.select_for_update(of=("self",)).values_list("pk", flat=True))
            runs: Any = ChainRun.objects.using(database).filter(pk__in=pks)
            if name == "move_runs":
                pks = list(runs.exclude(state=wanted.to_state).values_list("pk", flat=True))
            decided += decision.apply(runs, wanted)
            shown = ChainRun.objects.using(database).filter(pk__in=pks).select_related("chain")
            LogEntry.objects.log_actions(wanted.user.pk, shown, CHANGE, _logged(decision, wanted))
    if decided and name in ("look", "resume_runs", "move_runs"):
        ring()
    return decided


def ring() -> None:
    """Ask the cluster to look at what is due; the next tick does so, too."""
    transaction.on_commit(lambda: bell.enqueue(tasks.ADVANCE_TASK))
    if code_chains.automatic:
        transaction.on_commit(lambda: bell.enqueue(tasks.CODE_TASK))


def _still(decision: Decision, wanted: Wanted) -> Q:
    asked = decision.meant
    return asked & Q(entered_at__lte=wanted.asked_at) if wanted.asked_at else asked


def _look(runs: ChainRunQuerySet, now: datetime.datetime) -> int:
    count = runs.count()
    runs.wake(now)
    return count


def _logged(decision: Decision, wanted: Wanted) -> str:
    return f"{decision.done} {wanted.to_state}".strip()


def _chunks(runs: Any) -> Iterator[list[int]]:
    """Primary keys, some at a time; the order is theirs, so that no run is met twice."""
    last = 0
    while pks := list(
        runs.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:AT_A_TIME]
    ):
        yield pks
        last = pks[-1]
