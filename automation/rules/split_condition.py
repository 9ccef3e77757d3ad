"""The kind of condition that asks for a share of the rows: 20 of 100, or one of several groups.

Each row has a place between 0 and 100, by the MD5 of the name of the split and its primary key: the
same one always, in Python and in every database, and for another name any other one. So two
shares of one name that do not overlap never have a row in common, and shares of two names have
nothing to do with each other.
"""

import datetime
import hashlib
import re
import unicodedata
from decimal import Decimal
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import MD5, Concat
from django.utils.formats import localize
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from automation.rules import plain
from automation.rules.comparisons import read_number
from automation.rules.conditions import Operator
from automation.rules.fields import Field, Kind
from automation.rules.keys import key_expression, key_text
from automation.rules.related_conditions import SEGMENTS_AND_HISTORY
from automation.rules.rule import Condition
from automation.rules.sources import Source

#: The place of a row is written in so many digits of base 16.
_DIGITS = 8
_PLACES = 16**_DIGITS

NAME_LENGTH = 100

_UP_TO_THE_SIGN = re.compile(r"(.*?)\s*(?:%|percent|prozent)", re.IGNORECASE | re.DOTALL)
_NUMBER = r"[-+]?[\d.,’']+"
_SHARE = re.compile(
    rf"(?:(?P<low>{_NUMBER})\s*(?:%|percent)?\s*(?:[-–—]|\b(?:to|and|bis|und)\b)\s*)?"
    rf"(?P<high>{_NUMBER})\s*(?:%|percent|prozent)\s*(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)


class SplitCondition(Condition):
    """Whether the row is in a share of all rows, which nothing but its primary key decides.
    ``value`` is ``[low, high, name]``: from ``low`` up to below ``high`` of 100 (``Decimal``) of
    the split called ``name``."""

    kind: ClassVar[str] = "split"

    SUBJECT: ClassVar[Field] = Field(
        "split",
        gettext_lazy("random share"),
        SEGMENTS_AND_HISTORY,
        Kind.OTHER,
        keywords=gettext_lazy("A/B test AB percent percentage half split sample control group"),
    )
    # xgettext:no-python-format
    EXAMPLE: ClassVar[Any] = gettext_lazy("20 % of spring-test")
    OPERATORS: ClassVar[list[Operator]] = [
        Operator("in", gettext_lazy("is among"), EXAMPLE, "share"),
        Operator("not_in", gettext_lazy("is not among"), EXAMPLE, "share"),
    ]

    class Meta:
        verbose_name = gettext_lazy("random share")
        verbose_name_plural = gettext_lazy("random shares")

    @classmethod
    def subjects(cls, source: Source) -> list[Field]:
        return [cls.SUBJECT]

    @classmethod
    def operators(cls, field: Field) -> list[Operator]:
        return cls.OPERATORS if field.path == cls.SUBJECT.path else []

    @classmethod
    def question(
        cls, path: str, field: Field, operator: str, value: Any, now: datetime.datetime
    ) -> Q:
        low, high, _name = value
        inside = Q(**{f"{path}__gte": _digits(low)})
        if high < 100:
            inside &= Q(**{f"{path}__lt": _digits(high)})
        return inside if operator == "in" else ~inside

    @classmethod
    def read_value(cls, field: Field, operator: Operator, text: str) -> Any:
        found = _SHARE.fullmatch(text.strip())
        if found is None:
            raise ValidationError(_what_is_wrong(text, operator))
        low = read_number(found["low"]) if found["low"] else Decimal(0)
        high = read_number(found["high"])
        if not 0 <= low < high <= 100:
            raise ValidationError(
                _("The percentages must be from 0 to 100, and the first less than the second.")
            )
        return [_short(low), _short(high), _name_in(found["rest"])]

    @classmethod
    def suggestions(cls, source: Source) -> list[tuple[str, str]]:
        """The names of splits that rules about ``source`` use."""
        used = cls.objects.filter(rule__source=source.key).values_list("value", flat=True)
        return [(name, "") for name in sorted({name for _low, _high, name in used})]

    @classmethod
    def write_value(cls, operator: str, value: Any) -> str:
        low, high, name = value
        return f"{low}-{high} % of {name}" if low else f"{high} % of {name}"

    @classmethod
    def spoken(cls, field: Field, operator: str, value: Any) -> str:
        low, high, name = value
        said = {"low": localize(low), "high": localize(high), "name": name}
        if operator == "in":
            template = _("is within %(low)s to %(high)s %% of “%(name)s”")
        else:
            template = _("is not within %(low)s to %(high)s %% of “%(name)s”")
        return template % said

    def subject(self, source: Source) -> Field:
        return self.SUBJECT

    def expression(self, source: Source, now: datetime.datetime) -> Any:
        return _Digits(
            MD5(Concat(Value(f"{self.value[2]}:"), key_expression(source.model, F("pk"))))
        )

    def sentence(self, source: Source) -> str:
        return f"{self.SUBJECT.label} {self.spoken(self.SUBJECT, self.operator, self.value)}"

    def answer(self, value: Any, passed: bool) -> str:
        place = localize(round(Decimal(int(value, 16)) * 100 / _PLACES, 1))
        return _("has its place at %(place)s of 100") % {"place": place}


def place(name: str, pk: Any) -> float:
    """Where the row with this primary key has its place in the split called ``name``: from 0 up
    to below 100, the same one that conditions go by."""
    hashed = hashlib.md5(f"{_tidy(name)}:{key_text(pk)}".encode(), usedforsecurity=False)
    return int(hashed.hexdigest()[:_DIGITS], 16) * 100 / _PLACES


class _Digits(Func):
    """The first digits of a hash, compared digit by digit whatever the language of the database."""

    function = "SUBSTR"
    template = f"%(function)s(%(expressions)s, 1, {_DIGITS})"
    output_field = models.CharField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template=f'({self.template}) COLLATE "C"')


def _digits(percent: Decimal) -> str:
    """Where ``percent`` (below 100) of 100 begins, as the places of rows are written."""
    whole, rest = divmod(percent * _PLACES, 100)
    return f"{int(whole) + bool(rest):0{_DIGITS}x}"


def of_in_this_language() -> str:
    """What stands between the percentage and the name of the split."""
    return pgettext("20 % of a split", "of")


def _what_is_wrong(text: str, operator: Operator) -> str:
    """Which part of a text that is no share is missing or no percentage."""
    found = _UP_TO_THE_SIGN.match(text.strip())
    if found is None:
        # xgettext:no-python-format
        span = _("50–100 % of spring-test")
        return _(
            "Write how many percent, and of which split: %(example)s. Or from where to where: "
            "%(range)s."
        ) % {"example": operator.example, "range": span}
    if found[1]:
        return _(
            "“%(percent)s” is no percentage. Write a number such as 20, or from where to where: "
            "50–100."
        ) % {"percent": found[1]}
    return _("Enter how many percent: a number such as 20, or from where to where: 50–100.")


def _short(percent: Decimal) -> Decimal:
    """20 and not 20.00; 100 and not 1E+2."""
    return Decimal(format(percent.normalize(), "f"))


def _tidy(name: str) -> str:
    """The name of a split as it is hashed: who types it with a capital means the same one."""
    return " ".join(unicodedata.normalize("NFC", plain.text(name)).split()).lower()


def _name_in(rest: str) -> str:
    """The name behind "20 %", with or without "of" before it."""
    words = "|".join({"of", "von", re.escape(of_in_this_language())})
    name = _tidy(re.sub(rf"^(?:{words})(?:\s+|$)", "", rest.strip(), flags=re.IGNORECASE))
    name = name.strip("“”„\"'")
    if not name:
        raise ValidationError(
            _(
                "Give the split a name, such as %(example)s: rules with the same name share it, "
                "and each name deals anew."
            )
            % {"example": "spring-test"}
        )
    if len(name) > NAME_LENGTH:
        raise ValidationError(_("The name of the split is too long."))
    return name
