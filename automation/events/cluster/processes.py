"""Processes that end with the one that started them, however that one ends."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_TAIL_LINES = 15


class Process:
    """A command in a session and process group of its own. Without a log it writes where this
    process writes.

    On Linux it gets a SIGTERM when the process that started it dies, even by SIGKILL.
    """

    def __init__(
        self, name: Any, command: list[str], log: Path | None, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        with ExitStack() as stack:
            output = None
            if log:
                log.parent.mkdir(parents=True, exist_ok=True)
                output = stack.enter_context(log.open("wb"))
            self._popen = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
                preexec_fn=_end_with_parent(),
            )

    @property
    def group(self) -> int:
        """The id of its process group, and of its first process."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that killed it."""
        return self._popen.poll()

    def last_lines(self) -> str:
        if self.log is None:
            return ""
        lines = self.log.read_text(errors="replace").rstrip().splitlines()
        return "\n".join(lines[-_TAIL_LINES:])

    def ask_to_end(self) -> None:
        # Only the first process of the group: it is the one that ends its own in order,
        # and the cluster's workers would drop what they are doing.
        self._popen.terminate()

    def kill(self) -> None:
        """Kill whatever is left of the group, with or without its first process."""
        # macOS answers "not permitted" when only dead ones are left.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()


def end(processes: Sequence[Process], patience: float) -> None:
    """End all, the last one first: those before it are what it works with.

    After ``patience`` seconds in all, what is left is killed.
    """
    deadline = time.monotonic() + patience
    for process in reversed(processes):
        process.ask_to_end()
        while process.exit_code is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()


def end_children_with_this() -> None:
    """On Linux: every process that is forked from here on is killed when the one that forked
    it dies. Programs that are started (``subprocess``) are not."""
    if sys.platform != "linux":
        return
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parents: list[int] = []

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parents[-1]:  # it died before it could be watched
            os._exit(1)

    os.register_at_fork(
        before=lambda: parents.append(os.getpid()),
        after_in_parent=lambda: parents.clear(),
        after_in_child=in_child,
    )


def _end_with_parent() -> Any:
    """What a new process does before its program starts, so that it outlives no parent."""
    if sys.platform != "linux":
        return None
    parent = os.getpid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def end_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before it could be watched
            os._exit(1)

    return end_with_parent
