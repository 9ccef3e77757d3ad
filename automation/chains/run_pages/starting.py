"""Letting a row come into a chain by hand."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.chains.chain import Chain, State
from automation.chains.entering import NotStarted
from automation.chains.run_pages.decisions import DECIDE, ring
from automation.rules import plain
from automation.rules.explaining import rows_meant
from automation.rules.models import BrokenRule

#: So many rows of one person are named.
NAMED = 20


class StartForm(forms.Form):
    chain = forms.ModelChoiceField(
        Chain.objects.filter(state=State.ARMED),
        label=gettext_lazy("Chain"),
        help_text=gettext_lazy("Those that are armed."),
        error_messages={"invalid_choice": gettext_lazy("This chain is not armed (any more).")},
    )
    row = forms.CharField(
        label=gettext_lazy("Row"),
        max_length=255,
        help_text=gettext_lazy("Its number, or the address of the person that it is about."),
        widget=forms.TextInput({"class": "vTextField", "autocomplete": "off"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "chain" in cleaned and "row" in cleaned:
            self.meant = self._meant(cleaned["chain"], plain.text(cleaned["row"]).strip())
        return cleaned

    def _meant(self, chain: Chain, text: str) -> Any:
        try:
            source = chain.source_or_error()
        except BrokenRule as error:
            raise ValidationError({"chain": str(error)}) from error
        found = list(rows_meant(source, text)[:NAMED])
        if not found:
            said = _("Nothing in %(source)s has the number or the address “%(asked)s”.")
            raise ValidationError({"row": said % {"source": source, "asked": text}})
        if len(found) > 1:
            said = _("Several rows have this address. Write the number of one: %(numbers)s.")
            numbers = ", ".join(str(row.pk) for row in found)
            raise ValidationError({"row": said % {"numbers": numbers}})
        return found[0]


def start_by_hand(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Ask which row comes into which chain, and let it in."""
    if not (request.user.has_perm(DECIDE) and model_admin.has_view_permission(request)):
        raise PermissionDenied
    form = StartForm(request.POST or None, initial={"chain": request.GET.get("chain", "")})
    if request.method == "POST" and form.is_valid():
        chain = form.cleaned_data["chain"]
        try:
            run = chain.start(form.meant, timezone.now(), requested_by=request.user)
        except (NotStarted, BrokenRule) as error:
            form.add_error(None, str(error))
        else:
            said = _("Let in by hand.")
            LogEntry.objects.log_actions(
                request.user.pk or 0, [run], ADDITION, said, single_object=True
            )
            ring()
            messages.success(request, _("It is on its way."))
            page = reverse("admin:automation_chains_chainrun_change", args=[run.pk])
            return HttpResponseRedirect(page)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": _("Let a row come in"),
        "form": form,
        "any_armed": Chain.objects.filter(state=State.ARMED).exists(),
    }
    return TemplateResponse(request, "admin/automation_chains/run_start.html", context)
