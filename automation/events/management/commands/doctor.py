import json
import textwrap
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from automation.events.health import Finding, Level, examine, worst

#: How long lines are that people read.
WIDTH = 100


class Command(BaseCommand):
    help = "Examine this installation, and say what to do. Nothing is changed or sent."
    # What they find is told among the rest, and stops nothing.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--quick", action="store_true", help="only what the admin's home page shows"
        )
        parser.add_argument("--strict", action="store_true", help="warnings count as problems")
        parser.add_argument("--json", action="store_true", help="for machines")

    def handle(self, *args: Any, quick: bool, strict: bool, **options: Any) -> None:
        findings = examine(cheap=quick)
        if options["json"]:
            self.stdout.write(json.dumps([_data(each) for each in findings], indent=2))
        else:
            # What is worst stands last, next to the sum: that is where one looks.
            for finding in sorted(findings, key=lambda each: each.level):
                self._write(finding)
            self.stdout.write(_sum(findings))
        if worst(findings) >= (Level.WARNING if strict else Level.PROBLEM):
            raise SystemExit(1)

    def _write(self, finding: Finding) -> None:
        style = {
            Level.OK: self.style.SUCCESS,
            Level.WARNING: self.style.WARNING,
            Level.PROBLEM: self.style.ERROR,
        }[finding.level]
        label = f"{finding.level.label!s:<9}"
        said, *rest = textwrap.wrap(finding.what, WIDTH - 9) or [""]
        self.stdout.write(style(label) + said)
        for line in rest:
            self.stdout.write(" " * 9 + line)
        if finding.level > Level.OK:
            for line in (*textwrap.wrap(finding.advice, WIDTH - 11), *filter(None, [finding.url])):
                self.stdout.write(" " * 11 + line)


def _data(finding: Finding) -> dict[str, Any]:
    return {
        "level": finding.level.name.lower(),
        "what": finding.what,
        "advice": finding.advice,
        "url": finding.url,
        "count": finding.count,
    }


def _sum(findings: list[Finding]) -> str:
    counts = {level: sum(each.level == level for each in findings) for level in Level}
    return _("problems: %(problems)d, warnings: %(warnings)d, fine: %(fine)d") % {
        "problems": counts[Level.PROBLEM],
        "warnings": counts[Level.WARNING],
        "fine": counts[Level.OK],
    }
