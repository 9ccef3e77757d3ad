"""Floor 1: what happened, and who cares."""

from typing import TYPE_CHECKING, Any

from automation.events.dispatch import Answer, dispatch, listen
from automation.events.event import Event, event
from automation.events.listener import Listener
from automation.events.model_signals import ModelEvent, register_signals_for
from automation.events.observers import Observer
from automation.events.registering import register
from automation.events.signal_events import from_signal

if TYPE_CHECKING:
    from automation.events.draining import drain
    from automation.events.model_sources import register_model_source
    from automation.events.processing import process_sources
    from automation.events.recording import record

__all__ = [
    "Event",
    "event",
    "record",
    "dispatch",
    "Answer",
    "listen",
    "Listener",
    "register",
    "Observer",
    "ModelEvent",
    "register_signals_for",
    "from_signal",
    "register_model_source",
    "process_sources",
    "drain",
]

#: What needs the models, which are not there yet while the app is being loaded.
_LATER = {
    "record": "automation.events.recording",
    "drain": "automation.events.draining",
    "register_model_source": "automation.events.model_sources",
    "process_sources": "automation.events.processing",
}

if not TYPE_CHECKING:  # a name that is not there is an error for type checkers, too

    def __getattr__(name: str) -> Any:
        if name in _LATER:
            from importlib import import_module

            return getattr(import_module(_LATER[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
