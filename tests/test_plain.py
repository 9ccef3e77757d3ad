"""Plain data comes back from JSON as it went in."""

import datetime
import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils.translation import gettext_lazy

from automation.rules import plain

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
