"""What can be done with several chains at once from their list."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy, ngettext

from automation.chains.chain import State
from automation.chains.copying import clone as clone_chain
from automation.rules.definition_admin import export_response


@admin.action(description=gettext_lazy("Pause"), permissions=["change"])
def pause(model_admin: Any, request: HttpRequest, chosen: QuerySet[Any]) -> None:
    armed = list(chosen.filter(state=State.ARMED))
    for chain in armed:
        chain.pause()
    if armed:
        LogEntry.objects.log_actions(request.user.pk or 0, armed, CHANGE, "paused")
    said = ngettext("%(count)d is paused.", "%(count)d are paused.", len(armed))
    messages.success(request, said % {"count": len(armed)})


@admin.action(description=gettext_lazy("Clone"), permissions=["add"])
def clone(model_admin: Any, request: HttpRequest, chosen: QuerySet[Any]) -> None:
    copies = [clone_chain(chain) for chain in chosen]
    LogEntry.objects.log_actions(request.user.pk or 0, copies, ADDITION, "cloned")
    said = ngettext(
        "%(count)d copy is there as a draft.",
        "%(count)d copies are there as drafts.",
        len(copies),
    )
    messages.success(request, said % {"count": len(copies)})


@admin.action(description=gettext_lazy("Export"), permissions=["view"])
def export(model_admin: Any, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse:
    """A file that import_definitions reads."""
    return export_response(chosen)
