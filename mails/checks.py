"""System checks of what operators configure."""

import re
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.urls import NoReverseMatch

from automation.rules import conf
from mails import mailers
from mails.embedding import public_url

DOMAIN = re.compile(r"(?!-)[\w-]+(\.[\w-]+)*")

NOTHING_LEAVES = tuple(
    f"django.core.mail.backends.{name}." for name in ("console", "dummy", "filebased", "locmem")
)

#: Django's own EMAIL_TIMEOUT is none at all, and counts as a minute.
_PATIENCE = "Set EMAIL_TIMEOUT, in seconds: 30 leaves room. Or"


@register()
def check_times(**kwargs: Any) -> list[CheckMessage]:
    """The times of delivery must leave room for one another."""
    if conf.faults():
        return []  # told by a check of its own
    if mailers.problem_of_setting():
        return []  # told below
    times = conf.get()
    found: list[CheckMessage] = []
    patience = mailers.patience()
    if 2 * patience > times.DELIVERY_LEASE:
        found.append(
            Error(
                "AUTOMATION['DELIVERY_LEASE'] is too short: a claim could run out while the mail "
                "server takes its time.",
                hint=f"{_PATIENCE} make it at least twice EMAIL_TIMEOUT.",
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
                hint=f"{_PATIENCE} make it longer than AUTOMATION['DELIVERY_SECONDS'] plus 4 × "
                "EMAIL_TIMEOUT.",
                id="mails.E002",
            )
        )
    return found


@register()
def check_accounts(**kwargs: Any) -> list[CheckMessage]:
    """What is said of e-mail accounts must be about some."""
    if conf.faults():
        return []
    hint = "docs/accounts.md shows how accounts are configured."
    if problem := mailers.problem_of_setting():
        return [Error(problem, hint=hint, id="mails.E010")]
    return [Error(told, hint=hint, id=f"mails.{number}") for number, told in mailers.problems()]


@register()
def check_site_url(**kwargs: Any) -> list[CheckMessage]:
    """Mails that link to this site must find it."""
    if conf.faults() or not (site := conf.get().SITE_URL):
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
                hint="Add path('', include('automation.endpoints')) to the project's urlpatterns.",
                id="mails.E004",
            )
        ]
    return []


@register()
def check_message_ids(**kwargs: Any) -> list[CheckMessage]:
    """Mail servers refuse or rewrite a Message-ID that is none."""
    if conf.faults() or not (domain := conf.get().MESSAGE_ID_DOMAIN):
        return []
    if DOMAIN.fullmatch(domain):
        return []
    return [
        Error(
            f"AUTOMATION['MESSAGE_ID_DOMAIN'] is no domain: '{domain}'.",
            hint="Write it as mail.example.com, without https:// and @.",
            id="mails.E011",
        )
    ]


@register(deploy=True)
def check_backends(**kwargs: Any) -> list[CheckMessage]:
    """What leaves nothing of a mail, said before somebody waits for one."""
    if mailers.problem_of_setting():
        return []
    return [
        Warning(
            f"The e-mail account '{name}' sends nothing: {backend} is for development.",
            hint="Set EMAIL_BACKEND, or its BACKEND in MAILERS, to one that sends.",
            id="mails.W001",
        )
        for name in mailers.names()
        if (backend := mailers.backend_of(name)).startswith(NOTHING_LEAVES)
    ]
