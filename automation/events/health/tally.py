"""Counters that stay cheap however many rows there are: one small row for each.

What they count is told by the rows themselves; a counter that a killed process left behind by
some is no harm. They are for the rates that monitoring draws.
"""

import json
import logging
from collections.abc import Mapping
from typing import NamedTuple

from django.db import DatabaseError, connections, models, router

logger = logging.getLogger(__name__)


class Tally(models.Model):
    """The value of one counter: a name, and labels as JSON with sorted keys."""

    name = models.CharField(max_length=100)
    labels = models.CharField(max_length=150, blank=True)
    value = models.FloatField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "labels"], name="automation_tally_once")
        ]

    def __str__(self) -> str:
        return f"{self.name}{self.labels} {self.value:g}"


class Counter(NamedTuple):
    """A counter's row."""

    name: str
    labels: str

    @classmethod
    def of(cls, name: str, **labels: str) -> "Counter":
        return cls(name, json.dumps(labels, sort_keys=True) if labels else "")


def add(counts: Mapping[Counter, float]) -> None:
    """Add to counters, all in one statement. Call it outside of any transaction: the next one
    that counts would wait for its end. Raises nothing: no work fails because it was not counted.
    """
    rows = sorted((*counter, value) for counter, value in counts.items() if value)
    if not rows:
        return
    connection = connections[router.db_for_write(Tally)]
    table = connection.ops.quote_name(Tally._meta.db_table)
    ending = (
        "ON DUPLICATE KEY UPDATE value = value + VALUES(value)"
        if connection.vendor == "mysql"
        else f"ON CONFLICT (name, labels) DO UPDATE SET value = {table}.value + excluded.value"
    )
    places = ", ".join(["(%s, %s, %s)"] * len(rows))
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} (name, labels, value) VALUES {places} {ending}",
                [part for row in rows for part in row],
            )
    except DatabaseError:
        logger.exception("Not counted: %s", dict(counts))


def values(name: str) -> list[tuple[dict[str, str], float]]:
    """The counters of this name: labels and value."""
    rows = Tally.objects.filter(name=name).order_by("labels")
    return [(json.loads(row.labels or "{}"), row.value) for row in rows]
