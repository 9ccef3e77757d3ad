"""Which groups of events there are, and what their events know.

Whoever makes events (generators, later chains) tells it here; whoever waits for them
(mails) asks here, so that neither needs to know the other.
"""

import datetime
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events.event import Event
from automation.rules.counting import Counted

#: What forms say about the group that something is for.
GROUP_HELP = gettext_lazy(
    "The event group that it is for: those that are made here are offered. A * stands for anything."
)


@dataclass(frozen=True)
class Chunk:
    """The events of some rows, in the order of the rows. ``left_out``: how many of the rows
    made none. ``last`` names the last row: what follows begins after it."""

    events: Sequence[Event]
    left_out: int
    last: str


@dataclass(frozen=True)
class Producer(ABC):
    """Something that makes events: what names it for as long as it exists (``key``), what
    people call it, the group its events have (``*`` where it varies), and the shape of what
    templates see of them.

    It can be asked for its events before they happen, none of which is recorded by that. Each
    of these raises ``BrokenRule`` if it cannot be asked; ``now`` is aware.
    """

    key: str
    label: str
    group: str
    shape: dict[str, Any]

    @property
    def source(self) -> str:
        """The key of the source that its events are about; empty if it is none, or varies."""
        return ""

    @abstractmethod
    def sample(self, now: datetime.datetime, count: int, search: str = "") -> list[Event]:
        """The events of the newest ``count`` rows; with ``search``, of rows that have this
        number, and of people whose address contains it. Raises ``TooSlow`` if that is not
        found out soon."""

    def row_name(self, event: Event) -> str:
        """What names the row of ``event`` among the rows of all producers."""
        return f"{self.key}{event.row_pk}"

    @abstractmethod
    def event_of(self, now: datetime.datetime, row_name: str) -> Event | None:
        """The event of the row that has this name. None if it matches no longer, or if it is
        no row of this producer."""

    @abstractmethod
    def count(self, now: datetime.datetime, patience: float) -> Counted:
        """How many rows match, within about twice ``patience`` seconds."""

    @abstractmethod
    def chunks(self, now: datetime.datetime, size: int, after: str = "") -> Iterator[Chunk]:
        """The events of all rows that match, ``size`` rows at a time with the same number of
        queries for each; of those after the row that ``after`` names, if it is given."""


Provider = Callable[[], Iterable[Producer]]

_providers: list[Provider] = []


def register_provider(provider: Provider) -> None:
    """``provider`` is asked for its producers whenever somebody wants to know them."""
    if provider not in _providers:
        _providers.append(provider)


def producers(pattern: str = "*") -> list[Producer]:
    """All producers whose events an action with this group pattern may hear."""
    return [
        producer
        for provider in _providers
        for producer in provider()
        if overlap(pattern.strip(), producer.group)
    ]


def made_groups() -> list[tuple[str, str]]:
    """The groups of events that are made here, with who makes them."""
    return [(producer.group, producer.label) for producer in producers()]


#: The most ``*`` in a pattern. Each more would multiply what a database needs to compare.
MAX_STARS = 3


def problem_of_pattern(pattern: str) -> str:
    """Why an editor cannot have this pattern; empty if she can."""
    if pattern.count("*") > MAX_STARS:
        return _("At most %d signs * are possible.") % MAX_STARS
    return ""


def matches(pattern: str, group: str) -> bool:
    """Whether ``group`` matches an editor's pattern: ``*`` stands for anything, all else for
    itself."""
    first, *others = pattern.strip().split("*")
    if not others:
        return group == first
    *between, last = others
    if not group.startswith(first) or len(group) < len(first) + len(last):
        return False
    position, end = len(first), len(group) - len(last)
    for part in between:
        found = group.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return group.endswith(last)


def group_pattern(template: str) -> str:
    """The groups that a template can give: ``*`` where it depends on the row."""
    return re.sub(
        r"\*+", "*", re.sub(r"\{\{.*?\}\}|\{%.*%\}", "*", template, flags=re.DOTALL)
    ).strip()


def overlap(one: str, other: str) -> bool:
    """Whether some text matches both patterns, in which ``*`` stands for anything."""

    @cache
    def meet(i: int, j: int) -> bool:
        if i == len(one) and j == len(other):
            return True
        if i < len(one) and one[i] == "*":
            return meet(i + 1, j) or (j < len(other) and meet(i, j + 1))
        if j < len(other) and other[j] == "*":
            return meet(i, j + 1) or (i < len(one) and meet(i + 1, j))
        return i < len(one) and j < len(other) and one[i] == other[j] and meet(i + 1, j + 1)

    return meet(0, 0)
