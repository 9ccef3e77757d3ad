"""Where a fault test takes place: a database, a queue and a mail server of its own, in a
directory that is removed at the end."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests import machine
from tests.faults.processes import Cluster
from tests.faults.server import MailServer

SETTINGS = "tests.faults.settings"
GROUP = "faults"


@dataclass
class Scene:
    """Made by ``scene``; Django is set up on it in this process."""

    directory: Path
    mail_server: MailServer
    database: str
    broker: str
    clusters: list[Cluster] = field(default_factory=list)

    def record(self, count: int, address: str = "", start: int = 0) -> None:
        """Record events whose mails go to ``address`` or each to one of its own."""
        from automation.events import Event, record

        context = {"cart": {"customer": {"first_name": "Ann"}, "items": [LAMP, BULB]}}
        record(
            Event(GROUP, f"{address} {n}", context, recipient=address or f"ann{n}@example.com")
            for n in range(start, start + count)
        )

    def tick(self) -> None:
        """Ring for the tick, unless the queue is full of rings that nobody hears."""
        from django_q.brokers import get_broker
        from django_q.tasks import async_task

        with suppress(Exception):  # the database or the queue may be the fault
            if get_broker().queue_size() < 4:
                async_task("automation.events.tasks.tick")

    def hurry(self, now: Any = None) -> None:
        """What waits for longer than a few seconds is due now: nobody wants to wait for pauses
        that are meant for mail servers with real troubles."""
        import datetime

        from django.utils import timezone

        from automation.events.states import State
        from mails.models import Account, Message

        now = timezone.now()
        late = now + datetime.timedelta(seconds=3)
        with suppress(Exception):
            Message.objects.filter(state=State.QUEUED, not_before__gt=late).update(not_before=now)
            Account.objects.filter(stopped_until__gt=late).update(stopped_until=now)

    def start_cluster(self, command: str = "", limits: Any = None) -> Cluster:
        cluster = Cluster(
            self.directory, command or usual_command(), len(self.clusters), limits
        )  # fmt: skip
        self.clusters.append(cluster)
        cluster.start()
        return cluster


LAMP = {"title": "Lamp", "price": "99.90"}
BULB = {"title": "Bulb", "price": "30.00"}


def usual_command() -> str:
    """What the documents tell operators to run."""
    from django.core.management import get_commands

    return "run_cluster" if "run_cluster" in get_commands() else "qcluster"


@contextmanager
def scene(
    database: str = "sqlite",
    broker: str = "orm",
    *,
    database_url: str = "",
    redis_url: str = "",
    sqlite_directory: Path | None = None,
    **environment: str,
) -> Iterator[Scene]:
    """Make everything and set Django up on it. Once in a process: Django's settings are read
    once."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flint-faults-")))
        server = stack.enter_context(MailServer(directory / "accepted"))
        if not database_url:
            database_url = stack.enter_context(
                _postgres_database()
                if database == "postgres"
                else _sqlite_file(sqlite_directory or directory)
            )
        if broker == "redis" and not redis_url:
            redis_url = _needed(machine.redis_server())
        os.environ.update(
            {
                "DJANGO_SETTINGS_MODULE": SETTINGS,
                "DATABASE_URL": database_url,
                "REDIS_URL": redis_url,
                "EMAIL_URL": server.url,
                "FAULTS_DIRECTORY": str(directory),
                "FAULTS_NAME": f"flint-faults-{os.getpid()}",
                "DEBUG": "1",
                **environment,
            }
        )
        _set_up()
        made = Scene(directory, server, database, broker)
        stack.callback(_end, made)
        yield made


def _set_up() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    # What goes wrong on purpose is not news here; the clusters have logs of their own.
    for name in ("django-q", "automation"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    call_command("migrate", verbosity=0, skip_checks=True)
    from tests import shop

    shop.mail(group=GROUP, slug="faults")


def _end(made: Scene) -> None:
    from django.db import connections
    from django_q.brokers import get_broker

    for cluster in made.clusters:
        cluster.kill()
    if made.broker == "redis":
        with suppress(Exception):
            get_broker().delete_queue()
    connections.close_all()


@contextmanager
def _sqlite_file(directory: Path) -> Iterator[str]:
    yield f"sqlite:///{directory}/faults.sqlite3"


@contextmanager
def _postgres_database() -> Iterator[str]:
    import psycopg

    at = _needed(machine.postgres())
    name = f"flint_faults_{os.getpid()}"
    with psycopg.connect(at, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
    try:
        yield urlsplit(at)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(at, autocommit=True) as server:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _needed(found: machine.Found) -> str:
    if found.at is None:
        raise SystemExit(f"{found.name} was not found. {found.advice}")
    return found.at
