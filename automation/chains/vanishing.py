"""States that are no more while somebody is in them: nobody is lost without an answer."""

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from automation.chains.chain import Chain
from automation.chains.checking import steps_of
from automation.chains.names import DONE, NEW
from automation.chains.runs import ChainRun
from automation.chains.traffic import here
from automation.chains.transitions import Transition
from automation.rules.databases import database

#: The answer for who is not to go anywhere.
END = " end"  # no state has spaces around its name


def stranded(
    chain: Chain, states: Iterable[str] | None = None, found: Counter[str] | None = None
) -> dict[str, int]:
    """How many are in states that ``chain`` has not (any more), or would not have with these
    ``states`` of its own, by state; ``found`` is how many are in each, if that is known."""
    known = {NEW, DONE, *(chain.states if states is None else states)}
    found = here(chain) if found is None else found
    if found is None:  # too many to count quickly: at least which states
        runs = ChainRun.objects.filter(chain=chain).on_their_way().exclude(state__in=known)
        return dict.fromkeys(runs.order_by().values_list("state", flat=True).distinct(), 0)
    return {state: count for state, count in sorted(found.items()) if state not in known}


def renamed(before: list[str], after: list[str]) -> dict[str, str]:
    """States that have got another name: as many as before, each in its place, and the name is
    a new one."""
    if len(before) != len(after):
        return {}
    pairs = zip(before, after, strict=True)
    return {old: new for old, new in pairs if old not in after and new not in before}


def move_all(
    chain: Chain, answers: Mapping[str, str], now: datetime.datetime, requested_by: Any
) -> int:
    """Put who is in the states of ``answers`` into the states that they give, or end them there
    (``END``). Returns how many it was for."""
    count = 0
    with transaction.atomic(using=database()):
        for state, to_state in answers.items():
            runs = ChainRun.objects.filter(chain=chain, state=state)
            if to_state == END:
                count += runs.cancel(now)
            else:
                said = _("“%(state)s” is no state of this chain any more.") % {"state": state}
                count += runs.move(to_state, now, requested_by=requested_by, note=said)
    return count


def rename_all(chain: Chain, names: Mapping[str, str]) -> int:
    """Let who is in states with another name be in them as they are called now. Nothing else about
    them changes: they went nowhere. Returns how many they are."""
    count = 0
    with transaction.atomic(using=database()):
        for state, name in names.items():
            runs = ChainRun.objects.filter(chain=chain, state=state).on_their_way()
            # One after the other, as everybody who writes several locks them.
            list(runs.select_for_update().order_by("pk").values_list("pk", flat=True))
            count += runs.update(state=name)
    return count


def rename_in_steps(chain: Chain, names: Mapping[str, str]) -> list[str]:
    """Let the steps of ``chain`` follow states with another name. Returns the names of those
    steps that do."""
    changed = []
    for step in chain.transitions.all() if names else ():
        if _follow(step, names):
            step.save(update_fields=["to_state", "from_states"])
            changed.append(str(step))
    return changed


def steps_then(chain: Chain, states: Iterable[str], names: Mapping[str, str]) -> list[Transition]:
    """The steps of ``chain`` as they lead when these are its ``states`` (NEW and DONE among them)
    and follow those with another name, unsaved; without those into a state that is no more."""
    steps, known = steps_of(chain), set(states)
    for step in steps:
        _follow(step, names)
    return [step for step in steps if step.to_state in known]


def _follow(step: Transition, names: Mapping[str, str]) -> bool:
    """Let ``step`` name states as they are called now, without saving. Whether that changes it."""
    before = (step.to_state, step.from_states)
    step.to_state = names.get(step.to_state, step.to_state)
    step.from_states = [names.get(state, state) for state in step.from_states]
    return before != (step.to_state, step.from_states)
