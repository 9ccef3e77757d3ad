from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from automation.events import delivering
from automation.events.delivering import Work
from automation.events.outbox import delivery_models

# A day: as long as it takes.
_SECONDS = 24 * 3600


class Command(BaseCommand):
    help = "Deliver what is due, in this process, without the cluster."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=0, help="at most so many; 0 means all")

    def handle(self, *args: Any, limit: int, **options: Any) -> None:
        for model in delivery_models():
            name = model._meta.verbose_name_plural

            def progress(done: Work, name: Any = name) -> None:
                if self.stdout.isatty():
                    self.stdout.write(f"{name}: {done.claimed}", ending="\r")

            model._default_manager.sweep(timezone.now())
            done = delivering.work(model, limit=limit, progress=progress, seconds=_SECONDS)
            counts = ", ".join(f"{count} {state}" for state, count in done.counts.items())
            self.stdout.write(f"{name}: {counts or 0}")
            for obstacle in model._default_manager.obstacles(timezone.now()):
                self.stdout.write(f"  {obstacle}")
