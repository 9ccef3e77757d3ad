"""What is wrong with a chain, in words for whoever builds it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.chains.graph import Way, circle_through, loop_without_delay, reachable
from automation.chains.names import DONE, NAME_LENGTH, NEW
from automation.chains.oddities import oddities
from automation.chains.wording import state_label
from automation.events.groups import group_pattern, overlap
from automation.rules.forms import read_what_they_name
from automation.rules.models import BrokenRule, Rule
from automation.rules.sources import Source
from automation.rules.templating import check

if TYPE_CHECKING:
    from automation.chains.chain import Chain
    from automation.chains.starting import StartChain
    from automation.chains.transitions import Transition

#: What templates know of the chain when a step is taken, beside the row.
CHAIN_SHAPE: dict[str, Any] = {
    "chain": dict.fromkeys(("name", "state", "from_state", "days_in_state", "days", "step"))
}


def shape_of(source: Source) -> dict[str, Any]:
    """What the templates of a chain about ``source`` can name."""
    return {**source.shape, **CHAIN_SHAPE}


def problems_of_states(states: Any) -> list[str]:
    """What is wrong with a chain's own states."""
    if not isinstance(states, list) or not all(isinstance(state, str) for state in states):
        return [_("States are a list of names.")]
    found = []
    for state in states:
        if not state.strip() or state != state.strip():
            found.append(_("Give each state a name, without spaces around it."))
        elif len(state) > NAME_LENGTH:
            found.append(_("“%(state)s” is too long for the name of a state.") % {"state": state})
        elif state.upper() in (NEW, DONE):
            found.append(_("%(state)s is there already: name only your own states.")
                         % {"state": state.upper()})  # fmt: skip
    for state, count in Counter(states).items():
        if count > 1:
            found.append(_("There are two states called “%(state)s”.") % {"state": state})
    return list(dict.fromkeys(found))


def ways(states: Sequence[str], transitions: Iterable["Transition"]) -> list[Way]:
    """The ways that ``transitions`` open between ``states`` (NEW and DONE among them)."""
    return [
        Way(transition.name, state, transition.to_state, not transition.wait.is_none)
        for transition in transitions
        for state in states
        if transition.leads_from(state)
    ]


def problems_of_ways(states: Sequence[str], transitions: Sequence["Transition"]) -> list[str]:
    """What is wrong with how the states hang together. ``states`` has NEW and DONE, too. Asks
    no database, so that a page can say it of what is not saved."""
    if not transitions:
        return [_("Add a step: without one nobody ever goes anywhere.")]
    found = [*_unnamed(transitions), *_astray(states, transitions)]
    open_ways = ways(states, transitions)
    reached = reachable(open_ways)
    for state in states:
        if state not in reached and state not in (NEW, DONE):
            found.append(_("No step leads to “%(state)s”, from the start on.") % {"state": state})
    if circle := loop_without_delay(open_ways):
        found.append(
            _("%(states)s: this goes round for ever within a moment. Let one of these steps wait.")
            % {"states": " → ".join(circle)}
        )
    return found


def _unnamed(transitions: Sequence["Transition"]) -> Iterator[str]:
    names = Counter(transition.name.strip() for transition in transitions)
    for name, count in names.items():
        if not name:
            yield _("Give each step a name.")
        elif count > 1:
            yield _("There are two steps called “%(name)s”.") % {"name": name}


def _astray(states: Sequence[str], transitions: Sequence["Transition"]) -> Iterator[str]:
    for transition in transitions:
        if transition.to_state not in states:
            yield _("%(name)s leads to “%(state)s”, which is no state of this chain.") % {
                "name": transition, "state": transition.to_state,
            }  # fmt: skip
        for state in transition.from_states:
            if state == DONE:
                yield _("%(name)s: nothing leads on from the end.") % {"name": transition}
            elif state not in states:
                yield _("%(name)s comes from “%(state)s”, which is no state of this chain.") % {
                    "name": transition, "state": state,
                }  # fmt: skip


def steps_of(chain: "Chain") -> list["Transition"]:
    """The transitions of ``chain`` in order, with their conditions and what those name: the same
    number of queries for any number of them."""
    found = list(chain.transitions.order_by("position", "pk").prefetch_related("conditions"))
    for transition in found:
        transition.chain = chain
    read_what_they_name(line for transition in found for line in transition.conditions.all())
    return found


def read_whole(pk: int) -> tuple["Chain", list["Transition"]]:
    """The chain with this primary key, as it is saved, with all its rules and what starts it, and
    its transitions in order: with the same few queries for any number of rules."""
    from automation.chains.chain import Chain

    chain = Chain.objects.select_related("entry", "goal").get(pk=pk)
    steps = list(chain.transitions.order_by("position", "pk"))
    for transition in steps:
        transition.chain = chain
    own: list[Any] = [getattr(chain, "entry", None), getattr(chain, "goal", None)]
    rules = [*steps, *(rule for rule in own if rule is not None)]
    prefetch_related_objects(rules, "conditions")
    prefetch_related_objects([chain], "starts")
    read_what_they_name(line for rule in rules for line in rule.conditions.all())
    return chain, steps


def problems_of_template(template: str, source: Source) -> list[str]:
    """What is wrong with the event group of a transition, each with its position."""
    if not template.strip():
        return []
    return [str(problem) for problem in check(template, shape_of(source))]


def problems(chain: "Chain", steps: Sequence["Transition"] | None = None) -> list[str]:
    """Why ``chain`` cannot be armed as it stands in the database; ``steps`` are its transitions,
    if they are read already."""
    try:
        source = chain.source_or_error()
        chain.zone()
    except BrokenRule as error:
        return [str(error)]
    transitions = steps_of(chain) if steps is None else steps
    found = problems_of_states(chain.states)
    if source.row_name in CHAIN_SHAPE:
        found.append(_("Rows that templates call “chain” cannot go through a chain."))
    found += problems_of_ways(chain.all_states, transitions) if not found else []
    for transition in transitions:
        for wrong in problems_of_template(transition.group_template, source):
            found.append(f"{transition}: {wrong}")
    return [*found, *starts_itself(chain, transitions), *_broken_rules(chain, transitions)]


def starts_itself(
    chain: "Chain",
    transitions: Iterable["Transition"],
    starts: "Iterable[StartChain] | None" = None,
) -> list[str]:
    """Where events of ``chain`` let the same row into it again, without end; ``starts`` are those
    that are meant, all active ones if none are given."""
    if chain.reentry == "never":
        return []
    meant = list(chain.starts.filter(is_active=True) if starts is None else starts)
    return [
        _("%(name)s makes events that start this chain again, by “%(start)s”, and so on without "
          "end. Let nobody come in again, or start it on other events.")
        % {"name": transition, "start": start}
        for start in meant
        for transition in transitions
        if _may_hear(start, transition)
    ]  # fmt: skip


def _may_hear(start: "StartChain", transition: "Transition") -> bool:
    made = group_pattern(transition.group_template)
    return bool(made) and overlap(start.group.strip(), made)


def _round_others(chain: "Chain") -> Iterator[str]:
    """Chains that start each other, this one among them, as far as events of one let rows into
    the next."""
    from automation.chains.starting import StartChain
    from automation.chains.transitions import Transition

    if chain.reentry == "never":
        return
    active = StartChain.objects.filter(is_active=True, chain__source=chain.source)
    starts = list(active.exclude(chain__reentry="never").select_related("chain"))
    making = Transition.objects.filter(chain__in={start.chain_id for start in starts})
    ways = [
        Way("", str(transition.chain_id), str(start.chain_id), False)
        for transition in making
        for start in starts
        if start.chain_id != transition.chain_id and _may_hear(start, transition)
    ]
    names = {str(start.chain_id): start.chain.name for start in starts}
    if circle := circle_through(str(chain.pk), ways):
        yield _("%(chains)s: these chains start each other, without end.") % {
            "chains": " → ".join(names[each] for each in circle)
        }


def _broken_rules(chain: "Chain", transitions: Sequence["Transition"]) -> Iterator[str]:
    rules: list[tuple[str, Rule | None]] = [
        (_("Entry"), chain.entry_rule()),
        (_("Goal"), chain.goal_rule()),
    ]
    rules += [(str(transition), transition) for transition in transitions]
    for name, rule in rules:
        try:
            if rule is not None:
                rule.rows(timezone.now())
        except BrokenRule as error:
            yield f"{name}: {error}"


def warnings(chain: "Chain", steps: Sequence["Transition"] | None = None) -> list[str]:
    """What is odd about ``chain``, though it can be armed; ``steps`` as for ``problems``."""
    transitions = steps_of(chain) if steps is None else steps
    reached = reachable(ways(chain.all_states, transitions))
    found: list[str] = []
    if not chain.limit_days and chain.goal_rule() is None:
        found += _no_way_out(chain, reached, transitions)
    if not chain.limit_days:
        found += _may_stay(chain, reached, transitions)
    if chain.entry_rule() is None and not chain.starts.exists():
        found.append(
            _("Nobody comes in by themselves: give the entry a condition, or start the chain on "
              "an event.")
        )  # fmt: skip
    found += oddities(chain, transitions)
    return [*found, *_round_others(chain), *_heard_twice(chain, transitions)]


def _heard_twice(chain: "Chain", transitions: Sequence["Transition"]) -> Iterator[str]:
    """Armed chains that make events of the same groups, as a copy does: whoever is on both hears
    both."""
    from automation.chains.chain import State
    from automation.chains.transitions import Transition

    own = list(dict.fromkeys(filter(None, (group_pattern(e.group_template) for e in transitions))))
    making = Transition.objects.filter(chain__state=State.ARMED).exclude(chain=chain)
    named = making.exclude(group_template="").order_by("chain__name", "chain", "position", "pk")
    others: dict[tuple[int, str], list[str]] = {}
    for pk, name, template in named.values_list("chain", "chain__name", "group_template"):
        same = [group for group in own if overlap(group, group_pattern(template))]
        others.setdefault((pk, name), []).extend(same)
    for (_pk, name), groups in others.items():
        if groups:
            yield _(
                "“%(chain)s” makes the same events (%(groups)s): the same people may hear twice."
            ) % {"chain": name, "groups": ", ".join(dict.fromkeys(groups))}


def _no_way_out(
    chain: "Chain", reached: set[str], transitions: Sequence["Transition"]
) -> Iterator[str]:
    """Where somebody stays for ever, in a chain without a goal and a limit."""
    if DONE not in reached:
        yield _("Nobody ever leaves: no step leads to the end, and there is no goal and no limit.")
        return
    for state in chain.states:
        if state in reached and not any(each.leads_from(state) for each in transitions):
            yield _(
                "Whoever is in “%(state)s” stays there for ever: no step leads on, and there is no "
                "goal and no limit."
            ) % {"state": state}


def _may_stay(
    chain: "Chain", reached: set[str], transitions: Sequence["Transition"]
) -> Iterator[str]:
    """Where somebody stays who matches nothing, in a chain without a limit."""
    for state in (NEW, *chain.states):
        leading = [each for each in transitions if each.leads_from(state)]
        if state in reached and leading and all(each.conditions.all() for each in leading):
            yield _(
                "Whoever is in “%(state)s” and matches none of the steps that lead on from it "
                "stays there: every one of them has conditions, and there is no limit."
            ) % {"state": state_label(state)}
