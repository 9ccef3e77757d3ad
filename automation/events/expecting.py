"""Which events a test means, and what it is told when they were not raised."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from automation.events.dispatch import Pattern, Registration, compiled
from automation.events.event import Event, stored_event, stored_group
from automation.events.watching import Raised
from automation.rules import plain

#: So many events are listed, and so many that are near.
_LISTED, _NEAR = 20, 3

#: What an expected event may give besides its group and context.
_FIELDS = tuple(each.name for each in fields(Event))
_TEXTS = tuple(name for name in _FIELDS if name not in ("group", "context"))

_MISSING = object()


class Expected:
    """An event that a test names: by a pattern for its group, or as an ``Event`` by all that it
    gives. Raises ``TypeError`` or ``ValueError`` for what names none."""

    def __init__(self, meant: Pattern | Event) -> None:
        self.event = meant if isinstance(meant, Event) else None
        pattern = re.escape(stored_group(meant.group)) if isinstance(meant, Event) else meant
        if pattern == "":
            raise ValueError("An empty text names no event.")
        self._hears = Registration(*compiled(pattern), _nobody).hears
        self._meant = meant
        #: What a class of events keeps besides the fields of all events.
        self._own = {n: v for n, v in vars(meant).items() if n not in _FIELDS} if self.event else {}
        self._stored = stored_event(meant) if isinstance(meant, Event) and meant.key else None

    def __str__(self) -> str:
        meant = self._meant
        if isinstance(meant, re.Pattern):
            return f"re.compile({meant.pattern!r})"
        if isinstance(meant, str):
            return meant
        if isinstance(meant, type):
            return f"{meant.__qualname__} ({meant.group})"
        key = f" with the key {meant.key}" if meant.key else ""
        context = f", context {dict(meant.context)!r}" if meant.context else ""
        return f"{meant.group}{key}{context}"

    @property
    def group(self) -> str:
        """The name that is looked for, for finding those that are spelt like it."""
        if isinstance(self._meant, re.Pattern):
            return self._meant.pattern
        return self._meant if isinstance(self._meant, str) else self._meant.group

    def hears(self, event: Event) -> bool:
        """Whether the group of ``event`` is meant."""
        return self._hears(event.group.strip())

    def matches(self, event: Event) -> bool:
        return self.hears(event) and not self.differences(event)

    def differences(self, event: Event) -> list[str]:
        """What of ``event`` is not as expected, besides its group, in words."""
        if self.event is None:
            return []
        stored = self._stored or self.event
        found = [
            f"{name} is {getattr(event, name)!r}, expected was {getattr(self.event, name)!r}"
            for name in _TEXTS
            if getattr(self.event, name)
            and getattr(event, name) not in (getattr(self.event, name), getattr(stored, name))
        ]
        found += _differing("context", self.event.context, event.context)
        for name, value in self._own.items():
            other = getattr(event, name, _MISSING)
            if other is _MISSING:
                found.append(f"{name} is not there, expected was {value!r}")
            elif other != value:
                found.append(f"{name} is {other!r}, expected was {value!r}")
        return found


def _nobody(event: Event) -> None: ...


def _differing(path: str, wanted: Any, found: Any) -> Iterator[str]:
    """Where ``found`` is not as ``wanted``. A mapping may have more than is wanted."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for name, value in wanted.items():
            if name in found:
                yield from _differing(f"{path}[{name!r}]", value, found[name])
            else:
                yield f"{path}[{name!r}] is not there, expected was {value!r}"
    elif _is_list(wanted) and _is_list(found) and len(wanted) == len(found):
        for place, (value, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _differing(f"{path}[{place}]", value, other)
    elif wanted != found and not _becomes(wanted, found):
        yield f"{path} is {found!r}, expected was {wanted!r}"


def _becomes(wanted: Any, found: Any) -> bool:
    """Whether ``wanted`` is ``found`` once it is recorded, as a UUID is a text."""
    try:
        return bool(plain.as_read(wanted) == found)
    except TypeError:
        return False


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


# What is said -----------------------------------------------------------------------------


def missing(
    expected: Sequence[Expected],
    count: int | None,
    raised: Sequence[Raised],
    known: Sequence[Event],
) -> str:
    """What a test is told whose expectations were not met; empty if they were."""
    wrong = []
    for each in expected:
        times = sum(each.matches(one.event) for one in raised)
        if times == count or (count is None and times):
            continue
        wrong.append(f"  {each}: {_times(times, count)}")
        if not times:
            wrong += [f"    - {near}" for near in _near(each, raised, known)]
    if not wrong:
        return ""
    return "\n".join(["Expected events were not raised as expected:", *wrong, *_listed(raised)])


def unwanted(expected: Sequence[Expected], raised: Sequence[Raised]) -> str:
    """What a test is told where other events were raised than ``expected``."""
    others = [one for one in raised if not any(each.matches(one.event) for each in expected)]
    if not others:
        return ""
    what = "No other event was expected" if expected else "No event was expected"
    return "\n".join(
        [
            f"{what}, and there was:" if len(others) == 1 else f"{what}, and there were:",
            *_lines(others),
            "If they belong there, expect them, too.",
        ]
    )


def _times(times: int, count: int | None) -> str:
    happened = "not raised" if not times else f"raised {times} time{'s' if times > 1 else ''}"
    if count is None or (times == 0 and count == 1):
        return happened
    return f"{happened}, expected was {'not at all' if count == 0 else count}"


def _near(expected: Expected, raised: Sequence[Raised], known: Sequence[Event]) -> list[str]:
    """What was nearly it, and what to do about that."""
    said = [
        f"{_named(event)} was to be recorded, and its key was recorded before: that happens once, "
        "ever. Use a key that is new in this test."
        for event in known
        if expected.matches(event)
    ]
    for one in raised:
        if expected.hears(one.event):
            differing = "; ".join(expected.differences(one.event))
            said.append(f"{_named(one.event)} was {one.how}, but {differing}.")
    if not said:
        groups = {each.event.group for each in raised} | {event.group for event in known}
        similar = difflib.get_close_matches(expected.group, sorted(groups), n=_NEAR)
        said = [f"Did you mean {group}? Such an event was raised." for group in similar]
    return list(dict.fromkeys(said))[:_NEAR]


def _listed(raised: Sequence[Raised]) -> list[str]:
    if raised:
        return ["Raised were:", *_lines(raised)]
    return [
        "No event was raised at all. Is it raised in this process, and before the end of the "
        "block? What waits for a commit or for the cluster is not done in it: "
        "docs/testing.md says how to do it."
    ]


def _lines(raised: Sequence[Raised]) -> list[str]:
    lines = [f"  {one.how} {_named(one.event)}" for one in raised[:_LISTED]]
    more = len(raised) - _LISTED
    return [*lines, f"  and {more} more"] if more > 0 else lines


def _named(event: Event) -> str:
    return f"{event.group} · {event.key}" if event.key else event.group
