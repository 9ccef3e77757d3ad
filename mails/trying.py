"""Trying a mail: sent to oneself, or to others who shall look at it."""

import logging
import smtplib
from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events.event import Event
from automation.rules.templating import TemplateError
from mails import addresses
from mails.answers import words
from mails.delivery import send_test
from mails.mail import Mail

logger = logging.getLogger(__name__)

#: So many people get a test at a time.
MOST = 10
TO_OTHERS = "mails.send_test_to_others"


class RecipientsForm(forms.Form):
    """Who gets the test: whoever is signed in, or ``to``, if that person may send to others."""

    to = forms.CharField(
        label=gettext_lazy("To"),
        required=False,
        max_length=2000,
        widget=forms.TextInput(attrs={"class": "vLargeTextField", "autocomplete": "off"}),
        help_text=gettext_lazy("One address, or up to ten, separated by commas."),
    )

    def __init__(self, user: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.own = addresses.of_user(user)
        self.may_choose = bool(user.has_perm(TO_OTHERS))

    @property
    def is_to_others(self) -> bool:
        """Whether addresses were written where they may be."""
        return self.may_choose and bool(self["to"].value())

    def clean_to(self) -> list[str]:
        written = self.cleaned_data["to"].strip()
        if not written:
            if addresses.error(self.own):
                raise ValidationError(
                    _("Your account has no mail address. Ask whoever manages the users to add it.")
                )
            return [self.own]
        read, wrong = addresses.read(written)
        if wrong:
            raise ValidationError([addresses.error(address) for address in wrong])
        if len(read) > MOST:
            raise ValidationError(
                _("These are %(count)d addresses. A test goes to %(most)d at the most.")
                % {"count": len(read), "most": MOST}
            )
        others = [each.address for each in read if each.address.lower() != self.own.lower()]
        if others and not self.may_choose:
            raise ValidationError(
                _(
                    "You may send tests to yourself, not to %(addresses)s. That takes the "
                    "permission “send test mails to others”. Nothing was sent."
                )
                % {"addresses": ", ".join(others)}
            )
        return [each.address for each in read]


def send(
    request: HttpRequest, mail: Mail, event: Event, language: str, recipients: Iterable[str]
) -> None:
    """Send a test to each of ``recipients``, tell how that went and log whom it went to."""
    sent: list[str] = []
    for address in recipients:
        try:
            send_test(mail, event, address, language)
        except TemplateError as error:
            messages.error(request, str(error))
            break
        except (OSError, smtplib.SMTPException) as error:
            said = _("%(address)s: The mail server did not take it: %(error)s")
            messages.error(request, said % {"address": address, "error": words(error)})
        except Exception as error:  # as when it is delivered: a header, or a file that is gone
            logger.exception("A test of the mail %s could not be made", mail.slug)
            messages.error(request, str(error) or type(error).__name__)
            break
        else:
            sent.append(address)
    if sent:
        said = _("Sent to %(address)s.") % {"address": ", ".join(sent)}
        messages.success(request, said)
        note = _("Test of %(key)s sent to %(addresses)s") % {
            "key": event.key,
            "addresses": ", ".join(sent),
        }
        LogEntry.objects.log_actions(request.user.pk or 0, [mail], CHANGE, note, single_object=True)
