from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from automation.rules import definition_files, definitions


class Command(BaseCommand):
    help = (
        "Read segments, generators, mails, layouts and snippets from a file that "
        "export_definitions wrote: all of it or, if anything is wrong, nothing. What is imported "
        "is not armed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="only say what would change")

    def handle(self, *args: Any, file: Path, dry_run: bool, **options: Any) -> None:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
        try:
            report = definitions.load(definition_files.read(content), rehearse=dry_run)
        except definitions.DefinitionError as error:
            raise CommandError("\n".join(["Nothing was imported.", *error.problems])) from error
        if options["verbosity"] < 1:
            return
        if dry_run:
            self.stdout.write("Nothing was imported; this is what would be:")
        for kind in sorted({*report.created, *report.changed}):
            created, changed = report.created.get(kind, 0), report.changed.get(kind, 0)
            self.stdout.write(f"{kind:<12} {created:>4} created {changed:>4} changed")
