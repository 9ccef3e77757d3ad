"""Events from Django's signals."""

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import ModelSignal
from django.dispatch import Signal

from automation.events.declared import dotted_name, is_asynchronous, model_of
from automation.events.dispatch import Answer, dispatch
from automation.events.event import Event, name_of

logger = logging.getLogger(__name__)

#: What happens because of a signal: the name of an event, a class of events, an event; None is
#: nothing.
Happening = str | type[Event] | Event | None
Hook = Callable[..., Happening]


@dataclass(frozen=True)
class SignalConnection:
    """A signal that is dispatched as an event."""

    signal: Signal
    event: str | type[Event] | None
    hook: Hook | None
    sender: Any

    def connect(self) -> None:
        self.signal.connect(self.receive, sender=self.sender, weak=False, dispatch_uid=self._uid)

    def disconnect(self) -> bool:
        """End it. Returns whether it was connected."""
        return bool(self.signal.disconnect(sender=self.sender, dispatch_uid=self._uid))

    @property
    def _uid(self) -> tuple[Any, ...]:
        return ("automation_events.from_signal", self.event, self.hook)

    def receive(self, signal: Signal, sender: Any, **kwargs: Any) -> list[Answer]:
        """Never raises: whoever sends the signal goes on."""
        try:
            happening = self._happening(sender, kwargs)
            if happening is None:
                return []
            return dispatch(happening, sender=sender, **kwargs)
        except Exception:
            made_by = self.hook or self.event
            named = made_by if isinstance(made_by, str) else dotted_name(made_by)
            logger.exception("A signal made no event: %s failed", named)
            return []

    def _happening(self, sender: Any, kwargs: dict[str, Any]) -> str | Event | None:
        found = self.event if self.hook is None else self.hook(sender, **kwargs)
        if found is None or isinstance(found, Event) or (found and isinstance(found, str)):
            return found
        if isinstance(found, type) and issubclass(found, Event) and found is not Event:
            return _made(found, {"sender": sender, **kwargs})
        raise TypeError(
            f"{found!r} is no event: return its name, an Event, a subclass of Event, or None for "
            "nothing."
        )


def _made(event: type[Event], arguments: dict[str, Any]) -> Event:
    """An event of this class. One without an ``__init__`` of its own is made without anything."""
    if event.__init__ is Event.__init__:
        return event()
    try:
        inspect.signature(event).bind(**arguments)
    except TypeError as error:
        raise TypeError(
            f"{dotted_name(event)} cannot be made of what the signal sent "
            f"({', '.join(arguments)}): {error}. Let its __init__ take that, with **kwargs for "
            "the rest, or give a hook that makes it."
        ) from error
    return event(**arguments)


def from_signal(
    signal: Signal,
    *,
    event: str | type[Event] | None = None,
    hook: Hook | None = None,
    sender: Any = None,
) -> SignalConnection:
    """Dispatch an event whenever ``signal`` is sent, by ``sender`` if that is given.

    ``event`` is its name, or a subclass of ``Event`` that is made with ``sender`` and what the
    signal sends, as keyword arguments; one without an ``__init__`` of its own is made without.
    Or ``hook(sender, **kwargs)`` says each time what happens: a name, such a class, an event, or
    None for nothing; it does not dispatch by itself. Listeners get the event, then ``sender`` and
    what the signal sends as keyword arguments.

    Errors are logged and never reach who sends the signal. Doing it again with the same arguments
    changes nothing; ``disconnect()`` of what is returned ends it. Raises ``TypeError`` unless
    there is exactly one of ``event`` and ``hook``, and for what can be neither. A ``sender`` that
    is a text names a model, ``"app.Model"``; one that names none raises ``ImproperlyConfigured``.
    """
    if not isinstance(signal, Signal):
        raise TypeError(f"from_signal: {signal!r} is no signal of Django.")
    if (event is None) == (hook is None):
        raise TypeError("from_signal: give either event=… or hook=….")
    if event is not None:
        if not name_of(event):
            raise TypeError("from_signal: the event has no name.")
    else:
        _validate_hook(hook)
    if isinstance(sender, str):
        sender = _sender_named(sender, signal)
    connection = SignalConnection(signal, event, hook, sender)
    connection.connect()
    return connection


def _sender_named(name: str, signal: Signal) -> Any:
    """Signals know their senders by identity: a text would never be the one that sends."""
    try:
        return model_of(name, "from_signal")
    except ImproperlyConfigured as error:
        if isinstance(signal, ModelSignal) or not apps.models_ready:
            raise
        raise ImproperlyConfigured(
            f"{error} What is no model cannot be named by a text: give the class itself."
        ) from None


def _validate_hook(hook: Any) -> None:
    if not callable(hook):
        raise TypeError(f"from_signal: the hook {hook!r} cannot be called.")
    if is_asynchronous(hook):
        raise TypeError(
            f"from_signal: {dotted_name(hook)} is asynchronous, and nobody would wait for it."
        )
    parameters = inspect.signature(hook).parameters.values()
    if not any(each.kind is each.VAR_KEYWORD for each in parameters):
        raise TypeError(
            f"from_signal: {dotted_name(hook)} must accept what signals send, also what they will "
            "send one day: write def hook(sender, **kwargs)."
        )
