import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from automation.events.housekeeping.chore import Chore, chores
from automation.events.housekeeping.pruning import prune


class Command(BaseCommand):
    help = "Do away with what is older than KEEP_DAYS says, a few rows at a time."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count only, change nothing")
        parser.add_argument("--kind", action="append", default=[], help="only this kind of data")
        parser.add_argument("--days", type=int, help="what is older than so many days, of --kind")

    def handle(
        self, *args: Any, dry_run: bool, kind: list[str], days: int | None, **options: Any
    ) -> None:
        now = timezone.now()
        if days is not None and not kind:
            raise CommandError("--days needs --kind: not everything is kept equally long.")
        if days is not None and days < 1:
            raise CommandError("--days is a whole number from 1 on.")
        chosen = _chosen(kind)
        self.stdout.write(f"{'kind':<16} {'older than':<16} {'rows':>9}")
        failed = []
        for chore in chosen:
            before = chore.before(now, days)
            if before is None:
                self.stdout.write(f"{chore.name:<16} {'kept for ever':<16} {0:>9}")
                continue
            beginning = f"{chore.name:<16} {timezone.localtime(before):%Y-%m-%d %H:%M}"
            try:
                rows = chore.count(before) if dry_run else self._pruned(chore, now, days, beginning)
            except Exception as error:
                failed.append(f"{chore.name}: {type(error).__name__}: {error}")
                continue
            self.stdout.write(f"{beginning} {rows:>9}")
        if failed:
            raise CommandError("\n".join(failed))

    def _pruned(
        self, chore: Chore, now: datetime.datetime, days: int | None, beginning: str
    ) -> int:
        rows = 0
        for done in prune(chore, now, days):
            rows += done
            if self.stdout.isatty():
                self.stdout.write(f"{beginning} {rows:>9}", ending="\r")
        return rows


def _chosen(names: list[str]) -> list[Chore]:
    if missing := [name for name in names if name not in chores.names]:
        raise CommandError(
            f"There is no kind of data named: {', '.join(missing)}. "
            f"Known are: {', '.join(chores.names)}."
        )
    return [chore for chore in chores if not names or chore.name in names]
