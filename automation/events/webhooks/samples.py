"""Events to look at a webhook with: those that happened, those of rows that match now, and an
invented one where there is neither."""

import datetime
from contextlib import suppress
from dataclasses import dataclass

from automation.events.event import Event, stored_event
from automation.events.groups import producers
from automation.events.models import EventRecord
from automation.events.webhooks.webhook import Webhook
from automation.rules import plain
from automation.rules.counting import TooSlow
from automation.rules.models import BrokenRule

#: So many events are offered.
SAMPLES = 10
#: So many recorded events are read at most to find those that a pattern with ``*`` hears.
READ = 50
#: So many producers are asked at most: the page is to be there at once.
ASKED = 2


@dataclass(frozen=True)
class Sample:
    """An event with the moment at which it was recorded, or would be. ``happened``: it is
    recorded."""

    event: Event
    at: datetime.datetime
    happened: bool = False


def find(webhook: Webhook, now: datetime.datetime) -> list[Sample]:
    """The newest recorded events that ``webhook`` hears; if there is none, those of rows that
    match ``now`` (aware). Never empty."""
    first, *others = webhook.group.strip().split("*")
    recorded = EventRecord.objects.order_by("-pk")
    if others:
        recorded = recorded.filter(group__startswith=first, group__endswith=others[-1])
    else:
        recorded = recorded.filter(group=first)
    happened = [
        Sample(record.as_event(), record.recorded_at, happened=True)
        for record in recorded[: READ if others else SAMPLES]
        if webhook.hears(record.group)
    ]
    found = happened[:SAMPLES] or _of_rows(webhook, now)
    return found or [Sample(invented(webhook), now)]


def invented(webhook: Webhook) -> Event:
    """An event that ``webhook`` hears, of nothing and nobody."""
    return Event(webhook.group.strip().replace("*", "example"), "example")


def _of_rows(webhook: Webhook, now: datetime.datetime) -> list[Sample]:
    found: list[Event] = []
    for producer in producers(webhook.group)[:ASKED]:
        with suppress(BrokenRule, TooSlow, TypeError, ValueError):
            found += [_as_recorded(event) for event in producer.sample(now, SAMPLES)]
    return [Sample(event, now) for event in found if webhook.hears(event.group)][:SAMPLES]


def _as_recorded(event: Event) -> Event:
    return stored_event(event.replaced(context=plain.loads(plain.dumps(event.context))))
