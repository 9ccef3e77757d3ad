"""Whether chains move: paused ones, failing ones, runs that are late or stopped."""

import datetime
from collections.abc import Iterator

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation.chains.chain import Chain, State
from automation.chains.registry import code_chains
from automation.chains.runs import ChainRun
from automation.events import schedule
from automation.events.health import Examination, Finding, Level, examinations
from automation.events.health.way import Stage, way

#: A run that is due for longer is late.
LATE = datetime.timedelta(minutes=10)


def _chains(now: datetime.datetime) -> Iterator[Finding]:
    count = Chain.objects.filter(state=State.ARMED).count()
    yield Finding(
        Level.OK,
        ngettext("%(count)d chain is armed.", "%(count)d chains are armed.", count)
        % {"count": count},
        model=Chain,
        query={"state__exact": State.ARMED.value},
        count=count,
        figure=_("armed"),
    )
    yield from _paused()
    yield from _failing()
    if not schedule.is_silent(now):  # told already
        yield from _late(now)


def _paused() -> Iterator[Finding]:
    paused = Chain.objects.filter(state=State.PAUSED).exclude(state_reason="")
    found = list(paused.values_list("name", "state_reason")[:2])
    if found:
        more = _(" and others") if len(found) > 1 else ""
        said = _("Paused: %(name)s%(more)s. %(reason)s")
        yield Finding(
            Level.WARNING,
            said % {"name": found[0][0], "more": more, "reason": found[0][1]},
            _("Correct it, and arm it again."),
            model=Chain,
            query={"state__exact": State.PAUSED.value},
        )


def _failing() -> Iterator[Finding]:
    failed = Q(failures__gt=0) | Q(entry_failures__gt=0)
    failing = Chain.objects.filter(failed, state=State.ARMED)
    names = list(failing.values_list("name", flat=True)[:3])
    if names:
        yield Finding(
            Level.WARNING,
            _("Chains that cannot advance: %s") % _named(names),
            _("The cluster's log says why. One that fails again and again is paused."),
            model=Chain,
            query={"state__exact": State.ARMED.value},
        )


def _late(now: datetime.datetime) -> Iterator[Finding]:
    due = ChainRun.objects.filter(chain=OuterRef("pk"), next_update__lt=now - LATE)
    late = Chain.objects.filter(Exists(due), state=State.ARMED)
    names = list(late.values_list("name", flat=True)[:3])
    if names:
        yield Finding(
            Level.PROBLEM,
            _("Chains with steps that should have been taken long ago: %s") % _named(names),
            _("Look at the cluster's log and restart it. If it has too much to do, more workers "
              "help (CLUSTER_WORKERS)."),
            model=Chain,
            query={"state__exact": State.ARMED.value},
        )  # fmt: skip


def _in_code(now: datetime.datetime) -> Iterator[Finding]:
    """Runs that no code knows (any more), and those of chains in code that are late."""
    on_their_way = ChainRun.objects.on_their_way().exclude(chain_type="")
    unknown = on_their_way.exclude(chain_type__in=code_chains.names)
    if lost := list(unknown.order_by("chain_type").values_list("chain_type", flat=True).distinct()):
        yield Finding(
            Level.WARNING,
            _("Runs wait for chains that no code registers: %s") % _named(lost),
            _("Bring the chain back in a chains.py, or end its runs."),
            model=ChainRun,
        )
    automatic = [chain.name for chain in code_chains.automatic]
    due = ChainRun.objects.filter(chain_type__in=automatic, next_update__lt=now - LATE)
    late = list(due.order_by("chain_type").values_list("chain_type", flat=True).distinct())
    if late and not schedule.is_silent(now):
        yield Finding(
            Level.PROBLEM,
            _("Chains in code with runs that should have been looked at long ago: %s")
            % _named(late),
            _("Look at the cluster's log and restart it. If it has too much to do, more workers "
              "help (CLUSTER_WORKERS)."),
            model=ChainRun,
        )  # fmt: skip
    if not lost and not late:
        yield Finding(Level.OK, _("Runs of chains in code are on their way."))


def _named(names: list[str]) -> str:
    return ", ".join(names[:2]) + (", …" if names[2:] else "")


def register() -> None:
    name = "chains"
    examinations.register(
        Examination(name, gettext_lazy("Chains"), "automation_chains", _chains, cheap=True)
    )
    examinations.register(
        Examination("code_chains", gettext_lazy("Chains in code"), "automation_chains", _in_code)
    )
    does = gettext_lazy("take them through steps over time, such as a reminder and then a voucher.")
    way.register(Stage(20, gettext_lazy("Chains"), does))
