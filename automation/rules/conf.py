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


def configured() -> dict[str, Any]:
    """The project's own ``AUTOMATION`` dict, empty where there is none."""
    return getattr(settings, "AUTOMATION", {})


def get() -> Settings:
    """The settings in force. Raises ``ImproperlyConfigured`` on an unknown key."""
    given = configured()
    if unknown := unknown_keys():
        raise ImproperlyConfigured(
            f"AUTOMATION has unknown keys: {', '.join(unknown)}. "
            f"Known are: {', '.join(field.name for field in fields(Settings))}."
        )
    return Settings(**given)


def unknown_keys() -> list[str]:
    known = {field.name for field in fields(Settings)}
    return sorted(set(configured()) - known)
