"""A webhook: which events are told to which address."""

import datetime
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy

from automation.events.actions import Action
from automation.events.event import Event
from automation.events.outbox import Delivery
from automation.events.webhooks import addresses
from automation.events.webhooks.signing import PREFIX, new_secret

#: For so long calls are signed with the former secret, too: a receiver has time to take the new.
BOTH_SECRETS = datetime.timedelta(days=1)


class Webhook(Action):
    """An address that is called for each event of its group."""

    url = models.CharField(
        gettext_lazy("address"),
        max_length=1000,
        help_text=gettext_lazy("Where the calls go, such as https://example.com/hooks/orders."),
    )
    description = models.TextField(
        gettext_lazy("notes"),
        blank=True,
        help_text=gettext_lazy("Whose address it is, and what happens there. Only seen here."),
    )
    sends_details = models.BooleanField(
        gettext_lazy("send the person and what is known of the row"),
        default=True,
        help_text=gettext_lazy(
            "Off: only the event's group, its key and the number of the row go along."
        ),
    )
    secret = models.CharField(max_length=200, default=new_secret, editable=False)
    former_secret = models.CharField(max_length=200, blank=True, default="", editable=False)
    secret_changed_at = models.DateTimeField(null=True, editable=False)
    off_reason = models.TextField(
        gettext_lazy("why it was switched off"), blank=True, default="", editable=False
    )

    class Meta:
        verbose_name = gettext_lazy("webhook")
        verbose_name_plural = gettext_lazy("webhooks")
        ordering = ("name",)
        permissions = [("send_test_call", "Can send test calls")]

    @property
    def host(self) -> str:
        """Whom it calls, as lists show it: an address may have a secret further on."""
        return urlsplit(self.url).netloc

    @property
    def masked_secret(self) -> str:
        return f"{PREFIX}…{self.secret[-4:]}"

    def clean(self) -> None:
        wrong: dict[str, Any] = {}
        if self.url:
            try:
                addresses.read(self.url)
            except addresses.Refused as error:
                wrong["url"] = str(error)
        try:
            super().clean()
        except ValidationError as error:
            wrong |= error.error_dict
        if wrong:
            raise ValidationError(wrong)

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.is_active and self.off_reason:
            self.off_reason = ""
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], "off_reason"}
        super().save(*args, **kwargs)

    @property
    def delivery_model(self) -> type[Delivery]:
        from automation.events.webhooks.calls import WebhookCall

        return WebhookCall

    def recipients(self, event: Event) -> list[str]:
        """One call for each event, to nobody in particular."""
        return [""]

    def deactivate(self) -> None:
        self.is_active = False

    def switch_off(self, reason: str) -> None:
        """It is called no more until a person switches it on again, and the list says why."""
        self.is_active, self.off_reason = False, reason
        type(self).objects.filter(pk=self.pk).update(is_active=False, off_reason=reason)

    def renew_secret(self, now: datetime.datetime) -> None:
        """Calls are signed with a new secret, and for a day with the one before, too."""
        self.former_secret, self.secret = self.secret, new_secret()
        self.secret_changed_at = now
        self.save(update_fields=["secret", "former_secret", "secret_changed_at"])

    def secrets(self, now: datetime.datetime) -> list[str]:
        """What calls are signed with ``now``."""
        changed = self.secret_changed_at
        if self.former_secret and changed is not None and now < changed + BOTH_SECRETS:
            return [self.secret, self.former_secret]
        return [self.secret]
