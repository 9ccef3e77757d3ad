"""Single faults of the database, the queue and the disk."""

import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack

from tests.faults.own_servers import own_postgres, own_redis, small_disk
from tests.faults.scenario import (
    Scenario,
    accepted,
    check,
    expect,
    finish,
    register,
    stage,
    states,
    summary,
    wait,
)

scenarios: list[Scenario] = []

MAILS = 300

_LOCK = """
import sqlite3, sys, time
other = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
other.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""


@register(
    scenarios,
    "SQLite locked by another process for 25 s, longer than its time limit of 20 s",
    "at most one for each worker is unknown, all others sent",
)
def database_locked() -> str:
    with stage() as made:
        from django.db import connection

        made.record(MAILS)
        made.start_cluster()
        wait(made, lambda: accepted(made) > 50, 60)
        command = [sys.executable, "-c", _LOCK, str(connection.settings_dict["NAME"]), "25"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
            other.wait(60)
        finish(made)
        check(made, unknown=2)
        return summary(made)


def _postgres_restarted(how: str) -> str:
    with ExitStack() as stack:
        server = stack.enter_context(own_postgres())
        made = stack.enter_context(stage("postgres", database_url=server.url))
        made.record(MAILS)
        made.start_cluster()
        wait(made, lambda: accepted(made) > 50, 60)
        server.stop(how)
        time.sleep(3)
        server.start()
        finish(made)
        check(made, unknown=2)
        return summary(made)


@register(
    scenarios,
    "PostgreSQL restarted, 3 s away",
    "at most one for each worker is unknown, all others sent",
)
def postgres_restarted() -> str:
    return _postgres_restarted("fast")


@register(
    scenarios,
    "PostgreSQL crashed, 3 s away",
    "at most one for each worker is unknown, all others sent",
)
def postgres_crashed() -> str:
    return _postgres_restarted("immediate")


@register(
    scenarios,
    "Redis killed while mails wait, back after 5 s and empty",
    "all are sent",
)
def redis_gone() -> str:
    with ExitStack() as stack:
        server = stack.enter_context(own_redis())
        made = stack.enter_context(stage(broker="redis", redis_url=server.url))
        made.record(MAILS)
        made.start_cluster()
        wait(made, lambda: accepted(made) > 50, 60)
        server.kill()
        made.record(MAILS, start=MAILS)  # nobody can ring for these
        time.sleep(5)
        server.start()
        finish(made)
        check(made)
        expect(states() == {"sent": 2 * MAILS}, made, "not all are sent")
        return summary(made)


@register(
    scenarios,
    "Redis wiped while mails wait",
    "all are sent",
)
def redis_wiped() -> str:
    import redis

    with ExitStack() as stack:
        server = stack.enter_context(own_redis())
        made = stack.enter_context(stage(broker="redis", redis_url=server.url))
        made.record(MAILS)
        redis.Redis.from_url(server.url).flushall()
        made.start_cluster()
        wait(made, lambda: accepted(made) > 50, 60)
        redis.Redis.from_url(server.url).flushall()
        finish(made)
        check(made)
        expect(states() == {"sent": MAILS}, made, "not all are sent")
        return summary(made)


@register(
    scenarios,
    "the disk of the SQLite database full for 10 s",
    "at most one for each worker is unknown; what fails is in the log; all others are sent",
)
def disk_full() -> str:
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(24))
        made = stack.enter_context(stage(sqlite_directory=disk.path))
        made.record(1000)
        cluster = made.start_cluster()
        wait(made, lambda: accepted(made) > 50, 60)
        disk.fill()
        time.sleep(10)
        at_the_end = accepted(made)
        disk.make_room()
        expect(at_the_end < 1000, made, "there was room for all")
        finish(made, 180)
        check(made, unknown=4)
        expect("disk is full" in cluster.log(), made, "nothing in the log")
        return f"{summary(made)}; {at_the_end} had been accepted when there was room again"


@register(
    scenarios,
    "the disk full while events are recorded",
    "the call fails and has recorded nothing; recorded again, all are sent",
)
def disk_full_while_recording() -> str:
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(24))
        made = stack.enter_context(stage(sqlite_directory=disk.path))
        from django.db import DatabaseError, connection

        from automation.events.models import EventRecord

        disk.fill()
        error = ""
        try:
            made.record(1000)
        except (DatabaseError, sqlite3.Error) as raised:
            error = str(raised)
        expect("full" in error, made, f"it said “{error}”")
        connection.close()
        disk.make_room()
        expect(EventRecord.objects.count() == 0, made, "some were recorded")
        made.record(1000)
        made.start_cluster()
        finish(made)
        check(made)
        return f"{summary(made)}; “{error}”"


@register(
    scenarios,
    "the disk of the files full while a picture is uploaded",
    "the upload fails and leaves nothing that could be taken for the picture",
)
def disk_full_of_files() -> str:
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(2))
        made = stack.enter_context(stage(FAULTS_MEDIA=str(disk.path / "media")))
        from mails import storage

        disk.path.joinpath("media").mkdir()
        content, error = b"\x89PNG" + bytes(range(256)) * 400, ""
        path = f"{storage.PICTURES}/{storage.digest_of(content)}.png"
        disk.fill()
        try:
            storage.keep(path, content)
        except storage.Unreachable as raised:
            error = str(raised)
        expect("No space" in error, made, f"it said “{error}”")
        try:
            storage.read(path)
        except storage.Gone:
            pass
        else:
            raise AssertionError("what is there is taken for the picture")
        disk.make_room()
        storage.keep(path, content)
        expect(storage.read(path) == content, made, "it is not what was kept")
        return f"“{error}”; with room again it was kept whole"
