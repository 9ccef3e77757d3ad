import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from automation.rules import definitions


class Command(BaseCommand):
    help = (
        "Read segments, generators and mails from a file that export_definitions wrote: all of "
        "it or, if anything is wrong, nothing. What is imported is not armed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{file} is not UTF-8 text (byte {error.start}).") from error
        except json.JSONDecodeError as error:
            raise CommandError(
                f"{file} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}."
            ) from error
        try:
            report = definitions.load(data)
        except definitions.DefinitionError as error:
            raise CommandError("\n".join(["Nothing was imported.", *error.problems])) from error
        for kind in sorted({*report.created, *report.changed}):
            created, changed = report.created.get(kind, 0), report.changed.get(kind, 0)
            self.stdout.write(f"{kind:<12} {created:>4} created {changed:>4} changed")
