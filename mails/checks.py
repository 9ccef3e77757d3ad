"""System checks of what operators configure."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.urls import NoReverseMatch

from automation.rules import conf
from mails import mailers
from mails.embedding import public_url


@register()
def check_times(**kwargs: Any) -> list[CheckMessage]:
    """The times of delivery must leave room for one another."""
    if conf.unknown_keys():
        return []  # told by a check of its own
    times = conf.get()
    found: list[CheckMessage] = []
    patience = mailers.patience()
    if 2 * patience > times.DELIVERY_LEASE:
        found.append(
            Error(
                "AUTOMATION['DELIVERY_LEASE'] is too short: a claim could run out while the mail "
                "server takes its time.",
                hint="Make it at least twice EMAIL_TIMEOUT.",
                id="mails.E001",
            )
        )
    timeout = getattr(settings, "Q_CLUSTER", {}).get("timeout")
    # A mail server answers four times for each mail, and may take its time each time.
    if timeout and timeout <= times.DELIVERY_SECONDS + 4 * patience:
        found.append(
            Error(
                "Q_CLUSTER's timeout is too short: it would kill a worker in the middle of "
                "handing over a mail.",
                hint="Make it longer than AUTOMATION['DELIVERY_SECONDS'] plus 4 × EMAIL_TIMEOUT.",
                id="mails.E002",
            )
        )
    return found


@register()
def check_accounts(**kwargs: Any) -> list[CheckMessage]:
    """What is said of e-mail accounts must be about some."""
    if conf.unknown_keys():
        return []
    hint = "docs/accounts.md shows how accounts are configured."
    return [Error(told, hint=hint, id=f"mails.{number}") for number, told in mailers.problems()]


@register()
def check_site_url(**kwargs: Any) -> list[CheckMessage]:
    """Mails that link to this site must find it."""
    if conf.unknown_keys() or not (site := conf.get().SITE_URL):
        return []
    parts = urlsplit(site)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        return [
            Error(
                f"AUTOMATION['SITE_URL'] is no address of a site: '{site}'.",
                hint="Write it as https://shop.example.",
                id="mails.E003",
            )
        ]
    try:
        public_url(site, f"{'0' * 64}.png")
    except NoReverseMatch:
        return [
            Error(
                "AUTOMATION['SITE_URL'] is set, but recipients find no pictures there.",
                hint="Add path('mails/', include('mails.urls')) to the project's urlpatterns.",
                id="mails.E004",
            )
        ]
    return []
