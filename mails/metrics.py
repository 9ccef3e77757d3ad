"""Figures of e-mail accounts for Prometheus."""

import datetime
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from automation.events.health.metrics import metrics
from mails import mailers
from mails.models import Account


def _accounts(now: datetime.datetime) -> Iterator[Metric]:
    stopped = GaugeMetricFamily(
        "flint_account_stopped_seconds",
        "For how long nothing goes out by an e-mail account; 0 while it works.",
        labels=["account"],
    )
    since = dict(Account.objects.filter(sender="").values_list("name", "stopped_at"))
    for name in mailers.names():
        at = since.get(name)
        stopped.add_metric([name], (now - at).total_seconds() if at else 0)
    yield stopped


def register() -> None:
    metrics.register(_accounts)
