"""What a rule's page shows beside its form, for the form as it stands, saved or not.

All counts come from one query, however many lines there are, and the first rows from
another.
"""

import datetime
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.db.models import Count, F, Q, QuerySet

from automation.rules.conditions import Asks, Question, combined, prepared
from automation.rules.counting import Counted, TooSlow, counted_together, in_time
from automation.rules.databases import database
from automation.rules.explaining import shown
from automation.rules.fields import Kind
from automation.rules.keys import key_field
from automation.rules.sources import Source

#: How many of the matching rows are shown.
ROWS = 5

#: From some rows to those of them that are of more interest.
Narrow = Callable[[QuerySet[Any]], QuerySet[Any]]


@dataclass(frozen=True)
class SampleRow:
    """A matching row: its primary key, the instance, and the values that the conditions look
    at, in words."""

    pk: Any
    row: Any
    values: list[str]


@dataclass(frozen=True)
class Column:
    """Something more that is shown of the matching rows: its text (or HTML marked as safe) by
    primary key."""

    label: Any
    cells: Mapping[Any, Any]


@dataclass(frozen=True)
class Panel:
    """How many rows there are, how many match, how many pass each line alone (in the order
    of the lines), the first matching rows, and the labels of the values they are shown
    with."""

    total: Counted
    matching: Counted
    lines: list[Counted]
    rows: QuerySet[Any]
    labels: list[str] = field(default_factory=list)
    sample: list[SampleRow] = field(default_factory=list)

    @property
    def is_numbered(self) -> bool:
        """Whether the primary keys of the rows grow, so that the greatest are the newest."""
        return isinstance(key_field(self.rows.model), models.IntegerField)

    @property
    def has_more(self) -> bool:
        """Whether more rows match than are shown."""
        return self.matching.number is None or self.matching.number > len(self.sample)


def panel(
    source: Source,
    conditions: Sequence[Asks],
    now: datetime.datetime,
    *,
    show: int = ROWS,
    first: Narrow | None = None,
    among: Narrow | None = None,
) -> Panel:
    """The panel of a rule with these conditions, about the rows that ``among`` leaves, with
    ``show`` of those that match: the newest, but those that ``first`` leaves of them before
    others. ``now`` is aware and in the rule's time zone. Raises ``UnknownField`` and
    ``BrokenRule`` as asking the rule would."""
    rows, questions = prepared(source, conditions, now)
    everything = source.rows([])
    if among:
        rows, everything = among(rows), among(everything)
    asked = combined(questions)
    matching = rows.filter(asked)
    total, all_lines, lines = _counts(everything, rows, matching, asked, questions)
    looked_at = _looked_at(questions)
    return Panel(
        total=total,
        matching=all_lines,
        lines=lines,
        rows=matching,
        labels=[question.subject.full_label for question in looked_at],
        sample=_sample(source, _first(matching, looked_at, show, first), looked_at, now),
    )


def _counts(
    everything: QuerySet[Any],
    rows: QuerySet[Any],
    matching: QuerySet[Any],
    asked: Q,
    questions: list[Question],
) -> tuple[Counted, Counted, list[Counted]]:
    named = {
        f"_line{n}_rows": Count("pk", filter=question.q) for n, question in enumerate(questions)
    }
    totals = {
        "_all_rows": Count("pk"),
        "_matching_rows": Count("pk", filter=asked or Q(pk__isnull=False)),
    }
    try:
        with in_time(rows.db):
            found = rows.order_by().aggregate(**totals, **named)
    except TooSlow:
        alone = (rows.filter(question.q) for question in questions)
        total, all_lines, *lines = counted_together([everything, matching, *alone])
        return total, all_lines, lines
    return (
        Counted(found["_all_rows"]),
        Counted(found["_matching_rows"]),
        [Counted(found[name]) for name in named],
    )


def _looked_at(questions: list[Question]) -> list[Question]:
    """The questions that have a value to show, each value once."""
    found: dict[str, Question] = {}
    for question in questions:
        if question.subject.kind != Kind.OTHER:
            # What an expression stands for depends on more than its name, as on a span of time.
            known_by = question.condition.field if question.path[0] != "_" else question.path
            found.setdefault(known_by, question)
    return list(found.values())


def _first(
    matching: QuerySet[Any], looked_at: list[Question], show: int, first: Narrow | None
) -> list[tuple[Any, ...]]:
    """The rows to show, each with its primary key and the values that are looked at."""
    values = {f"_shown{n}": F(question.path) for n, question in enumerate(looked_at)}
    found: list[tuple[Any, ...]] = []
    for narrow in (first, None) if first else (None,):
        if missing := show - len(found):
            others = matching.exclude(pk__in=[pk for pk, *_values in found]) if found else matching
            with suppress(TooSlow), in_time(matching.db):
                rows = narrow(others) if narrow else others
                newest = rows.annotate(**values).order_by("-pk").values_list("pk", *values)
                found += newest[:missing]
    return found


def _sample(
    source: Source,
    found: list[tuple[Any, ...]],
    looked_at: list[Question],
    now: datetime.datetime,
) -> list[SampleRow]:
    instances = source.model._default_manager.using(database()).in_bulk(
        [pk for pk, *_values in found]
    )
    return [
        SampleRow(
            pk,
            instances.get(pk, pk),
            [
                shown(question.subject, value, now)
                for question, value in zip(looked_at, row, strict=True)
            ],
        )
        for pk, *row in found
    ]
