"""System checks of what operators configure."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from automation.rules import conf


@register()
def check_times(**kwargs: Any) -> list[CheckMessage]:
    """The times of delivery must leave room for one another."""
    if conf.unknown_keys():
        return []  # told by a check of its own
    times = conf.get()
    found: list[CheckMessage] = []
    if times.DELIVERY_SECONDS + 2 * (settings.EMAIL_TIMEOUT or 60) >= times.DELIVERY_LEASE:
        found.append(
            Error(
                "AUTOMATION['DELIVERY_LEASE'] is too short: a claim could run out while the mail "
                "server takes its time.",
                hint="Make it longer than DELIVERY_SECONDS plus twice EMAIL_TIMEOUT.",
                id="mails.E001",
            )
        )
    timeout = getattr(settings, "Q_CLUSTER", {}).get("timeout")
    if timeout and timeout <= times.DELIVERY_SECONDS + (settings.EMAIL_TIMEOUT or 60):
        found.append(
            Error(
                "Q_CLUSTER's timeout is too short: it would kill a worker in the middle of "
                "handing over a mail.",
                hint="Make it longer than AUTOMATION['DELIVERY_SECONDS'] plus EMAIL_TIMEOUT.",
                id="mails.E002",
            )
        )
    return found
