"""Webhooks as definitions: data that travels between sites. Their secrets stay where they are."""

from automation.events.webhooks.webhook import Webhook
from automation.rules.definitions import DefinedKind, register

FIELDS = ("slug", "name", "group", "url", "description", "sends_details", "expires_hours")


def register_kinds() -> None:
    register(DefinedKind("webhooks", Webhook, FIELDS, Webhook.deactivate))
