"""The page that asks, with numbers, before something is done to runs."""

import datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.chains.checking import steps_of
from automation.chains.code import UnknownChain
from automation.chains.pages.facts import at_once
from automation.chains.registry import code_chains
from automation.chains.run_pages.decisions import DECISIONS, NOTE_LENGTH, Wanted, decide
from automation.chains.runs import ChainRun
from automation.chains.wording import state_label
from automation.rules import plain

MOVE = "move_runs"


def asks(name: str) -> Any:
    """An action of the list that asks first, with numbers, and then does it."""

    def action(model_admin: Any, request: HttpRequest, chosen: Any) -> HttpResponse:
        if not request.user.has_perm(DECISIONS[name].permission):
            raise PermissionDenied
        if "confirmed" in request.POST:
            return _done(model_admin, request, chosen, name)
        return _question(model_admin, request, chosen, name)

    return action


def _question(
    model_admin: Any, request: HttpRequest, chosen: Any, name: str, wrong: str = ""
) -> HttpResponse:
    decision = DECISIONS[name]
    meant = chosen.filter(decision.meant)
    total, count = chosen.count(), meant.count()
    states = meant.order_by().values_list("state").annotate(number=Count("pk"))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": str(decision.label).removesuffix(" …"),
        "opts": model_admin.opts,
        "decision": decision,
        "name": name,
        "count": count,
        "run": meant.first() if total == count == 1 else None,
        "others": total - count,
        "where": [(state_label(state), number) for state, number in sorted(states)],
        "wrong": wrong,
        "asked_at": timezone.now().isoformat(),
        "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "select_across": request.POST.get("select_across", "0"),
        "back": request.POST.get("back", ""),
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    if name == MOVE and count:
        one = only_chain(meant)
        if one is None:
            context["refused"] = _("These are on different chains. Choose those of one chain.")
        elif not (found := states_of(one)):
            context["refused"] = _("No code declares this chain any more, so it has no states.")
        else:
            context["to_states"] = [(state, state_label(state)) for state in found]
            context["to_state"] = request.POST.get("to_state", "")
            context["note"] = request.POST.get("note", "")
            context["is_in_code"] = one.chain is None
            context["at_once"] = (
                at_once(found, steps_of(one.chain)) if one.chain is not None else []
            )
    return TemplateResponse(request, "admin/automation_chains/run_decide.html", context)


def _done(model_admin: Any, request: HttpRequest, chosen: Any, name: str) -> HttpResponse:
    decision = DECISIONS[name]
    wanted = Wanted(request.user, timezone.now())
    if name == MOVE:
        meant = chosen.filter(decision.meant)
        one = only_chain(meant)
        to_state = plain.text(request.POST.get("to_state", ""))
        if one is None or to_state not in states_of(one):
            return _question(
                model_admin, request, chosen, name, wrong=_("Choose the state that they go to.")
            )
        note = plain.text(request.POST.get("note", "")).strip()[:NOTE_LENGTH]
        asked_at = _moment(request.POST.get("asked_at", ""))
        wanted = Wanted(request.user, wanted.now, to_state, note, asked_at)
    decided = decide(name, chosen, wanted)
    if decided:
        said = ngettext("%(count)d run: %(done)s", "%(count)d runs: %(done)s", decided)
        messages.success(request, said % {"count": decided, "done": decision.done})
    else:
        messages.warning(request, _("None of them is in a state for that any more."))
    one_pk = request.POST.getlist(ACTION_CHECKBOX_NAME)
    if request.POST.get("back") and len(one_pk) == 1 and one_pk[0].isdecimal():
        page = reverse("admin:automation_chains_chainrun_change", args=one_pk)
        return HttpResponseRedirect(page)
    return HttpResponseRedirect(request.get_full_path())


def only_chain(runs: Any) -> ChainRun | None:
    """One of ``runs`` if all of them are on the same chain, else None."""
    kinds = list(runs.order_by().values_list("chain", "chain_type").distinct()[:2])
    found: ChainRun | None = runs.select_related("chain").first() if len(kinds) == 1 else None
    return found


def states_of(run: ChainRun) -> list[str]:
    """The states that the chain of ``run`` has now."""
    if run.chain is not None:
        return run.chain.all_states
    try:
        return code_chains.get(run.chain_type).states
    except UnknownChain:
        return []


def _moment(text: str) -> datetime.datetime | None:
    """When the question was asked; now, if nobody can read that."""
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    return found if found is not None and timezone.is_aware(found) else timezone.now()
