"""System checks of what is configured for webhooks."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from automation.events.webhooks.addresses import is_opened_host
from automation.rules import conf


@register()
def check_webhooks(**kwargs: Any) -> list[CheckMessage]:
    if conf.faults():
        return []  # told by a check of its own
    return [*_wrong_hosts(conf.get().WEBHOOK_INSIDE_HOSTS), *_wrong_times(conf.get())]


def _wrong_hosts(hosts: Any) -> list[CheckMessage]:
    if isinstance(hosts, list | tuple) and all(is_opened_host(host) for host in hosts):
        return []
    return [
        Error(
            f"AUTOMATION['WEBHOOK_INSIDE_HOSTS'] is no tuple of hosts: {hosts!r}.",
            hint='Write it as ("localhost:9000", "n8n.internal"), without https:// and paths.',
            id="automation_events.E201",
        )
    ]


def _wrong_times(times: conf.Settings) -> list[CheckMessage]:
    """A call takes its time twice: to look up the name, and for all the rest."""
    longest = 2 * times.WEBHOOK_SECONDS
    found: list[CheckMessage] = []
    if longest > times.DELIVERY_LEASE:
        found.append(
            Error(
                "AUTOMATION['DELIVERY_LEASE'] is too short: a claim could run out while a webhook "
                "is called.",
                hint="Make it at least twice WEBHOOK_SECONDS.",
                id="automation_events.E202",
            )
        )
    timeout = getattr(settings, "Q_CLUSTER", {}).get("timeout")
    if timeout and timeout <= times.DELIVERY_SECONDS + longest:
        found.append(
            Error(
                "Q_CLUSTER's timeout is too short: it would kill a worker that calls a webhook.",
                hint="Make it longer than AUTOMATION's DELIVERY_SECONDS plus 2 × WEBHOOK_SECONDS.",
                id="automation_events.E203",
            )
        )
    return found
