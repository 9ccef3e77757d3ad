"""The state of things on the admin's home page, as far as somebody may see it."""

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from django.contrib import admin
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.events.health import Finding, Level, examinations, examine, worst
from automation.events.health.way import Stage, way
from automation.events.schedule import signs_of_life


@dataclass(frozen=True)
class Figures:
    """The numbers of one kind of thing."""

    kind: str
    findings: list[Finding]


@dataclass(frozen=True)
class Panel:
    """``silence``: since the cluster's last sign of life. ``troubles``: the worst first. ``way``:
    from the row to the message."""

    level: Level
    silence: datetime.timedelta | None
    figures: list[Figures] = field(default_factory=list)
    troubles: list[Finding] = field(default_factory=list)
    way: list[Stage] = field(default_factory=list)

    @property
    def headline(self) -> str:
        return {
            Level.OK: _("Everything works."),
            Level.WARNING: _("It works. Please look at this."),
            Level.PROBLEM: _("Something does not work."),
        }[self.level]

    @property
    def last_seen(self) -> str:
        if self.silence is None:
            return ""
        minutes = int(self.silence.total_seconds() // 60)
        if minutes < 1:
            return _("The cluster was at work less than a minute ago.")
        if minutes > 120:
            return _("The cluster was last at work %(hours)d hours ago.") % {"hours": minutes // 60}
        return ngettext(
            "The cluster was last at work %(minutes)d minute ago.",
            "The cluster was last at work %(minutes)d minutes ago.",
            minutes,
        ) % {"minutes": minutes}


def panel(request: HttpRequest, now: datetime.datetime) -> Panel | None:
    """None for somebody who sees nothing of the product. The number of queries does not
    depend on what there is."""
    user = request.user
    if not any(user.has_module_perms(app) for app in sorted(examinations.apps)):
        return None
    found = examine(now, cheap=True)
    seen = [finding for finding in found if _may_see(request, finding)]
    troubles = [finding for finding in seen if finding.level > Level.OK]
    hidden = worst(finding for finding in found if finding not in seen)
    if hidden > worst(troubles):
        troubles.append(
            Finding(
                hidden,
                _("In a list that you may not open, something is wrong."),
                _("Tell somebody who looks after this site."),
            )
        )
    troubles.sort(key=lambda finding: -finding.level)
    beats = [beaten_at for _name, beaten_at in signs_of_life()]
    silence = now - max(beats) if beats else None
    return Panel(worst(found), silence, list(_figures(seen)), troubles, list(way))


def _figures(findings: Iterable[Finding]) -> Iterator[Figures]:
    counted = [finding for finding in findings if finding.count and finding.figure]
    for model, of_model in groupby(counted, key=lambda finding: finding.model):
        kind = capfirst(str(model._meta.verbose_name_plural))
        yield Figures(kind, list(of_model))


def _may_see(request: HttpRequest, finding: Finding) -> bool:
    """A finding about a list is for who may open that list."""
    if finding.model is None:
        return True
    page = admin.site._registry.get(finding.model)
    return page is not None and page.has_view_permission(request)
