"""What stands beside the form of a rule of a chain, for the form as it stands: who of those who
match is on the way, and what a step would do. Nothing is written here."""

import datetime
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from django.utils.html import format_html
from django.utils.translation import gettext as _

from automation.chains.chain import Chain
from automation.chains.checking import problems_of_template, steps_of
from automation.chains.entering import newcomers
from automation.chains.producing import events_before
from automation.chains.traffic import here, states_before
from automation.chains.traffic import on_the_way as being_on_the_way
from automation.chains.transitions import Transition
from automation.chains.wording import from_label, state_label, takes_the_rest, wait_label
from automation.events.audience import audiences
from automation.events.event import Event
from automation.events.groups import group_pattern
from automation.rules.counting import Counted, TooSlow, counted, in_time
from automation.rules.keys import key_text
from automation.rules.models import BrokenRule
from automation.rules.panel import Column, Narrow, Panel


def not_yet_in(chain: Chain) -> Narrow:
    """What picks those rows that would come in at once."""
    return lambda rows: newcomers(chain, rows)


def on_the_way(chain: Chain) -> Narrow:
    """What picks those rows that are on their way."""
    return lambda rows: rows.filter(being_on_the_way(chain))


def where_it_begins(step: Transition) -> Narrow:
    """What picks those rows that are where ``step`` begins."""
    return lambda rows: rows.filter(being_on_the_way(step.chain, states_before(step)))


def of_entry(rule: Any, found: Panel) -> dict[str, Any]:
    return {
        "has_no_condition": not found.lines,
        "coming": counted(newcomers(rule.chain, found.rows)) if found.lines else Counted(0),
    }


def of_goal(rule: Any, found: Panel) -> dict[str, Any]:
    arrived = found.rows.filter(being_on_the_way(rule.chain))
    return {
        "has_no_condition": not found.lines,
        "arrived": counted(arrived) if found.lines else Counted(0),
    }


def of_step(
    step: Transition, found: Panel, now: datetime.datetime, wrong: dict[str, list[str]]
) -> dict[str, Any]:
    """Who is where ``step`` begins and matches, when they take it, and the event that makes.
    What depends on a field that is ``wrong`` is left out."""
    shown: dict[str, Any] = {"has_no_condition": not found.lines, "begins_at": from_label(step)}
    if not wrong.keys() & {"from_states", "to_state"}:
        there = here(step.chain)
        if there is not None:
            shown["there"] = sum(there[state] for state in states_before(step))
        shown["ready"] = counted(where_it_begins(step)(found.rows))
        shown["way"] = f"{from_label(step)} → {state_label(step.to_state)}"
    if not any(name.startswith("wait") for name in wrong):
        shown["wait"] = wait_label(step.wait)
        shown["takes_the_rest"] = not found.lines and takes_the_rest(step, _before(step))
    if "group_template" in wrong or not step.group_template.strip():
        return {**shown, "no_event": "group_template" not in wrong}
    made, troubles = _events(step, found, now)
    groups = [event.group for event in made.values()] or [group_pattern(step.group_template)]
    return {
        **shown,
        "columns": _columns(made),
        "troubles": troubles,
        "audiences": audiences(groups),
    }


def _before(step: Transition) -> list[Transition]:
    """The steps of its chain that are tried before ``step``."""
    return list(takewhile(lambda other: other.pk != step.pk, steps_of(step.chain)))


def _events(
    step: Transition, found: Panel, now: datetime.datetime
) -> tuple[dict[Any, Event], list[str]]:
    """The events of the rows that the panel shows, by primary key."""
    pks = {key_text(sample.pk): sample.pk for sample in found.sample}
    left_out: list[str] = []
    try:
        source = step.source_or_error()
        if wrong := problems_of_template(step.group_template, source):
            return {}, wrong
        with in_time(found.rows.db):
            rows = source.rows([]).filter(pk__in=list(pks.values()))
            made = events_before(step, rows, now, left_out)
    except BrokenRule as error:
        return {}, [str(error)]
    except TooSlow:
        return {}, []
    told = [_("Left out: %(reason)s") % {"reason": reason} for reason in dict.fromkeys(left_out)]
    return {pks[event.row_pk]: event for event in made}, told


def _columns(made: dict[Any, Event]) -> Sequence[Column]:
    if not made:
        return []
    nobody = format_html('<span class="went-wrong">{}</span>', _("no address"))
    return [
        Column(_("event group"), {pk: event.group for pk, event in made.items()}),
        Column(_("person"), {pk: event.recipient or nobody for pk, event in made.items()}),
    ]
