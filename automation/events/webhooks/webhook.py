"""A webhook: which events are told to which address."""

import datetime
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events.actions import Action
from automation.events.event import Event
from automation.events.outbox import Delivery
from automation.events.webhooks import addresses
from automation.events.webhooks.signing import PREFIX, new_secret
from automation.rules import conf

#: For so long calls are signed with the former secret, too: a receiver has time to take the new.
BOTH_SECRETS = datetime.timedelta(days=1)

#: A webhook that is out of reach rests for so many minutes, the longer the more often.
RESTS = (1, 2, 5, 15, 30, 60)
#: One that did not say yes for so long, though it was called again and again, is switched off.
GIVES_UP = datetime.timedelta(days=3)
HOUR, DAY = datetime.timedelta(hours=1), datetime.timedelta(days=1)

#: The columns of a webhook that nothing is wrong with.
WELL: dict[str, Any] = {"failing_since": None, "resting_until": None, "rests": 0, "trouble": ""}


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
    #: Since when nothing but what is said in ``trouble`` came of its calls.
    failing_since = models.DateTimeField(null=True, editable=False)
    resting_until = models.DateTimeField(null=True, editable=False)
    rests = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    trouble = models.TextField(blank=True, default="", db_default="", editable=False)

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
            self._set(off_reason="", **WELL)
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], "off_reason", *WELL}
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
        self._write(is_active=False, off_reason=reason, **WELL)

    # What came of its calls -------------------------------------------------------------------

    def takes_call(self, now: datetime.datetime) -> bool:
        """Whether it can be called. After a rest this is so for one worker with one call; the
        others go on waiting until more is known."""
        if self.resting_until is None:
            return True
        if self.resting_until > now:
            return False
        trial = datetime.timedelta(seconds=conf.get().DELIVERY_LEASE)
        return self._note(resting_until=now + trial) or self.resting_until is None

    def look_again(self) -> None:
        """A person has seen what is wrong: once it is saved it is called at once, if it is on."""
        self._set(off_reason="", **WELL)

    def said_yes(self) -> None:
        if self.failing_since is not None or self.resting_until is not None:
            self._write(**WELL)

    def said_no(self, reason: str, now: datetime.datetime) -> None:
        """It is there, so the next call need not wait."""
        if self.failing_since is None or self.resting_until is not None or self._is_hopeless(now):
            self._fail(now, resting_until=None, rests=0, trouble=reason)

    def rest(
        self, reason: str, now: datetime.datetime, pause: datetime.timedelta | None = None
    ) -> None:
        """One call found out, for all workers: nobody calls it for a while, the longer the more
        often this was so in a row, or for the ``pause`` that it asked for."""
        rests = self.rests
        if pause is None:
            rests = min(rests + 1, len(RESTS))
            pause = datetime.timedelta(minutes=RESTS[rests - 1])
        self._fail(now, resting_until=now + pause, rests=rests, trouble=reason)

    def _fail(self, now: datetime.datetime, **noted: Any) -> None:
        if not self._is_hopeless(now):
            self._note(failing_since=self.failing_since or now, **noted)
        elif self._was_called(now - DAY, now - HOUR):
            said = _("For %(days)d days no call arrived. The last reason: %(reason)s")
            self.switch_off(said % {"days": GIVES_UP.days, "reason": noted["trouble"]})
        else:  # It was not called for so long that this may be another trouble.
            self._note(failing_since=now, **noted)

    def _is_hopeless(self, now: datetime.datetime) -> bool:
        return self.failing_since is not None and now - self.failing_since >= GIVES_UP

    def _was_called(self, since: datetime.datetime, until: datetime.datetime) -> bool:
        calls: Any = self.delivery_model._default_manager
        return bool(calls.filter(webhook=self, tried_at__range=(since, until)).exists())

    def _note(self, **values: Any) -> bool:
        """Write down what came of a call. False if another worker was faster: what that one
        noted is what counts."""
        as_read = Webhook.objects.filter(pk=self.pk, resting_until=self.resting_until)
        if as_read.update(**values):
            self._set(**values)
            return True
        self.refresh_from_db(fields=[*WELL])
        return False

    def _write(self, **values: Any) -> None:
        Webhook.objects.filter(pk=self.pk).update(**values)
        self._set(**values)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    # How calls are signed ---------------------------------------------------------------------

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
