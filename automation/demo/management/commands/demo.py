import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connections, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.demo.shop import SHOP_TIME_ZONE, load_shop
from automation.events.cluster.processes import Process, end

HOST = "127.0.0.1"
NAME = PASSWORD = "demo"
SECONDS_TO_START = 60
SECONDS_TO_END = 14
CLUSTER_GRACE = 10  # in which it finishes the tasks that it has begun
SECONDS_BETWEEN_COUNTS = 2


class Command(BaseCommand):
    help = (
        "Load the demo shop and run everything on this machine: the site, the cluster, and a "
        "mail server that keeps all mails to itself. Ctrl-C ends all of it."
    )
    # The site and the cluster, which it starts, check themselves.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port",
            type=int,
            default=os.environ.get("PORT") or "8000",
            help="where the site answers (default: PORT from the environment, else 8000)",
        )
        parser.add_argument(
            "--mail-port",
            type=int,
            default=os.environ.get("MAIL_PORT") or "1025",
            help="where the mail server answers (default: MAIL_PORT, else 1025)",
        )
        parser.add_argument(
            "--directory",
            type=Path,
            default=settings.BASE_DIR / "var",
            help="where mailbox/ and log/ are",
        )

    def handle(self, *, port: int, mail_port: int, directory: Path, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                _(
                    "The demo creates a superuser with a known password, so it runs only with "
                    "DEBUG=1: use “make demo”."
                )
            )
        self.port, self.mail_port, self.directory = port, mail_port, directory
        self.ending = self.running = False
        with self._signals_end_it():
            try:
                self._check_ports()
                self._prepare()
                self.running = True
                self._run()
            except KeyboardInterrupt:
                return
            except DatabaseError as error:
                raise CommandError(
                    _("The database cannot be used: %(error)s") % {"error": str(error).strip()}
                ) from error

    @contextmanager
    def _signals_end_it(self) -> Iterator[None]:
        def end_it(*_: object) -> None:
            self.ending = True
            # Preparing is simply broken off. Later the signal is only noted, so that there is
            # no moment in which a process has been started and not yet been remembered.
            if not self.running:
                raise KeyboardInterrupt

        ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = [signal.signal(number, end_it) for number in ends]
        try:
            yield
        finally:
            for number, old in zip(ends, before, strict=True):
                signal.signal(number, old)

    # Preparing ------------------------------------------------------------

    def _check_ports(self) -> None:
        for port, variable in ((self.port, "PORT"), (self.mail_port, "MAIL_PORT")):
            try:
                with socket.socket() as tried:
                    # As the servers do: the last one's connections do not hold the port.
                    tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    tried.bind((HOST, port))
            except (OSError, OverflowError) as error:
                reason = getattr(error, "strerror", None) or error
                raise CommandError(
                    _(
                        "Port %(port)s cannot be used (%(reason)s). End what uses it, or take "
                        "another one: %(variable)s=%(other)s make demo"
                    )
                    % {"port": port, "reason": reason, "variable": variable, "other": port + 10}
                ) from error
        if self.port == self.mail_port:
            raise CommandError(_("The site and the mail server need a port each."))

    def _prepare(self) -> None:
        self.say(_("Preparing the database and the shop ..."))
        call_command("migrate", interactive=False, verbosity=0)
        load_shop(timezone.now())
        from automation.demo.definitions import load_definitions

        with transaction.atomic():  # all of them or none: the next run would not complete them
            load_definitions()
        users = get_user_model()._default_manager
        if not users.filter(**{get_user_model().USERNAME_FIELD: NAME}).exists():
            users.create_superuser(NAME, f"{NAME}@example.com", PASSWORD)
        connections.close_all()

    # Running --------------------------------------------------------------

    def _run(self) -> None:
        self.processes: list[Process] = []
        try:
            self._start(_("The mail server"), "mailbox", *self._catch_mail())
            self._start(_("The site"), "site", "runserver", "--noreload", f"{HOST}:{self.port}")
            grace = ("--grace", str(CLUSTER_GRACE))
            self._start(_("The cluster"), "cluster", "run_cluster", *grace)
            if self._wait_for(self._mail_server_answers) and self._wait_for(self._site_answers):
                self._ring()
                self._explain()
                self._watch()
        finally:
            self.say(_("Ending ..."))
            end(self.processes, SECONDS_TO_END)
        self.say(_("All of it has ended."))

    def _start(self, name: str, log: str, *arguments: str) -> None:
        self.processes.append(
            Process(
                name,
                [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments],
                self.directory / "log" / f"{log}.log",
                self._environment(),
            )
        )

    def _catch_mail(self) -> list[str]:
        port, directory = str(self.mail_port), str(self.mailbox)
        return ["catch_mail", "--port", port, "--directory", directory]

    def _environment(self) -> dict[str, str]:
        """What the processes get besides this one's own: database, broker and the rest."""
        return {
            "TIME_ZONE": str(SHOP_TIME_ZONE),
            **os.environ,
            "DEBUG": "1",
            # Whatever this machine's own mail server is: the demo's mails stay here.
            "EMAIL_URL": f"smtp://{HOST}:{self.mail_port}",
            "PYTHONUNBUFFERED": "1",
        }

    @property
    def mailbox(self) -> Path:
        return self.directory / "mailbox"

    def _wait_for(self, answers: Callable[[], bool]) -> bool:
        """Wait until a server answers. False if a signal came first."""
        deadline = time.monotonic() + SECONDS_TO_START
        while not self.ending:
            self._check_processes()
            if answers():
                return True
            if time.monotonic() > deadline:
                raise CommandError(
                    _("The site does not answer after %(seconds)s seconds. Look into %(logs)s.")
                    % {"seconds": SECONDS_TO_START, "logs": self.directory / "log"}
                )
            time.sleep(0.1)
        return False

    def _mail_server_answers(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self.mail_port), timeout=5):
            return True
        return False

    def _site_answers(self) -> bool:
        # Without urllib, which would ask a proxy if the environment names one.
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            connection.request("HEAD", "/admin/login/")
            return connection.getresponse().status < 500
        return False

    def _check_processes(self) -> None:
        for process in self.processes:
            code = process.exit_code
            if code is not None and not self.ending:
                raise CommandError(
                    _("%(name)s has ended by itself (exit code %(code)s). Last in %(log)s:")
                    % {"name": process.name, "code": code, "log": process.log}
                    + f"\n{process.last_lines()}"
                )

    def _ring(self) -> None:
        """Let the first tick happen now and not within the next minute."""
        from automation.events import bell, schedule

        bell.enqueue(schedule.TICK_TASK)
        connections.close_all()

    def _explain(self) -> None:
        address = f"http://{HOST}:{self.port}/admin/"
        self.say(
            "\n"
            + _("Flint runs.")
            + "\n\n  "
            + _("Site:     %(address)s (user “%(name)s”, password “%(password)s”)")
            % {"address": address, "name": NAME, "password": PASSWORD}
            + "\n  "
            + _("Mails:    %(mailbox)s") % {"mailbox": self.mailbox}
            + "\n  "
            + _("Logs:     %(logs)s") % {"logs": self.directory / "log"}
            + "\n  "
            + _("To end:   Ctrl-C")
            + "\n\n"
            + _("The first mails arrive within a minute.")
        )

    def _watch(self) -> None:
        """Until a signal comes: say when mails have arrived."""
        known, received = self._count_mails(), 0
        next_count = time.monotonic()
        while not self.ending:
            self._check_processes()
            if time.monotonic() >= next_count:
                next_count = time.monotonic() + SECONDS_BETWEEN_COUNTS
                count = self._count_mails()
                if count > known:
                    received += count - known
                    self.say(
                        ngettext(
                            "%(count)s mail has arrived.", "%(count)s mails have arrived.", received
                        )
                        % {"count": received}
                    )
                known = count
            time.sleep(0.1)

    def _count_mails(self) -> int:
        return sum(entry.name.endswith(".eml") for entry in os.scandir(self.mailbox))

    def say(self, text: str) -> None:
        # A terminal that was closed must not keep the processes from being ended.
        with suppress(OSError):
            self.stdout.write(text)
            self.stdout.flush()
