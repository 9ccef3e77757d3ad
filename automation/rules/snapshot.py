"""Snapshots: what a source shows of some rows, taken as plain data.

Templates, events and previews see only this. The number of queries is constant for a
chunk of rows: one for the values, one for each related list.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet, Window
from django.db.models.constants import LOOKUP_SEP
from django.db.models.functions import RowNumber

from automation.rules.databases import database
from automation.rules.fields import Field
from automation.rules.sources import RelatedList, Source, place


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One row as plain data: its primary key, what templates see, whom it is about. ``also``:
    what was asked for beside that."""

    pk: Any
    context: dict[str, Any]
    recipient: str
    language: str
    time_zone: str
    also: tuple[Any, ...] = ()


def snapshots(
    source: Source, rows: QuerySet[Any], now: datetime, also: Sequence[str] = ()
) -> Iterator[Snapshot]:
    """Snapshots of ``rows`` in order of their primary key.

    ``rows`` come from ``source.rows()``, filtered, with at most a few thousand matches.
    ``also`` names annotations of ``rows`` that are read in the same statement as the values.
    """
    paths = list(source.resolved_fields)
    roles = [path for path in (source.recipient, source.language, source.time_zone) if path]
    annotated = _with_annotations(source, rows)
    names = ["pk", *paths, *_missing(roles, paths)]
    fetched = list(annotated.order_by("pk").values_list(*names, *also))
    position = {name: index for index, name in enumerate(names)}
    pks = [values[0] for values in fetched]
    lists = {
        name: _related(source, items, fields, pks)
        for name, (items, fields) in source.resolved_lists.items()
    }
    contexts = _contexts(paths, fetched, lists)
    if source.compute is not None:
        for context, computed in zip(contexts, source.compute(contexts, now), strict=True):
            context.update({name: computed[name] for name in source.computed})

    def role(values: Sequence[Any], path: str) -> str:
        return str(values[position[path]] or "") if path else ""

    for values, context in zip(fetched, contexts, strict=True):
        yield Snapshot(
            pk=values[0],
            context={source.row_name: context},
            recipient=role(values, source.recipient).strip(),
            language=role(values, source.language),
            time_zone=role(values, source.time_zone),
            also=tuple(values[len(names) :]),
        )


def _missing(roles: list[str], paths: list[str]) -> list[str]:
    return [path for path in dict.fromkeys(roles) if path not in paths]


def _with_annotations(source: Source, rows: QuerySet[Any]) -> QuerySet[Any]:
    """``rows`` with every declared annotation, computed only for these rows."""
    missing = [name for name in source.annotations if name not in rows.query.annotations]
    wanted = source.rows(missing).query.annotations
    return rows.annotate(**{name: wanted[name] for name in missing}) if missing else rows


def _contexts(
    paths: list[str], fetched: list[Any], lists: dict[str, dict[Any, list[Any]]]
) -> list[dict[str, Any]]:
    """What is known of each row; its values are its primary key and those of ``paths``."""
    names = ["id", *paths]
    nested = any(LOOKUP_SEP in path for path in paths)
    contexts = []
    for values in fetched:
        # Not strict: paths of roles that are not among the fields come last.
        context = dict(zip(names, values, strict=False)) if not nested else {}
        if nested:
            for name, value in zip(names, values, strict=False):
                place(context, name, value)
        for name, by_row in lists.items():
            context[name] = by_row.get(values[0], [])
        contexts.append(context)
    return contexts


def _related(
    source: Source, items: RelatedList, fields: dict[str, Field], pks: list[Any]
) -> dict[Any, list[dict[str, Any]]]:
    """The related rows of all ``pks`` with one query, at most ``items.limit`` for each."""
    if not pks:
        return {}
    prefix = items.path + LOOKUP_SEP
    ordering = [
        F(prefix + order.removeprefix("-")).desc()
        if order.startswith("-")
        else F(prefix + order).asc()
        for order in [*items.order_by, "pk"]
    ]
    found = (
        source.model._base_manager.using(database())
        .filter(pk__in=pks)
        .annotate(
            _related_pk=F(prefix + "pk"),
            _position=Window(RowNumber(), partition_by=F("pk"), order_by=ordering),
        )
        .filter(_position__lte=items.limit)
        .order_by("pk", "_position")
    )
    names = ["pk", "_related_pk", *(prefix + path for path in fields)]
    columns, position = _columns(found, names)
    by_row: dict[Any, list[dict[str, Any]]] = {}
    for values in found.values_list(*columns):
        row_pk, related_pk, *shown = (values[index] for index in position)
        if related_pk is None:
            continue
        item: dict[str, Any] = {}
        for path, value in zip(fields, shown, strict=True):
            place(item, path, value)
        by_row.setdefault(row_pk, []).append(item)
    return by_row


def _columns(rows: QuerySet[Any], names: Sequence[str]) -> tuple[list[str], list[int]]:
    """Those of ``names`` that are columns of their own, and for each of ``names`` which one it
    is. Of two names for one column Django reads only one where rows are kept by their position,
    and the values after it would stand in wrong places."""
    query = rows.query.clone()
    columns: dict[Any, int] = {}
    chosen: list[str] = []
    position: list[int] = []
    for name in names:
        column = query.resolve_ref(name)
        if column not in columns:
            columns[column] = len(chosen)
            chosen.append(name)
        position.append(columns[column])
    return chosen, position
