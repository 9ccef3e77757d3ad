"""Why a row matches a rule or does not: each condition with the value it looked at."""

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import BooleanField, Case, F, Value, When
from django.utils import timezone
from django.utils.formats import localize
from django.utils.translation import gettext as _

from automation.rules.conditions import OR, Question, prepared
from automation.rules.fields import Field
from automation.rules.rule import BrokenRule, Rule
from automation.rules.sources import UnknownField


@dataclass(frozen=True)
class Explanation:
    """One line of a rule, asked of one row: the line in words, the value that the row has
    (None where there is none to show), and whether it holds."""

    sentence: str
    value: Any
    shown: str
    passed: bool
    joined_by: str

    def __str__(self) -> str:
        verdict = _("yes") if self.passed else _("no")
        return _("%(sentence)s? %(verdict)s: it is %(value)s") % {
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
        Explanation(
            sentence=question.condition.sentence(source),
            value=found[f"_value{n}"],
            shown=shown(question.subject, found[f"_value{n}"], local),
            passed=found[f"_passed{n}"],
            joined_by=question.joined_by,
        )
        for n, question in enumerate(questions)
    ]


def matches(explanations: list[Explanation]) -> bool:
    """Whether the row matches the whole rule."""
    groups: list[list[bool]] = []
    for line in explanations:
        if groups and line.joined_by == OR:
            groups[-1].append(line.passed)
        else:
            groups.append([line.passed])
    return all(any(group) for group in groups)


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
        value = timezone.localtime(value, now.tzinfo)
    if isinstance(value, Decimal | float):
        value = _tidy(Decimal(str(value)))
    return field.display(value) if field.choices else str(localize(value))


def _tidy(value: Decimal) -> Decimal:
    """A number without the zeros that only a database's arithmetic has added."""
    short = round(value, 2).normalize()
    places = -int(short.as_tuple().exponent)
    return short.quantize(Decimal(1).scaleb(-max(places, 2 if places > 0 else 0)))
