"""Somebody else at the same moment, on a connection of their own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections

from tests.waiting import wait_until


class Rival:
    """Does something in a thread of its own; ``join`` raises what that raised."""

    def __init__(self, do: Callable[[], Any]) -> None:
        self._do = do
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._do()
        except BaseException as error:
            self._error = error
        finally:
            connections.close_all()


def elsewhere(do: Callable[[], Any]) -> None:
    """Do it on another connection, and wait until it is done."""
    rival = Rival(do)
    rival.start()
    rival.join()


@contextmanager
def before(*pieces: str, do: Callable[[], Any]) -> Iterator[None]:
    """``do`` happens once, right before the first statement of this connection in which all of
    ``pieces`` stand; there must be one."""
    done: list[str] = []

    def wait(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not done and all(piece in sql for piece in pieces):
            done.append(sql)
            do()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wait):
        yield
    assert done


def wait_until_somebody_waits_for_us() -> None:
    """Until another connection to PostgreSQL waits for a lock of this one."""

    def waiting() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks "
                "WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            return int(cursor.fetchone()[0])

    wait_until(waiting, message="Somebody who waits for us")
