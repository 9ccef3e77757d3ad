import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from automation.events.erasing import persons
from automation.events.erasing.erased import ErasedAddress, problem_of
from automation.events.erasing.persons import Found

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Erase a person: what is known of them goes, and nothing is sent to them any more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", metavar="EMAIL")
        parser.add_argument("--dry-run", action="store_true", help="count only, change nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--allow",
            action="store_true",
            help="let the person be written to again; what was erased does not come back",
        )

    def handle(
        self, *args: Any, address: str, dry_run: bool, yes: bool, allow: bool, **options: Any
    ) -> None:
        if problem := problem_of(address):
            raise CommandError(problem)
        if allow:
            self._allow(address)
        elif dry_run:
            self._tell(persons.find(address))
            self.stdout.write("Nothing was erased: this only counts.")
        else:
            if not yes:
                self._ask(address)
            self._erase(address)

    def _allow(self, address: str) -> None:
        person = ErasedAddress.allow(address, timezone.now())
        if person is None:
            raise CommandError("Nobody with this address was erased.")
        logger.info("%s may be written to again", person.pseudonym)
        self.stdout.write("This person may be written to again.")

    def _ask(self, address: str) -> None:
        self._tell(persons.find(address))
        try:
            answer = input(f"Erase {address}? What was erased does not come back. [yes/no] ")
        except EOFError:
            raise CommandError("Nobody is here to answer. --yes does not ask.") from None
        if answer.strip().lower() != "yes":
            raise CommandError("Nothing was erased.")

    def _erase(self, address: str) -> None:
        found = persons.together(self._step_by_step(address))
        self._tell(found)
        persons.log(address, found)
        if held := sum(of_kind.held for of_kind in found):
            raise CommandError(
                f"{held} rows are being sent at this moment. Run it again in a few minutes."
            )
        rows = sum(of_kind.rows for of_kind in found)
        self.stdout.write(
            f"The person was erased from {rows} {'row' if rows == 1 else 'rows'}. Nothing is sent "
            "to this address any more."
        )

    def _step_by_step(self, address: str) -> Any:
        rows = 0
        for step in persons.erase(address, timezone.now()):
            rows += step.rows
            if self.stdout.isatty():
                self.stdout.write(f"{rows} rows", ending="\r")
            yield step

    def _tell(self, found: list[Found]) -> None:
        self.stdout.write(f"{'rows':>9} {'being sent':>11}  of")
        for of_kind in found:
            self.stdout.write(f"{of_kind.rows:>9} {of_kind.held:>11}  {of_kind.label}")
