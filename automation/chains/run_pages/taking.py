"""Having one run take a step now, whatever its wait and its conditions say: asked first."""

import datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.chains import taking
from automation.chains.checking import steps_of
from automation.chains.names import Outcome
from automation.chains.pages.facts import at_once
from automation.chains.run_pages.decisions import DECIDE, NOTE_LENGTH, ring
from automation.chains.run_pages.timeline import foreseen
from automation.chains.runs import ChainRun
from automation.chains.taking import NotTaken, as_seen
from automation.chains.transitions import Transition
from automation.chains.why import why
from automation.chains.wording import state_label
from automation.events.admin import is_number
from automation.events.audience import audiences
from automation.rules import plain
from automation.rules.models import BrokenRule


def take(model_admin: Any, request: HttpRequest, pk: int, step_pk: int) -> HttpResponse:
    """Say what a step would do to a run, and have it taken when that is confirmed."""
    run = model_admin.get_object(request, str(pk))
    if run is None or run.chain is None or not is_number(str(step_pk)):
        raise Http404
    step = Transition.objects.filter(chain=run.chain, pk=step_pk).first()
    if step is None:
        raise Http404
    if not (request.user.has_perm(DECIDE) and model_admin.has_view_permission(request, run)):
        raise PermissionDenied
    now = timezone.now()
    if request.method == "POST":
        level, said = _take(request, run, step, now)
        messages.add_message(request, level, said)
        page = reverse("admin:automation_chains_chainrun_change", args=[run.pk])
        return HttpResponseRedirect(page)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "run": run,
        "step": step,
        "title": _("Take “%(step)s” now?") % {"step": step},
        "note_length": NOTE_LENGTH,
        **prospect(run, step, now),
    }
    return TemplateResponse(request, "admin/automation_chains/run_take.html", context)


def prospect(run: ChainRun, step: Transition, now: datetime.datetime) -> dict[str, Any]:
    """What ``step`` would do to ``run`` at ``now``, for a page; or what is in the way."""
    try:
        decision = taking.foresee(run, step, now)
        by_itself = why(run, now).decision
    except (NotTaken, BrokenRule) as error:
        return {"error": str(error)}
    event = decision.event
    return {
        "way": f"{state_label(run.state)} → {state_label(step.to_state)}",
        "event": event,
        "audiences": audiences([event.group]) if event is not None else [],
        "at_once": at_once([step.to_state], steps_of(step.chain)),
        "foreseen": foreseen(by_itself),
        "would_end": bool(by_itself.outcome) and by_itself.transition is None,
        "has_arrived": by_itself.outcome == Outcome.GOAL,
        "seen": as_seen(run, step),
    }


def _take(
    request: HttpRequest, run: ChainRun, step: Transition, now: datetime.datetime
) -> tuple[int, str]:
    note = plain.text(request.POST.get("note", "")).strip()[:NOTE_LENGTH]
    seen = plain.text(request.POST.get("seen", ""))
    try:
        taking.take(run, step, now, requested_by=request.user, note=note, seen=seen)
    except NotTaken as error:
        return messages.WARNING, str(error)
    logged = _("“%(step)s” was taken at once, whatever its wait and its conditions say.")
    LogEntry.objects.log_actions(
        request.user.pk or 0, [run], CHANGE, logged % {"step": step}, single_object=True
    )
    ring()
    states = {"before": state_label(run.state), "after": state_label(step.to_state)}
    return messages.SUCCESS, _("It went on: %(before)s → %(after)s.") % states
