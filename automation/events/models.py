"""What happened, and what editors attach to it."""

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from polymorphic.models import PolymorphicModel

from automation.events.event import GROUP_LENGTH, KEY_LENGTH, Event
from automation.events.outbox import Delivery
from automation.rules.models import Rule
from automation.rules.plain import PlainDataField


class EventRecord(models.Model):
    """An event that was recorded: its key is unique, ever. Rows are never changed."""

    # A constraint instead of unique=True: that would add a second index on PostgreSQL.
    key = models.CharField(gettext_lazy("key"), max_length=KEY_LENGTH)
    group = models.CharField(gettext_lazy("group"), max_length=GROUP_LENGTH)
    rule = models.ForeignKey(
        Rule,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="events",
        verbose_name=gettext_lazy("made by"),
    )
    row_model = models.CharField(gettext_lazy("kind of row"), max_length=100, blank=True)
    row_pk = models.CharField(gettext_lazy("row"), max_length=255, blank=True)
    recipient = models.CharField(gettext_lazy("person"), max_length=320, blank=True)
    language = models.CharField(gettext_lazy("language"), max_length=20, blank=True)
    time_zone = models.CharField(gettext_lazy("time zone"), max_length=50, blank=True)
    context = PlainDataField(gettext_lazy("what was known"), default=dict)
    recording = models.UUIDField(gettext_lazy("recording"), editable=False)
    recorded_at = models.DateTimeField(gettext_lazy("recorded at"))

    class Meta:
        verbose_name = gettext_lazy("event")
        verbose_name_plural = gettext_lazy("events")
        constraints = [models.UniqueConstraint(fields=["key"], name="automation_event_key")]
        indexes = [
            models.Index(fields=["recorded_at"], name="automation_event_time"),
            models.Index(fields=["group", "recorded_at"], name="automation_event_group"),
            models.Index(fields=["rule", "recorded_at"], name="automation_event_rule"),
            models.Index(fields=["row_model", "row_pk"], name="automation_event_row"),
            models.Index(fields=["recipient"], name="automation_event_person"),
            models.Index(fields=["recording", "id"], name="automation_event_recording"),
        ]

    def __str__(self) -> str:
        return f"{self.group} · {self.key}"

    def as_event(self) -> Event:
        """The event as it was given to be recorded."""
        return Event(
            group=self.group,
            key=self.key,
            context=self.context,
            recipient=self.recipient,
            language=self.language,
            time_zone=self.time_zone,
            row_model=self.row_model,
            row_pk=self.row_pk,
        )


def template_data(event: Event) -> dict[str, Any]:
    """What templates see of ``event``, recorded or only previewed."""
    return {**event.context, "event": {"group": event.group, "key": event.key}}


#: The part of ``template_data`` that every event has, as a shape for checks.
EVENT_SHAPE: dict[str, Any] = {"event": {"group": None, "key": None}}


class Action(PolymorphicModel):
    """What an editor attaches to event groups. A kind of action is a subclass that names
    its kind of delivery (``delivery_model``) and says who gets one (``recipients``)."""

    name = models.CharField(gettext_lazy("name"), max_length=100)
    slug = models.SlugField(
        gettext_lazy("short name"),
        max_length=100,
        unique=True,
        help_text=gettext_lazy("Names it in exports. Letters, digits and hyphens."),
    )
    group = models.CharField(
        gettext_lazy("on events"),
        max_length=GROUP_LENGTH,
        help_text=gettext_lazy("The event group, such as cart_abandoned. A * stands for anything."),
    )
    is_active = models.BooleanField(
        gettext_lazy("active"),
        default=False,
        help_text=gettext_lazy("Only an active one hears of new events and goes out."),
    )

    class Meta:
        verbose_name = gettext_lazy("action")
        verbose_name_plural = gettext_lazy("actions")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        if not self.group.strip():
            raise ValidationError({"group": _("Name the event group that this is for.")})

    @property
    def delivery_model(self) -> type[Delivery]:
        """The kind of delivery that this action makes."""
        raise NotImplementedError

    def recipients(self, event: Event) -> list[str]:
        """Who gets a delivery of ``event``; an empty address is kept and skipped visibly."""
        return [event.recipient]

    def hears(self, group: str) -> bool:
        return group_pattern(self.group).fullmatch(group) is not None


def group_pattern(pattern: str) -> re.Pattern[str]:
    """An editor's pattern as a regular expression: ``*`` stands for anything, all else for
    itself."""
    return re.compile(".*".join(map(re.escape, pattern.strip().split("*"))), re.DOTALL)
