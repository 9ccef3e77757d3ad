"""Calls of webhooks: their outbox, and their history."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events.outbox import Delivery, DeliveryQuerySet
from automation.events.states import Cause, State
from automation.events.webhooks.webhook import Webhook

if TYPE_CHECKING:
    from automation.events.delivering import Courier


class WebhookCallQuerySet(DeliveryQuerySet):
    def due(self, now: Any) -> Self:
        """Calls of a webhook that was switched off wait until it is switched on again, and those
        of one that is out of reach until its rest is over. Nothing is written for that, and they
        are in nobody's way."""
        rested = Q(webhook__resting_until=None) | Q(webhook__resting_until__lte=now)
        return super().due(now).filter(rested, webhook__is_active=True)

    def obstacles(self, now: Any) -> list[str]:
        """The webhooks that rest while calls wait for them."""
        waiting = self.filter(webhook=OuterRef("pk"), state=State.QUEUED)
        resting = Webhook.objects.filter(Exists(waiting), is_active=True, resting_until__gt=now)
        said = _("“%(webhook)s” is called again at %(moment)s: %(reason)s")
        return [
            said % {"webhook": each, "moment": _moment(each.resting_until), "reason": each.trouble}
            for each in resting
        ]

    def pausing(self, now: Any) -> Self:
        """Not those of a webhook that is off or rests: they would go on waiting for it."""
        awake = Webhook.objects.filter(is_active=True).filter(
            Q(resting_until=None) | Q(resting_until__lte=now)
        )
        return super().pausing(now).filter(webhook__in=awake)


def _moment(when: Any) -> str:
    return date_format(timezone.localtime(when), "SHORT_DATETIME_FORMAT")


class WebhookCall(Delivery):
    """One event, told to one webhook."""

    ACTION_COLUMNS: ClassVar[Sequence[str]] = ("webhook_id",)
    CONSTANTS: ClassVar[dict[str, Any]] = {"body": "", "answer": ""}
    # Receivers know a call that comes again by its name, which stays the same.
    REPEATABLE: ClassVar[bool] = True
    CAN_BE_HASTENED: ClassVar[bool] = True
    CAUSES: ClassVar[Sequence[Cause]] = [
        Cause.EXPIRED, Cause.ERASED, Cause.REFUSED, Cause.GONE, Cause.ERROR, Cause.GIVEN_UP,
        Cause.DIED, Cause.PERSON,
    ]  # fmt: skip

    webhook = models.ForeignKey(
        Webhook,
        models.PROTECT,
        db_index=False,
        related_name="calls",
        verbose_name=gettext_lazy("webhook"),
    )
    #: Of the last attempt. ``handed_at`` is empty again while a call waits for the next one.
    tried_at = models.DateTimeField(gettext_lazy("last tried at"), null=True)
    body = models.TextField(gettext_lazy("sent"), blank=True)
    status = models.PositiveIntegerField(gettext_lazy("status of the answer"), null=True)
    answer = models.TextField(gettext_lazy("answer"), blank=True)
    milliseconds = models.PositiveIntegerField(gettext_lazy("duration in ms"), null=True)

    objects = WebhookCallQuerySet.as_manager()  # type: ignore[misc]

    class Meta(Delivery.Meta):
        abstract = False
        verbose_name = gettext_lazy("call of a webhook")
        verbose_name_plural = gettext_lazy("calls of webhooks")
        ordering = ("-pk",)
        constraints = [
            models.UniqueConstraint(fields=["event", "webhook"], name="automation_call_once")
        ]
        indexes = [
            *Delivery.Meta.indexes,
            models.Index(fields=["webhook", "tried_at"], name="automation_call_tried"),
        ]

    def __str__(self) -> str:
        return str(self.webhook)

    @property
    def action(self) -> Webhook:
        return self.webhook

    @property
    def identity(self) -> str:
        """What the receiver knows it by, in every attempt."""
        return f"msg_{self.uuid}"

    @classmethod
    def courier(cls) -> "Courier":
        from automation.events.webhooks.courier import WebhookCourier

        return WebhookCourier()
