"""The models of this floor; each kind of thing has its own module."""

from automation.events.actions import Action
from automation.events.cluster.heartbeat import Heartbeat
from automation.events.conditions import EventCondition
from automation.events.erasing.erased import ErasedAddress
from automation.events.health.tally import Tally
from automation.events.housekeeping.pruning import Pruning
from automation.events.listeners.calls import ListenerCall
from automation.events.pacing import Pace
from automation.events.records import EVENT_SHAPE, EventRecord, template_data
from automation.events.webhooks.calls import WebhookCall
from automation.events.webhooks.webhook import Webhook

__all__ = [
    "EVENT_SHAPE",
    "Action",
    "ErasedAddress",
    "EventCondition",
    "EventRecord",
    "Pruning",
    "Heartbeat",
    "Pace",
    "ListenerCall",
    "Tally",
    "Webhook",
    "WebhookCall",
    "template_data",
]
