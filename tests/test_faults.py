"""The fault test in short: docs/reliability.md has the long one."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.faults.kinds import Fault
from tests.faults.report import Figures, Row, count
from tests.faults.server import ROOT

#: Seconds for a run of the fault test; what starts and ends it takes a while, too. Two of them
#: may run at the same time, and clusters of other tests beside them.
PATIENCE = 300

DATABASE = "sqlite" if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3") else "postgres"


def fault_test(report: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Its exit code and its figures. What it said is shown if the test fails."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults", "--json", str(report), *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _nothing = process.communicate(timeout=PATIENCE + 90)
    finally:
        # It puts away what it has made, also when it is asked to end.
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    print(said)
    return process.returncode, json.loads(report.read_text())


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_nothing_is_lost_and_nothing_comes_twice_whatever_breaks(tmp_path: Path):
    code, figures = fault_test(
        tmp_path / "figures.json", "--database", DATABASE, "--patience", str(PATIENCE),
        "--mails", "2000", "--faults", "20", "--seed", "1",
    )  # fmt: skip
    assert figures["problems"] == []
    assert (code, figures["lost"], figures["duplicates"], figures["faults"]) == (0, 0, 0, 20)
    assert figures["unknown"] <= 20


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.timeout(480)
def test_nor_with_redis_that_forgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEST_REDIS_URL", os.environ["REDIS_URL"])
    code, figures = fault_test(
        tmp_path / "figures.json", "--database", DATABASE, "--patience", str(PATIENCE),
        "--broker", "redis", "--mails", "800", "--faults", "8", "--seed", "2",
    )  # fmt: skip
    assert figures["problems"] == []
    assert (code, figures["lost"], figures["duplicates"], figures["faults"]) == (0, 0, 0, 8)


@pytest.mark.slow
@pytest.mark.sqlite_only
@pytest.mark.timeout(480)
@pytest.mark.parametrize(
    ("wrong", "only", "found"),
    [
        ("guess", "hung up after", "duplicates"),
        ("sent-first", "hung up before", "lost"),
    ],
)
def test_the_fault_test_finds_delivery_that_is_wrong(
    tmp_path: Path, wrong: str, only: str, found: str
):
    code, figures = fault_test(
        tmp_path / "figures.json", "--patience", str(PATIENCE), "--break", wrong,
        "--only", only, "--mails", "200", "--faults", "2",
    )  # fmt: skip
    assert code == 1
    assert figures[found] > 0


# How it counts ----------------------------------------------------------------------------


def counted(
    accepted: list[tuple[float, str]], rows: list[Row], *faults: Fault, mails: int = 1
) -> Figures:
    figures = Figures("sqlite", "orm", "qcluster", 1, mails, len(faults))
    return count(figures, accepted, rows, list(faults))


def killed() -> Fault:
    return Fault("a worker killed", 100.0, bound=1, kills=True)


def test_a_mail_that_was_accepted_and_is_sent_is_all_right():
    assert counted([(1.0, "<a>")], [Row("<a>", "sent", handed_at=1.0)]).problems == []


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("accepted", "rows", "problems"),
    [
        ([], [Row("<a>", "sent")], ["1 mails are lost"]),
        ([], [], ["1 mails are lost"]),
        ([], [Row("<a>", "queued")],
         ["1 mails are lost", "1 mails are still queued or being sent"]),
        ([(1.0, "<a>")], [Row("<a>", "sending")], ["1 mails are still queued or being sent"]),
        ([(1.0, "<a>"), (2.0, "<a>")], [Row("<a>", "sent")], ["1 mails came twice"]),
        ([(1.0, "<a>")], [Row("<a>", "failed")], ["1 mails were accepted and count as not sent"]),
        ([(1.0, "<a>"), (1.0, "<b>")], [Row("<a>", "sent")],
         ["1 mails were accepted that the database does not know"]),
        ([], [Row("<a>", "unknown", handed_at=1.0)],
         ["more unknown mails than faults", "1 mails are unknown without a fault"]),
        ([], [Row("<a>", "failed")], []),
    ],
)  # fmt: skip
def test_what_breaks_the_promise_is_named(accepted: Any, rows: Any, problems: list[str]):
    assert counted(accepted, rows).problems == problems


def test_an_unknown_mail_needs_a_fault_at_its_time():
    at_its_time = counted([], [Row("<a>", "unknown", handed_at=99.9)], killed())
    assert (at_its_time.unexplained, at_its_time.problems) == (0, [])
    assert at_its_time.unknown_by_fault == {"a worker killed": "1 of 1 times"}
    later = counted([], [Row("<a>", "unknown", handed_at=200.0)], killed())
    assert later.problems == ["1 mails are unknown without a fault"]


def test_a_pause_after_a_kill_is_measured_to_the_next_mail():
    accepted = [(90.0, "<a>"), (161.0, "<b>"), (300.0, "<c>")]
    rows = [Row(identity, "sent") for _when, identity in accepted]
    figures = counted(accepted, rows, killed(), mails=3)
    assert figures.longest_pause == 61
    assert figures.problems == ["nothing was sent for 61 s after something was killed"]
