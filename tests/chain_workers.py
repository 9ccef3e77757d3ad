"""Processes that advance chains together, and are killed. Each is ``python -m tests.chain_workers
NUMBER``: at each moment that it reads it does what ``manage.py advance_chains`` does, in chunks of
random sizes. It writes a dot before each statement, and ends the line when it is through."""

import datetime
import io
import random
import subprocess
import sys
from typing import Any, Self

import django

if __name__ == "__main__":
    django.setup()

from django.core.management import call_command
from django.db import connection

from automation.chains import claiming
from automation.chains.models import Chain, ChainRun
from tests.processes import ROOT, environment

LONG_AGO = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)


class Workers:
    """So many of these processes. ``kills``: how many were killed, and replaced; ``claims_left``:
    how many of those had claimed runs, or the search for new rows, at that moment."""

    def __init__(self, count: int) -> None:
        self.kills = self.claims_left = self.started = 0
        self.running = [self._start() for _number in range(count)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self.running:
            _kill(worker)

    def work(self, now: datetime.datetime, kill_after: int | None = None) -> bool:
        """Let all of them work at ``now``, and kill the oldest one of them after so many of its
        statements, if it has so many. Then its claims run out, and also those of the others, who
        are at work. Returns whether nobody was killed."""
        at = f"{now.isoformat()}\n".encode()
        for worker in self.running:
            assert worker.stdin is not None
            worker.stdin.write(at)
        oldest, *others = self.running
        killed = not _is_through(oldest, kill_after)
        if killed:
            _kill(oldest)
            self.kills += 1
            self.claims_left += let_claims_run_out()
            self.running = [*others, self._start()]
        for worker in others:
            assert _is_through(worker)
        let_claims_run_out()
        return not killed

    def _start(self) -> subprocess.Popen[bytes]:
        self.started += 1
        return subprocess.Popen(
            [sys.executable, "-m", "tests.chain_workers", str(self.started)],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )


def let_claims_run_out() -> bool:
    """Time goes by, until nobody believes any more that whoever claimed something is alive.
    Returns whether anything was claimed."""
    runs = ChainRun.objects.exclude(lease_until=None).change({"lease_until": LONG_AGO})
    chains = Chain.objects.exclude(lease_until=None).update(lease_until=LONG_AGO)
    return bool(runs + chains)


def _kill(worker: subprocess.Popen[bytes]) -> None:
    """SIGKILL."""
    worker.kill()
    worker.communicate()


def _is_through(worker: subprocess.Popen[bytes], statements: int | None = None) -> bool:
    """Wait until ``worker`` is through, or about to send so many statements. False if it is not
    through."""
    assert worker.stdout is not None
    sent = 0
    while (read := worker.stdout.read(1)) == b".":
        sent += 1
        if sent == statements:
            return False
    assert read == b"\n", "The worker ended: see what it wrote."
    return True


# In such a process ------------------------------------------------------------------------


def _tell(execute: Any, *statement: Any) -> Any:
    print(end=".", flush=True)
    return execute(*statement)


def _work(luck: random.Random) -> None:
    for line in sys.stdin:
        claiming.CHUNK = luck.randint(1, 30)
        with connection.execute_wrapper(_tell):
            call_command("advance_chains", "--at", line.strip(), stdout=io.StringIO())
        print(flush=True)


if __name__ == "__main__":
    _work(random.Random(int(sys.argv[1])))
