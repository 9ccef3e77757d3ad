"""The kinds of condition that compare one field of a row."""

import calendar
import datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.db.models.functions import ExtractDay, ExtractMonth
from django.db.models.lookups import Exact
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation.rules import comparisons, dates
from automation.rules.conditions import Operator
from automation.rules.dates import Span
from automation.rules.fields import Field, Kind
from automation.rules.rule import Condition


class FieldCondition(Condition):
    """The field compared with a value: text, a number (``Decimal``), choices, yes or no."""

    kind: ClassVar[str] = "field"

    class Meta:
        verbose_name = gettext_lazy("comparison")
        verbose_name_plural = gettext_lazy("comparisons")

    @classmethod
    def operators(cls, field: Field) -> list[Operator]:
        return comparisons.OPERATORS[field.kind or Kind.OTHER]

    @classmethod
    def question(
        cls, path: str, field: Field, operator: str, value: Any, now: datetime.datetime
    ) -> Q:
        return comparisons.asked(path, field, operator, value)

    @classmethod
    def read_value(cls, field: Field, operator: Operator, text: str) -> Any:
        return comparisons.read_value(field, operator, text)

    @classmethod
    def write_value(cls, operator: str, value: Any) -> str:
        return comparisons.value_text(value)

    @classmethod
    def spoken(cls, field: Field, operator: str, value: Any) -> str:
        return comparisons.spoken(field, operator, value)


class _OfDates(Condition):
    """What the kinds about dates and moments have in common: the fields they can ask."""

    OPERATORS: ClassVar[list[Operator]] = []

    class Meta:
        abstract = True

    @classmethod
    def operators(cls, field: Field) -> list[Operator]:
        return cls.OPERATORS if field.kind in (Kind.DATE, Kind.DATETIME) else []


class RelativeDateCondition(_OfDates):
    """A date or moment compared with now: "more than 2 days ago", "in less than 1 hour",
    "today". ``value`` is a list of (amount, unit)."""

    kind: ClassVar[str] = "relative_date"
    OPERATORS: ClassVar[list[Operator]] = dates.RELATIVE

    class Meta:
        verbose_name = gettext_lazy("comparison with now")
        verbose_name_plural = gettext_lazy("comparisons with now")

    @classmethod
    def question(
        cls, path: str, field: Field, operator: str, value: Any, now: datetime.datetime
    ) -> Q:
        return dates.relative(path, field, operator, [Span(*span) for span in value], now)

    @classmethod
    def read_value(cls, field: Field, operator: Operator, text: str) -> Any:
        return [[span.amount, span.unit] for span in dates.read_spans(field, operator, text)]

    @classmethod
    def write_value(cls, operator: str, value: Any) -> str:
        return " and ".join(str(Span(*span)) for span in value)

    @classmethod
    def spoken(cls, field: Field, operator: str, value: Any) -> str:
        return dates.spoken_relative(operator, [Span(*span) for span in value])


class DateCondition(_OfDates):
    """A date or moment compared with days of the calendar. ``value`` is a list of dates."""

    kind: ClassVar[str] = "date"
    OPERATORS: ClassVar[list[Operator]] = dates.ABSOLUTE

    class Meta:
        verbose_name = gettext_lazy("comparison with a day")
        verbose_name_plural = gettext_lazy("comparisons with a day")

    @classmethod
    def question(
        cls, path: str, field: Field, operator: str, value: Any, now: datetime.datetime
    ) -> Q:
        return dates.absolute(path, field, operator, value, now)

    @classmethod
    def read_value(cls, field: Field, operator: Operator, text: str) -> Any:
        return dates.read_days(operator, text)

    @classmethod
    def write_value(cls, operator: str, value: Any) -> str:
        return " and ".join(day.isoformat() for day in value)

    @classmethod
    def spoken(cls, field: Field, operator: str, value: Any) -> str:
        return dates.spoken_absolute(operator, value)


class AnniversaryCondition(_OfDates):
    """The yearly return of a date: today, or in ``value`` days, in the rule's time zone.

    A date of 29 February returns on 28 February in years without one. The day itself is no
    anniversary, and what lies ahead has none yet.
    """

    kind: ClassVar[str] = "anniversary"
    OPERATORS: ClassVar[list[Operator]] = [
        Operator("anniversary_today", gettext_lazy("has its anniversary today")),
        Operator("anniversary_in", gettext_lazy("has its anniversary in … days"), "7", "number"),
    ]

    class Meta:
        verbose_name = gettext_lazy("anniversary")
        verbose_name_plural = gettext_lazy("anniversaries")

    @classmethod
    def question(
        cls, path: str, field: Field, operator: str, value: Any, now: datetime.datetime
    ) -> Q:
        day = now.date() + datetime.timedelta(days=value or 0)
        # Extracted explicitly: a lookup would take the day of a moment in Django's zone.
        zone = now.tzinfo if field.kind == Kind.DATETIME else None
        month, day_of_month = ExtractMonth(path, tzinfo=zone), ExtractDay(path, tzinfo=zone)
        days = [(day.month, day.day)]
        if days == [(2, 28)] and not calendar.isleap(day.year):
            days.append((2, 29))
        asked = Q()
        for number, name in days:
            asked |= Q(Exact(month, number)) & Q(Exact(day_of_month, name))
        return asked & Q(**{f"{path}__lt": dates.start_of(field, day, now)})

    @classmethod
    def read_value(cls, field: Field, operator: Operator, text: str) -> Any:
        if not operator.example:
            return None
        number = comparisons.read_number(text)
        if number != int(number) or not 0 <= number <= 366:
            raise ValidationError(_("Enter a whole number of days from 0 to 366."))
        return int(number)

    @classmethod
    def write_value(cls, operator: str, value: Any) -> str:
        return "" if value is None else str(value)

    @classmethod
    def spoken(cls, field: Field, operator: str, value: Any) -> str:
        if value is None:
            return _("has its anniversary today")
        return ngettext(
            "has its anniversary in %(days)s day", "has its anniversary in %(days)s days", value
        ) % {"days": value}
