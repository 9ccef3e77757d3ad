"""Which rows a generator has seen matching, for "each time it matches anew".

A row's stay in the rule is an episode, numbered from 1. The number is part of the event's
key, so each episode has one event. A run that sees a row out ends its episode; the next
run that sees it in begins another.
"""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import (
    Case,
    Exists,
    F,
    IntegerField,
    OuterRef,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Concat

from automation.rules.keys import key_expression
from generators.models import Generator, Presence


def note_departures(
    generator: Generator, matching: QuerySet[Any], among: QuerySet[Presence] | None = None
) -> int:
    """End the episodes of rows that do not match any more, ``among`` these if given; returns
    how many."""
    keyed = matching.alias(_row_key=key_expression(matching.model))
    still_there = Exists(keyed.filter(_row_key=OuterRef("row_pk")))
    present = Presence.objects.all() if among is None else among
    present = present.filter(generator=generator, is_present=True)
    return present.filter(~still_there).update(is_present=False)


def suffix_expression(generator: Generator) -> Any:
    """The end of the key of each row's present or coming episode, ``":2"``, for a query that
    has the row's key as ``_row_key``."""
    known = Presence.objects.filter(generator=generator, row_pk=OuterRef("_row_key"))
    number = known.annotate(number=_number()).values("number")
    episode = Coalesce(Subquery(number), Value(1), output_field=IntegerField())
    return Concat(Value(":"), Cast(episode, models.TextField()), output_field=models.TextField())


def episodes(generator: Generator, keys: Iterable[str]) -> dict[str, int]:
    """The number of the present or coming episode of each row that is known."""
    known = Presence.objects.filter(generator=generator, row_pk__in=list(keys))
    return dict(known.annotate(number=_number()).values_list("row_pk", "number"))


def note_arrivals(generator: Generator, numbers: dict[str, int]) -> None:
    """Write down that these rows are in the given episode now. Only for whoever wrote the
    episode's event, in the same transaction: so a number here is never behind the events."""
    Presence.objects.bulk_create(
        (
            Presence(generator=generator, row_pk=key, episode=number, is_present=True)
            for key, number in numbers.items()
        ),
        update_conflicts=True,
        unique_fields=["generator", "row_pk"],
        update_fields=["episode", "is_present"],
    )


def _number() -> Case:
    return Case(When(is_present=True, then=F("episode")), default=F("episode") + 1)
