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

#: The longest name of a queued listener.
NAME_LENGTH = 255


@dataclass(frozen=True)
class Registration:
    pattern: re.Pattern[str]
    whole: bool
    listener: Listener
    queued: bool = False

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

    def add(self, pattern: str | re.Pattern[str], listener: Listener, queue: bool = False) -> None:
        """Registering the same listener for the same pattern again changes nothing. Raises
        ``ValueError`` for one that shall be queued and cannot be found again by its name."""
        if queue:
            self._make_sure_of_name(listener)
        whole = isinstance(pattern, str)
        registration = Registration(re.compile(pattern), whole, listener, queue)
        if registration not in self._registrations:
            self._registrations.append(registration)

    def hearing(self, name: str) -> list[Listener]:
        return [r.listener for r in self._registrations if r.hears(name)]

    def called_at_once(self, group: str) -> list[Listener]:
        """Those that hear a recorded event of ``group`` in the process that records it."""
        return [r.listener for r in self._registrations if not r.queued and r.hears(group)]

    def queued(self, group: str) -> list[str]:
        """The names of those that hear a recorded event of ``group`` in the cluster."""
        heard = (r for r in self._registrations if r.queued and r.hears(group))
        return list(dict.fromkeys(dotted_name(r.listener) for r in heard))

    def named(self, name: str) -> Listener | None:
        """The queued listener that is called ``name``, if there is one. Only what code has
        registered is found: a name in the database runs nothing else."""
        found = (r.listener for r in self._registrations if r.queued)
        return next((each for each in found if dotted_name(each) == name), None)

    @property
    def names(self) -> list[str]:
        """Of all queued ones, in the order of the alphabet."""
        return sorted({dotted_name(r.listener) for r in self._registrations if r.queued})

    def _make_sure_of_name(self, listener: Listener) -> None:
        name = dotted_name(listener)
        if not hasattr(listener, "__qualname__") or "<" in name or name.startswith("__main__."):
            raise ValueError(
                f"{name} cannot be queued: the cluster would not find it again. "
                "Make it a function of a module, such as <app>/listeners.py."
            )
        if len(name) > NAME_LENGTH:
            raise ValueError(f"{name} cannot be queued: its name is longer than {NAME_LENGTH}.")
        if self.named(name) not in (None, listener):
            raise ValueError(f"There are two queued listeners called {name}. Rename one.")

    @contextmanager
    def registered(
        self, pattern: str | re.Pattern[str], listener: Listener, queue: bool = False
    ) -> Iterator[None]:
        """For tests: ``listener`` is registered inside, and what was there before returns."""
        before = list(self._registrations)
        try:
            self.add(pattern, listener, queue)
            yield
        finally:
            self._registrations = before


def dotted_name(listener: Listener) -> str:
    """A listener as developers find it: the module and the name of the function."""
    name = getattr(listener, "__qualname__", None) or type(listener).__qualname__
    return f"{listener.__module__}.{name}"


listeners = Registry()


def listen(
    pattern: str | re.Pattern[str], *, queue: bool = False
) -> Callable[[ListenerType], ListenerType]:
    """Register the decorated function for events.

    A string is a regular expression that must match the whole group or name; a compiled
    one may match anywhere in it. For a recorded event the listener is called with the
    ``Event``, in the recording process, after the transaction is committed; for a
    dispatched one with the event and then the arguments of ``dispatch``.

    With ``queue`` a recorded event is told to it by the cluster: what is to be told is written
    in the event's transaction, and it is called at least once, again and later if it raises or
    its process dies. So it must not mind being called twice. Raises ``ValueError`` for a
    function that the cluster could not find by its name, such as a local one.
    """

    def register(listener: ListenerType) -> ListenerType:
        listeners.add(pattern, listener, queue)
        return listener

    return register


def dispatch(name: str, *args: Any, **kwargs: Any) -> list[Answer]:
    """Call every listener that hears ``name`` now, in this process; nothing is recorded.

    All of them run, also queued ones, whatever another raises; errors are logged and are in the
    answers.
    """
    return _call(listeners.hearing(name), Event(group=name, key=""), args, kwargs)


def listened_groups(groups: Iterable[str]) -> set[str]:
    """Those of ``groups`` that some listener hears at once."""
    return {group for group in groups if listeners.called_at_once(group)}


def call_listeners(events: Iterable[Event]) -> None:
    """Call the listeners of recorded events that are called at once; errors are logged and stop
    no other."""
    for event in events:
        _call(listeners.called_at_once(event.group), event, (), {})


def _call(
    called: Iterable[Listener], event: Event, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[Answer]:
    answers = []
    for listener in called:
        try:
            answers.append(Answer(listener, result=listener(event, *args, **kwargs)))
        except Exception as error:
            logger.exception("The listener %r failed on %s", listener, event.group)
            answers.append(Answer(listener, error=error))
    return answers
