"""What happened."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy

from automation.events.event import GROUP_LENGTH, KEY_LENGTH, Event
from automation.rules.models import Rule
from automation.rules.plain import PlainDataField


class EventRecord(models.Model):
    """An event that was recorded: its key is unique, ever. Rows are never deleted; what is
    personal in them goes when they are pruned or the person is erased (``emptied_at``)."""

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
    emptied_at = models.DateTimeField(gettext_lazy("emptied at"), null=True, editable=False)

    class Meta:
        verbose_name = gettext_lazy("event")
        verbose_name_plural = gettext_lazy("events")
        permissions = [("erase_person", "Can erase a person")]
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
