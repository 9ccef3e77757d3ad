import signal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from automation.demo.mailbox import Mailbox


class Command(BaseCommand):
    help = "Accept mails on this machine and write each to a file, until Ctrl-C or SIGTERM."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=1025, help="0: any free port")
        parser.add_argument("--directory", type=Path, default=settings.BASE_DIR / "var" / "mailbox")

    def handle(self, *, host: str, port: int, directory: Path, **options: Any) -> None:
        # Blocked before the server's thread starts, so that only sigwait() gets them.
        ends = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)
        try:
            with Mailbox(directory, host, port) as mailbox:
                self.stdout.write(
                    _("Mails to %(host)s:%(port)s are written to %(directory)s")
                    % {"host": host, "port": mailbox.port, "directory": directory}
                )
                self.stdout.flush()
                signal.sigwait(ends)
        except (OSError, OverflowError) as error:
            raise CommandError(
                _("Mails cannot be accepted on %(host)s:%(port)s: %(error)s")
                % {"host": host, "port": port, "error": error}
            ) from error
