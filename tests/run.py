"""Run the tests on everything that this machine has: ``python -m tests.run [pytest's arguments]``.

There are four runs: on SQLite, on PostgreSQL, in the browser (on SQLite), and with the Redis
broker. Each is a pytest of its own, because the settings are read once from the environment.
One more than there are processors go on at a time, because much of a run is waiting for clusters
and pages; what they print is shown one after the other. At the end stands what failed, and what
could not run; with ``CI`` in the environment that is a failure, too. Ctrl-C and SIGTERM end all
of it.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests import machine

INTERRUPTED = 2
NOTHING_SELECTED = 5
AT_A_TIME = (os.cpu_count() or 1) + 1
LOOK_EVERY = 0.1  # seconds
#: With these, pytest talks with whoever is at the keyboard, so there is one at a time.
CONVERSATIONS = {"--pdb", "--trace"}


class Run:
    """One pytest with ``environment``; its output and its report are kept in ``directory``.

    ``code`` is its exit code: None until it has ended, and for one that never started.
    """

    def __init__(self, name: str, environment: dict[str, str], directory: Path) -> None:
        self.name = name
        self.process: subprocess.Popen[bytes] | None = None
        self.code: int | None = None
        self.passed = self.failed = self.skipped = 0
        self.failures: list[str] = []
        self._environment = environment
        self._report = directory / f"{name}.xml"
        self._output = directory / f"{name}.txt"
        self._shown: int | None = None

    @property
    def goes_on(self) -> bool:
        return self.process is not None and self.code is None

    def start(self, arguments: list[str]) -> None:
        """Start it; what it prints is shown by ``show``."""
        with self._output.open("wb") as output:
            # A group of its own: Ctrl-C reaches it once, from us, and so it can clear away.
            self.process = self._pytest(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def talk(self, arguments: list[str]) -> None:
        """Run it to its end, with the keyboard and the screen."""
        self._say_which()
        self.process = self._pytest(arguments)
        self._ended(self.process.wait())

    def interrupt(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)

    def look(self) -> None:
        """See whether it has ended."""
        if self.process and self.code is None and (code := self.process.poll()) is not None:
            self._ended(code)

    def show(self) -> None:
        """Print what it has printed since the last time."""
        if self.process is None:
            return
        if self._shown is None:
            self._say_which()
            self._shown = 0
        with self._output.open("rb") as output:
            output.seek(self._shown)
            new = output.read()
        self._shown += len(new)
        sys.stdout.buffer.write(new)
        sys.stdout.buffer.flush()

    def _say_which(self) -> None:
        print(f"\n==== Tests {self.name} ====", flush=True)

    def _pytest(self, arguments: list[str], **options: Any) -> subprocess.Popen[bytes]:
        variables = {**os.environ, "DATABASE_URL": "", "REDIS_URL": "", **self._environment}
        if options and sys.stdout.isatty():  # which it cannot see for itself
            columns = str(shutil.get_terminal_size().columns)
            variables = {"COLUMNS": columns, "PY_COLORS": "1", **variables}
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", f"--junitxml={self._report}", *arguments],
            env={key: value for key, value in variables.items() if value},
            **options,
        )

    def _ended(self, code: int) -> None:
        self.code = code
        if not self._report.exists():
            return
        report = ElementTree.parse(self._report)
        for suite in report.iter("testsuite"):
            tests, failures, errors, skipped = (
                int(suite.get(count, 0)) for count in ("tests", "failures", "errors", "skipped")
            )
            self.failed += failures + errors
            self.skipped += skipped
            self.passed += max(tests - failures - errors - skipped, 0)
        for case in report.iter("testcase"):
            if {"failure", "error"} & {part.tag for part in case}:
                name, module = case.get("name", ""), case.get("classname", "").replace(".", "/")
                self.failures.append(f"{module}.py::{name}" if module else name)


def main(arguments: list[str]) -> int:
    postgres, redis = machine.postgres(), machine.redis_server()
    with tempfile.TemporaryDirectory() as directory:
        runs = runs_on(postgres.at, redis.at, Path(directory))
        if CONVERSATIONS.intersection(arguments):
            for run in runs:
                run.talk(arguments)
        else:
            run_together(runs, arguments)

    missing = [
        need for need in (postgres, redis, machine.chromium(), machine.gettext()) if need.at is None
    ]
    print()
    for need in missing:
        count = number_of_tests(need.marker, arguments)
        print(f"{need.name} was not found. Tests marked “{need.marker}” that did not run: {count}.")
        print(f"    {need.advice}")
    in_ci = os.environ.get("CI", "") not in ("", "0", "false")
    if in_ci and missing:
        print("CI is set, so a test that did not run is a failure.")
    for run in runs:
        for test in dict.fromkeys(run.failures):
            print(f"Failed {run.name}: {test}")
    print(
        f"{sum(run.passed for run in runs)} passed, {sum(run.failed for run in runs)} failed, "
        f"{sum(run.skipped for run in runs)} skipped"
    )
    return exit_code([run.code for run in runs]) or int(in_ci and bool(missing))


def runs_on(postgres: str | None, redis: str | None, directory: Path) -> list[Run]:
    """The longest first, so that those who work them off end at about the same time."""
    browser = machine.chromium().at
    runs = [Run("on SQLite", {"TEST_BROWSER": "apart" if browser else ""}, directory)]
    if postgres:
        runs.append(Run("on PostgreSQL", {"DATABASE_URL": postgres}, directory))
    if browser:
        runs.append(Run("in the browser", {"TEST_BROWSER": "only"}, directory))
    if redis:
        environment = {"DATABASE_URL": postgres or "", "REDIS_URL": redis}
        runs.append(Run("with the Redis broker", environment, directory))
    return runs


def run_together(runs: list[Run], arguments: list[str]) -> None:
    """Work them off, and show one after the other. After Ctrl-C and SIGTERM no other one starts,
    and this returns when those have ended that had started."""
    waiting = list(runs)
    signals: list[int] = []
    before = {
        each: signal.signal(each, lambda number, _frame: signals.append(number))
        for each in (signal.SIGINT, signal.SIGTERM)
    }
    for run in runs:
        while run in waiting or run.goes_on:
            for each in runs:
                each.look()
            if signals:
                signals.clear()
                waiting.clear()
                for each in runs:
                    each.interrupt()
            while waiting and sum(each.goes_on for each in runs) < AT_A_TIME:
                waiting.pop(0).start(arguments)
            run.show()
            time.sleep(LOOK_EVERY)
        run.show()
    for number, handler in before.items():
        signal.signal(number, handler)


def exit_code(codes: list[int | None]) -> int:
    """The first failure; that arguments select no test is one only if no run has any."""
    if all(code == NOTHING_SELECTED for code in codes):
        return NOTHING_SELECTED
    known = (INTERRUPTED if code is None else code for code in codes)
    return next((code for code in known if code not in (0, NOTHING_SELECTED)), 0)


def number_of_tests(marker: str, arguments: list[str]) -> int:
    command = [sys.executable, "-m", "pytest", *arguments, "--collect-only", "-qq", "-m", marker]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    # With -qq, pytest lists "tests/test_x.py: 3" for each file.
    counts = [line.rpartition(": ")[2] for line in listed.splitlines()]
    return sum(int(count) for count in counts if count.isdigit())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
