"""Sequences over time: what somebody who is on a chain goes through, state by state."""

from typing import TYPE_CHECKING, Any

from automation.chains.code import (
    ChainError,
    Disabled,
    Execution,
    Locked,
    NotDue,
    SeveralRuns,
    Transition,
    UnknownChain,
    UnknownState,
)
from automation.chains.names import DONE, NEW
from automation.chains.registry import register, registered

if TYPE_CHECKING:
    from automation.chains.resources import get_or_create

__all__ = [
    "NEW",
    "DONE",
    "Transition",
    "register",
    "get_or_create",
    "Execution",
    "ChainError",
    "NotDue",
    "Locked",
    "Disabled",
    "SeveralRuns",
    "UnknownChain",
    "UnknownState",
    "registered",
]


if not TYPE_CHECKING:  # a name that is not there is an error for type checkers, too

    def __getattr__(name: str) -> Any:
        if name == "get_or_create":  # it needs the models, which are not there while apps load
            from automation.chains.resources import get_or_create

            return get_or_create
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
