"""A chain is armed on a page that asks with numbers, paused, and given what it has not yet."""

import datetime
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.chains.chain import Chain, State
from automation.chains.checking import steps_of
from automation.chains.entering import candidates
from automation.chains.forms import WhereToForm
from automation.chains.pages.changes import to_chain
from automation.chains.pages.facts import (
    Line,
    at_once,
    lines,
    on_their_way,
    rule_facts,
    unheard,
)
from automation.chains.prospect import Prospect, prospect
from automation.chains.runs import ChainRun
from automation.chains.traffic import traffic
from automation.chains.transitions import Entry, Goal
from automation.chains.vanishing import move_all
from automation.chains.wording import limit_label
from automation.events.admin import is_number, moment
from automation.rules.counting import Counted, TooSlow, counted
from automation.rules.databases import database
from automation.rules.models import BrokenRule
from automation.rules.views import linked

SAMPLE = 5

#: The tick that says yes to steps whose events nobody hears.
AGREED = "all_the_same"


@dataclass
class First:
    """How many of the first events an action hears; at most so many if some of them may be of
    another group."""

    kind: str
    action: Any
    url: str
    number: int = 0
    is_most: bool = False


def arm(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Ask before arming: how many come in at once, who is on the way already, and who hears the
    events of the steps. Whoever is in a state that is no more is asked about, too; and steps that
    somebody would pass at once, unheard, want a tick."""
    chain = permitted(model_admin, request, pk)
    if chain.state == State.ARMED:
        messages.info(request, _("%(name)s is armed already.") % {"name": chain})
        return to_chain(chain)
    now, in_words = timezone.now(), lines(steps_of(chain))
    form = WhereToForm(chain, request.POST if request.method == "POST" else None)
    passing: list[str] = []
    if request.method == "POST" and form.is_valid():
        try:
            return _arm(request, chain, form, in_words)
        except _NotAgreed as refused:
            chain, passing = permitted(model_admin, request, pk), refused.passing
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "chain": chain,
        "title": _("Arm “%(name)s”?") % {"name": chain},
        "form": form,
        "problems": chain.problems(),
        "warnings": [*chain.warnings(), *unheard(in_words)],
        "lines": [(line, 0) for line in in_words],
        "goal": rule_facts(chain, "goal"),
        "limit": limit_label(chain.limit_days),
        "agreed": AGREED,
    }
    if not context["problems"]:
        context |= _prospect(chain, now, in_words, asks=bool(form.fields))
    if passing:
        context |= {"passing": passing, "is_unanswered": True}
    return TemplateResponse(request, "admin/automation_chains/arm.html", context)


class _NotAgreed(Exception):
    """Somebody would pass steps at once whose events nobody hears, and that was not agreed to."""

    def __init__(self, passing: list[str]) -> None:
        super().__init__(passing)
        self.passing = passing


def _arm(
    request: HttpRequest, chain: Chain, form: WhereToForm, in_words: list[Line]
) -> HttpResponse:
    """Raises ``_NotAgreed``: nothing is written then."""
    now = timezone.now()
    asks = AGREED not in request.POST and any(line.is_unheard for line in in_words)
    try:
        with transaction.atomic(using=database()):
            move_all(chain, form.answers, now, request.user)
            chain.arm(now)
            if asks and (passing := _passing(in_words, _found(chain, now))):
                raise _NotAgreed(passing)
    except ValidationError as error:
        for message in error.messages:
            messages.error(request, message)
        return to_chain(chain)
    _log(request, chain, "armed")
    said = _("%(name)s is armed. The first ones come in within a minute.")
    messages.success(request, said % {"name": chain})
    return to_chain(chain)


def pause(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    chain = permitted(model_admin, request, pk)
    if request.method == "POST":
        chain.pause()
        _log(request, chain, "paused")
        said = _("%(name)s is paused. Everybody stays where they are.")
        messages.success(request, said % {"name": chain})
    return to_chain(chain)


def open_rule(
    model_admin: admin.ModelAdmin, request: HttpRequest, pk: int, kind: str
) -> HttpResponse:
    """To the page of the entry or the goal of a chain, which is made if there is none yet."""
    chain = permitted(model_admin, request, pk)
    model: Any = {"entry": Entry, "goal": Goal}.get(kind)
    if model is None:
        raise Http404
    if request.method != "POST":
        return to_chain(chain)
    rule = model.objects.filter(chain=chain).first() or model.objects.create(chain=chain)
    return HttpResponseRedirect(reverse(f"admin:automation_chains_{kind}_change", args=[rule.pk]))


def permitted(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> Chain:
    """The chain, if whoever asks may change it."""
    chain = Chain.objects.filter(pk=pk).first() if is_number(str(pk)) else None
    if chain is None:
        raise Http404
    if not model_admin.has_change_permission(request, chain):
        raise PermissionDenied
    return chain


def _prospect(
    chain: Chain, now: datetime.datetime, in_words: list[Line], *, asks: bool
) -> dict[str, Any]:
    """What would happen at once if ``chain`` were armed now; ``in_words`` are its steps. ``asks``:
    whether somebody must be put into another state."""
    try:
        rows = candidates(chain, now)
        coming = counted(rows) if rows is not None else None
        newest: Any = rows.order_by("-pk").values_list("pk", flat=True) if rows is not None else []
        pks = list(newest[:SAMPLE])
        at_first = _at_first(chain, now, in_words)
    except BrokenRule as error:
        return {"problems": [str(error)]}
    found = chain.source_or_error().model._default_manager.in_bulk(pks)
    waiting = ChainRun.objects.filter(chain=chain).on_their_way().filter(is_paused=False)
    entry = chain.entry_rule()
    return {
        "sentence": entry.sentence() if entry is not None else "",
        "coming": coming,
        "coming_number": (coming.number if coming is not None else 0) or 0,
        "sample": [linked(row._meta, row.pk, str(row)) for pk in pks if (row := found.get(pk))],
        "waiting": counted(waiting),
        "on_their_way": on_their_way(chain, traffic(chain, now)),
        "starts": list(chain.starts.all()),
        "at_once": at_once(chain.all_states, [line.step for line in in_words]) if asks else [],
        **at_first,
    }


def _at_first(chain: Chain, now: datetime.datetime, in_words: list[Line]) -> dict[str, Any]:
    """Which steps would be taken at once, how many events that makes, who hears them, and when
    the next wait is over."""
    found = _found(chain, now)
    if found is None:
        return {"first_events": Counted(None), "passing": _passing(in_words, None)}
    events, heard = 0, dict[int, First]()
    for line in in_words:
        count = found.taken[line.step.pk]
        for audience in line.audiences if count else ():
            events += count
            for kind, action, url in audience.actions:
                if action.is_active:
                    first = heard.setdefault(action.pk, First(kind, action, url))
                    first.number += count
                    first.is_most |= "*" in audience.group
    return {
        "lines": [(line, found.taken[line.step.pk]) for line in in_words],
        "first_events": Counted(events, exact=found.is_exact),
        "first_heard": list(heard.values()),
        "next_wait": moment(found.next_wait) if found.next_wait else "",
        "passing": _passing(in_words, found),
    }


def _found(chain: Chain, now: datetime.datetime) -> Prospect | None:
    """None if it takes too long to find out."""
    try:
        return prospect(chain, now)
    except TooSlow:
        return None


def _passing(in_words: list[Line], found: Prospect | None) -> list[str]:
    """Who would pass steps at once whose events nobody hears, in words."""
    unheard_ones = [line.step for line in in_words if line.is_unheard]
    if found is None:
        said = _(
            "It takes too long to find out how many would pass “%(step)s” at once, and nobody who "
            "is active hears its event."
        )
        return [said % {"step": step} for step in unheard_ones]
    return [
        ngettext(
            "%(count)s would pass “%(step)s” at once, and nobody who is active hears its event.",
            "%(count)s would pass “%(step)s” at once, and nobody who is active hears its event.",
            number,
        )
        % {"count": Counted(number, exact=found.is_exact), "step": step}
        for step in unheard_ones
        if (number := found.taken[step.pk])
    ]


def _log(request: HttpRequest, chain: Chain, what: str) -> None:
    LogEntry.objects.log_actions(request.user.pk or 0, [chain], CHANGE, what, single_object=True)
