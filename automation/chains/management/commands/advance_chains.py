import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from automation.chains import advancing, entering, executing_due
from automation.chains.advancing import Advanced
from automation.chains.models import Chain, State
from automation.chains.registry import CodeChain, code_chains
from automation.rules.models import BrokenRule

# A day: as long as it takes.
_SECONDS = 24 * 3600


class Command(BaseCommand):
    help = "Let new rows into armed chains, or those named, and advance who is due, in code too."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="SLUG", help="all armed ones if none")
        parser.add_argument("--dry-run", action="store_true", help="look only, change nothing")
        parser.add_argument("--at", metavar="ISO", help="look at this moment instead of now")

    def handle(
        self, *args: Any, slugs: list[str], dry_run: bool, at: str | None, **options: Any
    ) -> None:
        now = _moment(at) if at else timezone.now()
        coded = _chosen_in_code(slugs, now)
        in_code = {chain.name for chain in coded}
        named = [slug for slug in slugs if slug not in in_code]
        chosen = _chosen(named, dry_run) if named or not slugs else []
        self.stdout.write(
            f"{'chain':<32} {'new':>7} {'due':>7} {'moved':>7} {'ended':>7} {'events':>7}  error"
        )
        errors = [
            self._foresee(chain, now) if dry_run else self._advance(chain, now) for chain in chosen
        ]
        errors += [self._execute(chain, now, dry_run) for chain in coded]
        if any(errors):
            raise CommandError("Not all chains succeeded.")

    def _advance(self, chain: Chain, now: datetime.datetime) -> str:
        entered = entering.enter(chain, now) or entering.Entered()

        def progress(_chain: Chain, done: Advanced) -> None:
            if self.stdout.isatty():
                self.stdout.write(f"{chain.slug}: {done.looked_at}", ending="\r")

        alone = Chain.objects.filter(pk=chain.pk)
        found = advancing.work(now, chains=alone, seconds=_SECONDS, progress=progress)
        done = found.get(chain, Advanced())
        return self._show(chain.slug, entered.new, done, entered.error or done.error)

    def _foresee(self, chain: Chain, now: datetime.datetime) -> str:
        new, done, error = 0, Advanced(), ""
        try:
            rows = entering.candidates(chain, now)
            new = rows.count() if rows is not None else 0
            for decisions in advancing.foresee(chain, now):
                done.looked_at += len(decisions)
                done.moved += sum(each.transition is not None for each in decisions)
                done.events += sum(each.event is not None for each in decisions)
                done.ended.update(str(each.outcome) for each in decisions if each.outcome)
        except BrokenRule as found:
            error = str(found)
        return self._show(chain.slug, new, done, error)

    def _execute(self, chain: CodeChain, now: datetime.datetime, dry_run: bool) -> str:
        if dry_run:
            done = executing_due.foresee(chain, now)
        else:
            found = executing_due.work(now, chains=[chain], seconds=_SECONDS)
            done = found.get(chain.name, Advanced())
        return self._show(chain.name, 0, done, done.error)

    def _show(self, name: str, new: int, done: Advanced, error: str) -> str:
        counts = (new, done.looked_at, done.moved, done.ended.total(), done.events)
        shown = " ".join(f"{count:>7}" for count in counts)
        self.stdout.write(f"{name:<32} {shown}  {error}".rstrip())
        return error


def _chosen_in_code(slugs: list[str], now: datetime.datetime) -> list[CodeChain]:
    """The chains in code that are meant; without names those that have something to do."""
    automatic = code_chains.automatic
    if slugs:
        return [chain for chain in automatic if chain.name in slugs]
    return [chain for chain in automatic if executing_due.due_of(chain, now).exists()]


def _chosen(slugs: list[str], dry_run: bool) -> list[Chain]:
    if not slugs:
        return list(Chain.objects.filter(state=State.ARMED))
    found = {chain.slug: chain for chain in Chain.objects.filter(slug__in=slugs)}
    if missing := [slug for slug in slugs if slug not in found]:
        raise CommandError(f"There is no chain named: {', '.join(missing)}.")
    idle = [slug for slug, chain in found.items() if chain.state != State.ARMED]
    if idle and not dry_run:
        raise CommandError(
            f"Not armed, so nobody moves: {', '.join(idle)}. --dry-run looks without changing."
        )
    return list(found.values())


def _moment(text: str) -> datetime.datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f"'{text}' is no moment. Write it as in 2026-03-01T09:00.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
