"""What runs are about, as people call it: the row by its number and its own name, and whom it is
about."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models.constants import LOOKUP_SEP
from django.utils.html import format_html

from automation.chains.deciding import is_of_another_kind, primary_key
from automation.chains.runs import ChainRun
from automation.rules.keys import key_text
from automation.rules.sources import Source, UnknownSource, sources
from automation.rules.views import linked


@dataclass(frozen=True)
class Subject:
    """``name``: the row. ``person``: whom it is about, empty if that is not known (any more)."""

    name: str
    person: str = ""

    def __str__(self) -> str:
        return " · ".join(filter(None, [self.name, self.person]))


def subjects(runs: Iterable[ChainRun]) -> dict[int, Subject]:
    """What each of ``runs`` is about, by its primary key: as it is now, so that of a row that is
    gone only the number is left. One query for each source that their chains are about; of chains
    in code none, but their resources."""
    found, asked = {}, defaultdict(list)
    for run in runs:
        found[run.pk] = Subject(_named(run))
        if run.chain is not None:
            asked[run.chain.source].append(run)
    for key, those in asked.items():
        try:
            found |= _of_source(sources.get(key), those)
        except UnknownSource:  # it is registered no more, or its rows are out of reach
            continue
    return found


def about(run: ChainRun, subject: Subject) -> str:
    """``subject`` of ``run``, with the row as a link if it has a page."""
    try:
        opts = apps.get_model(run.row_model)._meta
    except (LookupError, ValueError):
        return str(subject)
    row = linked(opts, run.row_pk, subject.name)
    return format_html("{} · {}", row, subject.person) if subject.person else row


def _named(run: ChainRun) -> str:
    resources = [] if run.row_model else [str(each) for each in run.resources.all()]
    return ", ".join(resources) or run.subject


def _of_source(source: Source, runs: list[ChainRun]) -> dict[int, Subject]:
    those = [run for run in runs if not is_of_another_kind(run, source)]
    pks = {pk for run in those if (pk := primary_key(source, run.subject_key)) is not None}
    person, _sep, _name = source.recipient.rpartition(LOOKUP_SEP)
    rows = source.rows([]).filter(pk__in=pks)
    found = {key_text(row.pk): row for row in rows.select_related(*filter(None, [person]))}
    return {
        run.pk: _subject(source, run, found[run.subject_key])
        for run in those
        if run.subject_key in found
    }


def _subject(source: Source, run: ChainRun, row: Any) -> Subject:
    own = _own_name(row)
    name = run.subject if run.subject_key.isdecimal() else own or run.subject
    *way, last = source.recipient.split(LOOKUP_SEP)
    person = reduce(lambda thing, part: getattr(thing, part, None), way, row)
    address = str(getattr(person, last, None) or "") if source.recipient else ""
    called = _own_name(person) if address else ""
    if own.lower() not in ("", name.lower(), called.lower()):
        name = f"{name} · {own}"
    if called in ("", name, address):
        return Subject(name, address)
    return Subject(name, f"{called} <{address}>")


def _own_name(thing: Any) -> str:
    """What ``thing`` calls itself; empty if its model says nothing about that."""
    model: Any = type(thing)
    return "" if model.__str__ is models.Model.__str__ else str(thing)
