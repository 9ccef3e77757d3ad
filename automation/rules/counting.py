"""Counting rows for a page: exactly where that is quick, and never for long."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, connections, transaction
from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext as _

#: Rows counted one by one where an exact count takes too long.
BOUND = 100_000
#: Seconds that a page waits for a count.
PATIENCE = 2.0

# What PostgreSQL calls a statement that took too long.
_CANCELLED = "57014"


@dataclass(frozen=True)
class Counted:
    """How many rows there are: exactly, more than ``number``, or not known (None)."""

    number: int | None
    exact: bool = True

    def __str__(self) -> str:
        if self.number is None:
            return _("too many to count quickly")
        if self.exact:
            return number_format(self.number, force_grouping=True)
        number = number_format(self.number, force_grouping=True)
        return _("more than %(number)s") % {"number": number}


def counted(rows: QuerySet[Any], *, patience: float = PATIENCE, bound: int = BOUND) -> Counted:
    """Count ``rows`` within about twice ``patience`` seconds."""
    number = _in_time(rows, patience)
    if number is not None:
        return Counted(number)
    (found,) = counted_together([rows], seconds=patience, bound=bound)
    return found


def counted_together(
    several: Iterable[QuerySet[Any]], *, seconds: float = PATIENCE, bound: int = BOUND
) -> list[Counted]:
    """Count each up to ``bound``, all of them within about ``seconds``: for rows of which an
    exact count has taken too long already. Those for which no time is left are not known."""
    end = time.monotonic() + seconds
    found = []
    for rows in several:
        left = end - time.monotonic()
        some = _in_time(rows.order_by()[: bound + 1], left) if left > 0 else None
        if some is None:
            found.append(Counted(None, exact=False))
        else:
            found.append(Counted(min(some, bound), exact=some <= bound))
    return found


def _in_time(rows: QuerySet[Any], seconds: float) -> int | None:
    try:
        with in_time(rows.db, seconds):
            return rows.count()
    except TooSlow:
        return None


@contextmanager
def time_limit(alias: str, seconds: float) -> Iterator[None]:
    """Statements inside raise ``OperationalError`` once ``seconds`` are over."""
    connection = connections[alias]
    if connection.vendor == "postgresql":
        with transaction.atomic(using=alias), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = %s", [int(seconds * 1000)])
            yield
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
    elif connection.vendor == "sqlite":
        connection.ensure_connection()
        end = time.monotonic() + seconds
        connection.connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
        try:
            yield
        finally:
            connection.connection.set_progress_handler(None, 0)
    else:
        yield


class TooSlow(Exception):
    """A page should not wait for this answer any longer."""


@contextmanager
def in_time(alias: str, seconds: float = PATIENCE) -> Iterator[None]:
    """Statements inside raise ``TooSlow`` once ``seconds`` are over."""
    try:
        with time_limit(alias, seconds):
            yield
    except OperationalError as error:
        if not was_stopped(error):
            raise
        raise TooSlow from error


def was_stopped(error: OperationalError) -> bool:
    """Whether ``time_limit`` is the reason. PostgreSQL says that in the language of its server."""
    return getattr(error.__cause__, "sqlstate", None) == _CANCELLED or "interrupted" in str(error)
