"""States and waits as people call them."""

import datetime
import zoneinfo
from collections.abc import Iterable

from django.utils.dates import WEEKDAYS
from django.utils.formats import time_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.chains.names import DONE, NEW
from automation.chains.transitions import Transition
from automation.chains.waiting import Unit, Wait

#: Waits are compared by when they are over for who enters a state at this moment.
_SOME_MOMENT, _UTC = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), zoneinfo.ZoneInfo("UTC")


def state_label(state: str) -> str:
    """A state as it is shown: the two that every chain has are called by what they are."""
    return {NEW: _("Start"), DONE: _("End")}.get(state, state)


def from_label(transition: Transition) -> str:
    """Where a step comes from."""
    if not transition.from_states:
        return _("any state")
    return ", ".join(state_label(state) for state in transition.from_states)


def who_label(transition: Transition, earlier: Iterable[Transition]) -> str:
    """Who takes a step; ``earlier`` are those of its chain that come before it."""
    if transition.conditions.all():
        return transition.sentence()
    return _("everybody else") if takes_the_rest(transition, earlier) else _("everybody")


def takes_the_rest(transition: Transition, earlier: Iterable[Transition]) -> bool:
    """Whether some of those who could take ``transition`` have taken one of ``earlier`` by then:
    one from the same state, with conditions, whose wait is not over later."""
    states = [*transition.chain.all_states, *transition.from_states]
    ends = transition.wait.over(_SOME_MOMENT, _UTC)
    return any(
        bool(other.conditions.all())
        and other.wait.over(_SOME_MOMENT, _UTC) <= ends
        and any(other.leads_from(state) and transition.leads_from(state) for state in states)
        for other in earlier
    )


def wait_label(wait: Wait) -> str:
    """How long somebody waits, counted from the moment that they came there: "after 2 days,
    then until Monday, 09:00"."""
    if wait.is_none:
        return _("at once")
    waited, until = _span(wait.number, wait.unit), _until(wait.weekday, wait.time)
    if not until:
        return _("after %(span)s") % {"span": waited}
    if not wait.number:
        return _("until %(moment)s") % {"moment": until}
    return _("after %(span)s, then until %(moment)s") % {"span": waited, "moment": until}


def limit_label(days: int | None) -> str:
    """How long somebody is on the way at most; empty if there is no limit."""
    if not days:
        return ""
    return ngettext(
        "Ends after %(count)d day at the latest.", "Ends after %(count)d days at the latest.", days
    ) % {"count": days}


def _span(number: int, unit: str) -> str:
    said = {
        Unit.MINUTES: ngettext("%(number)d minute", "%(number)d minutes", number),
        Unit.HOURS: ngettext("%(number)d hour", "%(number)d hours", number),
        Unit.DAYS: ngettext("%(number)d day", "%(number)d days", number),
        Unit.WEEKS: ngettext("%(number)d week", "%(number)d weeks", number),
    }[Unit(unit)]
    return said % {"number": number}


def _until(weekday: int | None, time: datetime.time | None) -> str:
    parts = [
        str(WEEKDAYS[weekday]) if weekday is not None else "",
        time_format(time, "H:i") if time is not None else "",
    ]
    return ", ".join(filter(None, parts))
