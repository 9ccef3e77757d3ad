"""Plain data: values that survive JSON with their types.

What a template or a history sees is not a row but the data taken from it. In the
database that data is JSON, and JSON knows neither money nor moments; so those are
written as objects of one key that names the type: ``{"$decimal": "12.50"}``. A key of the
data's own that starts with ``$`` is written with a second one.
Reading gives back exactly what was written.
"""

import datetime
import json
import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any

import orjson
from django.db import models
from django.utils.functional import Promise

# PostgreSQL stores neither NUL nor half a surrogate pair; nobody can read them anyway.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

#: Lists and dicts in each other, so many, are in no context that somebody meant.
_DEEPEST = 500

_TO_JSON: dict[type, Callable[[Any], dict[str, Any]]] = {
    Decimal: lambda value: {"$decimal": str(value)},
    datetime.datetime: lambda value: {"$datetime": value.isoformat()},
    datetime.date: lambda value: {"$date": value.isoformat()},
    datetime.time: lambda value: {"$time": value.isoformat()},
    datetime.timedelta: lambda value: {
        "$duration": [value.days, value.seconds, value.microseconds]
    },
}
_FROM_JSON: dict[str, Callable[[Any], Any]] = {
    "$decimal": Decimal,
    "$datetime": datetime.datetime.fromisoformat,
    "$date": datetime.date.fromisoformat,
    "$time": datetime.time.fromisoformat,
    "$duration": lambda value: datetime.timedelta(*value),
}
#: Types whose values come back as themselves.
_AS_THEY_ARE = frozenset(
    {
        bool, int, type(None), Decimal, datetime.datetime, datetime.date, datetime.time,
        datetime.timedelta,
    }
)  # fmt: skip


def dumps(value: Any) -> str:
    """JSON text for ``value``: dicts with text keys, lists, tuples, strings, numbers,
    booleans, None, ``Decimal``, dates, moments, times, durations, UUIDs (as text).

    Raises ``TypeError`` for anything else: an object would not come back as itself.
    """
    typed = 0

    def default(item: Any) -> Any:
        nonlocal typed
        made = _default(item)
        typed += isinstance(made, dict)
        return made

    try:
        text = orjson.dumps(
            value,
            default=default,
            option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS,
        )
        # As many typed objects as we made, and no key that only looks like one's.
        if b"\\u0000" not in text and b'"$$' not in text and text.count(b'{"$') == typed:
            return text.decode()
    except TypeError:
        pass  # a lone surrogate, a huge integer or an unknown type: the thorough way tells
    return json.dumps(_cleaned(value), ensure_ascii=False, separators=(",", ":"), default=_default)


def fault(value: Any, name: str) -> str:
    """Where in ``value``, called ``name``, something stands that ``dumps`` refuses, and what it
    is, as a sentence for developers; empty if nothing is found. It takes its time: call it once
    ``dumps`` has refused."""
    waiting: list[tuple[str, Any, tuple[int, ...]]] = [(name, value, ())]
    while waiting:
        path, found, above = waiting.pop()
        if isinstance(found, dict | list | tuple):
            if id(found) in above:
                return f"{path} contains itself, which no plain data does."
            if len(above) == _DEEPEST:
                return f"{path[:100]}… is nested too deeply."
            items = found.items() if isinstance(found, dict) else enumerate(found)
            inside = [(f"{path}[{key!r}]", item, (*above, id(found))) for key, item in items]
            waiting.extend(reversed(inside))
            continue
        try:
            dumps(found)
        except TypeError:
            return (
                f"{path} is a {type(found).__name__}, which is not plain data. Put texts, numbers "
                "and dates there, or lists and dicts of them."
            )
        except ValueError as error:
            return f"{path} cannot be kept: {error}."
    return ""


def loads(text: str | bytes) -> Any:
    """The value that ``dumps`` was given (tuples come back as lists)."""
    as_text = text if isinstance(text, str) else text.decode()
    return json.loads(as_text, object_hook=_unescape if '"$$' in as_text else _typed)


def as_read(value: Any) -> Any:
    """``value`` as it comes back from the database: ``loads(dumps(value))``, but quick where
    nothing is converted. Raises ``TypeError`` as ``dumps`` does."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is str:
        return text(value)
    if kind is dict:
        return {text(str(key)): as_read(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [as_read(item) for item in value]
    return loads(dumps(value))


def text(value: str) -> str:
    """``value`` with what no database can store replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", value)


def _default(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, uuid.UUID | Promise):
        return str(value)
    for kind in type(value).__mro__:
        if kind in _TO_JSON:
            return _TO_JSON[kind](value)
    raise TypeError(f"{type(value).__name__} is not plain data: {value!r}")


def _typed(found: dict[str, Any]) -> Any:
    if len(found) == 1:
        ((key, value),) = found.items()
        if key in _FROM_JSON:
            return _FROM_JSON[key](value)
    return found


def _unescape(found: dict[str, Any]) -> Any:
    value = _typed(found)
    if not isinstance(value, dict):
        return value
    return {key[1:] if key.startswith("$$") else key: value[key] for key in value}


def _escaped(key: str) -> str:
    return f"${key}" if key.startswith("$") else key


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {_escaped(text(str(key))): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value


class Encoder(json.JSONEncoder):
    def encode(self, o: Any) -> str:
        return dumps(o)


class Decoder(json.JSONDecoder):
    def decode(self, s: str, *args: Any) -> Any:
        return loads(s)


class PlainDataField(models.JSONField):
    """A JSON column whose values come back with their types."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "encoder": Encoder, "decoder": Decoder})

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("encoder", None)
        kwargs.pop("decoder", None)
        return name, path, args, kwargs
