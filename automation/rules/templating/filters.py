"""The filters of editors' templates: Liquid's own, exact with money and bounded in size.

Every filter gets its value first, then its arguments. What it returns is checked for size
by the caller; a filter checks beforehand only where the result could be many times larger
than what it was made from.
"""

import html
import inspect
import re
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from django.utils.translation import gettext as _
from markupsafe import Markup, escape

from automation.rules.templating.dates import DATE_FORMS, wrong_form
from automation.rules.templating.localising import NUMBER_FORMS, no_currency, wrong_currency
from automation.rules.templating.values import (
    MAX_ITEMS,
    MAX_TEXT,
    Refused,
    holds,
    is_empty,
    joined,
    number,
    text,
    too_long,
    too_many,
    whole_number,
)

_NEWLINE = re.compile(r"\r?\n")
_MISSING = object()

# Text ---------------------------------------------------------------------------------------


def _replace(value: str, old: object, new: object = "", count: int = -1) -> str:
    old, new = text(old), text(new)
    found = value.count(old) if count < 0 else min(count, value.count(old))
    # Escaping, where it happens, makes a character five at most.
    if len(value) + found * len(new) * (5 if isinstance(value, Markup) else 1) > MAX_TEXT:
        raise too_long()
    return value.replace(old, new, count)


def _replace_last(value: str, old: object, new: object = "") -> str:
    before, found, after = value.rpartition(text(old)) if text(old) else (value, "", "")
    return before + text(new) + after if found else value


def _slice(value: Any, start: object, length: object = 1) -> Any:
    if not isinstance(value, list | range):
        value = text(value)
    first, many = whole_number(start), max(whole_number(length), 0)
    if first < 0:
        first += len(value)
    if first < 0:
        return value[:0] if isinstance(value, str) else []
    part = value[first : first + many]
    return part if isinstance(part, str) else list(part)


def _split(value: str, separator: object = "") -> list[str]:
    mark = text(separator)
    if not value or value == mark:
        return []
    if not mark:
        if len(value) > MAX_ITEMS:
            raise too_many()
        return list(value)
    # One more than allowed, so that the caller sees that it is too many.
    return value.split(None if mark == " " else mark, MAX_ITEMS)


def _truncate(value: str, length: object = 50, end: object = "...") -> str:
    most, tail = whole_number(length), text(end)
    return value if len(value) <= most else value[: max(most - len(tail), 0)] + tail


def _words(value: str, parts: list[str]) -> str:
    return (Markup(" ") if isinstance(value, Markup) else " ").join(parts)


def _truncate_words(value: str, words: object = 15, end: object = "...") -> str:
    most = max(whole_number(words), 1)
    parts = value.split(None, most)
    return _words(value, parts[:most]) + (text(end) if len(parts) > most else "")


def _strip_html(value: str) -> str:
    """The text of ``value`` without its tags, entities resolved. A regular expression for
    tags takes a time that grows with the square of the length."""
    start, *parts = str(value).split("<")
    kept, inside = [start], ""
    for part in parts:
        tag, closed, after = part.partition(">")
        name = tag[:7].lower()
        if inside:
            if name.startswith("/" + inside):
                inside = ""
                kept.append(after)
        elif not closed or not (name[:1].isalpha() or name[:1] in ("/", "!", "?")):
            kept.append("<" + part)
        elif name.startswith(("script", "style")):
            inside = "script" if name.startswith("script") else "style"
        else:
            kept.append(after)
    return html.unescape("".join(kept))


def _text_filters(as_html: bool) -> dict[str, Callable[..., Any]]:
    """Filters on text. In HTML those that make or keep HTML return ``Markup``."""

    def escaped(value: str) -> str:
        return escape(str(value)) if as_html else html.escape(value)

    def escaped_once(value: str) -> str:
        plain = html.unescape(str(value))
        return escape(plain) if as_html else html.escape(plain)

    def newline_to_br(value: str) -> str:
        return (
            Markup(_NEWLINE.sub("<br />\n", escape(value)))
            if as_html
            else _NEWLINE.sub("<br />\n", value)
        )

    return {
        "append": lambda value, more: value + text(more),
        "prepend": lambda value, more: text(more) + value,
        "capitalize": lambda value: value.capitalize(),
        "downcase": lambda value: value.lower(),
        "upcase": lambda value: value.upper(),
        "escape": escaped,
        "escape_once": escaped_once,
        "strip": lambda value: value.strip(),
        "lstrip": lambda value: value.lstrip(),
        "rstrip": lambda value: value.rstrip(),
        "squish": lambda value: _words(value, value.split()),
        "strip_html": _strip_html,
        "strip_newlines": lambda value: value.replace("\r", "").replace("\n", ""),
        "newline_to_br": newline_to_br,
        "remove": lambda value, old: _replace(value, old),
        "remove_first": lambda value, old: _replace(value, old, "", 1),
        "remove_last": _replace_last,
        "replace": lambda value, old, new: _replace(value, old, new),
        "replace_first": lambda value, old, new: _replace(value, old, new, 1),
        "replace_last": _replace_last,
        "split": _split,
        "truncate": _truncate,
        "truncatewords": _truncate_words,
        "url_encode": lambda value: quote_plus(str(value)),
        "url_decode": lambda value: unquote_plus(str(value)),
    }


# Numbers ------------------------------------------------------------------------------------


def _divided_by(value: int | Decimal, by: object) -> int | Decimal:
    divisor = number(by)
    if not divisor:
        raise Refused(_("A number cannot be divided by zero."))
    if isinstance(value, int) and isinstance(divisor, int):
        return value // divisor
    return Decimal(value) / Decimal(divisor)


def _modulo(value: int | Decimal, by: object) -> int | Decimal:
    divisor = number(by)
    if not divisor:
        raise Refused(_("A number cannot be divided by zero."))
    # Like whole numbers, and unlike Decimal's own %: the sign is the divisor's.
    rest = value % divisor
    return rest + divisor if rest and (rest < 0) != (divisor < 0) else rest


def _round(value: int | Decimal, digits: object = 0) -> int | Decimal:
    places = whole_number(digits)
    if not 0 <= places <= 20:
        raise Refused(_("A number can be rounded to 0 to 20 digits."))
    if isinstance(value, int):
        return value
    rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return rounded if places else int(rounded)


_NUMBER_FILTERS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "at_least": lambda value, other: max(value, number(other)),
    "at_most": lambda value, other: min(value, number(other)),
    "ceil": lambda value: int(Decimal(value).to_integral_value(ROUND_CEILING)),
    "floor": lambda value: int(Decimal(value).to_integral_value(ROUND_FLOOR)),
    "round": _round,
    "plus": lambda value, other: value + number(other),
    "minus": lambda value, other: value - number(other),
    "times": lambda value, other: value * number(other),
    "divided_by": _divided_by,
    "modulo": _modulo,
}


# Lists --------------------------------------------------------------------------------------


def field(item: object, name: object) -> Any:
    if not isinstance(item, dict):
        raise Refused(_("The items of this list have no “%s”.") % text(name))
    try:
        return item[text(name)]
    except KeyError:
        raise Refused(_("The items of this list have no “%s”.") % text(name)) from None


def _matches(name: object, wanted: object) -> Callable[[Any], bool]:
    if wanted is _MISSING or wanted is None:
        return lambda item: holds(field(item, name))
    return lambda item: bool(field(item, name) == wanted)


def _sorted(items: list[Any], name: object, key: Callable[[Any], Any]) -> list[Any]:
    def position(item: Any) -> tuple[bool, Any]:
        value = item if name is None else field(item, name)
        return (True, 0) if value is None else (False, key(value))

    try:
        return sorted(items, key=position)
    except TypeError:
        raise Refused(_("The items of this list cannot be put in order.")) from None


def _unique(items: list[Any], name: object = None) -> list[Any]:
    found: dict[str, Any] = {}
    for item in items:
        found.setdefault(repr(item if name is None else field(item, name)), item)
    return list(found.values())


def _sum(items: list[Any], name: object = None) -> int | Decimal:
    values = items if name is None else [field(item, name) for item in items]
    return sum((number(value) for value in values if value is not None), start=0)


def _concat(items: list[Any], more: object) -> list[Any]:
    if not isinstance(more, list | range):
        raise Refused(_("A list is needed here."))
    return [*items, *more]


def _join(items: list[Any], separator: object = " ") -> str:
    mark = text(separator)
    if not isinstance(mark, Markup):
        return joined(items, mark)
    # The separator was written in the template, the items may be anybody's.
    return Markup(joined([escape(text(item)) for item in items], str(mark)))


_LIST_FILTERS: dict[str, Callable[..., Any]] = {
    "first": lambda items: items[0] if items else None,
    "last": lambda items: items[-1] if items else None,
    "join": _join,
    "concat": _concat,
    "map": lambda items, name: [field(item, name) for item in items],
    "reverse": lambda items: items[::-1],
    "sort": lambda items, name=None: _sorted(items, name, lambda value: value),
    "sort_natural": lambda items, name=None: _sorted(
        items, name, lambda value: text(value).casefold()
    ),
    "where": lambda items, name, wanted=_MISSING: list(filter(_matches(name, wanted), items)),
    "reject": lambda items, name, wanted=_MISSING: [
        item for item in items if not _matches(name, wanted)(item)
    ],
    "find": lambda items, name, wanted=_MISSING: next(filter(_matches(name, wanted), items), None),
    "has": lambda items, name, wanted=_MISSING: any(map(_matches(name, wanted), items)),
    "uniq": _unique,
    "compact": lambda items: [item for item in items if item is not None],
    "sum": _sum,
}


# Any value ----------------------------------------------------------------------------------


def _size(value: object) -> int:
    return len(value) if isinstance(value, str | list | dict | range) else 0


def _default(value: Any, instead: object = "", *, allow_false: object = False) -> Any:
    if value is False:
        return value if allow_false is True else instead
    return instead if is_empty(value) else value


def _required(value: object, name: object = "") -> object:
    """``value``, which must not be empty. Without a ``name`` the variable's own is given."""
    if is_empty(value):
        raise Refused(_("“%s” is empty.") % text(name))
    return value


# All of them --------------------------------------------------------------------------------


def _items(value: object) -> list[Any]:
    """What a filter for lists works on; one level of lists in lists is joined, as in Liquid."""
    if value is None:
        return []
    if isinstance(value, range):
        return list(value)
    if not isinstance(value, list):
        raise Refused(_("A list is needed here."))
    return value


def _on(convert: Callable[[object], Any], found: Callable[..., Any]) -> Callable[..., Any]:
    return lambda value, *args: found(convert(value), *args)


_ANY_FILTERS: dict[str, Callable[..., Any]] = {
    "size": _size,
    "default": _default,
    "required": _required,
    "slice": _slice,
}
#: The filters that get the language, as ``localisation``.
LOCALISED: dict[str, Callable[..., Any]] = {**NUMBER_FORMS, **DATE_FORMS}


def filters(as_html: bool) -> dict[str, Callable[..., Any]]:
    """All filters by name, for templates that make HTML or for those that make text."""
    made = {name: _on(text, found) for name, found in _text_filters(as_html).items()}
    made |= {
        name: _on(number, lambda value, *args, found=found: number(found(value, *args)))
        for name, found in _NUMBER_FILTERS.items()
    }
    made |= {name: _on(_items, found) for name, found in _LIST_FILTERS.items()}
    return made | _ANY_FILTERS | LOCALISED


# For the check before rendering -------------------------------------------------------------

#: What kind of value a filter takes.
TEXT_FILTERS = frozenset(_text_filters(False))
NUMBER_FILTERS = frozenset(_NUMBER_FILTERS)
LIST_FILTERS = frozenset(_LIST_FILTERS)


def _argument_counts(found: Callable[..., Any]) -> tuple[int, int]:
    """How many arguments a filter needs and takes, after its value."""
    parameters = inspect.signature(found).parameters.values()
    kinds = [
        parameter.default for parameter in parameters if parameter.kind != parameter.KEYWORD_ONLY
    ]
    return kinds.count(inspect.Parameter.empty) - 1, len(kinds) - 1


#: How many arguments each filter needs and takes.
ARGUMENTS = {
    name: _argument_counts(found)
    for name, found in (
        _text_filters(False) | _NUMBER_FILTERS | _LIST_FILTERS | _ANY_FILTERS | LOCALISED
    ).items()
}


def wrong_arguments(name: str, count: int) -> str:
    """What is wrong with ``count`` arguments for the filter ``name``; "" if nothing is."""
    least, most = ARGUMENTS[name]
    if name == "money" and not count:
        return no_currency()
    if count < least:
        return _("“%(name)s” needs more after it: %(name)s: …") % {"name": name}
    if count > most:
        return (
            _("There is too much after “%s:”.") % name
            if most
            else _("“%s” takes nothing after it.") % name
        )
    return ""


def wrong_constant(name: str, value: str) -> str:
    """What is wrong with the text ``value`` after the filter ``name``; "" if nothing is."""
    if name == "money":
        return wrong_currency(value)
    return wrong_form(value) if name in DATE_FORMS else ""
