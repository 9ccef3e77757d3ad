"""Conditions as developers write them: ``("total", "more", 100)``.

They become the same conditions that editors make, read by the same code, so that both mean the
same and refuse the same.
"""

import datetime
import difflib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

from django.core.exceptions import ValidationError

from automation.rules.conditions import AND, OR, Operator
from automation.rules.definitions import read_condition
from automation.rules.rule import Condition, Segment, kinds_of_condition
from automation.rules.sources import Source

#: ``(field, operator, value)`` with an optional ``"or"`` behind; ``(field, operator)`` where
#: there is no value; a mapping with the parts of an exported condition; or a condition.
Line = tuple[Any, ...] | Mapping[str, Any] | Condition

_PARTS = ("field", "operator", "value", "joined_by")
# Operators that take two values say so by the field that a page shows for them.
_TWO_VALUES = ("numbers", "days", "spans")


def read_line(source: Source, line: Any) -> Condition:
    """The condition that ``line`` (see ``Line``) means for ``source``; one that is new is not
    saved. An operator may be written without its kind, ``"more"`` for ``"field.more"``. Raises
    ``ValidationError``, which names what is did_you_mean."""
    if isinstance(line, Condition):
        return line
    parts = _parts(line)
    field = parts.pop("field")
    offered = _offered(source)
    if field not in offered:
        raise ValidationError(
            f"“{field}” is not a field of “{source.key}” that rules may ask about."
            + did_you_mean(str(field), offered)
        )
    name, operator = _operator(field, str(parts.pop("operator")), offered[field])
    joined_by = parts.pop("joined_by", AND)
    if joined_by not in (AND, OR):
        raise ValidationError(
            f"A condition is joined by “{AND}” or “{OR}”, not by {joined_by!r}. “{OR}” binds it "
            "to the one above."
        )
    value = _value(field, name, operator, parts.pop("value", None))
    further = {part: _text(given) for part, given in parts.items()}
    try:
        return read_condition(
            source, field=field, operator=name, value=value, joined_by=joined_by, **further
        )
    except ValidationError as error:
        said = " ".join(error.messages)
        raise ValidationError(f"“{field}” “{name}” {value!r}: {said}") from error


def did_you_mean(written: str, known: Iterable[str]) -> str:
    """What to say behind a name that is not among those ``known``."""
    names = sorted(known)
    if near := difflib.get_close_matches(written, names, 1):
        return f" Did you mean “{near[0]}”?"
    return f" There are: {', '.join(names)}." if names else ""


def _parts(line: Any) -> dict[str, Any]:
    if isinstance(line, Mapping):
        known = [*_PARTS, *(name for kind in kinds_of_condition() for name in kind.FURTHER)]
        if unknown := [str(name) for name in line if name not in known]:
            raise ValidationError(
                f"A condition has no “{unknown[0]}”." + did_you_mean(unknown[0], known)
            )
        parts = dict(line)
    elif isinstance(line, tuple | list) and len(line) <= len(_PARTS):
        parts = dict(zip(_PARTS, line, strict=False))
    else:
        parts = {}
    if not {"field", "operator"} <= parts.keys():
        raise ValidationError(
            f"{line!r} is no condition. Write (field, operator, value), and “{OR}” as a fourth if "
            "it is an alternative to the one above."
        )
    return parts


def _offered(source: Source) -> dict[str, dict[str, Operator]]:
    """What can be asked about ``source``: by field, the operators by their full names."""
    offered: dict[str, dict[str, Operator]] = {}
    for kind in kinds_of_condition():
        for subject in kind.subjects(source):
            known = offered.setdefault(subject.path, {})
            for operator in kind.operators(subject):
                known.setdefault(f"{kind.kind}.{operator.name}", operator)
    return offered


def _operator(field: str, written: str, known: Mapping[str, Operator]) -> tuple[str, Operator]:
    found = [name for name in known if written in (name, name.partition(".")[2])]
    if len(found) == 1:
        return found[0], known[found[0]]
    if found:
        raise ValidationError(
            f"“{field}” can be asked “{written}” in more than one way. Write one of: "
            f"{', '.join(found)}."
        )
    short = {name.partition(".")[2] for name in known}
    raise ValidationError(
        f"“{field}” cannot be asked “{written}”."
        + did_you_mean(written, known if "." in written else short)
    )


def _value(field: str, name: str, operator: Operator, value: Any) -> str:
    """``value`` as an editor would write it."""
    if not operator.example:
        if value not in (None, ""):
            raise ValidationError(f"“{field}” “{name}” takes no value, so not {value!r} either.")
        return ""
    if isinstance(value, tuple | list | set | frozenset):
        between = ", "
        if operator.input in _TWO_VALUES:
            between = " and "
        elif operator.input == "name_and_span":
            between = " "
        return between.join(map(_text, value))
    return _text(value)


def _text(value: Any) -> str:
    """One value as text. Raises ``ValidationError`` for what no condition compares with."""
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, Segment):
        return value.slug
    if isinstance(value, datetime.timedelta):
        return _span(value)
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return format(Decimal(repr(value)) if isinstance(value, float) else Decimal(value), "f")
    raise ValidationError(
        f"{value!r} is nothing to compare with. Write a text, a number, a date, a timedelta, or a "
        "list of these."
    )


def _span(value: datetime.timedelta) -> str:
    """In the largest unit that it is a whole number of."""
    for unit in ("days", "hours", "minutes"):
        amount, rest = divmod(value, datetime.timedelta(**{unit: 1}))
        if amount > 0 and not rest:
            return f"{amount} {unit}"
    raise ValidationError(f"{value!r} is no span of time: at least a minute, in whole minutes.")
