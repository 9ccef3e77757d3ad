"""The page of one run: its way so far, where it is now, and why it has not moved on."""

import datetime
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.chains.chain import State
from automation.chains.code import UnknownChain
from automation.chains.deciding import Decision
from automation.chains.names import Outcome
from automation.chains.registry import code_chains, name_of
from automation.chains.runs import ChainRun, ChainStep
from automation.chains.why import Way, why
from automation.chains.wording import state_label, wait_label
from automation.events.admin import moment, state_badge
from automation.events.outbox import delivery_models
from automation.rules.counting import TooSlow, in_time
from automation.rules.explaining import Explanation, matches
from automation.rules.models import BrokenRule
from automation.rules.views import linked

#: The last so many steps are shown.
STEPS = 200

_BADGES = {Outcome.DONE: "done", Outcome.GOAL: "done"}


@dataclass(frozen=True)
class Entry:
    """Something that happened on the way: a step, or what people did."""

    at: datetime.datetime
    what: str
    quiet: str = ""
    event: str = ""
    caused: list[tuple[str, str]] = field(default_factory=list)

    @property
    def when(self) -> str:
        return moment(self.at)


@dataclass(frozen=True)
class Possible:
    """A transition that leads on from here, in words; ``lines`` are its conditions asked of the
    row, ``errors`` what code said at the last look; ``pk`` is that of the transition, None in
    code."""

    name: str
    to: str
    wait: str = ""
    is_waiting: bool = False
    lines: list[Explanation] = field(default_factory=list)
    is_valid: bool = False
    errors: list[str] = field(default_factory=list)
    url: str = ""
    pk: int | None = None


def facts(run: ChainRun, now: datetime.datetime) -> dict[str, Any]:
    """What the page of ``run`` shows at ``now`` (aware). The number of queries does not depend on
    how many steps it has taken."""
    return {
        "run": run,
        "timeline": timeline(run),
        "resources": list(run.resources.all()) if run.chain_type else [],
        "next_look": _next_look(run),
        "holds": _holds(run),
        **({} if run.is_over else _now(run, now)),
    }


# The list, and what the page begins with ----------------------------------------------------


def state_of(run: ChainRun) -> str:
    """How it is with a run, as a badge."""
    if run.is_over:
        return state_badge(_BADGES.get(Outcome(run.outcome), "ended"), run.get_outcome_display())
    if run.is_paused:
        return state_badge("paused", _("paused"))
    return state_badge("going", _("on the way"))


def _holds(run: ChainRun) -> list[str]:
    """Why nothing happens at all, whatever its transitions say."""
    found = []
    if run.is_over:
        return []
    if run.is_paused:
        found.append(_("This run is paused: nothing happens until somebody lets it go on."))
        found += [str(said) for said in run.problems.get("", [])]
    if run.chain is not None and run.chain.state != State.ARMED:
        said = _("The chain is not armed (%(state)s): nobody on it goes on.")
        found.append(said % {"state": run.chain.get_state_display()})
    if run.chain_type and run.chain_type not in code_chains.names:
        said = _("No code declares the chain “%(name)s” any more.")
        found.append(said % {"name": run.chain_type})
    return found


def _next_look(run: ChainRun) -> str:
    if run.chain is None and run.next_update is None and not run.is_paused:
        return _("when code asks for it")
    return moment(run.next_update)


# Its way so far ---------------------------------------------------------------------------


def timeline(run: ChainRun) -> list[Entry]:
    """What happened to ``run``, the first thing first."""
    steps = list(run.history.select_related("event").order_by("-at", "-pk")[:STEPS])
    caused = _caused([step.event_id for step in steps if step.event_id])
    found = [_entry(step, caused) for step in steps]
    found += _decided(run)
    if run.ended_at and run.outcome != Outcome.DONE:
        ended = _("It ended: %(how)s.") % {"how": run.get_outcome_display()}
        found.append(Entry(run.ended_at, ended))
    found.sort(key=lambda entry: entry.at)
    return [Entry(run.started_at, _began(run)), *found]


def _began(run: ChainRun) -> str:
    if run.requested_by:
        return _("It came in, as %(who)s wanted.") % {"who": run.requested_by}
    return _("It came in.")


def _entry(step: ChainStep, caused: dict[int, list[tuple[str, str]]]) -> Entry:
    quiet = [step.transition or _("moved by hand")]
    if step.requested_by:
        quiet.append(_("asked for by %(who)s") % {"who": step.requested_by})
    if step.note:
        quiet.append(step.note)
    event = step.event
    return Entry(
        step.at,
        f"{state_label(step.from_state)} → {state_label(step.to_state)}",
        ", ".join(quiet),
        linked(event._meta, event.pk, event.group) if event is not None else "",
        caused.get(step.event_id or 0, []),
    )


def _caused(events: list[int]) -> dict[int, list[tuple[str, str]]]:
    """By event what came of it, as link and badge: one query for each kind of delivery."""
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for model in delivery_models() if events else ():
        names = [name.removesuffix("_id") for name in model.ACTION_COLUMNS if name.endswith("_id")]
        deliveries: Any = model._default_manager.filter(event__in=events).order_by("pk")
        for delivery in deliveries.select_related(*names) if names else deliveries:
            badge = state_badge(delivery.state, delivery.get_state_display())
            link = linked(delivery._meta, delivery.pk, str(delivery))
            found[delivery.event_id].append((link, badge))
    return found


def _decided(run: ChainRun) -> list[Entry]:
    """What people decided about it that is no step."""
    kept = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(ChainRun), object_id=str(run.pk)
    ).select_related("user")
    return [
        Entry(each.action_time, each.get_change_message(), str(each.user)) for each in kept[:STEPS]
    ]


# Where it is, and why ----------------------------------------------------------------------


def _now(run: ChainRun, now: datetime.datetime) -> dict[str, Any]:
    if run.chain is None:
        return {"ways": _ways_in_code(run)}
    try:
        with in_time("default" if run._state.db is None else run._state.db):
            found = why(run, now)
    except TooSlow:
        return {"error": _("It takes too long to find out.")}
    except BrokenRule as error:
        return {"error": str(error)}
    return {
        "ways": [_way(way, run) for way in found.ways],
        "goal": found.goal,
        "goal_reached": found.goal is not None and matches(found.goal),
        "limit": moment(found.limit) if found.limit else "",
        "foreseen": foreseen(found.decision),
    }


def _way(way: Way, run: ChainRun) -> Possible:
    step = way.transition
    wait = (
        "" if step.wait.is_none else f"{wait_label(step.wait)}: {_by_their_clock(run, way.over_at)}"
    )
    return Possible(
        step.name,
        state_label(step.to_state),
        wait,
        not way.has_waited,
        way.conditions or [],
        way.is_valid,
        url=linked(step._meta, step.pk, step.name),
        pk=step.pk,
    )


def _by_their_clock(run: ChainRun, when: datetime.datetime) -> str:
    """``when`` in the time zone of the site, and by the clock of the person if that differs."""
    assert run.chain is not None
    zone = run.chain.zone(run.time_zone)
    if when.astimezone(zone).utcoffset() == timezone.localtime(when).utcoffset():
        return moment(when)
    with timezone.override(zone):
        there = moment(when)
    return _("%(moment)s (%(there)s in %(zone)s)") % {
        "moment": moment(when),
        "there": there,
        "zone": zone.key,
    }


def _ways_in_code(run: ChainRun) -> list[Possible]:
    """What code said at the last look; code is not asked anew for a page."""
    try:
        declared = code_chains.get(run.chain_type).transitions.get(run.state, ())
    except UnknownChain:
        declared = ()
    known = {name_of(each): state_label(each.final_state) for each in declared}
    names = dict.fromkeys([*known, *filter(None, run.problems)])
    return [
        Possible(
            name,
            known.get(name, "?"),
            errors=[str(said) for said in run.problems.get(name, [])],
            url=name,
        )
        for name in names
    ]


def foreseen(decision: Decision) -> str:
    """In words what would become of a run if it were looked at now."""
    if decision.transition is not None:
        said = _("It would take “%(step)s” to “%(state)s”.") % {
            "step": decision.transition,
            "state": state_label(decision.transition.to_state),
        }
        if decision.event is None:
            return said
        event = _("The event %(group)s would happen.") % {"group": decision.event.group}
        return f"{said} {event}"
    if decision.outcome:
        return _("It would end: %(how)s.") % {"how": Outcome(decision.outcome).label}
    looked = _("It would stay, and be looked at again at %(when)s.")
    return looked % {"when": moment(decision.next_update)}
