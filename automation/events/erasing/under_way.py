"""Recordings that are under way while somebody is erased.

One that asked who was erased a moment before, and has not committed yet, is seen by nobody. So each
holds a lock of PostgreSQL from that question to its end, shared with all others, and erasing waits
for those that hold one. Nobody waits for erasing. SQLite lets only one transaction write at a time.
"""

import time

from django.db import connections, router

from automation.events.records import EventRecord

#: Erasing waits for so many seconds.
PATIENCE = 10.0

# Any two numbers that nothing else uses.
_LOCK = (0x466C696E, 1)


def hold() -> None:
    """This transaction is recording: erasing waits for its end."""
    connection = connections[router.db_for_write(EventRecord)]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", _LOCK)


def still_after_waiting() -> int:
    """Wait for the recordings that are under way now. Returns how many are, even so."""
    end, waiting_for = time.monotonic() + PATIENCE, _holding()
    while waiting_for and time.monotonic() < end:
        time.sleep(0.05)
        waiting_for &= _holding()
    return len(waiting_for)


def _holding() -> set[str]:
    """The transactions of others that are recording."""
    connection = connections[router.db_for_write(EventRecord)]
    if connection.vendor != "postgresql":
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND classid = %s AND objid = %s AND objsubid = 2 AND pid <> pg_backend_pid()"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            _LOCK,
        )
        return {transaction for (transaction,) in cursor.fetchall()}
