"""Erasing a person in the admin: how much there is, asked once more, then gone."""

import time
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation.events.erasing import persons
from automation.events.erasing.erased import ErasedAddress, problem_of
from automation.events.event import ADDRESS_LENGTH

PERMISSION = "automation_events.erase_person"

#: After so many seconds the page asks to go on: a server gives up on slow pages.
SECONDS = 20.0


class PersonForm(forms.Form):
    address = forms.CharField(
        label=gettext_lazy("Mail address"),
        max_length=ADDRESS_LENGTH,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
    )

    def clean_address(self) -> str:
        address: str = self.cleaned_data["address"]
        if problem := problem_of(address):
            raise ValidationError(problem)
        return address


def may_erase(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.has_perm(PERMISSION))


def erase(model_admin: admin.ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Ask for an address, show what there is, and erase it. The address is never in a URL."""
    if not may_erase(request):
        raise PermissionDenied
    form = PersonForm(request.POST or None)
    found = None
    if form.is_valid():
        address = form.cleaned_data["address"]
        if "confirmed" in request.POST and _carried_out(request, address):
            return HttpResponseRedirect(reverse("admin:automation_events_eventrecord_changelist"))
        found = persons.find(address)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": _("Erase a person"),
        "form": form,
        "found": found,
        "rows": sum(of_kind.rows for of_kind in found or []),
        "being_sent": sum(of_kind.held for of_kind in found or []),
    }
    return TemplateResponse(request, "admin/automation_events/erase.html", context)


def _carried_out(request: HttpRequest, address: str) -> bool:
    """Erase the person, and tell what came of it. False if there is something left to do."""
    end, steps, is_done = time.monotonic() + SECONDS, [], True
    for step in persons.erase(address, timezone.now()):
        steps.append(step)
        if time.monotonic() > end:
            is_done = False
            break
    found = persons.together(steps)
    persons.log(address, found)
    _log(request, address)
    if held := sum(of_kind.held for of_kind in found):
        said = ngettext(
            "%(count)d row is being sent at this moment. Erase the person again in a few minutes.",
            "%(count)d rows are being sent at this moment. Erase the person again in a few "
            "minutes.",
            held,
        )
        messages.warning(request, said % {"count": held})
        return False
    if not is_done:
        messages.warning(
            request,
            _("There is more than one page can remove at once. Click again until it is done."),
        )
        return False
    rows = sum(of_kind.rows for of_kind in found)
    said = ngettext(
        "The person was erased from %(count)d row. Nothing is sent to this address any more.",
        "The person was erased from %(count)d rows. Nothing is sent to this address any more.",
        rows,
    )
    messages.success(request, said % {"count": rows})
    return True


def _log(request: HttpRequest, address: str) -> None:
    """Without the address: what stands for it is on the row that remembers it."""
    person: Any = ErasedAddress.of(address)
    LogEntry.objects.log_actions(
        request.user.pk or 0, [person], CHANGE, "erased", single_object=True
    )
