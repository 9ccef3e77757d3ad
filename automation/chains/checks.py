"""System checks of the chains that code declares: what is odd, though it works."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Warning, register

from automation.chains.code import Transition
from automation.chains.graph import reachable
from automation.chains.names import DONE
from automation.chains.registry import code_chains


@register()
def check_chains_in_code(**kwargs: Any) -> list[CheckMessage]:
    return [*_without_end(), *_without_chain()]


def _without_end() -> Iterator[CheckMessage]:
    for chain in code_chains:
        if DONE not in reachable(chain.ways):
            yield Warning(
                f"No run of the chain {chain.name!r} ever ends.",
                hint="Let a transition lead to DONE.",
                id="automation_chains.W001",
            )


def _without_chain() -> Iterator[CheckMessage]:
    """Transitions that were written in a chains.py and are on no chain."""
    used = {each for chain in code_chains for leading in chain.transitions.values()
            for each in leading}  # fmt: skip
    for each in _subclasses(Transition):
        is_there = each.__module__.endswith(".chains") and not each.__abstractmethods__
        if is_there and each not in used and not any(issubclass(one, each) for one in used):
            yield Warning(
                f"{each.__module__}.{each.__qualname__} is on no chain.",
                hint="Name it in chains.register(…), or remove it.",
                id="automation_chains.W002",
            )


def _subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)
