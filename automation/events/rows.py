"""The rows that events are about, as people call them."""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models

from automation.rules.keys import key_field, key_text
from automation.rules.sources import Source, UnknownSource, sources

#: A row as events name it: the label of its model, and its primary key as text.
Row = tuple[str, str]


def kind_of_row(label: str) -> str:
    """What people call the rows of the model with this label; the label of one that is gone."""
    try:
        return str(apps.get_model(label)._meta.verbose_name)
    except (LookupError, ValueError):
        return label


def titles(rows: Iterable[Row]) -> dict[Row, str]:
    """What people call each of ``rows``: by its number; a row of a source with other keys as it
    calls itself, while it is there. One query for each model with such keys."""
    found = {(label, key): f"{kind_of_row(label)} {key}".strip() for label, key in rows}
    unreadable = defaultdict(set)
    for label, key in found:
        if key and not key.isdecimal():
            unreadable[label].add(key)
    for source in sources:
        label = source.model._meta.label_lower
        if label in unreadable and source.model.__str__ is not models.Model.__str__:
            found |= {(label, key): said for key, said in _named(source, unreadable.pop(label))}
    return found


def _named(source: Source, keys: set[str]) -> Iterable[tuple[str, str]]:
    known = []
    for key in keys:
        with suppress(ValidationError):
            known.append(key_field(source.model).to_python(key))
    try:
        return [(key_text(row.pk), str(row)) for row in source.rows([]).filter(pk__in=known)]
    except UnknownSource:  # its rows are out of reach
        return []
