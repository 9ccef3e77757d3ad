"""The kinds of condition that compare one field of a row: with a value, or with now."""

import calendar
import datetime
import re
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from dateutil.relativedelta import relativedelta
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation.rules.conditions import Operator, field_label
from automation.rules.fields import Field, Kind
from automation.rules.plain import PlainDataField
from automation.rules.rule import Condition
from automation.rules.sources import Source

IS = Operator("is", gettext_lazy("is"), "CH")
IS_NOT = Operator("is_not", gettext_lazy("is not"), "CH")
EMPTY = Operator("is_empty", gettext_lazy("is empty"))
NOT_EMPTY = Operator("is_not_empty", gettext_lazy("is not empty"))
ONE_OF = Operator("one_of", gettext_lazy("is one of"), "open, paid")
NOT_ONE_OF = Operator("not_one_of", gettext_lazy("is not one of"), "open, paid")
CONTAINS = Operator("contains", gettext_lazy("contains"), "shoe")
NOT_CONTAINS = Operator("not_contains", gettext_lazy("does not contain"), "shoe")
STARTS_WITH = Operator("starts_with", gettext_lazy("starts with"), "A-")
ENDS_WITH = Operator("ends_with", gettext_lazy("ends with"), ".ch")
EQUAL = Operator("equal", gettext_lazy("is equal to"), "2")
NOT_EQUAL = Operator("not_equal", gettext_lazy("is not equal to"), "2")
LESS = Operator("less", gettext_lazy("is less than"), "2")
AT_MOST = Operator("at_most", gettext_lazy("is at most"), "2")
MORE = Operator("more", gettext_lazy("is more than"), "2")
AT_LEAST = Operator("at_least", gettext_lazy("is at least"), "2")
YES = Operator("yes", gettext_lazy("is yes"))
NO = Operator("no", gettext_lazy("is no"))

# What each operator becomes: a lookup, and whether its opposite is asked. An opposite is
# everything that the lookup does not match, rows without a value among them.
_LOOKUPS: dict[str, tuple[str, bool]] = {
    "is": ("exact", False),
    "is_not": ("exact", True),
    "one_of": ("in", False),
    "not_one_of": ("in", True),
    "contains": ("icontains", False),
    "not_contains": ("icontains", True),
    "starts_with": ("istartswith", False),
    "ends_with": ("iendswith", False),
    "equal": ("exact", False),
    "not_equal": ("exact", True),
    "less": ("lt", False),
    "at_most": ("lte", False),
    "more": ("gt", False),
    "at_least": ("gte", False),
}


class OnField(Condition):
    """A condition about one field of the row."""

    class Meta:
        abstract = True

    def paths(self) -> list[str]:
        return [self.field]


class FieldCondition(OnField):
    """The field compared with a value. ``value`` is text, a number (``Decimal``), a list of
    choices, or None for operators that take none."""

    kind: ClassVar[str] = "field"
    OPERATORS: ClassVar[dict[Kind, list[Operator]]] = {
        Kind.TEXT: [
            IS, IS_NOT, CONTAINS, NOT_CONTAINS, STARTS_WITH, ENDS_WITH, EMPTY, NOT_EMPTY,
        ],
        Kind.NUMBER: [EQUAL, NOT_EQUAL, LESS, AT_MOST, MORE, AT_LEAST, EMPTY, NOT_EMPTY],
        Kind.YES_NO: [YES, NO, EMPTY, NOT_EMPTY],
        Kind.CHOICE: [ONE_OF, NOT_ONE_OF, EMPTY, NOT_EMPTY],
        Kind.DATE: [EMPTY, NOT_EMPTY],
        Kind.DATETIME: [EMPTY, NOT_EMPTY],
        Kind.OTHER: [EMPTY, NOT_EMPTY],
    }  # fmt: skip

    value = PlainDataField(gettext_lazy("value"), null=True, blank=True)

    class Meta:
        verbose_name = gettext_lazy("comparison")
        verbose_name_plural = gettext_lazy("comparisons")

    @classmethod
    def operators(cls, field: Field) -> list[Operator]:
        return cls.OPERATORS[field.kind or Kind.OTHER]

    def to_q(self, source: Source, now: datetime.datetime) -> Q:
        field = source.field(self.field)
        if self.operator in ("is_empty", "is_not_empty"):
            empty = Q(**{f"{self.field}__isnull": True})
            if field.kind in (Kind.TEXT, Kind.CHOICE):
                empty |= Q(**{f"{self.field}__exact": ""})
            return empty if self.operator == "is_empty" else ~empty
        if self.operator in ("yes", "no"):
            return Q(**{f"{self.field}__exact": self.operator == "yes"})
        lookup, opposite = _LOOKUPS[self.operator]
        asked = Q(**{f"{self.field}__{lookup}": self.value})
        return ~asked if opposite else asked

    def sentence(self, source: Source) -> str:
        said = {o.name: o for o in self._offered(source)}.get(self.operator)
        label = field_label(source, self.field)
        if said is None:
            return f"{label} {self.operator} {self.value}"
        if isinstance(self.value, list) and len(self.value) == 1:
            said = {ONE_OF: IS, NOT_ONE_OF: IS_NOT}.get(said, said)
        return f"{label} {said.label} {self._value_for_people(source)}".strip()

    def value_text(self) -> str:
        if isinstance(self.value, list):
            return ", ".join(str(value) for value in self.value)
        return "" if self.value is None else str(self.value)

    def set_value_text(self, source: Source, text: str) -> None:
        field = source.field(self.field)
        operator = {o.name: o for o in self.operators(field)}[self.operator]
        if not operator.example:
            self.value = None
        elif not text.strip():
            raise ValidationError(
                _("Enter a value, for example %(example)s.") % {"example": operator.example}
            )
        elif field.kind == Kind.NUMBER:
            self.value = _number(text)
        elif field.kind == Kind.CHOICE:
            self.value = _choices(field, text)
        else:
            self.value = text.strip()

    def _offered(self, source: Source) -> list[Operator]:
        field = source.resolved_fields.get(self.field)
        return self.operators(field) if field else []

    def _value_for_people(self, source: Source) -> str:
        field = source.field(self.field)
        if isinstance(self.value, list):
            return _(" or ").join(field.display(value) for value in self.value)
        return self.value_text()


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text.strip().replace("’", "").replace("'", ""))
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise ValidationError(
            _("“%(value)s” is not a number. Write it in digits, for example 2 or 19.90.")
            % {"value": text.strip()}
        )
    return number


def _choices(field: Field, text: str) -> list[Any]:
    """The stored values that ``text`` names by value or label, separated by commas."""
    by_name = {str(value).casefold(): value for value, _label in field.choices}
    by_name |= {str(label).casefold(): value for value, label in field.choices}
    found = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        if name.casefold() not in by_name:
            known = ", ".join(str(value) for value, _label in field.choices)
            raise ValidationError(
                _("“%(value)s” is not one of the choices: %(choices)s.")
                % {"value": name, "choices": known}
            )
        found.append(by_name[name.casefold()])
    return found


class Unit(models.TextChoices):
    MINUTES = "minutes", gettext_lazy("minutes")
    HOURS = "hours", gettext_lazy("hours")
    DAYS = "days", gettext_lazy("days")
    WEEKS = "weeks", gettext_lazy("weeks")
    MONTHS = "months", gettext_lazy("months")


class RelativeDateCondition(OnField):
    """A date or moment compared with now: "more than 2 days ago", "in less than 1 hour".

    Minutes and hours are elapsed time; days, weeks and months are taken from the calendar
    of the rule's time zone, so "1 day ago" is the same time of day also when the clocks
    changed in between. Dates are compared with today, whole days.
    """

    kind: ClassVar[str] = "relative_date"
    OPERATORS: ClassVar[list[Operator]] = [
        Operator("more_than_ago", gettext_lazy("more than … ago"), "2 days"),
        Operator("less_than_ago", gettext_lazy("less than … ago"), "2 days"),
        Operator("in_more_than", gettext_lazy("in more than …"), "2 days"),
        Operator("in_less_than", gettext_lazy("in less than …"), "2 days"),
    ]

    amount = models.PositiveIntegerField(gettext_lazy("amount"))
    unit = models.CharField(gettext_lazy("unit"), max_length=10)

    class Meta:
        verbose_name = gettext_lazy("comparison with now")
        verbose_name_plural = gettext_lazy("comparisons with now")

    @classmethod
    def operators(cls, field: Field) -> list[Operator]:
        return cls.OPERATORS if field.kind in (Kind.DATE, Kind.DATETIME) else []

    def to_q(self, source: Source, now: datetime.datetime) -> Q:
        past = self.operator in ("more_than_ago", "less_than_ago")
        bound: datetime.date = shifted(now, -self.amount if past else self.amount, self.unit)
        start: datetime.date = now
        if source.field(self.field).kind == Kind.DATE:
            start, bound = (
                now.date(),
                shifted(now, -self.amount if past else self.amount, self.unit).date(),
            )
        path = self.field
        if self.operator == "more_than_ago":
            return Q(**{f"{path}__lt": bound})
        if self.operator == "less_than_ago":
            return Q(**{f"{path}__gt": bound, f"{path}__lte": start})
        if self.operator == "in_more_than":
            return Q(**{f"{path}__gt": bound})
        return Q(**{f"{path}__gte": start, f"{path}__lt": bound})

    def sentence(self, source: Source) -> str:
        said = {operator.name: operator for operator in self.OPERATORS}[self.operator]
        span = f"{self.amount} {self._unit_for_people()}"
        return f"{field_label(source, self.field)} {str(said.label).replace('…', span)}"

    def value_text(self) -> str:
        if self.amount is None:
            return ""
        return f"{self.amount} {self.unit.removesuffix('s') if self.amount == 1 else self.unit}"

    def set_value_text(self, source: Source, text: str) -> None:
        found = re.fullmatch(r"\s*(\d{1,6})\s*(\w+)\s*", text)
        unit = _unit(found[2]) if found else None
        if found is None or unit is None:
            raise ValidationError(
                _("“%(value)s” is no span of time. Write for example 2 days, 3 hours or 1 month.")
                % {"value": text.strip()}
            )
        if source.field(self.field).kind == Kind.DATE and unit in (Unit.MINUTES, Unit.HOURS):
            raise ValidationError(
                _("%(field)s is a date without a time of day: count in days, weeks or months.")
                % {"field": field_label(source, self.field)}
            )
        self.amount, self.unit = int(found[1]), unit.value

    def _unit_for_people(self) -> str:
        return {
            "minutes": ngettext("minute", "minutes", self.amount),
            "hours": ngettext("hour", "hours", self.amount),
            "days": ngettext("day", "days", self.amount),
            "weeks": ngettext("week", "weeks", self.amount),
            "months": ngettext("month", "months", self.amount),
        }[self.unit]


def _unit(word: str) -> Unit | None:
    """The unit that ``word`` names, in English or the language in use, one or many."""
    asked = word.casefold()
    for unit in Unit:
        singular = unit.value.removesuffix("s")
        names = {unit.value, singular, str(unit.label), ngettext(singular, unit.value, 1)}
        if asked in {name.casefold() for name in names}:
            return unit
    return None


def shifted(now: datetime.datetime, amount: int, unit: str) -> datetime.datetime:
    """``now`` moved by ``amount`` units; see ``RelativeDateCondition`` for what a day is."""
    try:
        if unit in ("minutes", "hours"):
            exact = now.astimezone(datetime.UTC) + relativedelta(**{unit: amount})
            return exact.astimezone(now.tzinfo)
        return now + relativedelta(**{unit: amount})
    except (OverflowError, ValueError):
        # Further than the calendar reaches: further than any row, too.
        edge = datetime.datetime.max if amount > 0 else datetime.datetime.min
        return (edge + datetime.timedelta(days=2 if amount < 0 else -2)).replace(
            tzinfo=datetime.UTC
        )


class AnniversaryCondition(OnField):
    """The yearly return of a date: today, or in ``days`` days, in the rule's time zone.

    A date of 29 February returns on 28 February in years without one.
    """

    kind: ClassVar[str] = "anniversary"
    OPERATORS: ClassVar[list[Operator]] = [
        Operator("anniversary_today", gettext_lazy("has its anniversary today")),
        Operator("anniversary_in", gettext_lazy("has its anniversary in … days"), "7"),
    ]

    days = models.PositiveSmallIntegerField(gettext_lazy("days from now"), default=0)

    class Meta:
        verbose_name = gettext_lazy("anniversary")
        verbose_name_plural = gettext_lazy("anniversaries")

    @classmethod
    def operators(cls, field: Field) -> list[Operator]:
        return cls.OPERATORS if field.kind in (Kind.DATE, Kind.DATETIME) else []

    def to_q(self, source: Source, now: datetime.datetime) -> Q:
        day = now.date() + datetime.timedelta(days=self.days)
        asked = Q(**{f"{self.field}__month": day.month, f"{self.field}__day": day.day})
        if (day.month, day.day) == (2, 28) and not calendar.isleap(day.year):
            asked |= Q(**{f"{self.field}__month": 2, f"{self.field}__day": 29})
        return asked

    def sentence(self, source: Source) -> str:
        label = field_label(source, self.field)
        if self.operator == "anniversary_today":
            return _("%(field)s has its anniversary today") % {"field": label}
        return ngettext(
            "%(field)s has its anniversary in %(days)s day",
            "%(field)s has its anniversary in %(days)s days",
            self.days,
        ) % {"field": label, "days": self.days}

    def value_text(self) -> str:
        return str(self.days) if self.operator == "anniversary_in" else ""

    def set_value_text(self, source: Source, text: str) -> None:
        if self.operator == "anniversary_today":
            self.days = 0
            return
        number = _number(text)
        if number != int(number) or not 0 <= number <= 366:
            raise ValidationError(_("Enter a whole number of days from 0 to 366."))
        self.days = int(number)
