"""Errors that runs meet, most of them of the database: whose fault they are, which pass by
themselves, and what is said of them."""

import traceback

from django.db import Error, InterfaceError, OperationalError, connections

from automation.rules import plain
from automation.rules.databases import database

#: A deadlock, transactions that cannot be put into an order, a lock that is not given.
_BUSY = ("40P01", "40001", "55P03")

# Some errors quote the statement that failed, with all its values.
_LENGTH = 2_000


def in_words(error: Exception) -> str:
    """What is kept of an error."""
    return plain.text("".join(traceback.format_exception_only(error)).strip()[:_LENGTH])


def raise_if_gone(error: Exception) -> None:
    """Raise ``error`` again if the database cannot be reached any more: no chain and no run is to
    blame for that. A statement that takes too long, or fails, is another matter."""
    of_database = isinstance(error, OperationalError | InterfaceError)
    if of_database and not connections[database()].is_usable():
        raise error


def is_busy(error: Exception) -> bool:
    """Whether it was only others who were in the way, so that it works when it is tried again."""
    if not isinstance(error, Error):
        return False
    return getattr(error.__cause__, "sqlstate", None) in _BUSY or "is locked" in str(error)
