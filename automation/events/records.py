"""What happened."""

from typing import Any

from django.db import models, router
from django.utils.translation import gettext_lazy

from automation.events.event import GROUP_LENGTH, KEY_LENGTH, OWN, Event, is_brought
from automation.rules.models import Rule
from automation.rules.plain import PlainDataField


class EventRecordQuerySet(models.QuerySet["EventRecord"]):
    def create_if_new(self, event: Event) -> "EventRecord | None":
        """Record ``event`` and what it causes. Returns its row, or None if its key was recorded
        before. Idempotent; raises ``ValueError`` as ``record`` does, and for a queryset
        ``using`` another database than that of the events."""
        from automation.events.recording import record

        of_events = router.db_for_write(EventRecord)
        using = self._db  # type: ignore[attr-defined]  # None unless it was asked for
        if using not in (None, of_events):
            raise ValueError(
                f"Events are recorded in the database '{of_events}', and this queryset uses "
                f"'{using}'. Leave using() out; a database router decides where events are."
            )
        return next(iter(record([event])), None)


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

    objects = EventRecordQuerySet.as_manager()

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
        """The event as it was given to be recorded; one of a subclass as a plain ``Event``."""
        context, brought = self.context, self.context.get(OWN)
        if is_brought(brought):
            context = {name: value for name, value in context.items() if name != OWN}
        else:
            brought = {}
        return Event(
            group=self.group,
            key=self.key,
            context=context,
            recipient=self.recipient,
            language=self.language,
            time_zone=self.time_zone,
            row_model=self.row_model,
            row_pk=self.row_pk,
            **brought,
        )


def template_data(event: Event) -> dict[str, Any]:
    """What templates see of ``event``, recorded or only previewed."""
    brought = {"subject": event.subject, "text": event.text}
    return {**event.context, OWN: {"group": event.group, "key": event.key, **brought}}


#: The part of ``template_data`` that every event has, as a shape for checks.
EVENT_SHAPE: dict[str, Any] = {OWN: {"group": None, "key": None}}

#: The same of an event that code made: it may bring a subject and a text.
CODE_EVENT_SHAPE: dict[str, Any] = {OWN: {**EVENT_SHAPE[OWN], "subject": None, "text": None}}
