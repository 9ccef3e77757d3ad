from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from automation.events.outbox import delivery_models


class Command(BaseCommand):
    help = "Deliver what is due, in this process, without the cluster."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=0, help="at most so many; 0 means all")

    def handle(self, *args: Any, limit: int, **options: Any) -> None:
        for model in delivery_models():
            objects: Any = model._default_manager
            objects.sweep(timezone.now())
            done = 0
            while not limit or done < limit:
                batch = objects.claim(timezone.now(), min(limit - done, 500) if limit else None)
                if not batch:
                    break
                model.deliver(batch)
                done += len(batch)
                if self.stdout.isatty():
                    self.stdout.write(f"{model._meta.verbose_name_plural}: {done}", ending="\r")
            self.stdout.write(f"{model._meta.verbose_name_plural}: {done}")
