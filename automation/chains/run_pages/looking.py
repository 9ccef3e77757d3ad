"""Having one run looked at now: first what would come of it, then what came of it."""

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

from automation.chains import advancing
from automation.chains.code import ChainError, Execution
from automation.chains.names import Outcome
from automation.chains.run_pages.decisions import ADVANCE
from automation.chains.run_pages.timeline import foreseen
from automation.chains.runs import ChainRun
from automation.chains.why import why
from automation.chains.wording import state_label
from automation.rules.models import BrokenRule


def may(request: HttpRequest) -> bool:
    return request.user.has_perm(ADVANCE)


def look(model_admin: Any, request: HttpRequest, pk: int) -> HttpResponse:
    """Say what would happen to a run now, and let it happen when that is confirmed."""
    run = model_admin.get_object(request, str(pk))
    if run is None:
        raise Http404
    if not (may(request) and model_admin.has_view_permission(request, run)):
        raise PermissionDenied
    now = timezone.now()
    if request.method == "POST":
        level, said = advance(run, now, request.user)
        messages.add_message(request, level, said)
        return HttpResponseRedirect(
            reverse("admin:automation_chains_chainrun_change", args=[run.pk])
        )
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "run": run,
        "title": _("What would happen now"),
        **prospect(run, now),
    }
    return TemplateResponse(request, "admin/automation_chains/run_look.html", context)


def prospect(run: ChainRun, now: datetime.datetime) -> dict[str, Any]:
    """What would become of ``run`` at ``now``, in words, and why not more; or what is in the way.
    Nothing is written."""
    if run.is_over:
        return {"error": _("It has ended.")}
    if run.is_paused:
        return {"error": _("It is paused. Let it go on first.")}
    try:
        if run.chain is not None:
            decision = why(run, now).decision
            return {"said": foreseen(decision), "reasons": list(decision.problems.items())}
        found = run.execute(dry_run=True, now=now)
    except (BrokenRule, ChainError) as error:
        return {"error": str(error)}
    except Exception as error:  # a project's own code
        return {"error": _("The chain's code failed: %(error)s") % {"error": _named(error)}}
    said = _would(found)
    return {"said": said, "reasons": list(found.errors.items()) if not found.moved else []}


def advance(run: ChainRun, now: datetime.datetime, user: Any) -> tuple[int, str]:
    """Look at ``run`` at ``now`` because ``user`` wants it; what came of it, for a message. The
    lease of a working cluster is respected."""
    before = run.state
    try:
        if run.chain is not None:
            done = advancing.advance_run(run, now, requested_by=user)
            if done.error:
                return messages.ERROR, done.error
            if not done.looked_at:
                return messages.WARNING, _not_looked_at(run)
        else:
            run.execute(requested_by=user, now=now)
    except ChainError as error:
        return messages.WARNING, str(error)
    except Exception as error:  # a project's own code
        if run.chain is not None:
            raise
        return messages.ERROR, _("The chain's code failed: %(error)s") % {"error": _named(error)}
    LogEntry.objects.log_actions(
        user.pk, [run], CHANGE, _("Looked at, as somebody wanted."), single_object=True
    )
    return messages.SUCCESS, _happened(before, ChainRun.objects.get(pk=run.pk))


def _happened(before: str, run: ChainRun) -> str:
    if run.state != before:
        states = {"before": state_label(before), "after": state_label(run.state)}
        return _("It went on: %(before)s → %(after)s.") % states
    if run.is_over:
        return _("It ended: %(how)s.") % {"how": Outcome(run.outcome).label}
    return _("It stays where it is. Below is why.")


def _not_looked_at(run: ChainRun) -> str:
    run = ChainRun.objects.select_related("chain").get(pk=run.pk)
    if run.is_over:
        return _("It has ended.")
    if run.is_paused:
        return _("It is paused. Let it go on first.")
    if run.lease_until is not None:
        return _("A worker has it at this moment. Look again in a minute.")
    return _("The chain “%(chain)s” is not armed.") % {"chain": run.chain}


def _would(found: Execution) -> str:
    if not found.moved:
        return _("It would stay in “%(state)s”.") % {"state": state_label(found.from_state)}
    return _("It would take “%(step)s” to “%(state)s”.") % {
        "step": found.transition,
        "state": state_label(found.state),
    }


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]
