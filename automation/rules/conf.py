"""The product's settings: one dict, ``AUTOMATION``, read when it is needed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class Settings:
    """The keys of ``AUTOMATION`` with their defaults. Times are in seconds."""

    #: How many rows are recorded in one transaction.
    RECORD_CHUNK: int = 5_000
    #: How many deliveries a worker claims at a time.
    DELIVERY_BATCH: int = 500
    #: For how long a claim holds. A worker that lives renews it.
    DELIVERY_LEASE: int = 60
    #: For how long a worker goes on with one batch before it gives the rest back. Less than
    #: Q_CLUSTER's timeout, or the worker would be killed in the middle of a hand-over.
    DELIVERY_SECONDS: int = 120
    #: How often a delivery is tried before it fails for good.
    DELIVERY_ATTEMPTS: int = 10
    #: For how long a generator's run holds its generator without a sign of life.
    RUN_LEASE: int = 600
    #: What is particular to each e-mail account, by its name in MAILERS.
    ACCOUNTS: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: The domain of Message-IDs; empty means that of DEFAULT_FROM_EMAIL.
    MESSAGE_ID_DOMAIN: str = ""
    #: Where recipients reach this site, as "https://shop.example"; empty: they do not.
    SITE_URL: str = ""
    #: What Prometheus must know to read /metrics; empty: there is no such page.
    METRICS_TOKEN: str = ""
    #: The largest file that can be uploaded, in megabytes.
    UPLOAD_MEGABYTES: int = 5
    #: What the attachments of one mail may take together, in megabytes.
    ATTACHMENTS_MEGABYTES: int = 10
    #: For how many days a kind of data is kept, None for ever, where that is not the default.
    KEEP_DAYS: Mapping[str, int | None] = field(default_factory=dict)
    #: When what is older goes, each day, by the clock of TIME_ZONE; empty: never by itself.
    PRUNE_AT: str = "03:30"
    #: For how long one call of a webhook may take from beginning to end.
    WEBHOOK_SECONDS: int = 15
    #: Hosts inside of the network that webhooks may call: "localhost:9000", "n8n.internal".
    WEBHOOK_INSIDE_HOSTS: tuple[str, ...] = ()


#: Keys whose values have a check of their own, which knows more about them.
_CHECKED_ELSEWHERE = {"KEEP_DAYS", "PRUNE_AT", "WEBHOOK_INSIDE_HOSTS"}


def configured() -> Mapping[str, Any]:
    """The project's own ``AUTOMATION``, empty where there is none. Raises
    ``ImproperlyConfigured`` if it is no dict."""
    given = getattr(settings, "AUTOMATION", {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"AUTOMATION must be a dict, not {type(given).__name__}.")
    return given


def get() -> Settings:
    """The settings in force. Raises ``ImproperlyConfigured`` on an unknown key."""
    given = configured()
    if unknown := unknown_keys():
        raise ImproperlyConfigured(
            f"AUTOMATION has unknown keys: {', '.join(unknown)}. "
            f"Known are: {', '.join(each.name for each in fields(Settings))}."
        )
    return Settings(**given)


def faults() -> list[tuple[str, str]]:
    """What of ``AUTOMATION`` cannot be used: (number of the check, what). Other checks need
    not look at it then."""
    try:
        given = configured()
    except ImproperlyConfigured as error:
        return [("E002", str(error))]
    found = [("E001", f"AUTOMATION has an unknown key '{key}'.") for key in unknown_keys()]
    for each in fields(Settings):
        if each.name in given and each.name not in _CHECKED_ELSEWHERE:
            wanted = _wanted(each.name, given[each.name])
            if wanted:
                said = f"AUTOMATION['{each.name}'] is {given[each.name]!r}, and must be {wanted}."
                found.append(("E003", said))
    return found


def _wanted(name: str, value: Any) -> str:
    """What a value of this key must be; empty if it is."""
    if isinstance(getattr(Settings(), name), str):
        return "" if isinstance(value, str) else "a text"
    if isinstance(getattr(Settings(), name), Mapping):
        is_one = isinstance(value, Mapping) and all(isinstance(v, Mapping) for v in value.values())
        return "" if is_one else "a dict of dicts"
    is_number = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return "" if is_number else "a whole number from 1 on"


def unknown_keys() -> list[str]:
    known = {each.name for each in fields(Settings)}
    return sorted(set(configured()) - known)
