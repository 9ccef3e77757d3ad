"""States and the ways between them, whoever declared them: editors or code."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from automation.chains.names import NEW


@dataclass(frozen=True)
class Way:
    """One way from a state to another: the transition's name, and whether it takes time."""

    name: str
    from_state: str
    to_state: str
    takes_time: bool


def reachable(ways: Iterable[Way]) -> set[str]:
    """The states that somebody can get to who begins in NEW, that one among them."""
    leading: dict[str, set[str]] = {}
    for way in ways:
        leading.setdefault(way.from_state, set()).add(way.to_state)
    found, new = {NEW}, [NEW]
    while new:
        for state in leading.get(new.pop(), ()):
            if state not in found:
                found.add(state)
                new.append(state)
    return found


def circle_through(state: str, ways: Iterable[Way]) -> list[str]:
    """The shortest circle from ``state`` back to it, with it at both ends; empty if there is
    none."""
    leading: dict[str, set[str]] = {}
    for way in ways:
        leading.setdefault(way.from_state, set()).add(way.to_state)
    paths, known = [[state]], set()
    for path in paths:
        for following in sorted(leading.get(path[-1], ())):
            if following == state:
                return [*path, state]
            if following not in known:
                known.add(following)
                paths.append([*path, following])
    return []


def loop_without_delay(ways: Sequence[Way]) -> list[str]:
    """The states of a circle in which nothing takes time, the first one again at the end; empty
    if there is none: somebody could go round in it for ever within a moment."""
    leading: dict[str, list[str]] = {}
    for way in ways:
        if not way.takes_time:
            leading.setdefault(way.from_state, []).append(way.to_state)
    closed: set[str] = set()
    for first in leading:
        path: list[str] = []
        left = [iter([first])]
        while left:
            state = next(left[-1], None)
            if state is None:
                left.pop()
                if path:
                    closed.add(path.pop())
            elif state in path:
                return [*path[path.index(state) :], state]
            elif state not in closed:
                path.append(state)
                left.append(iter(leading.get(state, [])))
    return []
