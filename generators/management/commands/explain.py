import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from automation.rules.explaining import explain, matches
from automation.rules.models import BrokenRule
from automation.rules.templating import TemplateError
from generators.models import Generator
from generators.running import standing_event


class Command(BaseCommand):
    help = "Say why a row makes an event, or why not: each condition, and what else decides."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG", help="the generator")
        parser.add_argument("pk", metavar="PK", help="the primary key of the row")

    def handle(self, *args: Any, slug: str, pk: str, **options: Any) -> None:
        now = timezone.now()
        generator = Generator.objects.filter(slug=slug).first()
        if generator is None:
            raise CommandError(f"There is no generator named {slug}.")
        try:
            model = generator.source_or_error().model
            lines = explain(generator, model._meta.pk.to_python(pk), now)
        except BrokenRule as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(f"'{pk}' is no primary key of {model._meta.label}.") from error
        if lines is None:
            raise CommandError(f"There is no {model._meta.verbose_name} {pk}.")
        for number, line in enumerate(lines):
            joined = line.joined_by if number else ""
            mark = "✓" if line.passed else "✗"
            self.stdout.write(f"{mark} {joined:<4}{line.sentence:<60} {line.shown}")
        self.stdout.write("It matches." if matches(lines) else "It does not match.")
        self._say_event(generator, model._meta.pk.to_python(pk), now)
        if generator.state != "armed":
            self.stdout.write(f"The generator is not armed: {generator.get_state_display()}.")

    def _say_event(self, generator: Generator, pk: Any, now: datetime.datetime) -> None:
        try:
            event = standing_event(generator, pk, now)
        except TemplateError as error:
            self.stdout.write(f"Its event cannot be made: {error}")
            return
        if event is not None:
            since = f"{generator.local(event.recorded_at):%Y-%m-%d %H:%M}"
            self.stdout.write(f"It has its event already: {event.key}, {since}")
