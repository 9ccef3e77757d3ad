"""Rules and their conditions: who is meant."""

import datetime
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from polymorphic.models import PolymorphicModel

from automation.rules import conditions as language
from automation.rules.conditions import Operator
from automation.rules.fields import Field
from automation.rules.plain import PlainDataField
from automation.rules.sources import Source, UnknownField, UnknownSource, sources

# The rules that are being compiled: one that reaches itself through segments has no answer.
_asking: ContextVar[frozenset[int]] = ContextVar("asking", default=frozenset())


class BrokenRule(Exception):
    """A rule that cannot be asked, with the reason as people read it."""


def validate_time_zone(name: str) -> None:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValidationError(
            _("“%(name)s” is not a time zone. Write it as in Europe/Zurich."),
            params={"name": name},
        ) from error


class Rule(PolymorphicModel):
    """A source and its conditions, whoever owns them: ``Segment``, ``Generator``, …"""

    source = models.CharField(gettext_lazy("about"), max_length=100)
    time_zone = models.CharField(
        gettext_lazy("time zone"),
        max_length=50,
        blank=True,
        validators=[validate_time_zone],
        help_text=gettext_lazy("Days begin and end here. Empty: the time zone of this site."),
    )

    class Meta:
        verbose_name = gettext_lazy("rule")
        verbose_name_plural = gettext_lazy("rules")

    def __str__(self) -> str:
        if type(self) is Rule and self.polymorphic_ctype_id:  # as Django's deletion collects them
            real = self.get_real_instance()
            if type(real) is not Rule:
                return str(real)
        return str(getattr(self, "name", "")) or self.sentence()

    def source_or_error(self) -> Source:
        """The source. Raises ``BrokenRule`` if it is not registered."""
        try:
            return sources.get(self.source)
        except UnknownSource as error:
            raise BrokenRule(str(error)) from error

    def zone(self) -> zoneinfo.ZoneInfo:
        """The rule's time zone. Raises ``BrokenRule`` if there is none of this name any more."""
        try:
            return zoneinfo.ZoneInfo(self.time_zone or settings.TIME_ZONE)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise BrokenRule(
                _("“%(name)s” is not a time zone. Write it as in Europe/Zurich.")
                % {"name": self.time_zone}
            ) from error

    def local(self, now: datetime.datetime) -> datetime.datetime:
        """``now`` (aware) in the rule's time zone."""
        return now.astimezone(self.zone())

    def rows(self, now: datetime.datetime) -> QuerySet[Any]:
        """The rows that match at ``now`` (aware). Raises ``BrokenRule`` if that cannot be asked."""
        source = self.source_or_error()
        with self.being_asked():
            try:
                return language.matching(source, self.conditions.all(), self.local(now))
            except UnknownField as error:
                raise BrokenRule(str(error)) from error

    @contextmanager
    def being_asked(self) -> Iterator[None]:
        """Inside, a condition that leads back to this rule raises ``BrokenRule``."""
        asking = _asking.get()
        if self.pk in asking:
            raise BrokenRule(_("“%(name)s” is made of itself.") % {"name": self})
        token = _asking.set(asking | {self.pk})
        try:
            yield
        finally:
            _asking.reset(token)

    def sentence(self) -> str:
        """The rule in words; of a broken one what can still be said."""
        try:
            return language.sentence(sources.get(self.source), list(self.conditions.all()))
        except UnknownSource as error:
            return str(error)
        except UnknownField as error:
            return str(error)


class Segment(Rule):
    """A rule with a name, to be used again."""

    name = models.CharField(gettext_lazy("name"), max_length=100)
    slug = models.SlugField(gettext_lazy("short name"), max_length=100, unique=True)

    class Meta:
        verbose_name = gettext_lazy("segment")
        verbose_name_plural = gettext_lazy("segments")
        ordering = ("name",)


class Condition(PolymorphicModel):
    """One question about a row, one line of a rule's form: and|or · field · operator · value.

    A kind of condition is a subclass with a name (``kind``). It says what it can be asked
    about (``subjects``: the source's fields unless it says otherwise) and with which
    ``operators``; it turns an operator and a value into a ``question`` to the database and
    into words (``spoken``), and reads and writes values as one line of text (``read_value``,
    ``write_value``). What it asks about is a field of the row, or an ``expression``.
    """

    kind: ClassVar[str] = ""

    JOINS: ClassVar[list[tuple[str, Any]]] = [
        (language.AND, gettext_lazy("and")),
        (language.OR, gettext_lazy("or")),
    ]

    rule = models.ForeignKey(
        Rule, models.CASCADE, related_name="conditions", verbose_name=gettext_lazy("rule")
    )
    position = models.PositiveSmallIntegerField(gettext_lazy("position"), default=0)
    joined_by = models.CharField(
        gettext_lazy("and / or"), max_length=3, choices=JOINS, default=language.AND
    )
    field = models.CharField(gettext_lazy("field"), max_length=200)
    operator = models.CharField(gettext_lazy("question"), max_length=30)
    value = PlainDataField(gettext_lazy("value"), null=True, blank=True)

    class Meta:
        verbose_name = gettext_lazy("condition")
        verbose_name_plural = gettext_lazy("conditions")
        ordering = ("position", "pk")

    def __str__(self) -> str:
        if type(self) is Condition:  # as Django's deletion collects them
            return str(self.get_real_instance())
        try:
            return self.sentence(sources.get(self.rule.source))
        except (UnknownSource, UnknownField) as error:
            return str(error)

    # What a kind of condition says of itself -------------------------------------------

    @classmethod
    def subjects(cls, source: Source) -> list[Field]:
        """What it can be asked about. Paths are unique over all kinds that name their own."""
        return list(source.resolved_fields.values())

    @classmethod
    def operators(cls, field: Field) -> list[Operator]:
        """The operators that it offers for one of its subjects, in order."""
        raise NotImplementedError

    @classmethod
    def question(
        cls, path: str, field: Field, operator: str, value: Any, now: datetime.datetime
    ) -> Q:
        """The question about what stands at ``path`` of the query. ``now`` is aware and in
        the rule's time zone."""
        raise NotImplementedError

    @classmethod
    def read_value(cls, field: Field, operator: Operator, text: str) -> Any:
        """The value that an editor wrote, as plain data. Raises ``ValidationError``, saying
        what to write instead."""
        raise NotImplementedError

    @classmethod
    def write_value(cls, operator: str, value: Any) -> str:
        """The value as ``read_value`` reads it."""
        raise NotImplementedError

    @classmethod
    def spoken(cls, field: Field, operator: str, value: Any) -> str:
        """Operator and value in words: "is more than 2"."""
        raise NotImplementedError

    #: The names of further parts that its line has, as ``further_parts`` gives them.
    FURTHER: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def suggestions(cls, source: Source) -> list[tuple[str, str]]:
        """Values, each with its label, that an editor may well mean."""
        return []

    # What one condition is ---------------------------------------------------------------

    def subject(self, source: Source) -> Field:
        """What it asks about. Raises ``UnknownField``."""
        return source.field(self.field)

    def expression(self, source: Source, now: datetime.datetime) -> Any:
        """What it asks about as an expression, or None for a field of the row."""
        return None

    def to_q(self, source: Source, now: datetime.datetime, path: str) -> Q:
        """The question, with its subject at ``path`` of the query. Raises ``UnknownField`` if
        the subject is not asked this any more, as its kind has changed."""
        known = self.subject(source)
        if all(offered.name != self.operator for offered in self.operators(known)):
            raise UnknownField(
                _("%(field)s cannot be asked “%(operator)s”.")
                % {"field": known.full_label, "operator": f"{self.kind}.{self.operator}"}
            )
        return self.question(path, known, self.operator, self.value, now)

    def sentence(self, source: Source) -> str:
        """The condition in words: "status is open"."""
        known = self.subject(source)
        return f"{known.spoken_label} {self.spoken(known, self.operator, self.value)}"

    def answer(self, value: Any, passed: bool) -> str:
        """What a row has for it, in words. Empty where ``value``, what stands at its subject,
        says that by itself."""
        return ""

    def copy_to(self, rule: Rule) -> None:
        """Save the same condition once more, for ``rule``."""
        copy = type(self)(rule=rule)
        for field in self._meta.concrete_fields:
            if not field.primary_key and field.name not in ("id", "rule", "polymorphic_ctype"):
                setattr(copy, field.attname, getattr(self, field.attname))
        copy.save()

    def further_parts(self) -> dict[str, str]:
        """What only this kind has beside field, operator and value, as text."""
        return {}

    def set_further_parts(self, source: Source, **parts: str) -> None:
        """Take what ``further_parts`` gives. Raises ``ValidationError``."""
        if any(text.strip() for text in parts.values()):
            raise ValidationError(_("This question takes no further limits."))

    def value_text(self) -> str:
        return self.write_value(self.operator, self.value)

    def set_value_text(self, source: Source, text: str) -> None:
        known = self.subject(source)
        operator = {offered.name: offered for offered in self.operators(known)}[self.operator]
        self.value = self.read_value(known, operator, text)


def kinds_of_condition() -> list[type[Condition]]:
    """Every concrete kind of condition there is, the product's own ones first."""

    def below(model: type[Condition]) -> list[type[Condition]]:
        found: list[type[Condition]] = []
        for child in model.__subclasses__():
            if not child._meta.abstract and child.kind:
                found.append(child)
            found += below(child)
        return found

    return below(Condition)
