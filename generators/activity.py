"""How much generators have done lately, for lists."""

import datetime
import zoneinfo
from collections.abc import Iterable
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import TruncDate

from automation.events.models import EventRecord
from generators.models import Generator, Run

DAYS = 30


def events_per_day(
    rule_ids: Iterable[int], now: datetime.datetime, zone: zoneinfo.ZoneInfo, days: int = DAYS
) -> dict[int, list[int]]:
    """For each rule how many events it made on each of the last ``days`` days in ``zone``,
    today last; one query for all of them."""
    ids = list(rule_ids)
    today = now.astimezone(zone).date()
    first = today - datetime.timedelta(days=days - 1)
    start = datetime.datetime.combine(first, datetime.time(), tzinfo=zone)
    counted: Any = (
        EventRecord.objects.filter(rule__in=ids, recorded_at__gte=start)
        .annotate(day=TruncDate("recorded_at", tzinfo=zone))
        .values_list("rule", "day")
        .annotate(number=Count("pk"))
        .order_by()
    )
    found = {pk: [0] * days for pk in ids}
    for rule, day, number in counted:
        found[rule][(day - first).days] = number
    return found


def newest_run() -> QuerySet[Run]:
    """For a subquery about generators: the last run of each."""
    return Run.objects.filter(generator=OuterRef("pk")).order_by("-started_at", "-pk")


def last_runs(rule_ids: Iterable[int]) -> dict[int, Run]:
    """The last run of each generator that ever ran; one query for all of them, which reads
    no other runs."""
    generators = Generator.objects.non_polymorphic().filter(pk__in=list(rule_ids))
    newest = generators.annotate(newest=Subquery(newest_run().values("pk")[:1])).values("newest")
    return {run.generator_id: run for run in Run.objects.filter(pk__in=newest)}
