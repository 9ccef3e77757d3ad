"""Figures of chains for Prometheus."""

import datetime
from collections.abc import Iterator

from django.db.models import Count
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from automation.chains.chain import Chain, State
from automation.chains.runs import ChainRun
from automation.events.health import tally
from automation.events.health.metrics import metrics

STEPS = "flint_chain_steps_total"
ENDED = "flint_chain_runs_ended_total"


def count_work(moved: int, ended: dict[str, int]) -> None:
    """Count the steps of a chunk, and how many of its runs ended with which outcome."""
    counted = {tally.Counter.of(ENDED, outcome=name): count for name, count in ended.items()}
    if moved:
        counted[tally.Counter.of(STEPS)] = moved
    if counted:
        tally.add(counted)


def _chains(now: datetime.datetime) -> Iterator[Metric]:
    states = GaugeMetricFamily("flint_chains", "Chains, by state.", labels=["state"])
    counts = dict(Chain.objects.order_by().values_list("state").annotate(count=Count("pk")))
    for state in State.values:
        states.add_metric([state], counts.get(state, 0))
    yield states
    due = ChainRun.objects.filter(chain__state=State.ARMED, next_update__lte=now).count()
    yield GaugeMetricFamily("flint_chain_runs_due", "Runs of chains to be looked at.", value=due)
    steps = CounterMetricFamily("flint_chain_steps", "Steps that runs of chains took.")
    steps.add_metric([], sum(value for _labels, value in tally.values(STEPS)))
    yield steps
    ended = CounterMetricFamily(
        "flint_chain_runs_ended", "Runs of chains that ended, by outcome.", labels=["outcome"]
    )
    for labels, value in tally.values(ENDED):
        ended.add_metric([labels["outcome"]], value)
    yield ended


def register() -> None:
    metrics.register(_chains)
