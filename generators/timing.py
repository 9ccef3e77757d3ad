"""When a generator runs, and which period a repeated event belongs to.

Local times are those of the rule's time zone. A local time that the clocks skip is taken
after the gap; one that comes twice counts once, the first time.
"""

import datetime
import zoneinfo

from django.db import models
from django.utils.translation import gettext_lazy


class Trigger(models.TextChoices):
    MINUTES = "minutes", gettext_lazy("every … minutes")
    HOURLY = "hourly", gettext_lazy("every hour")
    DAILY = "daily", gettext_lazy("every day at …")


class Repeat(models.TextChoices):
    ONCE = "once", gettext_lazy("once for each row")
    DAY = "day", gettext_lazy("again each day")
    WEEK = "week", gettext_lazy("again each week")
    MONTH = "month", gettext_lazy("again each month")
    YEAR = "year", gettext_lazy("again each year")


def next_run(
    trigger: str,
    *,
    after: datetime.datetime,
    zone: zoneinfo.ZoneInfo,
    every_minutes: int = 5,
    at_time: datetime.time = datetime.time(9),
) -> datetime.datetime:
    """The first moment later than ``after`` (aware) at which ``trigger`` fires, in UTC.

    "Every N minutes" and "every hour" fall on the same minutes of every day, counted from
    local midnight, however often the process was restarted.
    """
    local = after.astimezone(zone)
    if trigger == Trigger.DAILY:
        day = local.date()
        while (moment := at(day, at_time, zone)) <= after:
            day += datetime.timedelta(days=1)
        return moment
    step = datetime.timedelta(minutes=60 if trigger == Trigger.HOURLY else every_minutes)
    midnight = at(local.date(), datetime.time(), zone)
    following = midnight + step * ((after - midnight) // step + 1)
    return min(following, at(local.date() + datetime.timedelta(days=1), datetime.time(), zone))


def at(day: datetime.date, time: datetime.time, zone: zoneinfo.ZoneInfo) -> datetime.datetime:
    """The moment of a local time on ``day``, in UTC."""
    local = datetime.datetime.combine(day, time, tzinfo=zone)
    return local.astimezone(datetime.UTC)


def period(repeat: str, local: datetime.datetime) -> str:
    """The name of the period that ``local`` (in the rule's time zone) lies in: it is part
    of the event's key, so that each period has its own. Weeks are ISO 8601 weeks."""
    if repeat == Repeat.DAY:
        return local.date().isoformat()
    if repeat == Repeat.WEEK:
        year, week, _day = local.isocalendar()
        return f"{year}-W{week:02}"
    if repeat == Repeat.MONTH:
        return f"{local:%Y-%m}"
    if repeat == Repeat.YEAR:
        return f"{local:%Y}"
    return ""
