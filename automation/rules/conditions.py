"""How conditions are combined into one query, and what every kind of them can do."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from automation.rules.fields import Field
from automation.rules.sources import Source

AND, OR = "and", "or"


@dataclass(frozen=True)
class Operator:
    """One way to ask: "is", "more than … ago". ``example`` shows what a value looks like;
    an operator without an example takes no value."""

    name: str
    label: Any
    example: str = ""


class Asks(Protocol):
    """What is needed of a condition to evaluate it, saved or not."""

    joined_by: str

    def paths(self) -> Iterable[str]: ...

    def to_q(self, source: Source, now: datetime.datetime) -> Q: ...

    def sentence(self, source: Source) -> str: ...


def matching(source: Source, conditions: Iterable[Asks], now: datetime.datetime) -> QuerySet[Any]:
    """The rows of ``source`` that meet ``conditions`` at ``now``, which is aware and in
    the rule's time zone: its days are the days that dates are compared in.

    An "or" binds a condition to the one above: *A, or B; C* is *(A or B) and C*.
    Raises ``UnknownField`` if a condition names a field that the source does not have.
    """
    listed = list(conditions)
    for condition in listed:
        for path in condition.paths():
            source.field(path)
    needed = {path for condition in listed for path in condition.paths()}
    combined = Q()
    for group in grouped(listed):
        either = Q()
        for condition in group:
            either |= condition.to_q(source, now)
        combined &= either
    return source.rows(needed).filter(combined)


def grouped(conditions: Sequence[Asks]) -> list[list[Asks]]:
    """The conditions in groups, one of each of which must hold."""
    groups: list[list[Asks]] = []
    for condition in conditions:
        if groups and condition.joined_by == OR:
            groups[-1].append(condition)
        else:
            groups.append([condition])
    return groups


def sentence(source: Source, conditions: Sequence[Asks]) -> str:
    """The rule as people say it: "Carts where status is open and …"."""
    groups = grouped(conditions)
    if not groups:
        return _("All %(source)s") % {"source": source}
    parts = []
    for group in groups:
        said = _(" or ").join(condition.sentence(source) for condition in group)
        parts.append(f"({said})" if len(group) > 1 and len(groups) > 1 else said)
    return _("%(source)s where %(conditions)s") % {
        "source": source,
        "conditions": _(" and ").join(parts),
    }


def field_label(source: Source, path: str) -> str:
    """The field's label for a sentence, or its bare path where it is gone."""
    known: Field | None = source.resolved_fields.get(path)
    return known.full_label.replace(" › ", " ") if known else path
