"""Listeners: what developers attach to event groups and names, in code."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from automation.events.event import Event

logger = logging.getLogger(__name__)

Listener = Callable[..., Any]
ListenerType = TypeVar("ListenerType", bound=Listener)


@dataclass(frozen=True)
class Registration:
    pattern: re.Pattern[str]
    whole: bool
    listener: Listener

    def hears(self, name: str) -> bool:
        match = self.pattern.fullmatch if self.whole else self.pattern.search
        return match(name) is not None


@dataclass(frozen=True)
class Answer:
    """What one listener made of an event: what it returned, or what it raised."""

    listener: Listener
    result: Any = None
    error: Exception | None = None


class Registry:
    def __init__(self) -> None:
        self._registrations: list[Registration] = []

    def add(self, pattern: str | re.Pattern[str], listener: Listener) -> None:
        """Registering the same listener for the same pattern again changes nothing."""
        whole = isinstance(pattern, str)
        registration = Registration(re.compile(pattern), whole, listener)
        if registration not in self._registrations:
            self._registrations.append(registration)

    def hearing(self, name: str) -> list[Listener]:
        return [r.listener for r in self._registrations if r.hears(name)]

    @contextmanager
    def registered(self, pattern: str | re.Pattern[str], listener: Listener) -> Iterator[None]:
        """For tests: ``listener`` is registered inside, and what was there before returns."""
        before = list(self._registrations)
        try:
            self.add(pattern, listener)
            yield
        finally:
            self._registrations = before


listeners = Registry()


def listen(pattern: str | re.Pattern[str]) -> Callable[[ListenerType], ListenerType]:
    """Register the decorated function for events.

    A string is a regular expression that must match the whole group or name; a compiled
    one may match anywhere in it. For a recorded event the listener is called with the
    ``Event``, in the recording process, after the transaction is committed; for a
    dispatched one with the event and then the arguments of ``dispatch``.
    """

    def register(listener: ListenerType) -> ListenerType:
        listeners.add(pattern, listener)
        return listener

    return register


def dispatch(name: str, *args: Any, **kwargs: Any) -> list[Answer]:
    """Call every listener that hears ``name`` now, in this process; nothing is recorded.

    All of them run, whatever another raises; errors are logged and are in the answers.
    """
    return _call(Event(group=name, key=""), args, kwargs)


def listened_groups(groups: Iterable[str]) -> set[str]:
    """Those of ``groups`` that some listener hears."""
    return {group for group in groups if listeners.hearing(group)}


def call_listeners(events: Iterable[Event]) -> None:
    """Call the listeners of recorded events; errors are logged and stop no other."""
    for event in events:
        _call(event, (), {})


def _call(event: Event, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Answer]:
    answers = []
    for listener in listeners.hearing(event.group):
        try:
            answers.append(Answer(listener, result=listener(event, *args, **kwargs)))
        except Exception as error:
            logger.exception("The listener %r failed on %s", listener, event.group)
            answers.append(Answer(listener, error=error))
    return answers
