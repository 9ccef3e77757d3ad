"""What a webhook sends: an event as JSON, after Standard Webhooks 1.0."""

import datetime
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.utils.duration import duration_iso_string

import automation
from automation.events.event import Event
from automation.events.webhooks.signing import signature


def body(
    event: Event, recorded_at: datetime.datetime, *, with_details: bool, is_test: bool = False
) -> str:
    """The text that is sent for ``event``. Without details only what names it goes along: neither
    the person nor anything that was known of the row. The same event gives the same text."""
    data: dict[str, Any] = {"key": event.key, "group": event.group, "row": _row(event)}
    if with_details:
        data["recipient"] = event.recipient or None
        data["language"] = event.language or None
        data["context"] = event.context
        if event.subject or event.text:
            data |= {"subject": event.subject, "text": event.text}
    said: dict[str, Any] = {"type": event.group, "timestamp": _moment(recorded_at), "data": data}
    if is_test:
        said["test"] = True
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"), default=_as_text)


def headers(
    identity: str, moment: datetime.datetime, sent: bytes, keys: Iterable[str]
) -> dict[str, str]:
    """The headers of a call at this ``moment`` that is called ``identity``, signed with each of
    the secrets ``keys``."""
    timestamp = int(moment.timestamp())
    return {
        "Content-Type": "application/json",
        "User-Agent": f"Flint/{automation.__version__}",
        "webhook-id": identity,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(keys, identity, timestamp, sent),
    }


def _row(event: Event) -> dict[str, str] | None:
    return {"model": event.row_model, "id": event.row_pk} if event.row_model else None


def _moment(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")


def _as_text(value: Any) -> str:
    """What JSON has no type for. Money stays exact as a text."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime.timedelta):
        return duration_iso_string(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not plain data: {value!r}")
