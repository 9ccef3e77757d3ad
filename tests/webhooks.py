"""Webhooks, what they hear, and what comes of it."""

import base64
import datetime
import hashlib
import hmac
from typing import Any

from django.utils import timezone

from automation.events import Event, record
from automation.events.delivering import deliver
from automation.events.models import Webhook, WebhookCall
from automation.events.webhooks.courier import WebhookCourier
from tests.receiver import Call


def webhook(url: str = "https://hooks.example/x", **values: Any) -> Webhook:
    number = Webhook.objects.count() + 1
    defaults = {"name": "Stock", "slug": f"stock-{number}", "group": "cart_left", "url": url}
    made = Webhook(**{**defaults, "is_active": True, **values})
    made.full_clean()
    made.save()
    return made


def happen(*keys: str, **values: Any) -> None:
    record([Event(**{"group": "cart_left", "key": key, **values}) for key in keys])


def call_due(now: datetime.datetime | None = None) -> None:
    batch = WebhookCall.objects.claim(now or timezone.now())
    with WebhookCourier() as courier:
        deliver(batch, courier)


def calls(*columns: str) -> list[Any]:
    return list(WebhookCall.objects.order_by("pk").values_list(*(columns or ("state", "reason"))))


def is_signed(call: Call, secret: str) -> bool:
    """As a receiver finds out who has read the specification and nothing of ours."""
    key = base64.b64decode(secret.split("_", 1)[1])
    head = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}."
    wanted = base64.b64encode(hmac.new(key, head.encode() + call.body, hashlib.sha256).digest())
    signatures = call.headers["webhook-signature"].split(" ")
    return any(hmac.compare_digest(f"v1,{wanted.decode()}", each) for each in signatures)
