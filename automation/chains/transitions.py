"""The rules of a chain: who comes in, who goes on to which state and when, who has arrived."""

from typing import Any

from django.db import models
from django.db.models import QuerySet
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from polymorphic.managers import PolymorphicManager, PolymorphicQuerySet

from automation.chains.names import DONE, NAME_LENGTH
from automation.chains.waiting import Unit, Wait
from automation.rules.models import Rule
from automation.rules.plain import PlainDataField

TEMPLATE_LENGTH = 500


class RuleOfChain(Rule):
    """What the rules of a chain have in common: they are about what their chain is about."""

    chain: Any

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.source, self.time_zone = self.chain.source, self.chain.time_zone
        if kwargs.get("update_fields") is not None:
            kwargs["update_fields"] = {*kwargs["update_fields"], "source", "time_zone"}
        super().save(*args, **kwargs)


class Entry(RuleOfChain):
    """Who comes into a chain by itself: rows that match. One without conditions lets nobody in."""

    chain = models.OneToOneField(
        "automation_chains.Chain",
        models.CASCADE,
        related_name="entry",
        verbose_name=gettext_lazy("chain"),
    )

    class Meta:
        verbose_name = gettext_lazy("entry")
        verbose_name_plural = gettext_lazy("entries")

    def sentence(self) -> str:
        """Who comes in, in words."""
        return super().sentence() if self.conditions.all() else _("Nobody comes in by themselves.")


class Goal(RuleOfChain):
    """What a chain is for: whoever matches has arrived and leaves it before the next step. One
    without conditions is none."""

    chain = models.OneToOneField(
        "automation_chains.Chain",
        models.CASCADE,
        related_name="goal",
        verbose_name=gettext_lazy("chain"),
    )

    class Meta:
        verbose_name = gettext_lazy("goal")
        verbose_name_plural = gettext_lazy("goals")

    def sentence(self) -> str:
        """Who has arrived, in words."""
        if self.conditions.all():
            return super().sentence()
        return _("There is no goal: everybody goes on to the end.")


class TransitionQuerySet(PolymorphicQuerySet["Transition"]):
    def in_order(self) -> QuerySet["Transition"]:
        return self.order_by("position", "pk")


class Transition(RuleOfChain):
    """A step from some states to another one, for whoever has waited long enough and matches.
    Without conditions everybody does. The first valid one, by position, is taken."""

    chain = models.ForeignKey(
        "automation_chains.Chain",
        models.CASCADE,
        related_name="transitions",
        verbose_name=gettext_lazy("chain"),
    )
    name = models.CharField(gettext_lazy("name"), max_length=NAME_LENGTH)
    position = models.PositiveSmallIntegerField(gettext_lazy("position"), default=0)
    #: Names of states; none means every state but DONE, and but the one it leads to.
    from_states = PlainDataField(gettext_lazy("from"), default=list, blank=True)
    to_state = models.CharField(pgettext_lazy("state", "to"), max_length=NAME_LENGTH)
    wait_number = models.PositiveSmallIntegerField(
        gettext_lazy("wait"),
        default=0,
        help_text=gettext_lazy("So long after the state was entered; 0: not at all."),
    )
    wait_unit = models.CharField(
        gettext_lazy("unit"), max_length=10, choices=Unit.choices, default=Unit.DAYS
    )
    wait_weekday = models.PositiveSmallIntegerField(
        gettext_lazy("then until"),
        choices=WEEKDAYS,
        null=True,
        blank=True,
        help_text=gettext_lazy("Empty: any day."),
    )
    wait_time = models.TimeField(
        gettext_lazy("at"),
        null=True,
        blank=True,
        help_text=gettext_lazy("By the clock of the person. Empty: any time."),
    )
    group_template = models.CharField(
        gettext_lazy("event group"),
        max_length=TEMPLATE_LENGTH,
        blank=True,
        help_text=gettext_lazy(
            "The name of the event that this step makes, such as cart_reminder. Values of the row "
            "can be part of it, and of the chain: cart_{{ chain.state }}. Empty: no event."
        ),
    )

    objects = PolymorphicManager.from_queryset(TransitionQuerySet)()  # type: ignore[misc]

    class Meta:
        verbose_name = gettext_lazy("step")
        verbose_name_plural = gettext_lazy("steps")
        ordering = ("position", "pk")

    def __str__(self) -> str:
        return self.name

    @property
    def wait(self) -> Wait:
        return Wait(self.wait_number, Unit(self.wait_unit), self.wait_weekday, self.wait_time)

    def leads_from(self, state: str) -> bool:
        """Whether who is in ``state`` can take this step."""
        if state == DONE:
            return False
        return state in self.from_states if self.from_states else state != self.to_state
