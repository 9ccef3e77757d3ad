"""``manage.py doctor`` tells everything in one go, and raises nothing."""

import datetime
import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from automation.events.cluster import heartbeat
from automation.events.health import Examination, Finding, Level, examinations
from tests.processes import start_manage
from tests.test_project import PRODUCTION, manage

pytestmark = [pytest.mark.sqlite_only, pytest.mark.django_db]


def doctor(*findings: Finding, **options: bool) -> tuple[int, str]:
    """The exit code and what it prints, if it finds just these."""
    out, code = StringIO(), 0
    with examinations.only(Examination("all", "All", "mails", lambda now: findings)):
        try:
            call_command("doctor", stdout=out, no_color=True, **options)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue()


FINE = Finding(Level.OK, "All is well.", "Nothing to do.")
WARNING = Finding(Level.WARNING, "Something is odd.", "Look at it.")
PROBLEM = Finding(Level.PROBLEM, "Something broke. " * 6, "Mend it.")


@pytest.mark.parametrize(
    ("findings", "strict", "code"),
    [
        ([FINE], False, 0),
        ([FINE], True, 0),
        ([WARNING, FINE], False, 0),
        ([WARNING, FINE], True, 1),
        ([WARNING, PROBLEM, FINE], False, 1),
    ],
)
def test_the_exit_code_says_whether_there_is_a_problem(findings, strict, code):
    assert doctor(*findings, strict=strict)[0] == code


def test_it_prints_each_finding_with_its_advice():
    assert doctor(FINE, WARNING, PROBLEM)[1] == (
        "fine     All is well.\n"
        "warning  Something is odd.\n"
        "           Look at it.\n"
        "problem  Something broke. Something broke. Something broke. Something broke. "
        "Something broke.\n"
        "         Something broke.\n"
        "           Mend it.\n"
        "problems: 1, warnings: 1, fine: 1\n"
    )


def test_machines_read_json():
    code, printed = doctor(WARNING, PROBLEM, json=True)
    assert (code, json.loads(printed)) == (
        1,
        [
            {"level": "warning", "what": WARNING.what, "advice": "Look at it.", "url": "",
             "count": None},
            {"level": "problem", "what": PROBLEM.what, "advice": "Mend it.", "url": "",
             "count": None},
        ],
    )  # fmt: skip


def test_quick_asks_what_the_home_page_asks(django_assert_num_queries):
    asked = []

    def note(name):
        return lambda now: asked.append(name) or []

    with examinations.only(
        Examination("a", "A", "mails", note("cheap"), cheap=True),
        Examination("b", "B", "mails", note("dear")),
    ):
        call_command("doctor", quick=True, stdout=StringIO())
    assert asked == ["cheap"]


def test_each_examination_is_asked_at_its_own_moment():
    """One that waits for a network makes no clock look wrong."""
    moments: list[datetime.datetime] = []
    with examinations.only(
        *(Examination(name, name, "mails", lambda now: moments.append(now) or []) for name in "ab")
    ):
        before = timezone.now()
        call_command("doctor", stdout=StringIO())
    assert before < moments[0] < moments[1]


@pytest.mark.slow
def test_a_new_installation_is_well(transactional_db, smtp_server):
    """With the tests' database, and the site's own way to open it."""
    heartbeat.beat("web:1", timezone.now())
    process = start_manage("doctor", "--strict", EMAIL_URL=smtp_server.url)
    printed, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, ""), printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], ["The database cannot be used: Oper", "The mail server 127.0.0.1:1 canno"]),
        (["--quick"], ["The database cannot be used: Oper"]),
    ],
)
def test_without_a_database_it_says_so_and_goes_on(options, said):
    result = manage(
        "doctor",
        *options,
        **{**PRODUCTION, "EMAIL_URL": "smtp://127.0.0.1:1"},
        DATABASE_URL="postgres://flint@127.0.0.1:1/flint",
    )
    assert result.returncode == 1
    problems = [line for line in result.stdout.splitlines() if line.startswith("problem ")]
    assert [line[9:42] for line in problems] == said
    assert "Traceback" not in result.stdout + result.stderr
