"""How long a transition waits, counted from the moment its state was entered.

Minutes and hours are as long as they are; days and weeks are days on the wall of the person
whose time zone it is: the same time of day, however the clocks changed between. A local time that
the clocks skip is taken after the gap; one that comes twice counts the first time.
"""

import datetime
import zoneinfo
from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy

from automation.rules.dates import at

_DAY = datetime.timedelta(days=1)


class Unit(models.TextChoices):
    MINUTES = "minutes", gettext_lazy("minutes")
    HOURS = "hours", gettext_lazy("hours")
    DAYS = "days", gettext_lazy("days")
    WEEKS = "weeks", gettext_lazy("weeks")


@dataclass(frozen=True)
class Wait:
    """``number`` units, then until ``weekday`` (0: Monday; None: any day) at ``time`` (None: as
    soon as that day has come)."""

    number: int = 0
    unit: Unit = Unit.DAYS
    weekday: int | None = None
    time: datetime.time | None = None

    @property
    def is_none(self) -> bool:
        """Whether it does not take any time."""
        return not self.number and self.weekday is None and self.time is None

    @property
    def is_by_clock(self) -> bool:
        """Whether its units are as long as they are, and not days on the wall."""
        return self.unit in (Unit.MINUTES, Unit.HOURS)

    @property
    def span(self) -> datetime.timedelta:
        """What its units are together, with days of 24 hours."""
        return datetime.timedelta(**{str(self.unit.value): self.number})

    def ends_no_later(self, other: "Wait") -> bool:
        """Whether it is certainly over when ``other`` is, for whoever entered the state at
        whatever moment, by whatever clock."""
        if self.is_none or self == other:
            return True
        until = (self.weekday, self.time)
        if until not in ((None, None), (other.weekday, other.time)):
            return False
        if not self.number:  # "until Monday" is next week's on a Monday: an hour later it is not
            return self.time is not None
        # Clocks that change make a day on the wall as much longer or shorter, at most.
        apart = datetime.timedelta() if self.is_by_clock == other.is_by_clock else _DAY
        return self.span + apart <= other.span

    def over(self, entered: datetime.datetime, zone: zoneinfo.ZoneInfo) -> datetime.datetime:
        """The moment (UTC) at which it is over for who entered the state at ``entered`` (aware),
        by the clock of ``zone``. Never earlier than ``entered``; a wait that is only "until …"
        ends later than that, also for who came at that very moment."""
        waited = after(entered, self.number, self.unit, zone)
        if self.weekday is None and self.time is None:
            return waited
        return _until(waited, self.weekday, self.time, zone, later=not self.number)


def after(
    moment: datetime.datetime, number: int, unit: Unit, zone: zoneinfo.ZoneInfo
) -> datetime.datetime:
    """The moment (UTC) so many units after ``moment`` (aware); days by the clock of ``zone``."""
    if not number:
        return moment.astimezone(datetime.UTC)
    if unit in (Unit.MINUTES, Unit.HOURS):
        step = datetime.timedelta(**{unit.value: number})
        return moment.astimezone(datetime.UTC) + step
    local = moment.astimezone(zone)
    days = number * 7 if unit == Unit.WEEKS else number
    day = local.date() + datetime.timedelta(days=days)
    return at(day, local.time().replace(fold=0), zone)


def _until(
    moment: datetime.datetime,
    weekday: int | None,
    time: datetime.time | None,
    zone: zoneinfo.ZoneInfo,
    later: bool,
) -> datetime.datetime:
    """The first such moment that is not before ``moment``; with ``later``, that is after it.
    Without a time of day the whole day will do."""
    day = moment.astimezone(zone).date()
    if time is None and not later and day.weekday() == weekday:
        return moment
    while True:
        then = at(day, time or datetime.time(), zone)
        right = weekday is None or day.weekday() == weekday
        if right and (then > moment or (then == moment and not later)):
            return then
        day += _DAY
