"""Conditions about the rows that belong to a row: how many, how much, the latest.

Each is a subquery of its own, so two of them never multiply each other's rows.
"""

import datetime
from dataclasses import replace
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Avg, Count, F, Max, Min, OuterRef, Q, Subquery, Sum, Value
from django.db.models.constants import LOOKUP_SEP
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation.rules import dates
from automation.rules.conditions import Operator
from automation.rules.dates import read_span
from automation.rules.field_conditions import (
    AnniversaryCondition,
    DateCondition,
    FieldCondition,
    RelativeDateCondition,
)
from automation.rules.fields import Field, Kind, kind_of, walk
from automation.rules.rule import Condition, Segment
from automation.rules.sources import RelatedList, Source, UnknownField

#: The kinds whose questions can be asked about an aggregate.
COMPARISONS: list[type[Condition]] = [
    FieldCondition,
    RelativeDateCondition,
    DateCondition,
    AnniversaryCondition,
]

_AGGREGATES: dict[str, tuple[Any, Any]] = {
    "sum": (Sum, gettext_lazy("sum of %s")),
    "average": (Avg, gettext_lazy("average of %s")),
    "smallest": (Min, gettext_lazy("smallest %s")),
    "largest": (Max, gettext_lazy("largest %s")),
    "earliest": (Min, gettext_lazy("earliest %s")),
    "latest": (Max, gettext_lazy("latest %s")),
}
_OF_NUMBERS = ("sum", "average", "smallest", "largest")
_OF_DATES = ("earliest", "latest")


class RelatedCondition(Condition):
    """An aggregate over a related list of the source, compared as a field is.

    ``field`` is ``"orders:count"`` or ``"orders:sum:total"``. With ``within`` only those
    rows count whose date (the list's ``dated_by``) is in the last so much time; with
    ``among`` only those that are in the segment. A count or sum of nothing is 0; the
    smallest, largest, average, earliest or latest of nothing is empty.
    """

    kind: ClassVar[str] = "related"
    FURTHER: ClassVar[tuple[str, ...]] = ("within", "among")

    within = models.CharField(gettext_lazy("in the last"), max_length=30, blank=True)
    among = models.ForeignKey(
        Segment,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=gettext_lazy("only those in"),
    )

    class Meta:
        verbose_name = gettext_lazy("related rows")
        verbose_name_plural = gettext_lazy("related rows")

    @classmethod
    def subjects(cls, source: Source) -> list[Field]:
        found = []
        for name, (items, fields) in source.resolved_lists.items():
            label = source.list_label(name)
            count = Field(f"{name}:count", _("number of %s") % label, label, Kind.NUMBER)
            found.append(replace(count, whole=True, keywords=items.keywords))
            for path, field in fields.items():
                keywords = f"{items.keywords} {field.keywords}".strip()
                for aggregate in _aggregates_of(field):
                    said = _AGGREGATES[aggregate][1] % field.label
                    whole = field.whole and aggregate != "average"
                    asked = Field(f"{name}:{aggregate}:{path}", said, label, field.kind)
                    found.append(replace(asked, whole=whole, keywords=keywords))
        return found

    @classmethod
    def operators(cls, field: Field) -> list[Operator]:
        offered = [operator for kind in COMPARISONS for operator in kind.operators(field)]
        if field.path.partition(":")[2].startswith(("count", "sum")):
            # A count or sum of nothing is 0 and never empty: "is equal to 0" is what is meant.
            return [o for o in offered if o.name not in ("is_empty", "is_not_empty")]
        return offered

    @classmethod
    def question(
        cls, path: str, field: Field, operator: str, value: Any, now: datetime.datetime
    ) -> Q:
        return _comparison(field, operator).question(path, field, operator, value, now)

    @classmethod
    def read_value(cls, field: Field, operator: Operator, text: str) -> Any:
        return _comparison(field, operator.name).read_value(field, operator, text)

    def value_text(self) -> str:
        for kind in COMPARISONS:
            if any(o.name == self.operator for f in _EVERY_KIND for o in kind.operators(f)):
                return kind.write_value(self.operator, self.value)
        return ""

    @classmethod
    def spoken(cls, field: Field, operator: str, value: Any) -> str:
        return _comparison(field, operator).spoken(field, operator, value)

    def subject(self, source: Source) -> Field:
        known = {field.path: field for field in self.subjects(source)}
        if self.field not in known:
            raise UnknownField(
                _("“%(field)s” is not something that rules may ask about %(source)s.")
                % {"field": self.field, "source": source}
            )
        return known[self.field]

    def expression(self, source: Source, now: datetime.datetime) -> Any:
        name, aggregate, path = [*self.field.split(":"), "pk"][:3]
        items, _fields = source.resolved_lists[name]
        prefix = items.path + LOOKUP_SEP
        kept = Q(**{f"{prefix}pk__isnull": False})
        if self.within:
            date, spans = _date_of(source, items), [read_span(self.within)]
            kept &= dates.relative(prefix + date.path, date, "less_than_ago", spans, now)
        if self.among is not None:
            kept &= Q(**{f"{items.path}__in": self.among.rows(now).order_by().values("pk")})
        function = Count if aggregate == "count" else _AGGREGATES[aggregate][0]
        related = (
            source.model._base_manager.filter(kept, pk=OuterRef("pk"))
            .order_by()
            .values("pk")
            .annotate(_aggregate=function(F(prefix + path)))
        )
        aggregated = Subquery(related.values("_aggregate"))
        if aggregate not in ("count", "sum"):
            return aggregated
        output = related.query.annotations["_aggregate"].output_field
        return Coalesce(aggregated, Value(0, output_field=output), output_field=output)

    def sentence(self, source: Source) -> str:
        known, limits = self.subject(source), []
        label = known.label if self.field.endswith(":count") else known.spoken_label
        said = f"{label} {self.spoken(known, self.operator, self.value)}"
        if self.within:
            span = read_span(self.within)
            said_span = ngettext("of the last %(span)s", "of the last %(span)s", span.amount)
            limits.append(said_span % {"span": span.for_people()})
        if self.among is not None:
            limits.append(_("in %(segment)s") % {"segment": self.among})
        return f"{said} ({', '.join(limits)})" if limits else said

    def further_parts(self) -> dict[str, str]:
        parts = {"within": self.within, "among": self.among.slug if self.among else ""}
        return {name: text for name, text in parts.items() if text}

    def set_further_parts(self, source: Source, within: str = "", among: str = "") -> None:  # type: ignore[override]
        """Let only some of the related rows count: those of the last ``within``, those in the
        segment with the short name ``among``."""
        items = source.resolved_lists[self.field.partition(":")[0]][0]
        if within.strip():
            if not items.dated_by:
                raise ValidationError(_("These rows have no date to count from."))
            date = _date_of(source, items)
            self.within = str(dates.read_spans(date, dates.LESS_THAN_AGO, within)[0])
        if among.strip():
            segment = Segment.objects.filter(slug=among.strip()).first()
            if segment is None:
                raise ValidationError(
                    _("There is no segment “%(name)s”.") % {"name": among.strip()}
                )
            if segment.source_or_error().model is not source.list_model(items):
                raise ValidationError(
                    _("The segment “%(name)s” is not about these rows.") % {"name": segment}
                )
            self.among = segment


_EVERY_KIND = [Field("", kind=kind) for kind in Kind]


def _aggregates_of(field: Field) -> tuple[str, ...]:
    if field.kind == Kind.NUMBER:
        return _OF_NUMBERS
    return _OF_DATES if field.kind in (Kind.DATE, Kind.DATETIME) else ()


def _date_of(source: Source, items: RelatedList) -> Field:
    """The date or moment that the rows of a list go by."""
    date, _hops = walk(source.list_model(items), items.dated_by)
    return Field(items.dated_by, label=date.verbose_name, kind=kind_of(date))


def _comparison(field: Field, operator: str) -> type[Condition]:
    """The kind of comparison that an operator belongs to."""
    for kind in COMPARISONS:
        if any(offered.name == operator for offered in kind.operators(field)):
            return kind
    raise UnknownField(f"{field.full_label} cannot be asked “{operator}”.")


#: The group of fields, in a rule's form, that are about more than the row itself.
SEGMENTS_AND_HISTORY = gettext_lazy("Segments and history")


class SegmentCondition(Condition):
    """Whether the row is in a segment: a whole rule as one line of another."""

    kind: ClassVar[str] = "segment"

    SUBJECT: ClassVar[Field] = Field(
        "segment", gettext_lazy("is in a segment"), SEGMENTS_AND_HISTORY, Kind.OTHER
    )
    OPERATORS: ClassVar[list[Operator]] = [
        Operator("in", gettext_lazy("is in segment"), "regulars"),
        Operator("not_in", gettext_lazy("is not in segment"), "regulars"),
    ]

    segment = models.ForeignKey(
        Segment, models.PROTECT, related_name="used_in", verbose_name=gettext_lazy("segment")
    )

    class Meta:
        verbose_name = gettext_lazy("membership in a segment")
        verbose_name_plural = gettext_lazy("memberships in a segment")

    @classmethod
    def subjects(cls, source: Source) -> list[Field]:
        return [cls.SUBJECT]

    @classmethod
    def operators(cls, field: Field) -> list[Operator]:
        return cls.OPERATORS if field.path == cls.SUBJECT.path else []

    @classmethod
    def suggestions(cls, source: Source) -> list[tuple[str, str]]:
        return list(Segment.objects.filter(source=source.key).values_list("slug", "name"))

    def subject(self, source: Source) -> Field:
        return self.SUBJECT

    def expression(self, source: Source, now: datetime.datetime) -> Any:
        return Value(None, output_field=models.BooleanField())  # a row is in it, or is not

    def to_q(self, source: Source, now: datetime.datetime, path: str) -> Q:
        inside = Q(pk__in=self.segment.rows(now).order_by().values("pk"))
        return inside if self.operator == "in" else ~inside

    def sentence(self, source: Source) -> str:
        template = (
            _("in segment %(segment)s")
            if self.operator == "in"
            else _("not in segment %(segment)s")
        )
        return template % {"segment": self.segment}

    def answer(self, value: Any, passed: bool) -> str:
        is_inside = passed == (self.operator == "in")
        return _("is in it") if is_inside else _("is not in it")

    def value_text(self) -> str:
        return self.segment.slug

    def set_value_text(self, source: Source, text: str) -> None:
        segment = Segment.objects.filter(slug=text.strip()).first()
        if segment is None:
            raise ValidationError(_("There is no segment “%(name)s”.") % {"name": text.strip()})
        if segment.source != source.key:
            raise ValidationError(
                _("The segment “%(name)s” is not about %(source)s.")
                % {"name": segment, "source": source}
            )
        self.segment = segment
