"""Floor 1: what happened, and who cares."""

from typing import Any

from automation.events.dispatch import Answer, dispatch, listen
from automation.events.event import Event

__all__ = ["Answer", "Event", "dispatch", "listen", "record"]


def __getattr__(name: str) -> Any:
    # record() needs the models, which are not there yet while the app is being loaded.
    if name == "record":
        from automation.events.recording import record

        return record
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
