"""What the examinations say of a database that is set up differently from what is promised."""

import datetime
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from automation.events.health import Level
from automation.events.health import database as database_health
from tests.test_health import wrong

on_sqlite = pytest.mark.sqlite_only
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("durable")]


@pytest.fixture
def now() -> datetime.datetime:
    return timezone.now()


@contextmanager
def opened(directory: Path, pragmas: str = "", **options: object) -> Iterator[None]:
    """In place of the test's database a new one, opened as the site does except for these."""
    own = connections["default"]
    other = connections.create_connection("default")
    other.settings_dict = {
        **own.settings_dict,
        "NAME": str(directory / "other.sqlite3"),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {pragmas}",
            **options,
        },
    }
    connections["default"] = other
    try:
        yield
    finally:
        other.close()
        connections["default"] = own


@on_sqlite
def test_a_sqlite_database_as_the_site_sets_it_up_is_fine(now, tmp_path):
    with opened(tmp_path):
        assert wrong("database", now) == []


@on_sqlite
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pragmas": "PRAGMA journal_mode=DELETE;"},
         (Level.WARNING, "SQLite: journal_mode is delete: readers wait for writers.")),
        ({"pragmas": "PRAGMA synchronous=NORMAL;"},
         (Level.PROBLEM,
          "SQLite: synchronous is not FULL: after a power cut, mails may be sent twice.")),
        ({"pragmas": "PRAGMA foreign_keys=OFF;"},
         (Level.PROBLEM, "SQLite: foreign_keys is off.")),
        ({"timeout": 5}, (Level.WARNING, "SQLite: writers give up after 5 seconds.")),
        ({"transaction_mode": None},
         (Level.WARNING,
          "SQLite: transaction_mode is not IMMEDIATE: writers fail instead of waiting.")),
    ],
)  # fmt: skip
def test_what_breaks_a_promise_is_told(now, tmp_path, options, said):
    with opened(tmp_path, **options):
        assert wrong("database", now) == [said]


@on_sqlite
def test_little_room_is_told(now, tmp_path, monkeypatch):
    free = shutil.disk_usage(tmp_path).free
    with opened(tmp_path):
        monkeypatch.setattr(database_health, "LITTLE_SPACE", 2 * free)
        assert [level for level, _what in wrong("database", now)] == [Level.WARNING]
        monkeypatch.setattr(database_health, "NO_SPACE", 2 * free)
        assert [level for level, _what in wrong("database", now)] == [Level.PROBLEM]


@pytest.mark.postgres
def test_a_postgresql_database_as_the_site_sets_it_up_is_fine(now):
    assert wrong("database", now) == []


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("jit", "on", (
            Level.WARNING,
            "PostgreSQL: jit is on: compiling a rule's query takes longer than asking it.",
        )),
        ("synchronous_commit", "off", (
            Level.PROBLEM,
            "PostgreSQL: synchronous_commit is off: after a crash, mails may be sent twice.",
        )),
        ("default_transaction_isolation", "'repeatable read'", (
            Level.WARNING,
            "PostgreSQL: transactions are “repeatable read”: concurrent work fails.",
        )),
    ],
)  # fmt: skip
def test_a_setting_that_breaks_a_promise_is_told(now, name, value, said):
    connection.cursor().execute(f"SET {name} = {value}")
    found = wrong("database", now)
    connection.close()
    assert found == [said]


@pytest.mark.postgres
def test_connections_that_run_out_are_told(now, monkeypatch):
    monkeypatch.setattr(database_health, "MANY_CONNECTIONS", 0.001)
    assert [level for level, _what in wrong("database", now)] == [Level.WARNING]
    monkeypatch.setattr(database_health, "ALL_CONNECTIONS", 0.001)
    assert [level for level, _what in wrong("database", now)] == [Level.PROBLEM]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("seconds", "levels"),
    [(0, []), (3, []), (-30, [Level.WARNING]), (30, [Level.WARNING]), (90, [Level.PROBLEM])],
)
def test_a_clock_that_is_wrong_is_told(seconds, levels):
    here = timezone.now() + datetime.timedelta(seconds=seconds)
    assert [level for level, _what in wrong("clock", here)] == levels


def test_a_migration_that_is_not_applied_is_told(now):
    assert wrong("migrations", now) == []
    recorder = MigrationRecorder(connection)
    (latest,) = MigrationLoader(connection).graph.leaf_nodes("automation_events")
    recorder.record_unapplied(*latest)
    found = wrong("migrations", now)
    recorder.record_applied(*latest)
    assert found == [(Level.PROBLEM, f"1 migration is not applied: {'.'.join(latest)}")]


@on_sqlite
def test_a_time_zone_without_data_is_told(now, settings):
    assert wrong("zones", now) == []
    # Django itself would refuse to start with it; the data may be removed later.
    settings.TIME_ZONE = "Nowhere/City"
    assert wrong("zones", now) == [
        (Level.PROBLEM, "The time zone Nowhere/City is not known on this machine.")
    ]
