"""Trying a webhook: one call with a sample, outside of the outbox."""

import datetime
import uuid
from dataclasses import dataclass

from automation.events.webhooks import addresses, payload
from automation.events.webhooks.courier import said
from automation.events.webhooks.posting import NoAnswer, Response, post
from automation.events.webhooks.samples import Sample
from automation.events.webhooks.webhook import Webhook
from automation.rules import conf


@dataclass(frozen=True)
class Trial:
    """What came of a test call: the answer, or why there was none. ``problem`` is empty if the
    other side said yes."""

    problem: str
    answer: Response | None = None


def look(webhook: Webhook, sample: Sample, *, is_test: bool = False) -> str:
    """The text that is sent for ``sample``. A test says in its text that it is one, so that
    nobody takes it for an event, and the signature holds for that, too."""
    return payload.body(
        sample.event, sample.at, with_details=webhook.sends_details, is_test=is_test
    )


def call(webhook: Webhook, sample: Sample, now: datetime.datetime) -> Trial:
    """Call ``webhook`` with ``sample``, whether it is active or not, or rests. Nothing is
    recorded, and nothing is tried again; if it works a rest is over."""
    body = look(webhook, sample, is_test=True).encode()
    headers = payload.headers(f"msg_{uuid.uuid4()}", now, body, webhook.secrets(now))
    try:
        target = addresses.read(webhook.url)
        places = addresses.look_up(target)
        answer = post(target, places, body, headers, conf.get().WEBHOOK_SECONDS)
    except (addresses.Refused, addresses.NotFound, NoAnswer) as error:
        return Trial(str(error))
    if not answer.is_yes:
        return Trial(said(answer), answer)
    webhook.said_yes()
    return Trial("", answer)
