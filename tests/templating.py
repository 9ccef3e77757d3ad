"""Data and short ways for the tests of templates."""

import datetime
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from automation.rules.templating import Snippets, TemplateError, parse

UTC = datetime.UTC
DATA: dict[str, Any] = {
    "name": "O'Brien & <b>Co</b>",
    "nothing": None,
    "order": {
        "number": 812,
        "total": Decimal("129.90"),
        "paid": True,
        "at": datetime.datetime(2026, 3, 1, 22, 30, tzinfo=UTC),
        "due": datetime.date(2026, 3, 15),
        "hour": datetime.time(9, 5),
        "customer": None,
        "lines": [
            {"title": "Mug & Cup", "price": Decimal("12.50"), "amount": 2},
            {"title": "Poster", "price": Decimal("104.90"), "amount": 1},
        ],
    },
    "tags": ["new", "sale"],
    "none_yet": [],
}

#: A shape for checks, of other data.
SHAPE = {
    "cart": {
        "status": None,
        "customer": {"first_name": None, "last_name": None},
        "items": [{"title": None, "price": None, "product": {"name": None}, "tags": [None]}],
    },
    "event": {"group": None, "key": None},
}


def render(
    source: str,
    data: Mapping[str, Any] = DATA,
    *,
    html: bool = False,
    snippets: Snippets | None = None,
    **options: Any,
) -> str:
    return parse(source, html=html, snippets=snippets).render(data, **options)


def error(source: str, data: Mapping[str, Any] = DATA, **options: Any) -> TemplateError:
    with pytest.raises(TemplateError) as raised:
        render(source, data, **options)
    return raised.value
