from contextlib import suppress
from typing import Any

from django.core.exceptions import (
    EmptyResultSet,
    FieldDoesNotExist,
    FieldError,
    ImproperlyConfigured,
    ValidationError,
)
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Model, Q

from automation.events.declared import dotted_name, model_of, nearest
from automation.events.listeners.calls import reason
from automation.events.model_sources import model_sources
from automation.events.processing import HOW_TO_REGISTER, Processed, process_sources

_WORDS = {"true": True, "false": False}


class Command(BaseCommand):
    help = "Send rows through the sources that code registers, and record events that are new."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "models", nargs="*", metavar="MODEL", help="such as shop.Cart; all with sources if none"
        )
        parser.add_argument(
            "--filter",
            action="append",
            default=[],
            dest="filters",
            metavar="FIELD=VALUE",
            help="only rows with this value, also as field__lookup=value; several mean all of them",
        )
        parser.add_argument("--dry-run", action="store_true", help="count only, record nothing")

    def handle(
        self, *args: Any, models: list[str], filters: list[str], dry_run: bool, **options: Any
    ) -> None:
        if not models and not model_sources.models:
            self.stdout.write(f"No source is registered. {HOW_TO_REGISTER}")
            return
        try:
            chosen = [model_of(name, "process_sources") for name in models]
            condition = _condition(chosen or model_sources.models, filters)
            found = process_sources(
                *chosen, filters=condition, dry_run=dry_run, progress=self._progress
            )
        except ImproperlyConfigured as error:
            raise CommandError(str(error).removeprefix("process_sources: ")) from error
        self._tell(found)

    def _progress(self, done: Processed) -> None:
        if self.stdout.isatty():
            self.stdout.write(f"{done.source}: {done.rows} rows, {done.new} new", ending="\r")

    def _tell(self, found: list[Processed]) -> None:
        self.stdout.write(
            f"{'model':<20} {'source':<40} {'rows':>9} {'events':>9} {'new':>9} {'failed':>9}"
        )
        for done in found:
            counts = f"{done.rows:>9} {done.seen:>9} {done.new:>9} {done.failed:>9}"
            label = done.source.model._meta.label
            self.stdout.write(f"{label:<20} {done.source!s:<40} {counts}")
        for done in found:
            for pk, said in done.reasons:
                self.stderr.write(f"{done.source.model._meta.label} {pk}: {said}")
            if more := done.failed - len(done.reasons):
                self.stderr.write(f"{done.source.model._meta.label}: and {more} more rows failed.")
        self._tell_errors(found)
        if failed := sum(done.failed for done in found):
            raise CommandError(f"Rows that failed: {failed}. They made no events.")

    def _tell_errors(self, found: list[Processed]) -> None:
        """What listeners raised: the events are recorded, so it is no failure of this command."""
        if first := next((answer for done in found for answer in done.errors), None):
            count = sum(done.error_count for done in found)
            said = reason(first.error) if first.error else ""
            self.stderr.write(
                f"Listeners raised {count} times, first {dotted_name(first.listener)}: {said}. "
                "Their events are recorded; Calls of listeners in the admin has them to retry."
            )


def _condition(models: list[type[Model]], filters: list[str]) -> Q:
    """What ``filters`` ask of the rows of each of ``models``. Raises ``CommandError`` for what
    cannot be asked of one of them."""
    condition = Q()
    for given in filters:
        path, equals, value = given.partition("=")
        if not equals or not path:
            raise CommandError(f"--filter {given}: write it as field=value.")
        asked: dict[str, Any] = {path: value.split(",") if path.endswith("__in") else value}
        for model in models:
            asked = _understood(model, path, asked[path])
        condition &= Q(**asked)
    return condition


def _understood(model: type[Model], path: str, value: Any) -> dict[str, Any]:
    """The filter with its value as ``model`` takes it."""
    said = str(value).lower()
    values = [value, _WORDS[said]] if said in _WORDS else [value]
    problem = ""
    for each in values:
        try:
            with suppress(EmptyResultSet):  # nothing can match, which is no mistake
                model._default_manager.filter(**{path: each}).query.sql_with_params()
        except FieldError as error:
            raise CommandError(f"--filter {path}: {_missing(model, path) or error}") from error
        except (TypeError, ValueError, ValidationError) as error:
            problem = " ".join(getattr(error, "messages", [str(error)]))
        else:
            return {path: each}
    raise CommandError(f"--filter {path}: '{value}' is no value for it: {problem}")


def _missing(model: type[Model], path: str) -> str:
    """Which part of ``path`` is not there, with what is near; empty if it is not known."""
    field: Any = None
    for part in path.split("__"):
        if field is not None and not field.is_relation:
            near = nearest(part, list(field.get_lookups()))
            return f"there is no lookup '{part}'." + (f" Did you mean '{near}'?" if near else "")
        owner = model if field is None else field.related_model
        try:
            field = owner._meta.get_field(part)
        except FieldDoesNotExist:
            near = nearest(part, [each.name for each in owner._meta.get_fields()])
            return f"{owner._meta.label} has no field '{part}'." + (
                f" Did you mean '{near}'?" if near else ""
            )
    return ""
