"""Figures of generators for Prometheus."""

import datetime
from collections.abc import Iterator

from django.db.models import Count
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from automation.events.health import tally
from automation.events.health.metrics import metrics
from generators.models import Generator, State

RUNS = "flint_runs_total"
SECONDS = "flint_run_seconds_sum"
RESULTS = ("done", "failed")


def count_run(failed: bool, duration: datetime.timedelta) -> None:
    """Count one run of a generator."""
    result = RESULTS[failed]
    tally.add(
        {
            tally.Counter.of(RUNS, result=result): 1,
            tally.Counter.of(SECONDS): duration.total_seconds(),
        }
    )


def _generators(now: datetime.datetime) -> Iterator[Metric]:
    states = GaugeMetricFamily("flint_generators", "Generators, by state.", labels=["state"])
    found = Generator.objects.order_by().values_list("state").annotate(count=Count("pk"))
    counts = dict(found)
    for state in State.values:
        states.add_metric([state], counts.get(state, 0))
    yield states
    runs = CounterMetricFamily("flint_runs", "Runs of generators, by result.", labels=["result"])
    counted = {labels["result"]: value for labels, value in tally.values(RUNS)}
    for result in RESULTS:
        runs.add_metric([result], counted.get(result, 0))
    yield runs
    seconds = sum(value for _labels, value in tally.values(SECONDS))
    yield SummaryMetricFamily(
        "flint_run_seconds",
        "How long runs took.",
        count_value=int(sum(counted.values())),
        sum_value=seconds,
    )


def register() -> None:
    metrics.register(_generators)
