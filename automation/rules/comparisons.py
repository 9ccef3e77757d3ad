"""Comparing something known about a row with a value: operators, how their values are
written, and what they ask of the database.

``asked`` works for a field of the row (a path) and for an expression alike, so a sum over
related rows is compared as a field is.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from automation.rules.conditions import Operator
from automation.rules.fields import Field, Kind

IS = Operator("is", gettext_lazy("is"), "CH")
IS_NOT = Operator("is_not", gettext_lazy("is not"), "CH")
EMPTY = Operator("is_empty", gettext_lazy("is empty"))
NOT_EMPTY = Operator("is_not_empty", gettext_lazy("is not empty"))
ONE_OF = Operator("one_of", gettext_lazy("is one of"), "open, paid")
NOT_ONE_OF = Operator("not_one_of", gettext_lazy("is not one of"), "open, paid")
CONTAINS = Operator("contains", gettext_lazy("contains"), gettext_lazy("shoe"))
NOT_CONTAINS = Operator("not_contains", gettext_lazy("does not contain"), gettext_lazy("shoe"))
STARTS_WITH = Operator("starts_with", gettext_lazy("starts with"), "A-")
ENDS_WITH = Operator("ends_with", gettext_lazy("ends with"), ".ch")
EQUAL = Operator("equal", gettext_lazy("is equal to"), "2")
NOT_EQUAL = Operator("not_equal", gettext_lazy("is not equal to"), "2")
LESS = Operator("less", gettext_lazy("is less than"), "2")
AT_MOST = Operator("at_most", gettext_lazy("is at most"), "2")
MORE = Operator("more", gettext_lazy("is more than"), "2")
AT_LEAST = Operator("at_least", gettext_lazy("is at least"), "2")
BETWEEN = Operator("between", gettext_lazy("is between"), gettext_lazy("2 and 5"), "numbers")
YES = Operator("yes", gettext_lazy("is yes"))
NO = Operator("no", gettext_lazy("is no"))

OPERATORS: dict[Kind, list[Operator]] = {
    Kind.TEXT: [IS, IS_NOT, CONTAINS, NOT_CONTAINS, STARTS_WITH, ENDS_WITH, EMPTY, NOT_EMPTY],
    Kind.NUMBER: [EQUAL, NOT_EQUAL, LESS, AT_MOST, MORE, AT_LEAST, BETWEEN, EMPTY, NOT_EMPTY],
    Kind.YES_NO: [YES, NO, EMPTY, NOT_EMPTY],
    Kind.CHOICE: [ONE_OF, NOT_ONE_OF, EMPTY, NOT_EMPTY],
    Kind.DATE: [EMPTY, NOT_EMPTY],
    Kind.DATETIME: [EMPTY, NOT_EMPTY],
    Kind.OTHER: [EMPTY, NOT_EMPTY],
}

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


def asked(path: str, field: Field, operator: str, value: Any) -> Q:
    """The question whether what stands at ``path`` (a field or an annotation of the query)
    compares so with ``value``."""
    if operator in ("is_empty", "is_not_empty"):
        empty = Q(**{f"{path}__isnull": True})
        if field.kind == Kind.TEXT or (field.kind == Kind.CHOICE and _are_texts(field)):
            empty |= Q(**{f"{path}__exact": ""})
        return empty if operator == "is_empty" else ~empty
    if operator in ("yes", "no"):
        return Q(**{f"{path}__exact": operator == "yes"})
    if operator == "between":
        low, high = value
        return asked(path, field, "at_least", low) & asked(path, field, "at_most", high)
    lookup, opposite = _LOOKUPS[operator]
    if field.whole and isinstance(value, Decimal) and value % 1:
        question = _asked_of_whole(path, lookup, value)
    else:
        question = Q(**{f"{path}__{lookup}": value})
    return ~question if opposite else question


def _are_texts(field: Field) -> bool:
    """Whether a choice is stored as text, which can be there and empty. A number cannot."""
    return all(isinstance(value, str) for value, _label in field.choices)


def _asked_of_whole(path: str, lookup: str, value: Decimal) -> Q:
    """A whole number compared with a broken one: Django would cut the fraction off."""
    below = value // 1 if value > 0 else value // 1 - 1
    if lookup == "exact":
        return Q(pk__in=[])
    return Q(**{f"{path}__{'gt' if lookup in ('gt', 'gte') else 'lte'}": int(below)})


def read_value(field: Field, operator: Operator, text: str) -> Any:
    """The value of an operator of ``OPERATORS`` from what an editor wrote. Raises
    ``ValidationError`` that says what to write instead."""
    if not operator.example:
        return None
    if not text.strip():
        raise ValidationError(
            _("Enter a value, for example %(example)s.") % {"example": operator.example}
        )
    if operator == BETWEEN:
        low, high = (read_number(part) for part in two_parts(text, operator.example))
        if low > high:
            raise ValidationError(_("The first number must not be larger than the second."))
        return [low, high]
    if field.kind == Kind.NUMBER:
        return read_number(text)
    if field.kind == Kind.CHOICE:
        return read_choices(field, text)
    return text.strip()


def value_text(value: Any) -> str:
    """A value as ``read_value`` reads it."""
    if isinstance(value, list):
        between = len(value) == 2 and all(isinstance(part, Decimal) for part in value)
        return (" and " if between else ", ").join(str(part) for part in value)
    return "" if value is None else str(value)


def value_for_people(field: Field, operator: str, value: Any) -> str:
    """A value as a sentence has it: choices by their labels."""
    if operator == "between":
        return _("%(low)s and %(high)s") % {"low": value[0], "high": value[1]}
    if isinstance(value, list):
        return _(" or ").join(field.display(part) for part in value)
    return value_text(value)


# Some languages say it otherwise in a sentence than in a list of questions.
_BEFORE_SEVERAL = {
    "one_of": pgettext_lazy("before choices, in a sentence", "is one of"),
    "not_one_of": pgettext_lazy("before choices, in a sentence", "is not one of"),
}


def spoken(field: Field, operator: str, value: Any) -> str:
    """Operator and value in words: "is one of Open or Paid"."""
    said = {offered.name: offered for offered in OPERATORS[field.kind or Kind.OTHER]}.get(operator)
    if said is None:
        return f"{operator} {value_text(value)}"
    if isinstance(value, list) and len(value) == 1:
        said = {"one_of": IS, "not_one_of": IS_NOT}.get(operator, said)
    label = said.label
    if isinstance(value, list) and len(value) > 1:
        label = _BEFORE_SEVERAL.get(operator, label)
    return f"{label} {value_for_people(field, operator, value)}".strip()


def read_number(text: str) -> Decimal:
    """``"1'234.50"`` as a number; also ``"19,90"``, as many a phone's number pad has no point."""
    text = re.sub(r"^([+-]?\d+),(\d{1,2})$", r"\1.\2", text.strip())
    try:
        number = Decimal(text.replace("’", "").replace("'", ""))
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or number.adjusted() > 25:
        raise ValidationError(
            _("“%(value)s” is not a number. Write it in digits, for example 2 or 19.90.")
            % {"value": text.strip()}
        )
    return number


def read_choices(field: Field, text: str) -> list[Any]:
    """The stored values that ``text`` names by value or label, separated by commas."""
    by_name = {str(value).casefold(): value for value, _label in field.choices}
    by_name |= {str(label).casefold(): value for value, label in field.choices}
    named = [part.strip() for part in text.split(",") if part.strip()]
    if not named:
        example = ", ".join(str(value) for value, _label in field.choices[:2])
        raise ValidationError(_("Enter a value, for example %(example)s.") % {"example": example})
    found = []
    for name in named:
        if name.casefold() not in by_name:
            known = ", ".join(str(value) for value, _label in field.choices)
            raise ValidationError(
                _("“%(value)s” is not one of the choices: %(choices)s.")
                % {"value": name, "choices": known}
            )
        found.append(by_name[name.casefold()])
    return found


def two_parts(text: str, example: str) -> tuple[str, str]:
    """``"2 and 5"`` as its two parts; "and" in English or the language in use."""
    for word in (" and ", f" {_('and')} ", " – "):
        first, found, second = text.partition(word)
        if found and first.strip() and second.strip():
            return first.strip(), second.strip()
    raise ValidationError(_("Write two values, for example %(example)s.") % {"example": example})
