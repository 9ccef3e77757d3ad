"""The kind of condition that asks what has happened."""

import datetime
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation.events.groups import problem_of_pattern, producers
from automation.events.records import EventRecord
from automation.rules.conditions import Operator
from automation.rules.dates import read_span
from automation.rules.fields import Field, Kind
from automation.rules.keys import key_expression
from automation.rules.related_conditions import SEGMENTS_AND_HISTORY
from automation.rules.rule import Condition
from automation.rules.sources import Source, UnknownField

# Events that have not happened, for the rules that are being compiled.
_left_out: ContextVar[Collection[int]] = ContextVar("left_out", default=())

_VALUE = re.compile(r"(?P<group>\S+)(?:\s+(?:in the last|within)?\s*(?P<span>\d+\s*\w+))?")


class EventCondition(Condition):
    """Whether an event of a group happened, about the row or about its person, ever or in
    the last so much time. ``value`` is ``[group, span]``; the group may have ``*``."""

    kind: ClassVar[str] = "event"

    SUBJECT: ClassVar[Field] = Field(
        "event", gettext_lazy("events so far"), SEGMENTS_AND_HISTORY, Kind.OTHER
    )
    #: The same for a source that says of no row whom it is about.
    WITHOUT_PERSON: ClassVar[Field] = replace(SUBJECT, label=gettext_lazy("events of the row"))
    EXAMPLE: ClassVar[Any] = gettext_lazy("cart_abandoned 30 days")
    OPERATORS: ClassVar[list[Operator]] = [
        Operator("had", gettext_lazy("the row had"), EXAMPLE, "name_and_span"),
        Operator("had_not", gettext_lazy("the row did not have"), EXAMPLE, "name_and_span"),
        Operator("person_had", gettext_lazy("the person had"), EXAMPLE, "name_and_span"),
        Operator(
            "person_had_not", gettext_lazy("the person did not have"), EXAMPLE, "name_and_span"
        ),
    ]

    class Meta:
        verbose_name = gettext_lazy("event history")
        verbose_name_plural = gettext_lazy("event history")

    @classmethod
    def subjects(cls, source: Source) -> list[Field]:
        return [cls.SUBJECT if source.recipient else cls.WITHOUT_PERSON]

    @classmethod
    def operators(cls, field: Field) -> list[Operator]:
        if field.path != cls.SUBJECT.path:
            return []
        if field is cls.WITHOUT_PERSON:
            return [offered for offered in cls.OPERATORS if not offered.name.startswith("person")]
        return cls.OPERATORS

    @classmethod
    def read_value(cls, field: Field, operator: Operator, text: str) -> Any:
        found = _VALUE.fullmatch(text.strip())
        if found is None:
            raise ValidationError(
                _("Write the group of the events, and how long ago: %(example)s.")
                % {"example": operator.example}
            )
        if problem := problem_of_pattern(found["group"]):
            raise ValidationError(problem)
        span = found["span"]
        return [found["group"], str(read_span(span)) if span else ""]

    @classmethod
    def write_value(cls, operator: str, value: Any) -> str:
        return " ".join(filter(None, value))

    @classmethod
    def spoken(cls, field: Field, operator: str, value: Any) -> str:
        group, span = value
        said = {offered.name: str(offered.label) for offered in cls.OPERATORS}[operator]
        if not span:
            return f"{said} {group}"
        known = read_span(span)
        limit = ngettext("in the last %(span)s", "in the last %(span)s", known.amount)
        limit %= {"span": known.for_people()}
        return f"{said} {group} {limit}"

    @classmethod
    def suggestions(cls, source: Source) -> list[tuple[str, str]]:
        return [(producer.group, producer.label) for producer in producers()]

    def subject(self, source: Source) -> Field:
        return self.subjects(source)[0]

    def expression(self, source: Source, now: datetime.datetime) -> Any:
        group, span = self.value
        events = EventRecord.objects.filter(_of_group(group))
        if left_out := _left_out.get():
            events = events.exclude(pk__in=left_out)
        if span:
            events = events.filter(recorded_at__gt=read_span(span).before(now))
        if self.operator.startswith("person"):
            if not source.recipient:
                raise UnknownField(
                    _("%(source)s name no person, so “%(operator)s” cannot be asked.")
                    % {"source": source, "operator": self._label}
                )
            person = OuterRef(source.recipient)
            return Exists(events.filter(recipient=person).exclude(recipient=""))
        return Exists(
            events.filter(
                row_model=source.model._meta.label_lower,
                row_pk=key_expression(source.model, OuterRef("pk")),
            )
        )

    def to_q(self, source: Source, now: datetime.datetime, path: str) -> Q:
        return Q(**{path: not self.operator.endswith("_not")})

    @property
    def _label(self) -> str:
        return next(str(known.label) for known in self.OPERATORS if known.name == self.operator)

    def sentence(self, source: Source) -> str:
        return self.spoken(self.SUBJECT, self.operator, self.value)

    def answer(self, value: Any, passed: bool) -> str:
        return _("has had it") if value else _("has not had it")


@contextmanager
def as_if_without(events: Collection[int]) -> Iterator[None]:
    """Rules whose rows are asked for inside take these events, by primary key, for not having
    happened."""
    token = _left_out.set(events)
    try:
        yield
    finally:
        _left_out.reset(token)


def _of_group(pattern: str) -> Q:
    """Events whose group matches an editor's pattern, with ``*`` for anything."""
    if "*" not in pattern:
        return Q(group=pattern)
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return Q(group__startswith=pattern.partition("*")[0], group__regex=f"^{expression}$")
