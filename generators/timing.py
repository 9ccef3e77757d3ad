"""When a generator runs, and which period a repeated event belongs to.

Local times are those of the rule's time zone. A local time that the clocks skip is taken
after the gap; one that comes twice counts once, the first time.
"""

import datetime
import zoneinfo
from itertools import islice
from typing import Any

from croniter import croniter
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.rules.dates import at


class Trigger(models.TextChoices):
    MINUTES = "minutes", gettext_lazy("every … minutes")
    HOURLY = "hourly", gettext_lazy("every hour")
    DAILY = "daily", gettext_lazy("every day at …")
    WEEKLY = "weekly", gettext_lazy("every week on … at …")
    CRON = "cron", gettext_lazy("by a cron expression")
    NEVER = "never", gettext_lazy("only when a row is saved")


class Repeat(models.TextChoices):
    ONCE = "once", gettext_lazy("once for each row")
    DAY = "day", gettext_lazy("again each day")
    WEEK = "week", gettext_lazy("again each week")
    MONTH = "month", gettext_lazy("again each month")
    YEAR = "year", gettext_lazy("again each year")
    AFTER = "after", gettext_lazy("again after … days")
    ANEW = "anew", gettext_lazy("each time it matches anew")
    KEY = "key", gettext_lazy("once for each key of your own")


def next_run(
    trigger: str,
    *,
    after: datetime.datetime,
    zone: zoneinfo.ZoneInfo,
    every_minutes: int = 5,
    at_time: datetime.time = datetime.time(9),
    weekday: int = 0,
    cron: str = "",
) -> datetime.datetime | None:
    """The first moment later than ``after`` (aware) at which ``trigger`` fires, in UTC; None
    if it never does. ``weekday`` counts from 0 for Monday.

    "Every N minutes" and "every hour" fall on the same minutes of every day, counted from
    local midnight, however often the process was restarted.
    """
    local = after.astimezone(zone)
    if trigger == Trigger.NEVER:
        return None
    if trigger == Trigger.CRON:
        return _next_of_cron(cron, after, zone)
    if trigger in (Trigger.DAILY, Trigger.WEEKLY):
        day = local.date()
        while (moment := at(day, at_time, zone)) <= after or (
            trigger == Trigger.WEEKLY and day.weekday() != weekday
        ):
            day += datetime.timedelta(days=1)
        return moment
    step = datetime.timedelta(minutes=60 if trigger == Trigger.HOURLY else every_minutes)
    midnight = at(local.date(), datetime.time(), zone)
    following = midnight + step * ((after - midnight) // step + 1)
    return min(following, at(local.date() + datetime.timedelta(days=1), datetime.time(), zone))


def _next_of_cron(
    expression: str, after: datetime.datetime, zone: zoneinfo.ZoneInfo
) -> datetime.datetime | None:
    """Counted on the clock on the wall: what the clocks skip or repeat is told by ``at``."""
    wall = after.astimezone(zone).replace(tzinfo=None)
    for local in islice(
        croniter(expression, wall - datetime.timedelta(hours=2), datetime.datetime), 500
    ):
        if (moment := at(local.date(), local.time(), zone)) > after:
            return moment
    return None


def validate_cron(expression: str) -> None:
    if len(expression.split()) != 5 or not croniter.is_valid(expression):
        raise ValidationError(
            _(
                "“%(expression)s” is not a cron expression. Write five parts: minute, hour, day, "
                "month, weekday; for example 30 8 * * 1-5 for half past eight on working days."
            ),
            params={"expression": expression},
        )
    try:
        croniter(expression, datetime.datetime(2026, 1, 1)).get_next()
    except ValueError as error:
        raise ValidationError(_("This never comes: there is no such day.")) from error


def next_runs(count: int, **when: Any) -> list[datetime.datetime]:
    """The next moments, one after the other; ``when`` as for ``next_run``."""
    moments: list[datetime.datetime] = []
    while len(moments) < count and (moment := next_run(**when)) is not None:
        moments.append(moment)
        when["after"] = moment
    return moments


def days_ago(days: int, local: datetime.datetime) -> datetime.datetime:
    """The beginning of the day so many days before that of ``local``, in UTC."""
    zone: Any = local.tzinfo
    return at(local.date() - datetime.timedelta(days=days), datetime.time(), zone)


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
