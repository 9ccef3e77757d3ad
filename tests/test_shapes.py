"""Flint in projects unlike ours: other databases, users, keys, admin sites, clocks."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.processes import ROOT, database_url


def play(
    directory: Path, *arguments: str, module: str = "play", **environment: str
) -> dict[str, Any]:
    """What a module of ``tests/shapes`` does, and finds."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", f"tests.shapes.{module}", *arguments],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "tests.shapes.settings",
            "SHAPES_DIRECTORY": str(directory),
            **environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    print(result.stderr)
    assert result.returncode == 0
    told: dict[str, Any] = json.loads(result.stdout)
    return told


@pytest.fixture
def databases(transactional_db: None) -> Iterator[dict[str, str]]:
    """Names of empty databases on the server of the tests, for the environment."""
    server, name = database_url().rsplit("/", 1)
    names = {
        f"SHAPES_{alias}": f"{name}_{alias.lower()}" for alias in ("DEFAULT", "BUSINESS", "COPY")
    }
    with connection.cursor() as cursor:
        for each in names.values():
            cursor.execute(f'CREATE DATABASE "{each}"')
        try:
            yield {variable: f"{server}/{each}" for variable, each in names.items()}
        finally:
            for each in names.values():
                cursor.execute(f'DROP DATABASE "{each}" WITH (FORCE)')


def make_sure(told: dict[str, Any]) -> None:
    assert told["missing migrations"] == "No changes detected\n"
    assert told["checks"] == "System check identified no issues (1 silenced).\n"
    assert told["tables in default"] == ["django_migrations", "django_session", "visits_visit"]
    # Rows with UUIDs and with texts as keys, for each way of "how often".
    assert told["runs"] == {
        "full": ["1", "1"],
        "late-after": ["2", "2"],
        "late-anew": ["2", "2"],
        "late-key": ["2", "1"],
        "late-once": ["2", "2"],
    }
    assert told["new when it runs again"] == ["0"] * 5
    assert told["from code"] == [
        ["library.loan", "loans"],
        ["library.loan", "loans"],
        ["library.shelf", "all"],
        ["library.shelf", "shelves"],
    ]
    assert told["deliver"].splitlines() == [
        "calls of listeners: 1 sent",
        "calls of webhooks: 0",
        "starts by events: 0",
        "messages: 3 sent",
    ]
    assert told["mails"] == [
        ["ann@example.com", "A/1 ü"],
        *(["ann@example.com", f"{loan}: Emma Ulysses 2026-03-01 12:00"] for loan in told["loans"]),
    ]
    assert told["by hand"] == {
        "save": ["The mail “Loan” was changed successfully."],
        "go back": ["Went back to version 1."],
        "test without an address": [
            "Your account has no mail address. Ask whoever manages the users to add it."
        ],
        "test": ["Sent to staff@example.com."],
        "test of an account": ["Sent to staff@example.com."],
        "proof": [],
        "decide": ["1 message: Queued again."],
        "pause": ["1 is paused."],
        "import": [
            "11 were imported.",
            "What was imported is switched off: look at it before you switch it on.",
        ],
        "erase": ["The person was erased from 18 rows. Nothing is sent to this address any more."],
    }
    make_sure_of_chains(told["chains"], *told["late loans"])
    assert told["decided about runs"] == {
        "emma": [
            ["1 run: Ended.", "2 NEW cancelled"],
            ["It is on its way.", "3 NEW"],
            ["1 run: Moved.", "3 ASKED"],
        ],
        "A/1 ü": [
            ["1 run: Ended.", "1 ASKED cancelled"],
            ["It is on its way.", "2 NEW"],
            ["1 run: Moved.", "2 REMINDED"],
        ],
    }
    assert told["on the way"] == {
        "emma": ["Emma"],
        "ULYS": ["Ulysses"],
        "A/1 ü": ["A/1 ü"],
        "nobody": [],
        "Emma": ["Emma"],
        "Ulysses": ["Ulysses"],
    }
    assert told["done by"] == ["badge 7"]
    assert told["mails by hand"] == ["staff@example.com", "staff@example.com"]
    assert told["asgi"] == 200
    assert told["healthz"] == [{"status": "ok"}, {"status": "ok"}]


def make_sure_of_chains(told: dict[str, Any], emma: str, ulysses: str) -> None:
    """About rows with UUIDs and with texts as keys, in the database that is not the default."""
    assert (told["loans can be armed"], told["shelves can be armed"]) == (200, 200)
    assert told["at once"] == []
    assert sorted(told["after a day"]) == sorted([
        f"loans-reminder {emma} ann@example.com",
        f"loans-reminder {ulysses} ann@example.com",
        "shelves-reminder A/1 ü ann@example.com",
    ])  # fmt: skip
    assert told["after four days"] == [
        f"loans-4 {ulysses} ann@example.com",
        "shelves-4 A/1 ü ann@example.com",
    ]
    where_they_are = {
        f"loans {emma} REMINDED goal",
        f"loans {ulysses} ASKED",
        "shelves A/1 ü ASKED",
    }
    assert set(told["where they are"]) == where_they_are
    assert set(told["started by an event"]) == {*where_they_are, f"loans {emma} NEW"}
    parts = ("moving", "renaming", "order of steps", "arming")
    assert told["all or nothing"] == dict.fromkeys(parts, True)


#: The pages of ours that no link leads to: there is none of it, nobody may, or it is posted to.
NOT_OPENED = [
    "admin:automation_chains_chain_arm",
    "admin:automation_chains_chain_pause",
    "admin:automation_chains_chain_rule",
    "admin:automation_chains_chainrun_add",
    "admin:automation_chains_chainrun_delete",
    "admin:automation_chains_chainstart_add",
    "admin:automation_chains_chainstart_delete",
    "admin:automation_chains_entry_add",
    "admin:automation_chains_entry_import",
    "admin:automation_chains_entry_panel",
    "admin:automation_chains_goal_add",
    "admin:automation_chains_goal_import",
    "admin:automation_chains_goal_panel",
    "admin:automation_chains_transition_import",
    "admin:automation_chains_transition_move",
    "admin:automation_chains_transition_panel",
    "admin:automation_events_eventrecord_add",
    "admin:automation_events_eventrecord_delete",
    "admin:automation_events_listenercall_add",
    "admin:automation_events_listenercall_delete",
    "admin:automation_events_webhook_test",
    "admin:automation_events_webhookcall_add",
    "admin:automation_events_webhookcall_change",
    "admin:automation_events_webhookcall_delete",
    "admin:automation_events_webhookcall_history",
    "admin:automation_rules_segment_panel",
    "admin:generators_generator_panel",
    "admin:generators_generator_pause",
    "admin:generators_generator_run",
    "admin:mails_account_add",
    "admin:mails_account_delete",
    "admin:mails_account_test",
    "admin:mails_account_try_again",
    "admin:mails_image_choose",
    "admin:mails_image_file",
    "admin:mails_image_upload",
    "admin:mails_mail_advice",
    "admin:mails_mail_attachment",
    "admin:mails_mail_proof_progress",
    "admin:mails_mail_proof_start",
    "admin:mails_mail_proof_stop",
    "admin:mails_mail_send_test",
    "admin:mails_mail_variables",
    "admin:mails_message_add",
    "admin:mails_message_delete",
    "admin:mails_picture_change",
    "admin:mails_picture_delete",
    "admin:mails_picture_history",
]


@pytest.mark.slow
@pytest.mark.sqlite_only
def test_it_works_in_a_project_that_chose_everything_otherwise(tmp_path: Path) -> None:
    told = play(tmp_path, "pages")
    make_sure(told)
    assert (told["wrong pages"], told["not opened"]) == ([], NOT_OPENED)
    saved = ["The mail “Shelf” was changed successfully."]
    some = ["automation_events_webhook", "generators_generator", "mails_mail"]
    assert set(some) < set(told["changed"])
    assert told["other sites"] == {
        "counter": {
            "wrong": [], "changed": told["changed"], "saved": saved, "subject": "counter",
        },
        "desk": {"wrong": [], "changed": some, "saved": saved, "subject": "desk"},
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.postgres
def test_it_works_there_on_two_databases_of_a_server(
    tmp_path: Path, databases: dict[str, str]
) -> None:
    make_sure(play(tmp_path, **databases))


# A copy that is read from -----------------------------------------------------------------


def make_sure_nothing_is_read_from_the_copy(told: dict[str, Any]) -> None:
    """The copy is behind: it has a loan that is not late any more, and not the one that is."""
    assert told == {
        "checks": "System check identified no issues (1 silenced).\n",
        "read by the project": ["old", "returned"],
        "ran": ["late", "1", "1"],
        "ran again": ["late", "1", "0"],
        "recorded": [1, 0],
        "claimed": 1,
        "claimed again": 0,
        "mails": [["ann@example.com", "new"]],
        "in the chain": [["new", "NEW", ""]],
        "a day later": [["new", "TOLD", ""]],
        "told": 1,
        "returned": [["new", "TOLD", "goal"]],
    }


BEHIND = "tests.shapes.settings_behind"


@pytest.mark.slow
@pytest.mark.sqlite_only
def test_a_copy_that_is_behind_is_not_asked(tmp_path: Path) -> None:
    told = play(tmp_path, module="behind", DJANGO_SETTINGS_MODULE=BEHIND)
    make_sure_nothing_is_read_from_the_copy(told)


@pytest.mark.slow
@pytest.mark.postgres
def test_nor_is_it_on_a_server(tmp_path: Path, databases: dict[str, str]) -> None:
    told = play(tmp_path, module="behind", DJANGO_SETTINGS_MODULE=BEHIND, **databases)
    make_sure_nothing_is_read_from_the_copy(told)
