"""What a rule's page shows beside its form, for the form as it stands, saved or not.

All counts come from one query, however many lines there are, and the first rows from
another.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import OperationalError
from django.db.models import Count, F, Q, QuerySet

from automation.rules.conditions import Asks, Question, grouped, prepared
from automation.rules.counting import PATIENCE, Counted, counted, time_limit, was_stopped
from automation.rules.explaining import shown
from automation.rules.sources import Source

#: How many of the matching rows are shown.
ROWS = 5


@dataclass(frozen=True)
class SampleRow:
    """A matching row: the instance, and the values that the conditions look at, in words."""

    row: Any
    values: list[str]


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


def panel(source: Source, conditions: Sequence[Asks], now: datetime.datetime) -> Panel:
    """The panel of a rule with these conditions. ``now`` is aware and in the rule's time
    zone. Raises ``UnknownField`` and ``BrokenRule`` as asking the rule would."""
    rows, questions = prepared(source, conditions, now)
    combined = Q()
    for group in grouped(questions):
        either = Q()
        for question in group:
            either |= question.q
        combined &= either
    matching = rows.filter(combined)
    total, all_lines, lines = _counts(source, rows, matching, combined, questions)
    return Panel(
        total=total,
        matching=all_lines,
        lines=lines,
        rows=matching,
        labels=[question.subject.full_label for question in questions],
        sample=_sample(source, matching, questions, now),
    )


def _counts(
    source: Source,
    rows: QuerySet[Any],
    matching: QuerySet[Any],
    combined: Q,
    questions: list[Question],
) -> tuple[Counted, Counted, list[Counted]]:
    named = {
        f"_line{n}_rows": Count("pk", filter=question.q) for n, question in enumerate(questions)
    }
    everything = {
        "_all_rows": Count("pk"),
        "_matching_rows": Count("pk", filter=combined or Q(pk__isnull=False)),
    }
    try:
        with time_limit(rows.db, PATIENCE):
            found = rows.order_by().aggregate(**everything, **named)
    except OperationalError as error:
        if not was_stopped(error):
            raise
        unknown = Counted(None, exact=False)
        return counted(source.rows([])), counted(matching), [unknown] * len(questions)
    return (
        Counted(found["_all_rows"]),
        Counted(found["_matching_rows"]),
        [Counted(found[name]) for name in named],
    )


def _sample(
    source: Source, matching: QuerySet[Any], questions: list[Question], now: datetime.datetime
) -> list[SampleRow]:
    values = {f"_shown{n}": F(question.path) for n, question in enumerate(questions)}
    newest = matching.annotate(**values).order_by("-pk").values_list("pk", *values)[:ROWS]
    try:
        with time_limit(matching.db, PATIENCE):
            found = list(newest)
    except OperationalError as error:
        if not was_stopped(error):
            raise
        return []
    instances = source.model._default_manager.in_bulk([pk for pk, *_values in found])
    return [
        SampleRow(
            instances.get(pk, pk),
            [
                shown(question.subject, value, now)
                for question, value in zip(questions, row, strict=True)
            ],
        )
        for pk, *row in found
    ]
