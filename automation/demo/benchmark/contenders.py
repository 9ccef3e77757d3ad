"""What is measured: ways to make an event of each row that is new."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models import CharField, Exists, OuterRef, QuerySet, Value
from django.db.models.functions import Cast, Concat

from automation.demo.benchmark import statements
from automation.demo.benchmark.rows import GROUP, NOW
from automation.events.models import EventRecord
from generators import running
from generators.models import Generator

_AT_A_TIME = 5_000


@dataclass(frozen=True)
class Contender:
    """``run`` makes the events; called again, it finds nothing new. ``limit`` names the
    contender that writes the same rows as fast as can be. Only a ``slow`` one is left out
    where there are very many rows. One without ``run`` is an ancestor."""

    name: str
    label: str
    run: Callable[[], Any] | None
    limit: str
    slow: bool = False
    # Nobody keeps the database's statistics up to date for it.
    alone: bool = False


def flint() -> None:
    """The product as it is."""
    outcome = running.run(Generator.objects.get(), NOW)
    if outcome is None or outcome.error:
        raise RuntimeError(f"The generator did not run: {outcome}")


def insert_select() -> None:
    """One statement, whose rows Django has compiled."""
    generator = Generator.objects.get()
    new = _keyed(generator, _matching(generator)).filter(~_recorded()).values("_event_key")
    selected, parameters = new.query.get_compiler(connection=connection).as_sql()
    constants: list[Any] = [GROUP, uuid.uuid4(), NOW]
    if connection.vendor == "sqlite":
        constants = [GROUP, uuid.uuid4().hex, connection.ops.adapt_datetimefield_value(NOW)]
    # SQLite needs a WHERE before ON CONFLICT.
    statement = f"""
        INSERT INTO automation_events_eventrecord
            (key, "group", recording, recorded_at,
             row_model, row_pk, recipient, language, time_zone, context)
        SELECT k._event_key, %s, %s, %s, '', '', '', '', '', '{{}}' FROM ({selected}) AS k
        WHERE true ON CONFLICT DO NOTHING
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, [*constants, *parameters])


def bulk_create() -> None:
    """Django's own way for many rows, asked only for those without an event."""
    generator, recording = Generator.objects.get(), uuid.uuid4()
    new = _keyed(generator, _matching(generator)).filter(~_recorded())
    # Read before anything is written: the query asks the table that is written to.
    keys = iter(list(new.values_list("_event_key", flat=True)))
    while some := list(islice(keys, _AT_A_TIME)):
        EventRecord.objects.bulk_create(
            [
                EventRecord(key=key, group=GROUP, recording=recording, recorded_at=NOW)
                for key in some
            ],
            ignore_conflicts=True,
        )


def get_or_create() -> None:
    """The first thing that comes to mind: a loop."""
    generator, recording = Generator.objects.get(), uuid.uuid4()
    for pk in _pks(generator):
        EventRecord.objects.get_or_create(
            key=f"{generator.key_prefix()}{pk}",
            defaults={"group": GROUP, "recording": recording, "recorded_at": NOW},
        )


def _pks(generator: Generator) -> Iterator[int]:
    return iter(list(_matching(generator).values_list("pk", flat=True)))


def _matching(generator: Generator) -> QuerySet[Any]:
    return generator.rows(NOW).order_by()


def _keyed(generator: Generator, rows: QuerySet[Any]) -> QuerySet[Any]:
    key = Concat(
        Value(generator.key_prefix()),
        Cast("pk", CharField(max_length=100)),
        output_field=CharField(),
    )
    return rows.annotate(_event_key=key)


def _recorded() -> Exists:
    return Exists(EventRecord.objects.filter(key=OuterRef("_event_key")))


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender(
            "limit",
            "limit: two statements by hand",
            statements.events_and_messages,
            limit="limit",
        ),
        Contender("flint", "Flint", flint, limit="limit", alone=True),
        Contender(
            "events-limit",
            "limit: one statement by hand, events only",
            statements.events_only,
            limit="events-limit",
        ),
        Contender(
            "insert-select",
            "INSERT … SELECT compiled by Django, events only",
            insert_select,
            limit="events-limit",
        ),
        Contender(
            "bulk-create",
            "bulk_create(ignore_conflicts) in chunks, events only",
            bulk_create,
            limit="events-limit",
        ),
        Contender(
            "get-or-create",
            "get_or_create in a loop, events only",
            get_or_create,
            limit="events-limit",
            slow=True,
        ),
        Contender(
            "spark", "django-spark 0.3.0, events only", None, limit="events-limit", slow=True
        ),
        Contender(
            "drip",
            "django-drip-campaigns 1.16.2, which sends at once",
            None,
            limit="events-limit",
            slow=True,
        ),
    )
}
