"""Mails, and the messages made from them."""

import zoneinfo
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events.event import Event
from automation.events.groups import producers
from automation.events.models import EVENT_SHAPE, Action, template_data
from automation.events.outbox import Delivery, DeliveryQuerySet
from automation.rules.templating import Problem, check
from mails.rendering import RenderedMail, compile_mail

#: What of a mail travels between sites.
DEFINED_FIELDS = ("slug", "name", "group", "subject", "body", "to", "from_email")


class Mail(Action):
    """A mail that goes out for each event of its group."""

    subject = models.CharField(gettext_lazy("subject"), max_length=500)
    body = models.TextField(gettext_lazy("text"))
    to = models.CharField(
        gettext_lazy("to"),
        max_length=320,
        blank=True,
        help_text=gettext_lazy(
            "Empty: the person that the event is about. Or one address that gets all of them."
        ),
    )
    from_email = models.CharField(
        gettext_lazy("from"),
        max_length=320,
        blank=True,
        help_text=gettext_lazy("Empty: the address of this site."),
    )

    class Meta:
        verbose_name = gettext_lazy("mail")
        verbose_name_plural = gettext_lazy("mails")

    @property
    def delivery_model(self) -> type[Delivery]:
        return Message

    def recipients(self, event: Event) -> list[str]:
        return [self.to or event.recipient]

    def deactivate(self) -> None:
        """Switch it off, without saving."""
        self.is_active = False

    def render(self, event: Event) -> RenderedMail:
        """The mail for ``event``: the one way for preview, test and delivery. Moments are told
        in the time zone of the person that the event is about. Raises ``TemplateError``."""
        mail = compile_mail(subject=self.subject, body=self.body, language=settings.LANGUAGE_CODE)
        with timezone.override(_zone(event.time_zone)):
            return mail.render(template_data(event))

    def clean(self) -> None:
        super().clean()
        errors: dict[str, list[str]] = {}
        for field in ("subject", "body"):
            problems = self.problems(field)
            if problems:
                errors[field] = [str(problem) for problem in problems]
        for field in ("to", "from_email"):
            if message := _address_error(getattr(self, field)):
                errors[field] = [message]
        if errors:
            raise ValidationError(errors)

    def problems(self, field: str) -> list[Problem]:
        """What is wrong with the subject or the body. Variables are checked against every
        generator whose events reach this mail; where none does, only the grammar is."""
        template, html = getattr(self, field), field == "body"
        shapes: list[Any] = [producer.shape for producer in producers(self.group)]
        found: dict[Problem, None] = {}
        for shape in shapes or [None]:
            known = None if shape is None else {**shape, **EVENT_SHAPE}
            found.update(dict.fromkeys(check(template, known, html=html)))
        return list(found)


def _zone(name: str) -> zoneinfo.ZoneInfo:
    """The zone of this name, or that of the site where there is none."""
    try:
        return zoneinfo.ZoneInfo(name or settings.TIME_ZONE)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return zoneinfo.ZoneInfo(settings.TIME_ZONE)


def _address_error(address: str) -> str:
    """What is wrong with an address that may have a name: ``Flint <flint@example.com>``."""
    if not address:
        return ""
    bare = address.rpartition("<")[2].removesuffix(">") if address.endswith(">") else address
    try:
        validate_email(bare.strip())
    except ValidationError:
        return _("“%(address)s” is not a mail address.") % {"address": address}
    return ""


class MessageQuerySet(DeliveryQuerySet):
    def due(self, now: Any) -> Self:
        """Messages of a mail that was switched off wait until it is switched on again."""
        return super().due(now).filter(mail__is_active=True)


class Message(Delivery):
    """One mail to one address: in the outbox until it is sent, then its history."""

    ACTION_COLUMNS: ClassVar[Sequence[str]] = ("mail_id",)
    CONSTANTS: ClassVar[dict[str, Any]] = {"subject": "", "html": "", "text": ""}

    mail = models.ForeignKey(
        Mail, models.PROTECT, related_name="messages", verbose_name=gettext_lazy("mail")
    )
    subject = models.CharField(gettext_lazy("subject"), max_length=255, blank=True)
    html = models.TextField(gettext_lazy("HTML as sent"), blank=True)
    text = models.TextField(gettext_lazy("text as sent"), blank=True)

    objects = MessageQuerySet.as_manager()  # type: ignore[misc]

    class Meta(Delivery.Meta):
        abstract = False
        verbose_name = gettext_lazy("message")
        verbose_name_plural = gettext_lazy("messages")
        ordering = ("-pk",)
        constraints = [
            models.UniqueConstraint(
                fields=["event", "mail", "recipient"], name="mails_message_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject or self.mail} → {self.recipient or '–'}"

    @classmethod
    def deliver(cls, batch: Sequence[Self]) -> int:
        from mails.delivery import deliver

        return deliver(batch)
