"""What the scripts of single faults are made of."""

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.report import Row
from tests.faults.run import rows
from tests.faults.scene import Scene, scene

#: Where a scenario that plays leaves what its clusters say.
_log: Path | None = None


@dataclass(frozen=True)
class Scenario:
    """``play`` breaks something and returns what was seen; raises ``AssertionError`` if that
    is not what was expected."""

    name: str
    done: str
    expected: str
    function: Callable[[], str]

    def play(self, log: Path | None = None) -> str:
        global _log
        _log = log
        signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(143))
        return self.function()


def register(into: list[Scenario], done: str, expected: str) -> Any:
    """A decorator: the function's name is the scenario's."""

    def decorate(function: Callable[[], str]) -> Callable[[], str]:
        into.append(Scenario(function.__name__.replace("_", "-"), done, expected, function))
        return function

    return decorate


@contextmanager
def stage(*arguments: Any, **options: Any) -> Iterator[Scene]:
    """``scene``, whose log is kept and shown if something comes differently."""
    with scene(*arguments, **options) as made:
        try:
            yield made
        except AssertionError:
            print("".join(_last_lines(cluster.log()) for cluster in made.clusters), file=sys.stderr)
            raise
        finally:
            if _log is not None:
                _log.write_text("\n".join(cluster.log() for cluster in made.clusters))


def wait(made: Scene, condition: Callable[[], Any], seconds: float, *, hurry: bool = True) -> float:
    """Tick until ``condition`` holds; how many seconds that took. Errors of the database count
    as no: it may be what is broken."""
    from django.db import Error, connection

    began, next_tick = time.monotonic(), 0.0
    while time.monotonic() < began + seconds:
        try:
            if condition():
                return time.monotonic() - began
        except Error:
            connection.close()
        if time.monotonic() >= next_tick:
            made.tick()
            if hurry:
                made.hurry()
            next_tick = time.monotonic() + 2
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds:.0f} seconds; {summary(made)}")


def finish(made: Scene, seconds: float = 120) -> float:
    """Wait until nothing is queued or being sent."""
    from automation.events.states import State
    from mails.models import Message

    unfinished = [State.QUEUED, State.SENDING]
    return wait(made, lambda: not Message.objects.filter(state__in=unfinished).exists(), seconds)


def accepted(made: Scene) -> int:
    return len(made.mail_server.accepted())


def states() -> dict[str, int]:
    return dict(Counter(row.state for row in rows()))


def summary(made: Scene) -> str:
    """What became of the mails, as a cell of the table."""
    times = Counter(identity for _when, identity in made.mail_server.accepted())
    became = ", ".join(f"{count} {state}" for state, count in sorted(states().items()))
    twice = sum(times.values()) - len(times)
    return f"{became}; accepted {sum(times.values())}, twice {twice}"


def check(made: Scene, *, unknown: int = 0, failed: int = 0) -> None:
    """Nothing is lost, nothing came twice, at most so many are unknown and exactly so many have
    failed."""
    times = Counter(identity for _when, identity in made.mail_server.accepted())
    found = rows()
    counts = Counter(row.state for row in found)
    lost = [row for row in found if _is_lost(row, times)]
    expect(not lost, made, f"{len(lost)} are lost")
    expect(max(times.values(), default=0) <= 1, made, "some came twice")
    expect(counts["unknown"] <= unknown, made, f"more than {unknown} are unknown")
    expect(counts["failed"] == failed, made, f"not {failed} have failed")


def expect(holds: object, made: Scene, otherwise: str) -> None:
    if not holds:
        raise AssertionError(f"{otherwise}; {summary(made)}")


def _is_lost(row: Row, times: Counter[str]) -> bool:
    if row.state == "sent":
        return times[row.identity] == 0
    return row.state not in ("failed", "skipped", "cancelled", "unknown")


def _last_lines(log: str) -> str:
    return "\n".join(log.splitlines()[-30:]) + "\n"
