import logging
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django_q.conf import Conf

from automation.events.cluster.watchdog import Watchdog

SECONDS_TO_SETTLE = 30


class Command(BaseCommand):
    help = (
        "Run django-q2's cluster under a watchdog, which starts it again when its workers take no "
        "tasks any more. A SIGTERM or Ctrl-C lets the workers finish their tasks; a second one "
        "does not wait for them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        timeout = getattr(settings, "Q_CLUSTER", {}).get("timeout") or 300
        parser.add_argument(
            "--grace",
            type=float,
            default=timeout + SECONDS_TO_SETTLE,
            metavar="SECONDS",
            help="for how long the workers may finish their tasks (default: %(default)s, which "
            "is Q_CLUSTER's timeout and a little more)",
        )
        parser.add_argument(
            "--silence",
            type=float,
            default=30,
            metavar="SECONDS",
            help="after how long without a sign of life it is started again (default: %(default)s)",
        )

    def handle(self, *, grace: float, silence: float, **options: Any) -> None:
        if Conf.SYNC:
            raise CommandError(
                "Q_CLUSTER['sync'] is on: tasks run where they are asked for, and a cluster gets "
                "none. Leave it out."
            )
        # This command has checked the project already.
        command = [*same_program(), "qcluster", "--skip-checks"]
        # Here it would only tell of each task that is put into the queue to ask for a sign of life.
        logging.getLogger("django-q").setLevel(logging.WARNING)
        code = Watchdog(command, silence=silence, grace=grace).run()
        if code:
            sys.exit(code)


def same_program() -> list[str]:
    """What starts the program that runs: ``manage.py``, ``django-admin`` or a module."""
    import __main__

    python = [sys.executable, *(f"-W{option}" for option in sys.warnoptions)]
    if __main__.__spec__ is not None:
        return [*python, "-m", __main__.__spec__.name.removesuffix(".__main__")]
    return [*python, sys.argv[0]]
