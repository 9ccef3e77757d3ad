"""Plain data comes back from JSON as it went in."""

import datetime
import uuid
from collections import OrderedDict
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils.translation import gettext_lazy

from automation.rules import plain

pytestmark = pytest.mark.sqlite_only  # none of these asks the database


class Color(Enum):
    RED = "red"


NOON = datetime.datetime(2026, 3, 10, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -7, 2**80, 1.5, "", "O'Brien & Co 🙂 ‮", [], {}, {"a": [1, {"b": None}]},
        Decimal("129.90"), Decimal("1E+3"), NOON, NOON.date(), datetime.time(9, 30),
        datetime.timedelta(days=-1, seconds=5, microseconds=7),
        {"$decimal": "not a number"}, {"x": {"$$": {"$date": "x"}}}, {"$decimal": 1, "b": 2},
        [{"total": Decimal("0.10"), "at": NOON}],
    ],
)  # fmt: skip
def test_every_value_comes_back_with_its_type(value):
    back = plain.loads(plain.dumps(value))
    assert back == value
    assert type(back) is type(value)


def test_a_local_moment_stays_the_same_moment():
    local = NOON.astimezone(ZoneInfo("Europe/Zurich"))
    assert plain.loads(plain.dumps(local)) == NOON


def test_what_has_a_text_becomes_text():
    some = uuid.UUID(int=7)
    assert plain.loads(plain.dumps([some, gettext_lazy("name"), (1, 2)])) == [
        str(some), "name", [1, 2],
    ]  # fmt: skip


def test_what_no_database_stores_is_replaced():
    assert plain.loads(plain.dumps({"a\x00": ["\ud800b", {"$decimal": "\x00"}]})) == {
        "a\ufffd": ["\ufffdb", {"$decimal": "\ufffd"}],
    }


def test_an_object_is_refused():
    with pytest.raises(TypeError, match="object is not plain data"):
        plain.dumps({"row": object()})


def test_it_is_told_where_something_stands_that_is_refused():
    cyclic: list[Any] = [1]
    cyclic.append({"again": cyclic})
    deep: list[Any] = []
    for _ in range(2_000):
        deep = [deep]
    shared = [1]
    found = [
        plain.fault({"order": {"lines": [1, object()]}, "later": object()}, "context"),
        plain.fault({"a": shared, "b": shared, "c": {7: {"x"}}}, "context"),
        plain.fault(cyclic, "value"),
        plain.fault({"a": shared, "b": shared}, "context"),
    ]
    what_to_do = "which is not plain data. Put texts, numbers and dates there, or lists and dicts"
    assert found == [
        f"context['order']['lines'][1] is a object, {what_to_do} of them.",
        f"context['c'][7] is a set, {what_to_do} of them.",
        "value[1]['again'] contains itself, which no plain data does.",
        "",
    ]
    assert plain.fault(deep, "value").endswith("… is nested too deeply.")


@pytest.mark.parametrize(
    "value",
    [
        uuid.UUID(int=7), gettext_lazy("yes"), (1, (2, 3)), {"id": uuid.UUID(int=7), "of": (NOON,)},
        {1: "a"}, 2**80, 1.5, float("nan"), float("inf"), "a\x00b", [{"x\x00": None}],
        MappingProxyType, Color.RED, {"$decimal": 1}, OrderedDict(a=uuid.UUID(int=7)),
    ],
)  # fmt: skip
def test_what_comes_back_is_known_without_writing_it(value):
    try:
        expected = repr(plain.loads(plain.dumps(value)))
    except TypeError:
        with pytest.raises(TypeError):
            plain.as_read(value)
    else:
        assert repr(plain.as_read(value)) == expected
