"""What can be done with several generators at once from their list."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation.rules.definition_admin import export_response
from generators.models import State
from generators.running_now import run_in_background, run_now

# More than these are run by the cluster: a page should not take so long.
RUN_HERE = 10


@admin.action(description=gettext_lazy("Run now"), permissions=["change"])
def run(model_admin: Any, request: HttpRequest, chosen: QuerySet[Any]) -> None:
    now = timezone.now()
    generators = list(chosen)
    armed = [generator for generator in generators if generator.state == State.ARMED]
    if armed:
        LogEntry.objects.log_actions(request.user.pk or 0, armed, CHANGE, "run now")
    for number, generator in enumerate(armed):
        level, said = (run_now if number < RUN_HERE else run_in_background)(generator, now)
        messages.add_message(request, level, f"{generator}: {said}")
    if idle := [str(generator) for generator in generators if generator not in armed]:
        said = _("Not armed, so not run: %(names)s.") % {"names": ", ".join(idle)}
        messages.warning(request, said)


@admin.action(description=gettext_lazy("Pause"), permissions=["change"])
def pause(model_admin: Any, request: HttpRequest, chosen: QuerySet[Any]) -> None:
    armed = list(chosen.filter(state=State.ARMED))
    for generator in armed:
        generator.pause()
    if armed:
        LogEntry.objects.log_actions(request.user.pk or 0, armed, CHANGE, "paused")
    said = ngettext("%(count)d is paused.", "%(count)d are paused.", len(armed))
    messages.success(request, said % {"count": len(armed)})


@admin.action(description=gettext_lazy("Clone"), permissions=["add"])
def clone(model_admin: Any, request: HttpRequest, chosen: QuerySet[Any]) -> None:
    copies = [generator.clone() for generator in chosen]
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
