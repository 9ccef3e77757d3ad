import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from automation.rules.models import BrokenRule
from generators import running
from generators.models import Generator, State


class Command(BaseCommand):
    help = "Run armed generators now, or those named, and show what they found."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="SLUG", help="all armed ones if none")
        parser.add_argument("--dry-run", action="store_true", help="count only, record nothing")
        parser.add_argument("--at", metavar="ISO", help="evaluate at this moment instead of now")

    def handle(
        self, *args: Any, slugs: list[str], dry_run: bool, at: str | None, **options: Any
    ) -> None:
        now = _moment(at) if at else timezone.now()
        chosen = list(self._chosen(slugs, dry_run))
        self.stdout.write(f"{'generator':<32} {'matched':>9} {'new':>9}  error")
        failed = False
        for generator in chosen:
            outcome = _look(generator, now) if dry_run else running.run(generator, now)
            if outcome is None:
                self.stdout.write(f"{generator.slug:<32} is being run by another worker")
                continue
            failed = failed or bool(outcome.error)
            counts = f"{outcome.matched:>9} {outcome.new:>9}"
            self.stdout.write(f"{generator.slug:<32} {counts}  {outcome.error}".rstrip())
        if failed:
            raise CommandError("Not all generators succeeded.")

    def _chosen(self, slugs: list[str], dry_run: bool) -> Any:
        if not slugs:
            return Generator.objects.filter(state=State.ARMED)
        found = {
            generator.slug: generator for generator in Generator.objects.filter(slug__in=slugs)
        }
        if not dry_run and (idle := [s for s, g in found.items() if g.state != State.ARMED]):
            raise CommandError(
                f"Not armed, so not run: {', '.join(idle)}. --dry-run looks without recording."
            )
        if missing := [slug for slug in slugs if slug not in found]:
            raise CommandError(f"There is no generator named: {', '.join(missing)}.")
        return found.values()


def _look(generator: Generator, now: datetime.datetime) -> running.Outcome:
    """What a run would find."""
    try:
        rows = generator.rows(now)
        new = running.without_events(rows, generator, now).count()
        return running.Outcome(matched=rows.count(), new=new)
    except BrokenRule as error:
        return running.Outcome(error=str(error))


def _moment(text: str) -> datetime.datetime:
    moment = parse_datetime(text)
    if moment is None:
        raise CommandError(f"'{text}' is no moment. Write it as in 2026-03-01T09:00.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
