"""Whether generators run: paused ones, failing ones, those that are late."""

import datetime
from collections.abc import Iterator

from django.db.models import Q, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation.events import schedule
from automation.events.health import Examination, Finding, Level, examinations
from automation.events.health.way import Stage, way
from automation.rules.models import BrokenRule
from generators.activity import newest_run
from generators.models import Generator, Run, RunState, State

DAY = datetime.timedelta(days=1)

#: A generator that is due for longer is late.
LATE = datetime.timedelta(minutes=10)


def _generators(now: datetime.datetime) -> Iterator[Finding]:
    yield from _armed()
    yield from _paused()
    yield from _failing(now)
    if not schedule.is_silent(now):  # told already
        yield from _late(now)


def _armed() -> Iterator[Finding]:
    count = Generator.objects.filter(state=State.ARMED).count()
    yield Finding(
        Level.OK,
        ngettext("%(count)d generator is armed.", "%(count)d generators are armed.", count)
        % {"count": count},
        model=Generator,
        query={"state__exact": State.ARMED.value},
        count=count,
        figure=_("armed"),
    )


def _paused() -> Iterator[Finding]:
    paused = Generator.objects.filter(state=State.PAUSED).exclude(state_reason="")
    found = list(paused.values_list("name", "state_reason")[:2])
    if found:
        yield Finding(
            Level.WARNING,
            _("Paused: %(name)s%(more)s. %(reason)s")
            % {
                "name": found[0][0],
                "more": _(" and others") if len(found) > 1 else "",
                "reason": found[0][1],
            },
            _("Correct it, and arm it again."),
            model=Generator,
            query={"state__exact": State.PAUSED.value},
        )


def _failing(now: datetime.datetime) -> Iterator[Finding]:
    """Of which the newest run failed, within a day."""
    recent = Q(last_started__gt=now - DAY) | Q(last_quiet__gt=now - DAY)
    failing = (
        Generator.objects.filter(state=State.ARMED)
        .alias(
            ended=Subquery(newest_run().values("state")[:1]),
            last_started=Subquery(newest_run().values("started_at")[:1]),
            last_quiet=Subquery(newest_run().values("last_quiet_at")[:1]),
        )
        .filter(recent, ended=RunState.FAILED)
    )
    names = list(failing.values_list("name", flat=True)[:3])
    if names:
        yield Finding(
            Level.WARNING,
            _("Generators whose last run failed: %s") % _named(names),
            _("The run says why. Generators go on by themselves once that is put right."),
            model=Generator,
            query={"last_run": RunState.FAILED.value},
        )


def _late(now: datetime.datetime) -> Iterator[Finding]:
    free = Q(lease_until=None) | Q(lease_until__lt=now - LATE)
    late = Generator.objects.filter(free, state=State.ARMED, next_run_at__lt=now - LATE)
    names = list(late.order_by("next_run_at").values_list("name", flat=True)[:3])
    if names:
        yield Finding(
            Level.PROBLEM,
            _("Generators that should have run long ago: %s") % _named(names),
            _("Look at the cluster's log and restart it. If it has too much to do, more workers "
              "help (CLUSTER_WORKERS)."),
            model=Generator,
            query={"state__exact": State.ARMED.value},
        )  # fmt: skip


def _named(names: list[str]) -> str:
    return ", ".join(names[:2]) + (", …" if names[2:] else "")


def _runs(now: datetime.datetime) -> Iterator[Finding]:
    """Also those that were followed by one that went well."""
    recent = Q(started_at__gt=now - DAY) | Q(last_quiet_at__gt=now - DAY)
    count = Run.objects.filter(recent, state=RunState.FAILED).count()
    if count:
        yield Finding(
            Level.WARNING,
            ngettext(
                "%(count)d run failed within a day.", "%(count)d runs failed within a day.", count
            )
            % {"count": count},
            _("Each generator's page shows its runs, and why they failed."),
            model=Generator,
            count=count,
        )


def _rules(now: datetime.datetime) -> Iterator[Finding]:
    for generator in Generator.objects.filter(state=State.ARMED).prefetch_related("conditions"):
        try:
            generator.rows(now)
        except BrokenRule as error:
            yield Finding(
                Level.PROBLEM,
                _("%(name)s: its rule does not work: %(reason)s")
                % {"name": generator, "reason": error},
                _("Correct its conditions, or bring back what its developers removed."),
                model=Generator,
                query={"q": generator.slug},
            )


def register() -> None:
    app = "generators"
    for examination in (
        Examination("generators", gettext_lazy("Generators"), app, _generators, cheap=True),
        Examination("runs", gettext_lazy("Runs"), app, _runs),
        Examination("rules", gettext_lazy("Rules"), app, _rules),
    ):
        examinations.register(examination)
    does = gettext_lazy("find the rows that you mean, such as carts left for two days.")
    way.register(Stage(10, gettext_lazy("Generators"), does))
