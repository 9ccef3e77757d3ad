"""Which groups of events there are, and what their events know.

Whoever makes events (generators, later chains) tells it here; whoever waits for them
(mails) asks here, so that neither needs to know the other.
"""

import datetime
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from automation.events.event import Event

#: The first events that a producer would make at a moment (aware), without recording them.
Sample = Callable[[datetime.datetime, int], Iterator[Event]]


@dataclass(frozen=True)
class Producer:
    """Something that makes events: its name, the group they have (``*`` where it varies),
    the shape of what templates see of them, and a way to look at some before they happen."""

    label: str
    group: str
    shape: dict[str, Any]
    sample: Sample


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
