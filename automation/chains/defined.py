"""Chains as definitions: data that travels between sites. They arrive as drafts."""

import datetime
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation.chains.chain import State
from automation.chains.checking import problems_of_states, problems_of_template
from automation.chains.models import Chain, Entry, Goal, StartChain, Transition
from automation.chains.wording import from_label, state_label, wait_label
from automation.rules import plain
from automation.rules.definitions import (
    CONDITIONS,
    DefinedKind,
    Part,
    plain_value,
    register,
)
from automation.rules.sources import UnknownSource, sources
from automation.rules.written import conditions_in_words

FIELDS = (
    "slug", "name", "source", "time_zone", "reentry", "limit_days", "look_minutes",
    "entry_minutes",
)  # fmt: skip

STEP_FIELDS = (
    "name", "to_state", "wait_number", "wait_unit", "wait_weekday", "wait_time", "group_template",
)  # fmt: skip

START_FIELDS = ("slug", "name", "group", "expires_hours")


def register_kinds() -> None:
    register(
        DefinedKind(
            "chains",
            Chain,
            FIELDS,
            Chain.disarm,
            stops=_stops,
            parts=_parts(),
        )
    )
    register(
        DefinedKind(
            "chain_starts",
            StartChain,
            START_FIELDS,
            StartChain.deactivate,
            parts=(Part("chain", lambda start: start.chain.slug, _load_chain, after=False),),
        )
    )


def _parts() -> tuple[Part, ...]:
    return (
        Part(
            "states",
            lambda chain: chain.states,
            _load_states,
            after=False,
            in_words=lambda chain, states: " → ".join(states),
        ),
        _rule_part("entry", _load_entry, gettext_lazy("Who comes in")),
        _rule_part("goal", _load_goal, gettext_lazy("When it has arrived")),
        Part(
            "transitions",
            _dump_transitions,
            _load_transitions,
            in_words=_steps_in_words,
            label=gettext_lazy("Steps"),
        ),
    )


def _rule_part(name: str, load: Callable[[Chain, Any], None], label: Any) -> Part:
    return Part(
        name,
        lambda chain: _conditions(chain, name),
        load,
        in_words=lambda chain, entries: conditions_in_words(chain.source, entries),
        label=label,
    )


def _stops(chain: Chain) -> list[str]:
    """What ends when a definition takes the place of ``chain``."""
    if chain.state != State.ARMED:
        return []
    count = chain.runs.on_their_way().count()
    said = ngettext(
        "It is armed here and will be switched off: %(count)d is on the way and stays until it is "
        "armed again.",
        "It is armed here and will be switched off: %(count)d are on their way and stay until it "
        "is armed again.",
        count,
    )
    return [said % {"count": count}]


def _texts(value: Any, name: str) -> list[str]:
    if not isinstance(value, list | tuple) or not all(
        isinstance(each, str) and plain.text(each) == each for each in value
    ):
        raise ValidationError({name: _("This must be a list of texts.")})
    return list(value)


def _load_states(chain: Chain, value: Any) -> None:
    chain.states = _texts(value, "states")
    if wrong := problems_of_states(chain.states):
        raise ValidationError({"states": wrong})


# The rules of a chain ---------------------------------------------------------------------


def _conditions(chain: Chain, name: str) -> Any:
    rule = getattr(chain, name, None)
    return CONDITIONS.dump(rule) if rule is not None else []


def _load_entry(chain: Chain, entries: Any) -> None:
    _load_rule(chain, Entry, "entry", entries)


def _load_goal(chain: Chain, entries: Any) -> None:
    _load_rule(chain, Goal, "goal", entries)


def _load_rule(chain: Chain, model: Any, name: str, entries: Any) -> None:
    rule = model.objects.filter(chain=chain).first()
    if not entries and rule is None:
        return
    rule = rule or model(chain=chain)
    rule.chain = chain
    rule.save()
    try:
        CONDITIONS.load(rule, entries)
    except ValidationError as error:
        raise ValidationError({name: error.messages}) from error
    setattr(chain, name, rule)


def _dump_transitions(chain: Chain) -> list[dict[str, Any]]:
    return [
        {
            "name": step.name,
            "from_states": list(step.from_states),
            **{name: _plain(getattr(step, name)) for name in STEP_FIELDS if name != "name"},
            "conditions": CONDITIONS.dump(step),
        }
        for step in Transition.objects.filter(chain=chain).order_by("position", "pk")
    ]


def _steps_in_words(chain: Chain, entries: list[dict[str, Any]]) -> str:
    """A line for each step."""
    return "\n".join(_step_in_words(chain, entry) for entry in entries)


def _step_in_words(chain: Chain, entry: dict[str, Any]) -> str:
    step = Transition(**{name: entry[name] for name in (*STEP_FIELDS, "from_states")})
    if entry["wait_time"]:
        step.wait_time = datetime.time.fromisoformat(entry["wait_time"])
    asks = entry["conditions"]
    parts = [
        f"{from_label(step)} → {state_label(step.to_state)}",
        wait_label(step.wait),
        conditions_in_words(chain.source, asks) if asks else _("everybody"),
        _("event %(group)s") % {"group": step.group_template} if step.group_template else "",
    ]
    return f"{step.name}: {' · '.join(filter(None, parts))}"


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | None) else value.isoformat()


def _load_transitions(chain: Chain, entries: Any) -> None:
    if not isinstance(entries, list | tuple) or not all(isinstance(e, dict) for e in entries):
        raise ValidationError({"transitions": _("This must be a list of objects.")})
    Transition.objects.filter(chain=chain).delete()
    for position, entry in enumerate(entries):
        try:
            _load_transition(chain, position, entry)
        except ValidationError as error:
            raise ValidationError({f"transitions[{position}]": error.messages}) from error


def _load_transition(chain: Chain, position: int, entry: dict[str, Any]) -> None:
    known = (*STEP_FIELDS, "from_states", "conditions")
    if unknown := set(entry) - set(known):
        raise ValidationError(
            _("Unknown: %(names)s. Known are: %(known)s.")
            % {"names": ", ".join(sorted(unknown)), "known": ", ".join(known)}
        )
    step = Transition(chain=chain, position=position, source=chain.source)
    for name in STEP_FIELDS:
        if name in entry:
            setattr(step, name, plain_value(step, name, entry[name]))
    step.from_states = _texts(entry.get("from_states", []), "from_states")
    step.full_clean()
    try:
        wrong = problems_of_template(step.group_template, sources.get(chain.source))
    except UnknownSource as error:
        raise ValidationError(str(error)) from error
    if wrong:
        raise ValidationError({"group_template": wrong})
    step.save()
    CONDITIONS.load(step, entry.get("conditions", []))


# Starts -----------------------------------------------------------------------------------


def _load_chain(start: StartChain, slug: Any) -> None:
    chain = Chain.objects.filter(slug=slug).first() if isinstance(slug, str) else None
    if chain is None:
        raise ValidationError({"chain": _("There is no chain named “%s”.") % slug})
    start.chain = chain
