"""Run the tests on everything that this machine has: ``python -m tests.run [pytest's arguments]``.

SQLite first, with the browser; then PostgreSQL; then what needs the Redis broker. At the
end it names what could not run, and with ``CI`` in the environment that is a failure.
Each run is a pytest of its own, because the settings are read once from the environment.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests import machine

NOTHING_SELECTED = 5


@dataclass
class Outcome:
    code: int
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def main(arguments: list[str]) -> int:
    postgres, redis = machine.postgres(), machine.redis_server()
    runs = {"SQLite": {}}
    if postgres.at:
        runs["PostgreSQL"] = {"DATABASE_URL": postgres.at}
    if redis.at:
        runs["the Redis broker"] = {"DATABASE_URL": postgres.at or "", "REDIS_URL": redis.at}
    outcomes = [pytest(name, environment, arguments) for name, environment in runs.items()]

    missing = [
        need for need in (postgres, redis, machine.chromium(), machine.gettext()) if need.at is None
    ]
    print()
    for need in missing:
        count = number_of_tests(need.marker, arguments)
        print(f"{need.name} was not found. Tests marked “{need.marker}” that did not run: {count}.")
        print(f"    {need.advice}")
    total = Outcome(
        code=exit_code(outcomes),
        passed=sum(outcome.passed for outcome in outcomes),
        failed=sum(outcome.failed for outcome in outcomes),
        skipped=sum(outcome.skipped for outcome in outcomes),
    )
    in_ci = os.environ.get("CI", "") not in ("", "0", "false")
    if in_ci and missing:
        print("CI is set, so a test that did not run is a failure.")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return total.code or int(in_ci and bool(missing))


def pytest(name: str, environment: dict[str, str], arguments: list[str]) -> Outcome:
    """One pytest on what ``environment`` says, on SQLite without Redis if it says nothing."""
    print(f"\n==== Tests on {name} ====", flush=True)
    variables = {**os.environ, "DATABASE_URL": "", "REDIS_URL": "", **environment}
    variables = {key: value for key, value in variables.items() if value}
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        command = [sys.executable, "-m", "pytest", f"--junitxml={report}", *arguments]
        outcome = Outcome(subprocess.run(command, env=variables, check=False).returncode)
        if report.exists():
            for suite in ElementTree.parse(report).iter("testsuite"):
                tests, failures, errors, skipped = (
                    int(suite.get(count, 0)) for count in ("tests", "failures", "errors", "skipped")
                )
                outcome.failed += failures + errors
                outcome.skipped += skipped
                outcome.passed += max(tests - failures - errors - skipped, 0)
    return outcome


def exit_code(outcomes: list[Outcome]) -> int:
    """The first failure; that arguments select no test is one only if no run has any."""
    codes = [outcome.code for outcome in outcomes]
    if all(code == NOTHING_SELECTED for code in codes):
        return NOTHING_SELECTED
    return next((code for code in codes if code not in (0, NOTHING_SELECTED)), 0)


def number_of_tests(marker: str, arguments: list[str]) -> int:
    command = [sys.executable, "-m", "pytest", *arguments, "--collect-only", "-qq", "-m", marker]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    # With -qq, pytest lists "tests/test_x.py: 3" for each file.
    counts = [line.rpartition(": ")[2] for line in listed.splitlines()]
    return sum(int(count) for count in counts if count.isdigit())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
