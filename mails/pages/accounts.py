"""What people do with an e-mail account: let it try again, and send themselves a test."""

import smtplib
import uuid

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.core.mail import EmailMultiAlternatives
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from automation.events import bell
from mails import addresses
from mails.answers import words
from mails.building import message_id
from mails.delivery import hand_over_now
from mails.models import Account, Message


def may_resume(request: HttpRequest) -> bool:
    return request.user.has_perm("mails.resume_account")


def try_again(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """End the pause of a stopped account: the next message shows whether it works."""
    return _try_again(request, _permitted(model_admin, request, pk))


def send_test(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Send a few words by this account to whoever is signed in."""
    return _send_test(request, _permitted(model_admin, request, pk))


def _permitted(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> Account:
    account = model_admin.get_object(request, str(pk))
    if account is None:
        raise Http404
    if not (model_admin.has_view_permission(request, account) and may_resume(request)):
        raise PermissionDenied
    return account


@require_POST
def _try_again(request: HttpRequest, account: Account) -> HttpResponse:
    if account.resume(timezone.now()):
        bell.ring(Message)
        messages.success(request, _("It is tried again now."))
        _log(request, account, _("Tried again"))
    else:
        messages.warning(request, _("It is not stopped any more."))
    return _back(account)


@require_POST
def _send_test(request: HttpRequest, account: Account) -> HttpResponse:
    mailer, to = account.mailer, addresses.of_user(request.user)
    if mailer is None or addresses.error(to):
        said = _("Your account has no mail address. Ask whoever manages the users to add it.")
        messages.error(request, said)
        return _back(account)
    email = EmailMultiAlternatives(
        subject=_("[Test] %s") % mailer,
        body=_("This came by the e-mail account “%s”.") % mailer,
        from_email=account.sender or mailer.sender,
        to=[to],
        headers={"Message-ID": message_id(uuid.uuid4()), "Auto-Submitted": "auto-generated"},
    )
    try:
        hand_over_now(email, mailer)
    except (OSError, smtplib.SMTPException) as error:
        said = _("%(address)s: The mail server did not take it: %(error)s")
        messages.error(request, said % {"address": to, "error": words(error)})
    else:
        messages.success(request, _("Sent to %(address)s.") % {"address": to})
        _log(request, account, _("Test sent to %s") % to)
        if account.has_proved(timezone.now()):
            bell.ring(Message)
            messages.success(request, _("It works again: what waited for it goes out now."))
    return _back(account)


def _log(request: HttpRequest, account: Account, note: str) -> None:
    LogEntry.objects.log_actions(request.user.pk or 0, [account], CHANGE, note, single_object=True)


def _back(account: Account) -> HttpResponse:
    # A sender that goes again has no page, and neither has an account that is there no more.
    if (account.sender or account.mailer is None) and not Account.objects.stopped().filter(
        pk=account.pk
    ).exists():
        return HttpResponseRedirect(reverse("admin:mails_account_changelist"))
    return HttpResponseRedirect(reverse("admin:mails_account_change", args=[account.pk]))
