"""Figures for Prometheus, read from the database when it asks.

Each floor registers its own (``metrics.register``). What is counted over all time is a tally;
everything else is asked with queries that an index answers.
"""

import datetime
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from django.db.models import Count
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from automation.events import schedule
from automation.events.cluster.health import queue_size
from automation.events.health import backlog, tally
from automation.events.outbox import Delivery, delivery_models
from automation.events.states import State

logger = logging.getLogger(__name__)

#: Deliveries that came to an end, by kind and state. An unknown one that was settled
#: later is counted in both.
ENDED = "flint_deliveries_total"

#: The states that ``ENDED`` counts.
ENDS = (State.SENT, State.FAILED, State.UNKNOWN, State.SKIPPED, State.CANCELLED)

#: Takes the moment (aware) of the question.
Measure = Callable[[datetime.datetime], Iterable[Metric]]


class Metrics:
    """What is measured, in the order in which it was registered."""

    def __init__(self) -> None:
        self._known: list[Measure] = []

    def register(self, measure: Measure) -> None:
        """Registering the same one again does nothing."""
        if measure not in self._known:
            self._known.append(measure)

    def __iter__(self) -> Iterator[Measure]:
        return iter(self._known)

    @contextmanager
    def only(self, *chosen: Measure) -> Iterator[None]:
        """For tests: nothing but ``chosen`` is registered inside."""
        before, self._known = self._known, list(chosen)
        try:
            yield
        finally:
            self._known = before


metrics = Metrics()


def count_ended(model: type[Delivery], ended: Mapping[str, int]) -> None:
    """Count deliveries of this kind that came to an end, by state: once for a batch."""
    kind = model._meta.label_lower
    tally.add(
        {
            tally.Counter.of(ENDED, kind=kind, state=str(state)): number
            for state, number in ended.items()
            if state in ENDS
        }
    )


def exposition(now: datetime.datetime) -> bytes:
    """Everything in Prometheus' text format. What cannot be measured is left out, and
    ``flint_unmeasured`` says how many."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(now))
    return generate_latest(registry)


class _Collector:
    def __init__(self, now: datetime.datetime) -> None:
        self.now = now

    def collect(self) -> Iterator[Metric]:
        unmeasured = 0
        for measure in metrics:
            try:
                yield from list(measure(self.now))
            except Exception:
                logger.exception("Not measured: %r", measure)
                unmeasured += 1
        yield GaugeMetricFamily(
            "flint_unmeasured", "Groups of figures that could not be read.", value=unmeasured
        )


def _deliveries(now: datetime.datetime) -> Iterator[Metric]:
    queued = _gauge("flint_deliveries_queued", "Deliveries that wait, due or for later.", "kind")
    due = _gauge("flint_deliveries_due", "Deliveries that could be sent now.", "kind")
    oldest = _gauge(
        "flint_oldest_due_seconds", "For how long the longest waiting delivery is due.", "kind"
    )
    unknown = _gauge("flint_deliveries_unknown", "Deliveries that a person must settle.", "kind")
    # Counted in full: who draws a curve needs to see it rise. Only what waits is counted, by the
    # index of what is due: some tenths of a second for 600,000 deliveries.
    for model in delivery_models():
        kind = [model._meta.label_lower]
        states = model.objects.filter(state__in=(State.QUEUED, State.UNKNOWN)).order_by()
        counts = dict(states.values_list("state").annotate(count=Count("pk")))
        queued.add_metric(kind, counts.get(State.QUEUED, 0))
        unknown.add_metric(kind, counts.get(State.UNKNOWN, 0))
        due.add_metric(kind, model.objects.due(now).order_by().count())
        since = backlog.oldest_due(model, now)
        oldest.add_metric(kind, (now - since).total_seconds() if since else 0)
    yield from (queued, due, oldest, unknown)
    ended = CounterMetricFamily(
        "flint_deliveries", "Deliveries that came to an end.", labels=["kind", "state"]
    )
    counted = {(row["kind"], row["state"]): value for row, value in tally.values(ENDED)}
    for model in delivery_models():
        for state in ENDS:
            labels = (model._meta.label_lower, str(state))
            ended.add_metric(labels, counted.get(labels, 0))
    yield ended


def _cluster(now: datetime.datetime) -> Iterator[Metric]:
    age = _gauge("flint_cluster_heartbeat_age_seconds", "Since the last sign of life.", "cluster")
    for name, beaten_at in schedule.signs_of_life():
        age.add_metric([name], (now - beaten_at).total_seconds())
    yield age


def _queue(now: datetime.datetime) -> Iterator[Metric]:
    yield GaugeMetricFamily("flint_queue_tasks", "Tasks in the queue.", value=queue_size())


def _gauge(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, labels=labels)


def register() -> None:
    for measure in (_deliveries, _cluster, _queue):
        metrics.register(measure)
