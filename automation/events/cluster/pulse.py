"""The signs of life that a cluster's processes leave in a directory for their watchdog.

A worker says when it takes a task and when it has finished it, the process that notes results
when it has noted one. Files, because they need neither the database nor the queue.
"""

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automation.events.cluster.processes import end_children_with_this

#: Names the directory to the cluster's processes.
VARIABLE = "AUTOMATION_PULSE"

#: What the watchdog asks for a sign of life with.
BEAT_TASK = "automation.events.tasks.beat"

_TAKEN, _FINISHED, _NOTED, _TRIED = "taken", "finished", "noted", "tried"


@dataclass(frozen=True)
class Signs:
    """Moments in nanoseconds, which are only compared, and how many workers have a task."""

    taken: int
    finished: int
    noted: int
    busy: int


class Pulse:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def clear(self) -> None:
        """Forget the signs of processes that are gone."""
        for path in self._files():
            path.unlink()

    def try_to_write(self) -> None:
        """Raises ``OSError`` where no sign of life can be left."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        (self.directory / _TRIED).touch()

    def read(self, group: int) -> Signs:
        """The signs of the cluster whose processes are of this process group."""
        taken, finished, noted = map(self._moment, (_TAKEN, _FINISHED, _NOTED))
        return Signs(taken, finished, noted, self._busy(group))

    def take(self, **kwargs: Any) -> None:
        """In a worker: it has a task."""
        self._touch(f"{os.getpid()}")
        self._touch(_TAKEN)

    def finish(self, **kwargs: Any) -> None:
        """In a worker: it has finished its task."""
        self._touch(_FINISHED)
        with suppress(OSError):
            (self.directory / f"{os.getpid()}").unlink()

    def note(self, **kwargs: Any) -> None:
        """In the process that notes results: it has noted one."""
        self._touch(_NOTED)

    def _touch(self, name: str) -> None:
        # A disk that is full must not cost the task.
        with suppress(OSError):
            self.directory.mkdir(mode=0o700, exist_ok=True)  # somebody may have cleaned up
            (self.directory / name).touch()

    def _moment(self, name: str) -> int:
        try:
            return (self.directory / name).stat().st_mtime_ns
        except OSError:
            return 0

    def _files(self) -> list[Path]:
        with suppress(OSError):
            return list(self.directory.iterdir())
        return []

    def _busy(self, group: int) -> int:
        """How many workers are at a task. One that was killed left its file behind."""
        pids = [int(path.name) for path in self._files() if path.name.isdecimal()]
        return sum(_is_in_group(pid, group) for pid in pids)


_watched = False


def is_watched() -> bool:
    """Whether this is a process of a cluster that has a watchdog."""
    return _watched


def connect() -> None:
    """In a cluster's first process: leave signs of life, if there is a watchdog to read them."""
    global _watched
    # Taken out: what a task starts is no part of the cluster.
    directory = os.environ.pop(VARIABLE, "")
    if not directory:
        return
    from django_q.signals import post_execute, post_execute_in_worker, pre_execute

    _watched = True
    pulse = Pulse(Path(directory))
    pre_execute.connect(pulse.take, weak=False, dispatch_uid="automation_events.taken")
    post_execute_in_worker.connect(
        pulse.finish, weak=False, dispatch_uid="automation_events.finished"
    )
    post_execute.connect(pulse.note, weak=False, dispatch_uid="automation_events.noted")
    # Every ten seconds, when there is nothing else to do, and of no interest.
    logging.getLogger("django-q").addFilter(lambda record: BEAT_TASK not in record.getMessage())
    end_children_with_this()


def _is_in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except OSError:
        return False
