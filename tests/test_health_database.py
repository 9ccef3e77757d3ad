"""What the examinations say of a database that is set up differently from what is promised."""

import datetime
import shutil

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from automation.events import database_health
from automation.events.health import Level
from tests.test_health import wrong

on_sqlite = pytest.mark.sqlite_only
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def now() -> datetime.datetime:
    return timezone.now()


@pytest.fixture
def pragma():
    """Sets one on the connection, until the test ends."""

    def set_to(name, value):
        cursor = connection.cursor()
        before[name] = cursor.execute(f"PRAGMA {name}").fetchone()[0]
        cursor.execute(f"PRAGMA {name}={value}")

    before = {}
    set_to("synchronous", "FULL")  # the tests' own speed is bought with it
    yield set_to
    for name, value in before.items():
        connection.cursor().execute(f"PRAGMA {name}={value}")


@on_sqlite
def test_a_sqlite_database_as_the_site_sets_it_up_is_fine(now, pragma):
    assert wrong("database", now) == []


@on_sqlite
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("journal_mode", "DELETE",
         (Level.WARNING, "SQLite: journal_mode is delete: readers wait for writers.")),
        ("synchronous", "NORMAL",
         (Level.PROBLEM,
          "SQLite: synchronous is not FULL: after a power cut, mails may be sent twice.")),
        ("foreign_keys", "OFF", (Level.PROBLEM, "SQLite: foreign_keys is off.")),
        ("busy_timeout", "5000", (Level.WARNING, "SQLite: writers give up after 5 seconds.")),
    ],
)  # fmt: skip
def test_a_pragma_that_breaks_a_promise_is_told(now, pragma, name, value, said):
    pragma(name, value)
    assert wrong("database", now) == [said]


@on_sqlite
def test_transactions_that_do_not_queue_up_are_told(now, pragma):
    before, connection.transaction_mode = connection.transaction_mode, None
    found = wrong("database", now)
    connection.transaction_mode = before
    assert found == [
        (
            Level.WARNING,
            "SQLite: transaction_mode is not IMMEDIATE: writers fail instead of waiting.",
        )
    ]


@on_sqlite
def test_little_room_is_told(now, pragma, monkeypatch):
    free = shutil.disk_usage(connection.settings_dict["NAME"].rpartition("/")[0]).free
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
    recorder.record_unapplied("automation_events", "0004_tally")
    found = wrong("migrations", now)
    recorder.record_applied("automation_events", "0004_tally")
    assert found == [(Level.PROBLEM, "1 migration is not applied: automation_events.0004_tally")]


@on_sqlite
def test_a_time_zone_without_data_is_told(now, settings):
    assert wrong("zones", now) == []
    # Django itself would refuse to start with it; the data may be removed later.
    settings.TIME_ZONE = "Nowhere/City"
    assert wrong("zones", now) == [
        (Level.PROBLEM, "The time zone Nowhere/City is not known on this machine.")
    ]
