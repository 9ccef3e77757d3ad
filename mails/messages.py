"""Messages: the outbox of mails, and their history."""

import datetime
import math
import random
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events.delivering import Courier
from automation.events.outbox import Delivery, DeliveryQuerySet
from automation.events.states import State
from mails.accounts import alarms, called, no_way_out, told_by_alarms
from mails.mail import Mail
from mails.mailers import Mailer, mailers, names
from mails.versions import Version

#: A worker takes so many seconds' worth of an account that has a rate.
STRETCH = 10


class MessageQuerySet(DeliveryQuerySet):
    def due(self, now: Any) -> Self:
        """Messages of a mail that was switched off wait until it is switched on again; those
        of an account that is stopped wait without being claimed for nothing."""
        # A moment that is to come does not end a stop that is now.
        stuck = no_way_out(min(now, timezone.now()))
        return super().due(now).filter(~stuck, mail__is_active=True)

    def obstacles(self, now: datetime.datetime) -> list[str]:
        """The accounts that are stopped while messages wait for them."""
        said = _("%(what)s (%(count)d wait)")
        return [
            said % {"what": alarm, "count": alarm.waiting} for alarm in alarms(now) if alarm.waiting
        ]

    def without_alarm(self) -> Self:
        return self.exclude(told_by_alarms())

    def cancel(self, who: str) -> int:
        """One that a provider may have is unknown then."""
        said = _("%(who)s cancelled further attempts. The provider may have it already.")
        in_doubt = self.filter(state=State.QUEUED).exclude(in_doubt_since=None)
        unknown = in_doubt.update(state=State.UNKNOWN, reason=said % {"who": who})
        return unknown + super().cancel(who)

    def claim(self, now: datetime.datetime, limit: int | None = None) -> list[Any]:
        """A batch of one account, whichever it is: what waits for a slow one, or has waited
        for long, holds up none of another. Of one with a rate only some seconds' worth."""
        known: list[Mailer | None] = list(mailers())
        if len(known) == 1:
            return super().claim(now, _most(known[0], limit))
        random.shuffle(known)
        for account in [*known, None]:  # None: those whose account is gone
            named = {"mail__account__in": called([account.name] if account else ["", *names()])}
            theirs = self.filter(**named) if account else self.exclude(**named)
            if batch := DeliveryQuerySet.claim(theirs, now, _most(account, limit)):
                return batch
        return []


def _most(account: Mailer | None, limit: int | None) -> int | None:
    if account is None or account.rate is None:
        return limit
    worth = max(math.ceil(account.rate * STRETCH), 1)
    return min(worth, limit or worth)


class Message(Delivery):
    """One mail to one address: in the outbox until it is sent, then its history."""

    ACTION_COLUMNS: ClassVar[Sequence[str]] = ("mail_id",)
    CONSTANTS: ClassVar[dict[str, Any]] = {"subject": "", "html": "", "text": ""}
    ANEW: ClassVar[dict[str, Any]] = {"in_doubt_since": None, "slot_at": None}
    MUST_BE_WANTED: ClassVar[bool] = True

    mail = models.ForeignKey(
        Mail, models.PROTECT, related_name="messages", verbose_name=gettext_lazy("mail")
    )
    version = models.ForeignKey(
        Version,
        models.PROTECT,
        null=True,
        related_name="messages",
        verbose_name=gettext_lazy("version"),
    )
    # With defaults of the database: workers of the release before write no such column.
    language = models.CharField(
        gettext_lazy("language"), max_length=20, blank=True, default="", db_default=""
    )
    subject = models.CharField(gettext_lazy("subject"), max_length=255, blank=True)
    html = models.TextField(gettext_lazy("HTML as sent"), blank=True)
    text = models.TextField(gettext_lazy("text as sent"), blank=True)
    headers = models.JSONField(
        gettext_lazy("headers as sent"), default=dict, blank=True, db_default={}
    )

    # Which account it went out by, written with the intent.
    account = models.CharField(
        gettext_lazy("sent by"), max_length=100, blank=True, default="", db_default=""
    )
    # How a provider calls it.
    provider_id = models.CharField(
        gettext_lazy("the provider's own name for it"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
    )
    # When a provider that knows a request which comes twice first gave no answer. It means
    # something only while the message is tried again.
    in_doubt_since = models.DateTimeField(null=True, editable=False)
    # When it is this message's turn among those to its domain.
    slot_at = models.DateTimeField(null=True, editable=False)

    objects = MessageQuerySet.as_manager()  # type: ignore[misc]

    class Meta(Delivery.Meta):
        abstract = False
        verbose_name = gettext_lazy("message")
        verbose_name_plural = gettext_lazy("messages")
        ordering = ("-pk",)
        indexes = [
            *Delivery.Meta.indexes,
            # Few rows have one: those that went out by a provider.
            models.Index(
                fields=["provider_id"],
                name="message_provider",
                condition=models.Q(provider_id__gt=""),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["event", "mail", "recipient"], name="mails_message_once"
            )
        ]

    def __str__(self) -> str:
        # Without the subject, which may have somebody's name in it: logs keep what this says.
        return f"{self.mail} → {self.recipient or '–'}"

    @classmethod
    def courier(cls) -> Courier:
        from mails.delivery import Post

        return Post()

    @property
    def is_in_doubt(self) -> bool:
        """A provider gave no answer, and is asked again because it would know the message."""
        return self.in_doubt_since is not None

    @property
    def action(self) -> Mail:
        return self.mail
