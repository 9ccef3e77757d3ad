"""The models of this floor; each kind of thing has its own module."""

from automation.events.actions import Action
from automation.events.conditions import EventCondition
from automation.events.heartbeat import Heartbeat
from automation.events.records import EVENT_SHAPE, EventRecord, template_data
from automation.events.tally import Tally

__all__ = [
    "EVENT_SHAPE",
    "Action",
    "EventCondition",
    "EventRecord",
    "Heartbeat",
    "Tally",
    "template_data",
]
