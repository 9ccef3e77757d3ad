"""What the page of a chain shows beside its form."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.chains.chain import Chain, State
from automation.chains.checking import problems, read_whole, warnings
from automation.chains.names import Outcome
from automation.chains.picture import picture
from automation.chains.traffic import Traffic, traffic
from automation.chains.transitions import Transition
from automation.chains.vanishing import stranded
from automation.chains.wording import from_label, limit_label, state_label, wait_label, who_label
from automation.events.admin import state_badge
from automation.events.audience import Audience, audiences
from automation.events.groups import group_pattern
from automation.rules.forms import read_what_they_name


@dataclass(frozen=True)
class Line:
    """A step in the list of a chain's page, in words."""

    step: Transition
    way: str
    wait: str
    who: str
    audience: Audience | None

    @property
    def audiences(self) -> list[Audience]:
        return [self.audience] if self.audience is not None else []

    @property
    def is_unheard(self) -> bool:
        """Whether it makes events that nothing comes of: nobody who is active hears them."""
        heard = self.audience
        return heard is not None and (heard.is_nobody or heard.is_asleep)


def facts(chain: Chain, now: datetime.datetime) -> dict[str, Any]:
    """Everything beside the form; the same number of queries for any number of steps and runs.
    What the form was refused with may be on ``chain``: this is about what is saved."""
    chain, steps = read_whole(chain.pk)
    seen = traffic(chain, now)
    in_words = lines(steps)
    return {
        "chain": chain,
        "is_armed": chain.state == State.ARMED,
        "state_said": state_sentence(chain),
        "problems": problems(chain, steps),
        "warnings": [*warnings(chain, steps), *unheard(in_words)],
        "stranded": [
            _("%(count)d in “%(state)s”") % {"count": count, "state": state}
            for state, count in stranded(chain, found=seen.here).items()
        ],
        "picture": picture(chain.all_states, steps, seen),
        "seen": seen,
        "on_their_way": on_their_way(chain, seen),
        "ended": ended(seen),
        "lines": in_words,
        "entry": rule_facts(chain, "entry"),
        "goal": rule_facts(chain, "goal"),
        "limit": limit_label(chain.limit_days),
        "starts": sorted(chain.starts.all(), key=lambda each: each.name),
        "runs_url": runs_url(chain),
    }


def lines(steps: list[Transition]) -> list[Line]:
    """``steps`` in words."""
    patterns = {step.pk: group_pattern(step.group_template) for step in steps}
    heard = {each.group: each for each in audiences(filter(None, patterns.values()))}
    return [
        Line(
            step,
            f"{from_label(step)} → {state_label(step.to_state)}",
            wait_label(step.wait),
            who_label(step, steps[:place]),
            heard.get(patterns[step.pk]),
        )
        for place, step in enumerate(steps)
    ]


def unheard(found: list[Line]) -> list[str]:
    """Which steps make events that nothing comes of, in words."""
    said = []
    for line in found:
        if line.audience is not None and line.is_unheard:
            why = (
                _("Nobody listens to these events yet.")
                if line.audience.is_nobody
                else _("None of them is active: nothing would be sent.")
            )
            said.append(f"{line.step}: {line.audience.group} → {why}")
    return said


def at_once(states: Iterable[str], steps: Iterable[Transition]) -> list[tuple[str, Transition]]:
    """Those of ``steps`` that lead on from ``states`` without a wait, each with its way in words:
    whoever is put there may take one within a minute."""
    quick = [step for step in steps if step.wait.is_none]
    return [
        (f"{state_label(state)} → {state_label(step.to_state)}", step)
        for state in states
        for step in quick
        if step.leads_from(state)
    ]


def state_sentence(chain: Chain) -> str:
    """The state in words: what it does now, and why if it does nothing."""
    badge = state_badge(chain.state, chain.get_state_display())
    if chain.state == State.ARMED:
        return badge
    if chain.state == State.PAUSED:
        return format_html("{} {}", badge, chain.state_reason)
    return format_html("{} {}", badge, _("Nobody comes in or goes on until it is armed."))


def runs_url(chain: Chain, **filters: Any) -> str:
    """The list of those on their way; empty on a site without it."""
    try:
        url = reverse("admin:automation_chains_chainrun_changelist")
    except NoReverseMatch:
        return ""
    return f"{url}?{urlencode({'chain__id__exact': chain.pk, **filters})}"


def on_their_way(chain: Chain, seen: Traffic) -> str:
    number = seen.on_their_way
    if number is None:
        return _("too many on their way to count quickly")
    return ngettext("%(count)d is on the way", "%(count)d are on their way", number) % {
        "count": number
    }


def ended(seen: Traffic) -> str:
    """How those ended who did in the last days."""
    if not seen.ended:
        return ""
    return ", ".join(f"{count} {Outcome(name).label}" for name, count in seen.ended.items())


def rule_facts(chain: Chain, name: str) -> dict[str, Any]:
    """Entry or goal: its key, and what it says, if it says something."""
    rule = getattr(chain, name, None)
    if rule is None:
        return {"pk": None, "sentence": ""}
    conditions = list(rule.conditions.all())
    read_what_they_name(conditions)
    return {"pk": rule.pk, "sentence": rule.sentence() if conditions else ""}
