"""Real processes of the site, working on the database of the test that started them."""

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from django.db import connection
from django_q.brokers import get_broker
from django_q.tasks import async_task

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent


def database_url() -> str:
    """The current test's database, for another process' ``DATABASE_URL``."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    user = quote(settings["USER"], safe="")
    if settings["PASSWORD"]:
        user += ":" + quote(settings["PASSWORD"], safe="")
    host = settings["HOST"] or "127.0.0.1"
    return f"postgres://{user}@{host}:{settings['PORT'] or 5432}/{settings['NAME']}"


def start_manage(*arguments: str, **changes: str) -> subprocess.Popen[str]:
    """Start ``manage.py ARGUMENTS`` on the current test's database, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def marked_processes(mark: str) -> dict[int, str]:
    """The command line of each living process with ``mark`` ("NAME=value") in the environment
    that it was started with, by its id."""
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            variables = (directory / "environ").read_bytes().split(b"\0")
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:  # has ended, or is somebody else's
            continue
        if mark.encode() in variables:
            found[int(directory.name)] = command.decode()
    return found


class Cluster:
    """A ``manage.py qcluster`` on the current test's database, with all its processes."""

    COMMAND: Sequence[str] = ("qcluster",)

    def __init__(self, log: Path, **environment: str) -> None:
        self._log = log
        self._environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it works, which it shows by taking a task."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", *self.COMMAND],
                cwd=ROOT,
                env=environment(**self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_hear_of_hang_ups,
            )
        async_task("time.time")
        try:
            wait_until(self._works, 60, "The cluster takes a task")
        except BaseException:
            print(self.log())
            self.kill()
            raise

    def stop(self) -> None:
        """Ask it to end; kill whatever of it is left."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            print("The cluster did not end within 20 seconds of SIGTERM.")
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to all of its processes at once."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):  # all of them have ended
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def _works(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise AssertionError("The cluster ended while it was starting.")
        return get_broker().queue_size() == 0


def _hear_of_hang_ups() -> None:
    """Whoever runs the tests under nohup has it ignored, and children inherit that."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class WatchedCluster(Cluster):
    """A ``manage.py run_cluster``, with a short patience."""

    COMMAND = ("run_cluster", "--silence", "4", "--grace", "30")

    def __init__(self, log: Path, **environment: str) -> None:
        self.mark = f"CLUSTER_OF_TEST={uuid.uuid4().hex}"
        name, _equals, value = self.mark.partition("=")
        super().__init__(log, **{name: value, "PYTHONUNBUFFERED": "1", **environment})

    @property
    def main(self) -> int:
        """The first process of the qcluster that runs now."""
        return int(re.findall(r"The cluster starts \(process (\d+)\)", self.log())[-1])

    @property
    def sentinel(self) -> int:
        stat = Path(f"/proc/{self.workers[0]}/stat").read_text()
        return int(stat.rpartition(")")[2].split()[1])  # the worker's parent

    @property
    def workers(self) -> list[int]:
        return self._pids("ready for work at")

    @property
    def monitor(self) -> int:
        return self._pids("monitoring at")[-1]

    def processes(self) -> dict[int, str]:
        return marked_processes(self.mark)

    def kill(self) -> None:
        super().kill()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)

    def _pids(self, text: str) -> list[int]:
        """Of the processes that said ``text`` and live."""
        said = [int(pid) for pid in re.findall(rf"{text} (\d+)", self.log())]
        alive = self.processes()
        return [pid for pid in said if pid in alive]


def environment(**changes: str) -> dict[str, str]:
    """That of a process of the site on the current test's database."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "automation.settings",
        "DATABASE_URL": database_url(),
        **changes,
    }
