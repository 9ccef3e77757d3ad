"""One contender in one process: ``python -m automation.demo.benchmark.measuring``.

``fill ROWS`` makes tables, rows and rule in the database of DATABASE_URL; ``run CONTENDER``
measures a first run and one with nothing new, and prints both as a line of JSON.
"""

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import django


@dataclass(frozen=True)
class Measured:
    """What one run took. ``memory`` is in MB, at its peak over the idle process; ``ids`` are
    the numbers that the sequence of the events has given out."""

    seconds: float
    queries: int
    memory: float
    events: int
    messages: int
    ids: int


def main(arguments: list[str]) -> None:
    django.setup()
    from django.conf import settings
    from django.db import connection

    from automation.demo.benchmark import rows
    from automation.demo.benchmark.scratch import refuse_any_other

    refuse_any_other(connection)
    settings.DEBUG = False  # with it Django would keep every query in memory
    rows.open_source()
    if arguments[0] == "fill":
        from django.core.management import call_command

        call_command("migrate", verbosity=0, interactive=False)
        rows.fill(int(arguments[1]))
        rows.make_rule()
    else:
        print(json.dumps([asdict(measured) for measured in run(arguments[1])]))


def run(name: str) -> list[Measured]:
    """Measure a first run and a run with nothing new of a contender. The rows must be there."""
    from automation.demo.benchmark.contenders import CONTENDERS

    contender = CONTENDERS[name]
    assert contender.run is not None
    _empty()
    first = _measure(contender.run)
    if not contender.alone:
        _statement("ANALYZE automation_events_eventrecord", "ANALYZE mails_message")
    return [first, _measure(contender.run)]


def _measure(run: Callable[[], Any]) -> Measured:
    from django.db import connection

    queries = 0

    def count(execute: Any, *arguments: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*arguments)

    before = _counts()
    gc.collect()
    idle = _forget_peak()
    with connection.execute_wrapper(count):
        started = time.perf_counter()
        run()
        seconds = time.perf_counter() - started
    memory = max(0.0, _peak() - idle)
    events, messages, ids = (
        after - earlier for after, earlier in zip(_counts(), before, strict=True)
    )
    return Measured(seconds, queries, memory, events, messages, ids)


def _empty() -> None:
    """Empty tables as a fresh installation has them: vacuumed, and known to be empty."""
    from django.db import connection

    if connection.vendor == "postgresql":
        _statement(
            "TRUNCATE automation_events_eventrecord, mails_message, generators_run "
            "RESTART IDENTITY CASCADE",
            "VACUUM ANALYZE automation_events_eventrecord",
            "VACUUM ANALYZE mails_message",
        )


def _statement(*statements: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _counts() -> tuple[int, int, int]:
    """Events, messages, and numbers that were given to events."""
    from django.db import connection

    from automation.events.models import EventRecord
    from mails.models import Message

    table = EventRecord._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT pg_sequence_last_value(pg_get_serial_sequence(%s, 'id'))", [table]
            )
        else:
            cursor.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = %s", [table])
        [last] = cursor.fetchone()
    return EventRecord.objects.count(), Message.objects.count(), last or 0


# Memory -----------------------------------------------------------------------------------


def _forget_peak() -> float:
    """MB that the process has now; where the system can, its peak starts again from there."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    return _peak()


def _peak() -> float:
    with suppress(OSError):
        return _status("VmHWM")
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _status(name: str) -> float:
    lines = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main(sys.argv[1:])
