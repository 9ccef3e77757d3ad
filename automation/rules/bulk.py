"""What can be done with several things at once from their list.

What is paused and cloned has a ``state`` that may be ``ARMED``, ``pause()`` and ``clone()``.
"""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation.rules.definition_admin import export_response

ARMED = "armed"


@admin.action(description=gettext_lazy("Pause"), permissions=["change"])
def pause(model_admin: Any, request: HttpRequest, chosen: QuerySet[Any]) -> None:
    armed = list(chosen.filter(state=ARMED))
    if not armed:
        messages.warning(request, _("None of them is armed, so nothing was paused."))
        return
    for each in armed:
        each.pause()
    LogEntry.objects.log_actions(request.user.pk or 0, armed, CHANGE, "paused")
    said = ngettext("%(count)d is paused.", "%(count)d are paused.", len(armed))
    messages.success(request, said % {"count": len(armed)})


@admin.action(description=gettext_lazy("Clone"), permissions=["add"])
def clone(model_admin: Any, request: HttpRequest, chosen: QuerySet[Any]) -> None:
    copies = [each.clone() for each in chosen]
    LogEntry.objects.log_actions(request.user.pk or 0, copies, ADDITION, "cloned")
    said = ngettext(
        "%(count)d copy is there as a draft.",
        "%(count)d copies are there as drafts.",
        len(copies),
    )
    messages.success(request, said % {"count": len(copies)})


@admin.action(description=gettext_lazy("Export"), permissions=["view"])
def export(model_admin: Any, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse:
    """A file that can be imported elsewhere, in the admin or by import_definitions."""
    return export_response(chosen)
