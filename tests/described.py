"""Descriptions of carts, and the events they make."""

import datetime
from typing import Any

import pytest

from automation.events import Event
from generators import Description, DescriptionError, events_from
from tests import shop

NOW = shop.NOW
DAY = datetime.timedelta(days=1)
OPEN = ("status", "one_of", "open")


def left(*conditions: Any, **values: Any) -> Description:
    defaults = {"source": "demo.cart", "group": "cart_left", "conditions": conditions or (OPEN,)}
    return Description(**{**defaults, **values})


def events(*descriptions: Description, now: datetime.datetime = NOW, **how: Any) -> list[Event]:
    return list(events_from(descriptions, now=now, **how))


def problems(*descriptions: Any) -> list[str]:
    with pytest.raises(DescriptionError) as raised:
        events_from(descriptions, now=NOW)
    return raised.value.problems
