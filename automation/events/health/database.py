"""Whether the database is set up so that what it says it has written is written."""

import datetime
import shutil
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation.events.health import Examination, Finding, Level, examinations
from automation.rules.databases import database

MEGABYTE = 1024 * 1024

#: Free space beside a SQLite database: less is a warning, and then a problem.
LITTLE_SPACE, NO_SPACE = 1024 * MEGABYTE, 200 * MEGABYTE

#: The share of PostgreSQL's connections that may be in use.
MANY_CONNECTIONS, ALL_CONNECTIONS = 0.8, 0.95

#: By how much the clocks of this machine and of the database may differ.
DRIFT = datetime.timedelta(seconds=5)
GREAT_DRIFT = datetime.timedelta(seconds=60)


def _connection() -> Any:
    return connections[database()]


def _ask(question: str) -> Any:
    """The first value of the answer."""
    with _connection().cursor() as cursor:
        cursor.execute(question)
        row = cursor.fetchone()
    return row[0] if row else None


def _database(now: datetime.datetime) -> Iterator[Finding]:
    ask = {"sqlite": _sqlite, "postgresql": _postgresql, "mysql": _mysql}.get(_connection().vendor)
    found = list(ask()) if ask else []
    yield from found
    if not found:
        yield Finding(Level.OK, _("The database (%s) is set up well.") % _connection().display_name)


def _sqlite() -> Iterator[Finding]:
    advice = _("Set OPTIONS of DATABASES as docs/deployment.md does.")
    connection = _connection()
    in_memory = connection.is_in_memory_db()
    if not in_memory and (mode := _ask("PRAGMA journal_mode")) != "wal":
        yield Finding(
            Level.WARNING, _("SQLite: journal_mode is %s: readers wait for writers.") % mode, advice
        )
    if _ask("PRAGMA synchronous") < 2:
        yield Finding(
            Level.PROBLEM,
            _("SQLite: synchronous is not FULL: after a power cut, mails may be sent twice."),
            advice,
        )
    if not _ask("PRAGMA foreign_keys"):
        yield Finding(Level.PROBLEM, _("SQLite: foreign_keys is off."), advice)
    if (waits := _ask("PRAGMA busy_timeout")) < 10_000:
        yield Finding(
            Level.WARNING,
            _("SQLite: writers give up after %d seconds.") % (waits // 1000),
            _("Set OPTIONS[\"timeout\"] of DATABASES to 20."),
        )  # fmt: skip
    if getattr(connection, "transaction_mode", None) not in ("IMMEDIATE", "EXCLUSIVE"):
        yield Finding(
            Level.WARNING,
            _("SQLite: transaction_mode is not IMMEDIATE: writers fail instead of waiting."),
            advice,
        )
    if not in_memory:
        yield from _space(Path(connection.settings_dict["NAME"]).parent)


def _space(directory: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(directory).free
    if free < LITTLE_SPACE:
        yield Finding(
            Level.PROBLEM if free < NO_SPACE else Level.WARNING,
            _("Only %(megabytes)d MB are free where the database is (%(directory)s).")
            % {"megabytes": free // MEGABYTE, "directory": directory},
            _("Make room. A database that cannot be written to stops everything."),
        )


def _postgresql() -> Iterator[Finding]:
    used = _ask("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    most = int(_ask("SHOW max_connections"))
    if used > most * MANY_CONNECTIONS:
        yield Finding(
            Level.PROBLEM if used > most * ALL_CONNECTIONS else Level.WARNING,
            _("PostgreSQL: %(used)d of %(most)d connections are in use.")
            % {"used": used, "most": most},
            _("Raise max_connections, or run fewer processes."),
        )
    for name, loss in (
        ("fsync", _("a crash can destroy the database")),
        ("synchronous_commit", _("after a crash, mails may be sent twice")),
    ):
        if _ask(f"SHOW {name}") == "off":
            yield Finding(
                Level.PROBLEM,
                _("PostgreSQL: %(name)s is off: %(loss)s.") % {"name": name, "loss": loss},
                _("Switch it on."),
            )
    if (isolation := _ask("SHOW transaction_isolation")) != "read committed":
        yield Finding(
            Level.WARNING,
            _("PostgreSQL: transactions are “%s”: concurrent work fails.") % isolation,
            _("Leave “isolation_level” out of OPTIONS."),
        )
    if _ask("SHOW jit") == "on":
        yield Finding(
            Level.WARNING,
            _("PostgreSQL: jit is on: compiling a rule's query takes longer than asking it."),
            _("Set OPTIONS[\"options\"] of DATABASES to \"-c jit=off\"."),
        )  # fmt: skip


def _mysql() -> Iterator[Finding]:
    isolation = str(_ask("SELECT @@transaction_isolation"))
    if isolation != "READ-COMMITTED":
        yield Finding(
            Level.WARNING,
            _("Transactions are %s: workers would wait for each other.") % isolation,
            _("Set OPTIONS[\"isolation_level\"] of DATABASES to \"read committed\"."),
        )  # fmt: skip
    if "STRICT_" not in str(_ask("SELECT @@sql_mode")):
        yield Finding(
            Level.PROBLEM,
            _("The database cuts off what is too long instead of refusing it."),
            _("Set sql_mode to STRICT_TRANS_TABLES."),
        )


def _migrations(now: datetime.datetime) -> Iterator[Finding]:
    executor = MigrationExecutor(_connection())
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        names = ", ".join(
            f"{migration.app_label}.{migration.name}" for migration, _back in plan[:5]
        )
        yield Finding(
            Level.PROBLEM,
            ngettext(
                "%(count)d migration is not applied: %(names)s",
                "%(count)d migrations are not applied: %(names)s",
                len(plan),
            )
            % {"count": len(plan), "names": names + (", …" if len(plan) > 5 else "")},
            _("Run manage.py migrate."),
        )
    else:
        yield Finding(Level.OK, _("All migrations are applied."))


def _clock(now: datetime.datetime) -> Iterator[Finding]:
    question = {
        # Not CURRENT_TIMESTAMP: that is when the transaction began.
        "postgresql": "SELECT clock_timestamp()",
        "mysql": "SELECT UTC_TIMESTAMP(6)",
    }.get(_connection().vendor)
    if question is None:
        return  # the database has this machine's clock
    there: datetime.datetime = _ask(question)
    if timezone.is_naive(there):
        there = there.replace(tzinfo=datetime.UTC)
    drift = abs(there - now)
    if drift > DRIFT:
        yield Finding(
            Level.PROBLEM if drift > GREAT_DRIFT else Level.WARNING,
            _("The clocks of this machine and of the database differ by %d seconds.")
            % drift.total_seconds(),
            _("Let both follow a time server (NTP)."),
        )
    else:
        yield Finding(Level.OK, _("The clock agrees with the database's."))


def _zones(now: datetime.datetime) -> Iterator[Finding]:
    for name in dict.fromkeys((settings.TIME_ZONE, "Europe/Zurich", "America/New_York")):
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            yield Finding(
                Level.PROBLEM,
                _("The time zone %s is not known on this machine.") % name,
                _("Install the package tzdata."),
            )


def register() -> None:
    app = "automation_events"
    for examination in (
        # First, before anything has taken its time.
        Examination("clock", gettext_lazy("The clock"), app, _clock),
        Examination("zones", gettext_lazy("Time zones"), app, _zones, asks_database=False),
        Examination("database", gettext_lazy("The database"), app, _database),
        Examination("migrations", gettext_lazy("Migrations"), app, _migrations),
    ):
        examinations.register(examination)
