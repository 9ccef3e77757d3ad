"""How conditions are combined into one query, and what every kind of them can do."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from automation.rules.fields import Field
from automation.rules.sources import Source

AND, OR = "and", "or"

#: The fields that a line of the form has for values: one or two numbers, days or spans of
#: time, a name with a span of time, a percentage of something with a name, choices of a field,
#: suggestions, or plain text.
INPUTS = (
    "number", "numbers", "day", "days", "span", "spans", "name_and_span", "share",
    "choices", "suggestions", "text",
)  # fmt: skip


@dataclass(frozen=True)
class Operator:
    """One way to ask: "is", "more than … ago". ``example`` shows what a value looks like,
    in the reader's language; an operator without an example takes no value. ``input`` names
    the field that the page shows for it, one of ``INPUTS``; empty: what fits its subject."""

    name: str
    label: Any
    example: Any = ""
    input: str = ""


class Asks(Protocol):
    """What is needed of a condition to evaluate it, saved or not."""

    joined_by: str
    field: str

    def subject(self, source: Source) -> Field: ...

    def expression(self, source: Source, now: datetime.datetime) -> Any: ...

    def to_q(self, source: Source, now: datetime.datetime, path: str) -> Q: ...

    def sentence(self, source: Source) -> str: ...

    def answer(self, value: Any, passed: bool) -> str: ...


@dataclass(frozen=True)
class Question:
    """A condition made ready to be asked: where its subject stands in the query, and what it
    asks about it."""

    condition: Asks
    subject: Field
    path: str
    q: Q

    @property
    def joined_by(self) -> str:
        return self.condition.joined_by


def matching(source: Source, conditions: Iterable[Asks], now: datetime.datetime) -> QuerySet[Any]:
    """The rows of ``source`` that meet ``conditions`` at ``now``, which is aware and in
    the rule's time zone: its days are the days that dates are compared in.

    An "or" binds a condition to the one above: *A, or B; C* is *(A or B) and C*.
    Raises ``UnknownField`` if a condition names a field that the source does not have.
    """
    rows, questions = prepared(source, conditions, now)
    return rows.filter(combined(questions))


def prepared(
    source: Source, conditions: Iterable[Asks], now: datetime.datetime
) -> tuple[QuerySet[Any], list[Question]]:
    """All rows of ``source``, with whatever ``conditions`` ask about, and their questions."""
    rows, (questions,) = prepared_together(source, [(conditions, now)])
    return rows, questions


def prepared_together(
    source: Source, rules: Iterable[tuple[Iterable[Asks], datetime.datetime]]
) -> tuple[QuerySet[Any], list[list[Question]]]:
    """All rows of ``source``, with whatever any of ``rules`` asks about, and the questions of
    each. A rule is its conditions and the moment of the question in its own time zone."""
    asked: list[list[Question]] = []
    expressions: dict[str, Any] = {}
    paths: list[str] = []
    for conditions, now in rules:
        questions = []
        for condition in conditions:
            subject = condition.subject(source)
            expression = condition.expression(source, now)
            path = condition.field if expression is None else f"_line{len(expressions)}"
            if expression is None:
                paths.append(path)
            else:
                expressions[path] = expression
            questions.append(Question(condition, subject, path, condition.to_q(source, now, path)))
        asked.append(questions)
    return source.rows(paths).alias(**expressions), asked


class _Joined(Protocol):
    @property
    def joined_by(self) -> str: ...


JoinedType = TypeVar("JoinedType", bound=_Joined)


def grouped(conditions: Sequence[JoinedType]) -> list[list[JoinedType]]:
    """The conditions in groups, one of each of which must hold."""
    groups: list[list[JoinedType]] = []
    for condition in conditions:
        if groups and condition.joined_by == OR:
            groups[-1].append(condition)
        else:
            groups.append([condition])
    return groups


def combined(questions: Sequence[Question]) -> Q:
    """What the questions ask together."""
    together = Q()
    for group in grouped(questions):
        either = Q()
        for question in group:
            either |= question.q
        together &= either
    return together


def sentence(source: Source, conditions: Sequence[Asks]) -> str:
    """The rule as people say it: "Carts where status is open and …"."""
    if not conditions:
        return _("All %(source)s") % {"source": source.plural}
    said = {"source": source, "conditions": spoken(source, conditions)}
    return _("%(source)s where %(conditions)s") % said


def spoken(source: Source, conditions: Sequence[Asks]) -> str:
    """What ``conditions`` ask, in words: "status is open and …"."""
    parts, groups = [], grouped(conditions)
    for group in groups:
        said = _(" or ").join(condition.sentence(source) for condition in group)
        parts.append(f"({said})" if len(group) > 1 and len(groups) > 1 else said)
    return _(" and ").join(parts)
