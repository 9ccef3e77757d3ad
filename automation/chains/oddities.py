"""What in a chain has no effect, though it can be armed: steps that nobody takes, a goal that is
reached at once, events that let nobody in."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.chains.waiting import Unit, Wait
from automation.chains.wording import state_label, wait_label
from automation.events.groups import overlap, producers
from automation.rules.models import Condition, Rule
from automation.rules.sources import UnknownSource, sources

if TYPE_CHECKING:
    from automation.chains.chain import Chain
    from automation.chains.starting import StartChain
    from automation.chains.transitions import Transition

#: What a line of a rule has beside what it asks.
_NOT_ASKED = ("id", "rule", "polymorphic_ctype", "position", "joined_by")


def oddities(chain: "Chain", transitions: Sequence["Transition"]) -> Iterator[str]:
    """In words; ``transitions`` are those of ``chain``, in order."""
    yield from _behind_others(chain.all_states, transitions)
    yield from _repeated(transitions)
    yield from _beyond_limit(chain, transitions)
    yield from _arrived_at_once(chain)
    yield from about_others(chain, sorted(chain.starts.all(), key=lambda each: each.name))


def _behind_others(states: Sequence[str], transitions: Sequence["Transition"]) -> Iterator[str]:
    """Transitions behind those that everybody has taken by then."""
    certain: dict[str, list[Transition]] = {state: [] for state in states}
    for transition in transitions:
        leading = [state for state in states if transition.leads_from(state)]
        first = [_no_later(transition, certain[state]) for state in leading]
        if first and all(first):
            yield _said_never(transition, first[0])
        elif transition.from_states and any(first):
            behind = [state for state, other in zip(leading, first, strict=True) if other]
            yield _(
                "%(name)s is never taken from %(states)s: another step comes first there, for "
                "everybody and after no longer a wait."
            ) % {"name": transition, "states": ", ".join(map(state_label, behind))}
        if not transition.conditions.all():
            for state in leading:
                certain[state].append(transition)


def _no_later(transition: "Transition", earlier: Sequence["Transition"]) -> "Transition | None":
    """The first of ``earlier`` whose wait is over when that of ``transition`` is."""
    return next((each for each in earlier if each.wait.ends_no_later(transition.wait)), None)


def _said_never(transition: "Transition", other: "Transition | None") -> str:
    if other is not None and other.wait.is_none:
        said = _("%(name)s is never taken: %(other)s comes first, for everybody and at once.")
    else:
        said = _(
            "%(name)s is never taken: %(other)s comes first, for everybody and after no longer a "
            "wait."
        )
    return said % {"name": transition, "other": other}


def _repeated(transitions: Sequence["Transition"]) -> Iterator[str]:
    for transition in transitions:
        if transition.to_state in transition.from_states:
            yield _(
                "%(name)s leads from %(state)s to %(state)s: it is taken again and again, each "
                "time %(wait)s."
            ) % {
                "name": transition, "state": state_label(transition.to_state),
                "wait": wait_label(transition.wait),
            }  # fmt: skip


def _beyond_limit(chain: "Chain", transitions: Sequence["Transition"]) -> Iterator[str]:
    if not chain.limit_days:
        return
    limit = Wait(chain.limit_days, Unit.DAYS)
    for transition in transitions:
        if limit.ends_no_later(transition.wait):
            yield ngettext(
                "%(name)s (%(wait)s) is never taken: everybody leaves after %(count)d day at the "
                "latest.",
                "%(name)s (%(wait)s) is never taken: everybody leaves after %(count)d days at the "
                "latest.",
                chain.limit_days,
            ) % {
                "name": transition, "wait": wait_label(transition.wait), "count": chain.limit_days,
            }  # fmt: skip


def _arrived_at_once(chain: "Chain") -> Iterator[str]:
    entry, goal = chain.entry_rule(), chain.goal_rule()
    if entry is not None and goal is not None and _asked(entry) == _asked(goal):
        yield _(
            "The goal asks the same as who comes in: whoever comes in has arrived already and "
            "takes no step."
        )


def _asked(rule: Rule) -> tuple[list[str], list[str]]:
    """What ``rule`` asks, and how that is joined: the order counts only where it matters."""
    lines = list(rule.conditions.all())
    joined = [line.joined_by for line in lines[1:]]
    asked = [_line(line) for line in lines]
    return (asked if len(set(joined)) > 1 else sorted(asked)), joined


def _line(condition: Condition) -> str:
    own = [
        (field.attname, getattr(condition, field.attname))
        for field in condition._meta.concrete_fields
        if not field.primary_key and field.name not in _NOT_ASKED
    ]
    return repr(own)


def about_others(chain: "Chain", starts: Sequence["StartChain"]) -> list[str]:
    """Which of ``starts`` hear only events that are about other rows than ``chain``, in words."""
    made = producers() if starts else []
    found = []
    for start in starts:
        heard = [each for each in made if overlap(start.group.strip(), each.group)]
        about = {each.source for each in heard}
        if about and not about & {chain.source, ""}:
            found.append(
                _(
                    "“%(start)s”: the events %(group)s that are made here are about %(found)s, and "
                    "the chain is about %(wanted)s. Nobody can come in by them."
                )
                % {
                    "start": start,
                    "group": start.group,
                    "found": ", ".join(sorted(map(_plural, about))),
                    "wanted": _plural(chain.source),
                }
            )
    return found


def _plural(source: str) -> str:
    try:
        return str(sources.get(source))
    except UnknownSource:
        return source
