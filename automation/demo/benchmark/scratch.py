"""Databases that a benchmark makes for itself and removes again."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.management.base import CommandError
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler
from django.utils.translation import gettext as _

#: What every scratch database is called, so that nothing is ever measured in another one.
PREFIX = "flint_benchmark_"


@dataclass(frozen=True)
class Scratch:
    """An empty database of our own. ``url`` is what DATABASE_URL must be to use it."""

    url: str
    vendor: str

    @contextmanager
    def copied(self) -> Iterator["Scratch"]:
        """The database as it is now, for one contender. On PostgreSQL it is the same one:
        a contender empties the tables that it writes before it begins."""
        if self.vendor == "postgresql":
            yield self
            return
        file = Path(self.url.removeprefix("sqlite:///"))
        copy = file.with_name(f"{PREFIX}copy.sqlite3")
        shutil.copyfile(file, copy)
        try:
            yield Scratch(f"sqlite:///{copy}", self.vendor)
        finally:
            for left in copy.parent.glob(f"{copy.name}*"):
                left.unlink()


@contextmanager
def scratch_database(url: str) -> Iterator[Scratch]:
    """A new database where ``url`` is: beside it on its PostgreSQL server, or a file in a
    temporary directory for SQLite. It is removed at the end, whatever happens.

    Raises ``CommandError`` if none can be made there.
    """
    scheme = urlsplit(url).scheme
    if scheme in ("sqlite", "sqlite3"):
        with tempfile.TemporaryDirectory(prefix=f"flint-benchmark-{os.getpid()}-") as directory:
            yield Scratch(f"sqlite:///{directory}/{PREFIX}rows.sqlite3", "sqlite")
    elif scheme in ("postgres", "postgresql", "psql", "pgsql"):
        with _database_on_server(url) as made:
            yield made
    else:
        raise CommandError(
            _("The benchmark makes a database of its own on SQLite or PostgreSQL, not on “%s”.")
            % (scheme or url)
        )


@contextmanager
def _database_on_server(url: str) -> Iterator[Scratch]:
    name = f"{PREFIX}{os.getpid()}"
    server = ConnectionHandler({"default": environ.Env.db_url_config(url)})["default"]
    try:
        _execute(server, f'CREATE DATABASE "{name}"')
    except DatabaseError as error:
        raise CommandError(
            _("The benchmark needs a database of its own and cannot make one: %s")
            % str(error).strip()
        ) from error
    try:
        yield Scratch(urlsplit(url)._replace(path=f"/{name}").geturl(), "postgresql")
    finally:
        with suppress(DatabaseError):
            server.close()
        _execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')
        server.close()


def _execute(server: BaseDatabaseWrapper, statement: str) -> None:
    with server.cursor() as cursor:
        cursor.execute(statement)


def refuse_any_other(connection: BaseDatabaseWrapper) -> None:
    """Raise ``CommandError`` unless ``connection`` leads to a scratch database."""
    if not Path(str(connection.settings_dict["NAME"])).name.startswith(PREFIX):
        raise CommandError(_("This is not a database that the benchmark has made."))
