"""Rules and their conditions: who is meant."""

import datetime
import zoneinfo
from collections.abc import Iterable
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
from automation.rules.sources import Source, UnknownField, UnknownSource, sources


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
        return str(getattr(self, "name", "")) or self.sentence()

    def source_or_error(self) -> Source:
        """The source. Raises ``BrokenRule`` if it is not registered."""
        try:
            return sources.get(self.source)
        except UnknownSource as error:
            raise BrokenRule(str(error)) from error

    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone or settings.TIME_ZONE)

    def local(self, now: datetime.datetime) -> datetime.datetime:
        """``now`` (aware) in the rule's time zone."""
        return now.astimezone(self.zone())

    def rows(self, now: datetime.datetime) -> QuerySet[Any]:
        """The rows that match at ``now`` (aware). Raises ``BrokenRule`` if that cannot be asked."""
        source = self.source_or_error()
        try:
            return language.matching(source, self.conditions.all(), self.local(now))
        except UnknownField as error:
            raise BrokenRule(str(error)) from error

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
    A kind of condition is a subclass that

    - names itself (``kind``) and says which ``operators`` it has for a field,
    - turns itself into a ``Q`` (``to_q``) and into words (``sentence``),
    - reads and writes its value as one line of text (``value_text``, ``set_value_text``).
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

    class Meta:
        verbose_name = gettext_lazy("condition")
        verbose_name_plural = gettext_lazy("conditions")
        ordering = ("position", "pk")

    def __str__(self) -> str:
        try:
            return self.sentence(sources.get(self.rule.source))
        except (UnknownSource, UnknownField) as error:
            return str(error)

    @classmethod
    def operators(cls, field: Field) -> list[Operator]:
        """The operators that this kind of condition offers for ``field``, in order."""
        raise NotImplementedError

    def paths(self) -> Iterable[str]:
        """The paths of the source's fields that the condition looks at."""
        raise NotImplementedError

    def to_q(self, source: Source, now: datetime.datetime) -> Q:
        """The question as a ``Q``. ``now`` is aware and in the rule's time zone."""
        raise NotImplementedError

    def sentence(self, source: Source) -> str:
        """The condition in words: "status is open"."""
        raise NotImplementedError

    def value_text(self) -> str:
        """The value as one line of text, as ``set_value_text`` reads it."""
        raise NotImplementedError

    def set_value_text(self, source: Source, text: str) -> None:
        """Take the value from what an editor wrote. Raises ``ValidationError``, saying what
        to write instead."""
        raise NotImplementedError


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
