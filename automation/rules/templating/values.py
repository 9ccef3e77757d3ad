"""What a value in an editor's template can be, and how it becomes text or a number.

Templates see plain data only: text, whole numbers, ``Decimal``, yes/no, nothing, moments,
dates, times, durations, lists and mappings of these. Everything else is turned into that
or refused before rendering, so that there is nothing to call and no attribute to reach.
"""

import datetime
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from liquid import Token
from liquid.exceptions import LiquidError
from markupsafe import Markup, escape

from automation.rules import plain

#: The longest text that a filter, a variable or the whole output may be, in characters.
MAX_TEXT = 500_000
#: The most items of a list that a template makes itself, ranges included.
MAX_ITEMS = 10_000
#: The most characters that all variables a template sets may hold together.
MAX_VARIABLES = 2_000_000
#: Numbers from here on are refused: each multiplication of huge ones is slower than the last.
MAX_NUMBER = Decimal(10) ** 27
#: How many digits before or after the point a ``Decimal`` may stand for: 1E-999999999 is a short
#: number, and a gigabyte when it is written out.
MAX_EXPONENT = 100
MAX_DATA_DEPTH = 20

_UNCHANGED = (int, bool, type(None), datetime.date, datetime.time, datetime.timedelta)


class Refused(LiquidError):
    """A template asks for what it cannot have. The message is for the editor; the token
    says where."""

    def __init__(self, message: str, token: Token | None = None) -> None:
        super().__init__(message, token=token)


class Data(dict[str, Any]):
    """Plain data that ``plain_data`` has made; it is not made again."""


def plain_data(data: Mapping[str, Any]) -> Data:
    """A copy of ``data`` that holds exact plain types only. Raises ``Refused`` for an object
    that is none. Do it once where several templates are rendered with the same data."""
    if type(data) is Data:
        return data
    return Data({str(key): _plain(value, MAX_DATA_DEPTH) for key, value in data.items()})


def _plain(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() and "\0" not in value else plain.text(value)
    if kind in _UNCHANGED:
        return value
    if kind is Decimal:
        return _sane(value)
    if kind is datetime.datetime:
        return value if value.tzinfo else timezone.make_aware(value)
    if not depth:
        raise Refused(_("The data is nested too deeply."))
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth - 1) for item in value]
    return _plain(_reduced(value), depth - 1)


def _reduced(value: Any) -> Any:
    """``value``, of a subclass or a related type, as one of the exact plain types."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):  # also text that claims to be safe HTML
        return str.__str__(value)
    if isinstance(value, uuid.UUID | Promise):
        return str(value)
    if isinstance(value, float):
        return Decimal(repr(float(value)))
    for kind in (int, Decimal):
        if isinstance(value, kind):
            return kind(value)
    raise Refused(_("The data holds something that is not plain: %s.") % type(value).__name__)


def _sane(value: Decimal) -> Decimal:
    if value.is_finite() and abs(value.adjusted()) > MAX_EXPONENT:
        raise Refused(_("The data holds a number that is too large."))
    return value


def is_empty(value: object) -> bool:
    """Whether there is nothing to read: no value, a text of white space, a list of nothing."""
    if isinstance(value, str):
        return not value or value.isspace()
    return value is None or (isinstance(value, list | dict | range) and not value)


def holds(value: object) -> bool:
    """Whether ``value`` alone is a condition that is met. In other Liquid a text without
    characters and a list without items are, which is what nobody means."""
    return value is not False and not is_empty(value)


def text(value: object) -> str:
    """``value`` as it is printed. Nothing prints as nothing; moments in the current time zone.

    Raises ``Refused`` for mappings, and for lists of them: no reader wants to see those.
    """
    kind = type(value)
    if kind is str or kind is Markup:
        return value  # type: ignore[return-value]
    if value is None:
        return ""
    if kind is bool:
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime.datetime):
        return local(value).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, datetime.time):
        return value.strftime("%H:%M")
    if isinstance(value, range):
        return f"{value.start}..{value.stop - 1}"
    if isinstance(value, list):
        return joined(value, "")
    if isinstance(value, Mapping):
        raise Refused(_("This is a group of values, not one value. Name one of them."))
    return str(value)


def local(moment: datetime.datetime) -> datetime.datetime:
    """``moment`` in the current time zone."""
    try:
        return timezone.localtime(moment)
    except OverflowError:  # the first of January of the year 1, further west
        raise Refused(_("“%s” is not a date.") % moment.date()) from None


def markup(value: object) -> Markup:
    """``value`` as HTML: escaped, unless the template itself wrote it."""
    if isinstance(value, list):
        return Markup(bounded("".join([markup(item) for item in value])))
    return escape(text(value))


def joined(values: Sequence[object], separator: str) -> str:
    texts = [text(value) for value in values]
    if sum(map(len, texts)) + len(separator) * len(texts) > MAX_TEXT:
        raise too_long()
    return separator.join(texts)


def bounded(value: Any) -> Any:
    """``value``, refused if a template has made it too large to go on with."""
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise too_long()
    elif isinstance(value, list):
        if len(value) > MAX_ITEMS:
            raise too_many()
        # A list of ten thousand times the same long text is small until it is printed.
        if sum(len(item) for item in value if isinstance(item, str)) > MAX_TEXT:
            raise too_long()
    return value


def too_long() -> Refused:
    return Refused(_("This makes a text of more than %d characters.") % MAX_TEXT)


def too_many() -> Refused:
    return Refused(_("This makes a list of more than %d items.") % MAX_ITEMS)


def number(value: object) -> int | Decimal:
    """``value`` as an exact number. Text that reads as a number is one."""
    if isinstance(value, str):
        value = _read_number(value)
    if type(value) is bool or not isinstance(value, int | Decimal):
        if value is None:
            raise Refused(_("A number is needed here, and there is no value."))
        raise Refused(_("A number is needed here."))
    if isinstance(value, Decimal) and not value.is_finite():
        raise Refused(_("A number is needed here."))
    if not -MAX_NUMBER < value < MAX_NUMBER:
        raise Refused(_("This number is too large."))
    if isinstance(value, Decimal) and abs(value.adjusted()) > MAX_EXPONENT:
        raise Refused(_("This number has too many digits."))
    return value


def _read_number(value: str) -> int | Decimal:
    bare = value.strip()
    shown = bare[:40]
    try:
        if len(bare) > len(shown):
            raise ValueError
        return int(shown) if shown.lstrip("+-").isdigit() else Decimal(shown)
    except (InvalidOperation, ValueError):
        raise Refused(_("“%s” is not a number.") % shown) from None


def whole_number(value: object) -> int:
    found = number(value)
    if found != int(found):
        raise Refused(_("A whole number is needed here."))
    return int(found)
