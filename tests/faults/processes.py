"""A real cluster with all its processes, by what they are, so that one can be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.server import ROOT

#: How long a cluster may take to end by itself after a SIGTERM.
GRACE = 40


@dataclass(frozen=True)
class Seen:
    """A process as /proc has it."""

    pid: int
    parent: int
    session: int
    state: str


def processes() -> Iterator[Seen]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with suppress(OSError):
                fields = (path / "stat").read_text().rpartition(")")[2].split()
                yield Seen(int(path.name), int(fields[1]), int(fields[3]), fields[0])


def send(pid: int, sign: signal.Signals) -> bool:
    """False if there is no such process any more."""
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return False
    return True


class Cluster:
    """``manage.py COMMAND``, where COMMAND is ``qcluster`` or ``run_cluster``.

    It is asked and killed only by its own processes: those in a session that it or one of its
    children has begun.
    """

    def __init__(self, directory: Path, command: str, number: int, limits: Any = None) -> None:
        self.command = command
        self._directory = directory
        self._log = directory / f"cluster-{number}.log"
        self._limits = limits
        self._sessions: set[int] = set()
        self._popen: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "manage.py", self.command],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._begin(),
            )
        self._sessions.add(self._popen.pid)
        self.started_at = time.time()

    def _begin(self) -> Any:
        """What its first process does before its program starts."""
        # Not before Django is set up.
        from automation.events.cluster.processes import _end_with_parent

        end_with_parent, limits = _end_with_parent(), self._limits

        def begin() -> None:
            if end_with_parent is not None:
                end_with_parent()
            if limits is not None:
                limits()

        return begin

    @property
    def pid(self) -> int:
        assert self._popen is not None
        return self._popen.pid

    @property
    def runs(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def watches_itself(self) -> bool:
        """Whether it starts again by itself what was killed of it."""
        return self.command != "qcluster"

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def family(self) -> list[Seen]:
        """Every living process of it, orphans too."""
        living = [seen for seen in processes() if seen.state != "Z"]
        # Who began a session of its own is found through its parent, while that lives.
        known = {seen.pid for seen in living if seen.session in self._sessions}
        while more := {s.pid for s in living if s.parent in known and s.pid not in known}:
            known |= more
        found = [seen for seen in living if seen.pid in known]
        self._sessions |= {seen.session for seen in found}
        return found

    def main(self) -> int | None:
        """django-q's main process: the one whose child has children."""
        if not self.watches_itself:
            return self.pid if self.runs else None
        leaders = [s.pid for s in self.family() if s.pid == s.session and s.pid != self.pid]
        return max(leaders, default=None)

    def sentinel(self) -> int | None:
        main = self.main()
        return next((seen.pid for seen in self.family() if seen.parent == main), None)

    def workers(self, *words: str) -> list[int]:
        """Living workers, those that are ``busy`` or ``idle`` or both."""
        said = workers_say(self._directory)
        return [
            seen.pid for seen in self.family() if said.get(seen.pid, ("", 0.0))[0] in words
        ]  # fmt: skip

    def last_sign(self) -> float:
        """When a worker of it last took or ended a task."""
        said = workers_say(self._directory)
        times = [said[seen.pid][1] for seen in self.family() if seen.pid in said]
        return max([self.started_at, *times])

    def kill(self) -> None:
        """SIGKILL to every process of it."""
        while family := self.family():
            for seen in family:
                send(seen.pid, signal.SIGKILL)
            time.sleep(0.02)
        if self._popen is not None:
            self._popen.wait()
            self._popen = None
        self._sessions.clear()

    def terminate_group(self) -> None:
        """SIGTERM to every process of the cluster at once, as systemd does by default. Of one
        that watches itself this is the group that it was started in."""
        for seen in self.family():
            if seen.session == self.pid:
                send(seen.pid, signal.SIGTERM)

    def stop(self) -> bool:
        """Ask it to end, as an operator should; False: it had to be killed."""
        if self._popen is None:
            return True
        for seen in self.family():
            send(seen.pid, signal.SIGCONT)
        self._popen.terminate()
        try:
            self._popen.wait(GRACE)
        except subprocess.TimeoutExpired:
            return False
        finally:
            self.kill()
        return True


def workers_say(directory: Path) -> dict[int, tuple[str, float]]:
    """What tests/faults/apps.py wrote down: pid → (word, when), the last of each."""
    path = directory / "workers"
    if not path.exists():
        return {}
    said = {}
    for line in path.read_text().split("\n")[:-1]:
        pid, word, when = line.split()
        said[int(pid)] = (word, float(when))
    return said
