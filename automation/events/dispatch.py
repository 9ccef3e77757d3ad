"""Listeners: what developers attach to event groups and names, in code."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from automation.events import watching
from automation.events.declared import dotted_name, why_never_run, why_not_told
from automation.events.event import Event, name_of

logger = logging.getLogger(__name__)

#: A function, or an instance of ``Listener``: called with the event, then with arguments.
Callee = Callable[..., Any]
CalleeType = TypeVar("CalleeType", bound=Callee)

#: What a listener hears: a text is a regular expression for the whole name of an event, a
#: compiled one may match anywhere in it; a subclass of ``Event`` means its own name.
Pattern = str | re.Pattern[str] | type[Event]

#: Makes what a listener is called in.
Around = Callable[[], AbstractContextManager[Any]]

#: The longest name of a queued listener.
NAME_LENGTH = 255


@dataclass(frozen=True)
class Registration:
    pattern: re.Pattern[str]
    whole: bool
    listener: Callee
    queued: bool = False

    def hears(self, name: str) -> bool:
        match = self.pattern.fullmatch if self.whole else self.pattern.search
        return match(name) is not None


@dataclass(frozen=True)
class Answer:
    """What one listener made of an event: what it returned, or what it raised."""

    listener: Callee
    result: Any = None
    error: Exception | None = None


class Registry:
    def __init__(self) -> None:
        self._registrations: list[Registration] = []

    def add(self, pattern: Pattern, listener: Callee, queue: bool = False) -> None:
        """Registering the same listener for the same pattern again changes nothing. Raises
        ``TypeError`` for what cannot be called with an event, or only be awaited, and
        ``ValueError`` for a text that is no regular expression and for a listener that shall be
        queued and cannot be found again by its name, or takes the name of a queued one."""
        expression, whole = compiled(pattern)
        if not callable(listener):
            raise TypeError(f"{listener!r} is no listener: it cannot be called.")
        if isinstance(listener, type):
            raise TypeError(
                f"{listener.__qualname__} is a class. A subclass of Listener is registered with "
                "@register; of another class, listen with an instance."
            )
        if problem := why_never_run(listener):
            raise TypeError(f"{dotted_name(listener)} {problem}")
        if problem := why_not_told(listener, queue):
            raise TypeError(f"{dotted_name(listener)} {problem}")
        if queue:
            self._make_sure_of_name(listener)
        self._make_sure_of_no_twin(listener, queue)
        registration = Registration(expression, whole, listener, queue)
        if registration not in self._registrations:
            self._registrations.append(registration)

    def hearing(self, name: str) -> list[Callee]:
        return _once(r for r in self._registrations if r.hears(name))

    def called_at_once(self, group: str) -> list[Callee]:
        """Those that hear a recorded event of ``group`` in the process that records it. One that
        is queued under another pattern is told in the cluster, and only there."""
        heard = [r for r in self._registrations if r.hears(group)]
        queued = [r.listener for r in heard if r.queued]
        return _once(r for r in heard if r.listener not in queued)

    def queued(self, group: str) -> list[str]:
        """The names of those that hear a recorded event of ``group`` in the cluster."""
        heard = (r for r in self._registrations if r.queued and r.hears(group))
        return list(dict.fromkeys(dotted_name(r.listener) for r in heard))

    def named(self, name: str) -> Callee | None:
        """The listener that is called ``name``, if there is just one. Only what code has
        registered is found: a name in the database runs nothing else."""
        found = [each for each in self._with_lasting_names() if dotted_name(each) == name]
        return found[0] if len(found) == 1 else None

    def can_be_found(self, listener: Callee) -> bool:
        """Whether another process finds ``listener`` again by its name."""
        return has_lasting_name(listener) and self.named(dotted_name(listener)) == listener

    @property
    def names(self) -> list[str]:
        """Of all that can be found by them, in the order of the alphabet."""
        return sorted({dotted_name(each) for each in self._with_lasting_names()})

    def _with_lasting_names(self) -> list[Callee]:
        return [each for each in _once(self._registrations) if has_lasting_name(each)]

    def __iter__(self) -> Iterator[Registration]:
        return iter(self._registrations)

    def _make_sure_of_name(self, listener: Callee) -> None:
        name = dotted_name(listener)
        if not has_lasting_name(listener):
            raise ValueError(
                f"{name} cannot be queued: the cluster would not find it again. "
                "Make it a function of a module, such as <app>/listeners.py."
            )
        if len(name) > NAME_LENGTH:
            raise ValueError(f"{name} cannot be queued: its name is longer than {NAME_LENGTH}.")

    def _make_sure_of_no_twin(self, listener: Callee, queue: bool) -> None:
        """The cluster finds a queued listener by its name: no other can have it, also none that
        is called at once."""
        if not has_lasting_name(listener):
            return
        name = dotted_name(listener)
        others = (r for r in self._registrations if r.listener != listener)
        twins = (r for r in others if queue or r.queued)
        if any(dotted_name(r.listener) == name and has_lasting_name(r.listener) for r in twins):
            raise ValueError(
                f"There are two listeners called {name}, and one of them is queued: the cluster "
                "could not tell them apart. Rename one."
            )

    @contextmanager
    def registered(self, pattern: Pattern, listener: Callee, queue: bool = False) -> Iterator[None]:
        """For tests: ``listener`` is registered inside, and what was there before returns."""
        before = list(self._registrations)
        try:
            self.add(pattern, listener, queue)
            yield
        finally:
            self._registrations = before


def compiled(pattern: Pattern) -> tuple[re.Pattern[str], bool]:
    """The regular expression that is meant, and whether it must match the whole name."""
    if isinstance(pattern, re.Pattern):
        if not isinstance(pattern.pattern, str):
            raise TypeError(
                f"{pattern!r} is an expression for bytes, and names of events are texts: leave "
                "out the b."
            )
        return pattern, False
    if not isinstance(pattern, str):
        return re.compile(re.escape(name_of(pattern))), True
    if not pattern:
        raise ValueError(
            'An empty text is the name of no event, so nothing would be heard. ".*" is for all.'
        )
    try:
        return re.compile(pattern), True
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}.") from error


def _once(registrations: Iterable[Registration]) -> list[Callee]:
    """The listeners, each once, however many of its patterns match."""
    found: list[Callee] = []
    for registration in registrations:
        if registration.listener not in found:
            found.append(registration.listener)
    return found


def has_lasting_name(listener: Callee) -> bool:
    """Whether it is a function of a module, or a class of one: no local one, no lambda, no
    method of something built in."""
    name = dotted_name(listener)
    of_class = getattr(type(listener), "IS_NAMED_BY_CLASS", False)
    named = (of_class or hasattr(listener, "__qualname__")) and listener.__module__ is not None
    return named and "<" not in name and not name.startswith("__main__.")


listeners = Registry()


def listen(pattern: Pattern, *, queue: bool = False) -> Callable[[CalleeType], CalleeType]:
    """Register the decorated function for events.

    A string is a regular expression that must match the whole group or name; a compiled
    one may match anywhere in it; a subclass of ``Event`` stands for its own name. For a
    recorded event the listener is called with the ``Event``, in the recording process, after
    the transaction is committed; for a dispatched one with the event and then the arguments
    of ``dispatch``. It is called once for an event, however many of its patterns match.

    With ``queue`` a recorded event is told to it by the cluster: what is to be told is written
    in the event's transaction, and it is called at least once, again and later if it raises or
    its process dies. So it must not mind being called twice. Raises ``ValueError`` for a
    function that the cluster could not find by its name, such as a local one, and for a text
    that is empty or no regular expression; ``TypeError`` for an asynchronous function and for
    one that takes no event, or more than that if it is queued.
    """
    compiled(pattern)  # say what is wrong before anything is decorated, as with @listen alone

    def register(listener: CalleeType) -> CalleeType:
        listeners.add(pattern, listener, queue)
        return listener

    return register


def dispatch(event: str | Event, /, *args: Any, **kwargs: Any) -> list[Answer]:
    """Call every listener that hears ``event``, or an event of this name, now and in this
    process; nothing is recorded. Listeners are called with the event, then with the arguments.

    All of them run, also queued ones, whatever another raises; errors are logged and are in the
    answers. Raises ``TypeError`` for what is no event, such as a class of them, and
    ``ValueError`` for one without a name.
    """
    if isinstance(event, type):
        raise TypeError(f"Make the event first: dispatch({event.__name__}(...)).")
    if not isinstance(event, (str, Event)):
        raise TypeError(f"Only an event or its name can be dispatched, and {event!r} is none.")
    happening = event if isinstance(event, Event) else Event(group=event)
    if not isinstance(happening.group, str):
        raise TypeError(f"The group of an event is a text, and {happening.group!r} is none.")
    if (group := happening.group.strip()) != happening.group:  # as it would be recorded
        happening = happening.replaced(group=group)
    if not happening.group:
        raise ValueError("What is dispatched needs a name: it is what listeners hear.")
    called = listeners.hearing(happening.group)
    if watching.watchers:
        raised = watching.Raised(happening, "dispatched", args, kwargs)
        return watching.dispatching(raised, lambda: _call(called, happening, args, kwargs))
    return _call(called, happening, args, kwargs)


def listened_groups(groups: Iterable[str]) -> set[str]:
    """Those of ``groups`` that some listener hears at once."""
    return {group for group in groups if listeners.called_at_once(group)}


def call_listeners(event: Event, within: Around = nullcontext) -> list[Answer]:
    """Call the listeners of a recorded event that are called at once, each ``within`` such a
    context; errors are logged, stop no other, and are in the answers."""
    return _call(listeners.called_at_once(event.group), event, (), {}, within)


def _call(
    called: Iterable[Callee],
    event: Event,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    within: Around = nullcontext,
) -> list[Answer]:
    answers = []
    for listener in called:
        try:
            with within():
                result = listener(event, *args, **kwargs)
            answers.append(Answer(listener, result=result))
        except Exception as error:
            logger.exception("The listener %s failed on %s", dotted_name(listener), event.group)
            answers.append(Answer(listener, error=error))
    return answers
