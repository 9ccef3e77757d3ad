"""Comparing dates and moments with now and with days of the calendar.

``now`` is aware and in the rule's time zone: its days are the days that count. Minutes and
hours are elapsed time; days, weeks and months are taken from the calendar, so "1 day ago"
is the same time of day also when the clocks changed in between. Dates are compared as
whole days.
"""

import datetime
import re
import zoneinfo
from dataclasses import dataclass
from typing import Any

from dateutil.relativedelta import relativedelta
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from automation.rules.comparisons import two_parts
from automation.rules.conditions import Operator
from automation.rules.fields import Field, Kind


class Unit(models.TextChoices):
    MINUTES = "minutes", gettext_lazy("minutes")
    HOURS = "hours", gettext_lazy("hours")
    DAYS = "days", gettext_lazy("days")
    WEEKS = "weeks", gettext_lazy("weeks")
    MONTHS = "months", gettext_lazy("months")


@dataclass(frozen=True)
class Span:
    """An amount of time as people say it: 2 days."""

    amount: int
    unit: str

    def __str__(self) -> str:
        """As ``read_span`` reads it, in English whatever the language."""
        return f"{self.amount} {self.unit.removesuffix('s') if self.amount == 1 else self.unit}"

    def for_people(self) -> str:
        words = {
            "minutes": ngettext("minute", "minutes", self.amount),
            "hours": ngettext("hour", "hours", self.amount),
            "days": ngettext("day", "days", self.amount),
            "weeks": ngettext("week", "weeks", self.amount),
            "months": ngettext("month", "months", self.amount),
        }
        return f"{self.amount} {words[self.unit]}"

    def before(self, now: datetime.datetime) -> datetime.datetime:
        return shifted(now, -self.amount, self.unit)

    def after(self, now: datetime.datetime) -> datetime.datetime:
        return shifted(now, self.amount, self.unit)


def shifted(now: datetime.datetime, amount: int, unit: str) -> datetime.datetime:
    """``now`` moved by ``amount`` units."""
    try:
        if unit in ("minutes", "hours"):
            exact = now.astimezone(datetime.UTC) + relativedelta(**{unit: amount})
            return exact.astimezone(now.tzinfo)
        return now + relativedelta(**{unit: amount})
    except (OverflowError, ValueError):
        # Further than the calendar reaches: further than any row, too.
        edge = datetime.datetime.max if amount > 0 else datetime.datetime.min
        inside = datetime.timedelta(days=2 if amount < 0 else -2)
        return (edge + inside).replace(tzinfo=datetime.UTC)


def read_span(text: str) -> Span:
    """``"2 days"`` as a span; units in English or the language in use."""
    found = re.fullmatch(r"\s*(\d{1,6})\s*(\w+)\s*", text)
    unit = _unit(found[2]) if found else None
    if found is None or unit is None:
        raise ValidationError(
            _("“%(value)s” is no span of time. Write for example 2 days, 3 hours or 1 month.")
            % {"value": text.strip()}
        )
    return Span(int(found[1]), unit.value)


def _unit(word: str) -> Unit | None:
    """The unit that ``word`` names, in English or the language in use, one or many."""
    wanted = word.casefold()
    for unit in Unit:
        singular = unit.value.removesuffix("s")
        in_a_sentence = {ngettext(singular, unit.value, amount) for amount in (1, 2)}
        names = {unit.value, singular, str(unit.label), *in_a_sentence}
        if wanted in {name.casefold() for name in names}:
            return unit
    return None


def in_this_language(text: str) -> str:
    """Spans and pairs as ``value_text`` writes them, ``"2 days and 1 month"``, in the words
    of the language in use, as ``read_spans`` and ``read_days`` read them too."""

    def said(found: re.Match[str]) -> str:
        unit = Unit(f"{found[2]}s")
        one = found[1] == "1"
        return f"{found[1]} {ngettext(found[2], unit.value, 1) if one else unit.label}"

    text = re.sub(r"\b(\d+) (minute|hour|day|week|month)s?\b", said, text)
    return text.replace(" and ", f" {_('and')} ")


_SPAN, _SPANS = gettext_lazy("2 days"), gettext_lazy("2 days and 5 days")
_DAY, _DAYS = "2026-03-31", gettext_lazy("2026-03-01 and 2026-03-31")

MORE_THAN_AGO = Operator("more_than_ago", gettext_lazy("more than … ago"), _SPAN, "span")
LESS_THAN_AGO = Operator("less_than_ago", gettext_lazy("less than … ago"), _SPAN, "span")
BETWEEN_AGO = Operator("between_ago", gettext_lazy("between … ago"), _SPANS, "spans")
IN_MORE_THAN = Operator("in_more_than", gettext_lazy("in more than …"), _SPAN, "span")
IN_LESS_THAN = Operator("in_less_than", gettext_lazy("in less than …"), _SPAN, "span")
TODAY = Operator("today", gettext_lazy("is today"))

RELATIVE: list[Operator] = [
    MORE_THAN_AGO, LESS_THAN_AGO, BETWEEN_AGO, IN_LESS_THAN, IN_MORE_THAN, TODAY,
]  # fmt: skip

ON = Operator("on", gettext_lazy("is on"), _DAY, "day")
BEFORE = Operator("before", gettext_lazy("is before"), _DAY, "day")
AFTER = Operator("after", gettext_lazy("is after"), _DAY, "day")
FROM_TO = Operator("from_to", gettext_lazy("is from … to …"), _DAYS, "days")

ABSOLUTE: list[Operator] = [ON, BEFORE, AFTER, FROM_TO]


def relative(
    path: str, field: Field, operator: str, spans: list[Span], now: datetime.datetime
) -> Q:
    """The question of one of ``RELATIVE`` about what stands at ``path``."""
    if operator == "today":
        return within_days(path, field, now.date(), now.date(), now)
    here = now if field.kind == Kind.DATETIME else now.date()
    past = operator.endswith("_ago")
    bounds: list[Any] = [span.before(now) if past else span.after(now) for span in spans]
    if field.kind == Kind.DATE:
        bounds = [bound.date() for bound in bounds]
    if operator == "more_than_ago":
        return Q(**{f"{path}__lt": bounds[0]})
    if operator == "less_than_ago":
        return Q(**{f"{path}__gt": bounds[0], f"{path}__lte": here})
    if operator == "between_ago":
        return Q(**{f"{path}__gte": min(bounds), f"{path}__lte": max(bounds)})
    if operator == "in_more_than":
        return Q(**{f"{path}__gt": bounds[0]})
    return Q(**{f"{path}__gte": here, f"{path}__lt": bounds[0]})


def absolute(
    path: str, field: Field, operator: str, days: list[datetime.date], now: datetime.datetime
) -> Q:
    """The question of one of ``ABSOLUTE``: a moment belongs to its day where the rule lives;
    "before" and "after" a day leave the day itself out."""
    if operator == "before":
        return Q(**{f"{path}__lt": start_of(field, days[0], now)})
    if operator == "after":
        return Q(**{f"{path}__gte": start_of(field, days[0] + datetime.timedelta(days=1), now)})
    return within_days(path, field, days[0], days[-1], now)


def within_days(
    path: str, field: Field, first: datetime.date, last: datetime.date, now: datetime.datetime
) -> Q:
    """From the beginning of the first day to the end of the last."""
    following = last + datetime.timedelta(days=1)
    return Q(
        **{
            f"{path}__gte": start_of(field, first, now),
            f"{path}__lt": start_of(field, following, now),
        }
    )


def start_of(field: Field, day: datetime.date, now: datetime.datetime) -> datetime.date:
    """The beginning of ``day`` where the rule lives, as the field has it."""
    if field.kind == Kind.DATE:
        return day
    midnight = datetime.datetime.combine(day, datetime.time(), tzinfo=now.tzinfo)
    return midnight.astimezone(datetime.UTC)


def read_spans(field: Field, operator: Operator, text: str) -> list[Span]:
    """The spans of one of ``RELATIVE``. Raises ``ValidationError``."""
    if not operator.example:
        return []
    parts = two_parts(text, operator.example) if operator == BETWEEN_AGO else (text,)
    spans = [read_span(part) for part in parts]
    if field.kind == Kind.DATE and any(span.unit in ("minutes", "hours") for span in spans):
        raise ValidationError(
            _("%(field)s is a date without a time of day: count in days, weeks or months.")
            % {"field": field.spoken_label}
        )
    return spans


def read_days(operator: Operator, text: str) -> list[datetime.date]:
    """The days of one of ``ABSOLUTE``. Raises ``ValidationError``."""
    parts = two_parts(text, operator.example) if operator == FROM_TO else (text,)
    days = [_read_day(part) for part in parts]
    if days != sorted(days):
        raise ValidationError(_("The first day must not be later than the second."))
    return days


def _read_day(text: str) -> datetime.date:
    try:
        day = parse_date(text.strip())
        if day is None and (moment := parse_datetime(text.strip())):
            day = moment.date()
    except ValueError:
        day = None
    if day is None or not 1 < day.year < 9999:
        raise ValidationError(
            _("“%(value)s” is not a day. Write it as year-month-day: 2026-03-31.")
            % {"value": text.strip()}
        )
    return day


def spoken_relative(operator: str, spans: list[Span]) -> str:
    """ "more than 2 days ago"."""
    said = {offered.name: offered for offered in RELATIVE}[operator]
    words = _(" and ").join(span.for_people() for span in spans)
    return str(said.label).replace("…", words)


def spoken_absolute(operator: str, days: list[datetime.date]) -> str:
    """ "is before 31 March 2026"."""
    words = [date_format(day, "DATE_FORMAT") for day in days]
    if operator == "from_to":
        return _("is from %(first)s to %(last)s") % {"first": words[0], "last": words[1]}
    said = {offered.name: offered for offered in ABSOLUTE}[operator]
    return f"{said.label} {words[0]}"


def at(day: datetime.date, time: datetime.time, zone: zoneinfo.ZoneInfo) -> datetime.datetime:
    """The moment of a local time on ``day``, in UTC. One that the clocks skip is taken after the
    gap; one that comes twice, the first time."""
    local = datetime.datetime.combine(day, time, tzinfo=zone)
    return local.astimezone(datetime.UTC)


def said_moment(local: datetime.datetime, now: datetime.datetime | None = None) -> str:
    """A moment as all pages say it: short, in the time zone that it is in; without the year if
    that is the one of ``now``, which is in the same time zone."""
    if now is not None and local.year == now.year:
        # Translators: day, month, hours and minutes, in the letters of Django's date filter.
        return date_format(local, pgettext("date and time", "j M, H:i"))
    # Translators: day, month, year, hours and minutes, in the letters of Django's date filter.
    return date_format(local, pgettext("date and time", "j M Y, H:i"))
