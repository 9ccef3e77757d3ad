"""Watching what is raised, for tests. While nobody watches, it costs one look at ``watchers``."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from automation.events.event import Event

if TYPE_CHECKING:
    from automation.events.dispatch import Answer


@dataclass
class Raised:
    """One event that was raised, and ``how``. ``args`` and ``kwargs`` are those of ``dispatch``;
    ``answers`` what the listeners made of it that were called in this process so far."""

    event: Event
    how: Literal["dispatched", "recorded"]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    answers: "list[Answer]" = field(default_factory=list)


class Watcher(Protocol):
    def silences(self, raised: Raised) -> bool:
        """Whether no listener is called of it, nor queued."""

    def note(self, raised: Raised) -> None: ...

    def note_known(self, event: Event) -> None:
        """``event`` was to be recorded, and its key is recorded already."""


#: Of the whole process, whatever thread they are in. Replaced and never changed, so that a
#: thread can go through them.
watchers: tuple[Watcher, ...] = ()
_changing = threading.Lock()


def watch(watcher: Watcher) -> None:
    global watchers
    with _changing:
        watchers = (*watchers, watcher)


def leave(watcher: Watcher) -> None:
    """``watcher`` hears nothing more; if it watches twice, its last watch ends."""
    global watchers
    with _changing:
        place = max(at for at, each in enumerate(watchers) if each is watcher)
        watchers = watchers[:place] + watchers[place + 1 :]


def dispatching(raised: Raised, call: "Callable[[], list[Answer]]") -> "list[Answer]":
    """``call`` the listeners, if nobody silences them."""
    now = watchers
    for watcher in now:
        watcher.note(raised)
    if not _is_silenced(raised, now):
        raised.answers.extend(call())
    return list(raised.answers)


class Chunk:
    """The ``new`` events of one chunk that is being recorded, by id, and all that were ``given``
    in their order. ``written`` is said at the end of the transaction."""

    def __init__(self, new: Sequence[tuple[int, Event]], given: Iterable[Event]) -> None:
        order = {event.key: place for place, event in enumerate(given)}
        in_order = sorted(new, key=lambda each: order.get(each[1].key, -1))
        self._raised = {pk: Raised(event, "recorded") for pk, event in in_order}
        self._watchers = watchers
        self._silenced = {
            pk for pk, raised in self._raised.items() if _is_silenced(raised, self._watchers)
        }

    def not_silenced(self, events: Iterable[tuple[int, Event]]) -> list[tuple[int, Event]]:
        """Those of which listeners are told."""
        return [(pk, event) for pk, event in events if pk not in self._silenced]

    def written(self, known: Iterable[Event]) -> None:
        """``known``: the events whose keys were recorded already."""
        known = list(known)
        for watcher in self._watchers:
            for raised in self._raised.values():
                watcher.note(raised)
            for event in known:
                watcher.note_known(event)

    def answered(self, pk: int, answers: "Sequence[Answer]") -> None:
        """What the listeners made of an event that were called in this process."""
        self._raised[pk].answers.extend(answers)


def _is_silenced(raised: Raised, watching: Sequence[Watcher]) -> bool:
    return any(watcher.silences(raised) for watcher in watching)
