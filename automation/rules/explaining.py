"""Why a row matches a rule or does not: each condition with the value it looked at."""

import datetime
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import BooleanField, Case, F, Q, QuerySet, Value, When
from django.utils import timezone
from django.utils.formats import localize
from django.utils.translation import gettext as _

from automation.rules.conditions import Question, grouped, prepared
from automation.rules.dates import said_moment
from automation.rules.fields import Field
from automation.rules.keys import key_field, key_meant
from automation.rules.rule import BrokenRule, Rule
from automation.rules.sources import Source, UnknownField


@dataclass(frozen=True)
class Explanation:
    """One line of a rule, asked of one row: the line in words, the value that the row has
    (None where there is none to show), what is shown of it, and whether the line holds."""

    sentence: str
    value: Any
    shown: str
    passed: bool
    joined_by: str

    def __str__(self) -> str:
        verdict = _("yes") if self.passed else _("no")
        return _("%(sentence)s? %(verdict)s: %(value)s") % {
            "sentence": self.sentence,
            "verdict": verdict,
            "value": self.shown,
        }


def explain(rule: Rule, pk: Any, now: datetime.datetime) -> list[Explanation] | None:
    """Each condition of ``rule`` with what the row ``pk`` has for it at ``now`` (aware), all
    from one query. None if there is no such row. Raises ``BrokenRule``."""
    source = rule.source_or_error()
    local = rule.local(now)
    try:
        rows, questions = prepared(source, rule.conditions.all(), local)
    except UnknownField as error:
        raise BrokenRule(str(error)) from error
    values = {f"_value{n}": F(question.path) for n, question in enumerate(questions)}
    answers = {f"_passed{n}": _answer(question) for n, question in enumerate(questions)}
    found = rows.filter(pk=pk).annotate(**values, **answers).values(*values, *answers).first()
    if found is None:
        return None if questions or not source.rows([]).filter(pk=pk).exists() else []
    return [
        _explained(source, question, found[f"_value{n}"], found[f"_passed{n}"], local)
        for n, question in enumerate(questions)
    ]


def _explained(
    source: Source, question: Question, value: Any, passed: bool, now: datetime.datetime
) -> Explanation:
    return Explanation(
        sentence=question.condition.sentence(source),
        value=value,
        shown=question.condition.answer(value, passed) or shown(question.subject, value, now),
        passed=passed,
        joined_by=question.joined_by,
    )


def matches(explanations: list[Explanation]) -> bool:
    """Whether the row matches the whole rule."""
    return all(any(line.passed for line in group) for group in grouped(explanations))


def rows_meant(source: Source, text: str) -> QuerySet[Any]:
    """The rows that people mean by ``text``, the newest first: the one with this number
    ("812", "Cart 812"; of texts also "A 1"), or those of the person with this address."""
    meant = Q(pk__in=[])
    for named in (key_meant(text), text):
        with suppress(ValidationError):
            meant |= Q(pk=key_field(source.model).to_python(named))
    if source.recipient:
        meant |= Q(**{f"{source.recipient}__iexact": text})
    return source.rows([]).filter(meant).order_by("-pk")


def _answer(question: Question) -> Case:
    return Case(
        When(question.q, then=Value(True)), default=Value(False), output_field=BooleanField()
    )


def shown(field: Field, value: Any, now: datetime.datetime) -> str:
    """A value as people read it: choices by label, moments where the rule lives."""
    if value is None or value == "":
        return _("empty")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, datetime.datetime):
        return said_moment(timezone.localtime(value, now.tzinfo), now)
    if isinstance(value, Decimal | float):
        value = _tidy(Decimal(str(value)))
    return field.display(value) if field.choices else str(localize(value))


def _tidy(value: Decimal) -> Decimal:
    """A number without the zeros that only a database's arithmetic has added."""
    short = round(value, 2).normalize()
    places = -int(short.as_tuple().exponent)
    return short.quantize(Decimal(1).scaleb(-max(places, 2 if places > 0 else 0)))
