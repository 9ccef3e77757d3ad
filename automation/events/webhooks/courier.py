"""Calling webhooks, and what their answers mean."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.events import delivering
from automation.events.delivering import Courier, Fail, Later, Prepared, Wait
from automation.events.outbox import back_off
from automation.events.states import Cause
from automation.events.webhooks import addresses, payload
from automation.events.webhooks.addresses import Target
from automation.events.webhooks.calls import WebhookCall
from automation.events.webhooks.posting import NoAnswer, Response, post
from automation.events.webhooks.webhook import Webhook
from automation.rules import conf

#: The longest pause that an answer can ask for.
LONGEST_PAUSE = datetime.timedelta(days=1)

GONE = 410
#: The answers whose Retry-After counts.
BUSY = (429, 503)


@dataclass(kw_only=True)
class _Ready(Prepared):
    """A call with the places that were checked for it."""

    target: Target
    places: Sequence[str]


class WebhookCourier(Courier):
    def begin(self, batch: Sequence[WebhookCall]) -> None:
        prefetch_related_objects(batch, "event")
        # Read anew for each batch: somebody may have switched one off since.
        chosen = {call.webhook_id for call in batch}
        webhooks: dict[int, Any] = Webhook.objects.non_polymorphic().in_bulk(chosen)
        for call in batch:
            call.webhook = webhooks[call.webhook_id]

    def prepare(self, delivery: WebhookCall) -> Prepared:
        now, webhook = timezone.now(), delivery.webhook
        if not webhook.is_active:
            raise Wait(_("The webhook is switched off."), now)
        if not webhook.takes_call(now):
            raise Wait(webhook.trouble, now)  # it is not due before the rest is over
        try:
            target = addresses.read(webhook.url)
            places = addresses.look_up(target)
        except addresses.Refused as error:
            webhook.said_no(str(error), now)
            raise Fail(str(error), Cause.REFUSED, tried_at=now) from error
        except addresses.NotFound as error:
            webhook.rest(str(error), timezone.now())
            raise Later(str(error), tried_at=now) from error
        record = delivery.event
        body = payload.body(
            record.as_event(), record.recorded_at, with_details=webhook.sends_details
        )
        written = {
            "tried_at": now, "body": body, "status": None, "answer": "", "milliseconds": None,
        }  # fmt: skip
        return _Ready(written, target=target, places=places)

    def hand_over(self, delivery: WebhookCall, prepared: _Ready) -> delivering.Accepted:
        now, webhook = timezone.now(), delivery.webhook
        try:
            body = prepared.written["body"].encode()
            headers = payload.headers(delivery.identity, now, body, webhook.secrets(now))
            seconds = conf.get().WEBHOOK_SECONDS
            answer = post(prepared.target, prepared.places, body, headers, seconds)
        except NoAnswer as error:
            webhook.rest(str(error), timezone.now())
            raise Later(str(error)) from error
        written = _written(answer)
        if answer.is_yes:
            webhook.said_yes()
            return delivering.Accepted(written=written)
        reason = said(answer)
        if answer.status == GONE:
            webhook.switch_off(_("The other side says that nothing is there any more (410)."))
            raise Fail(reason, Cause.GONE, **written)
        now = timezone.now()
        pause = asked_pause(answer, now) if answer.status in BUSY else None
        if pause is None:
            webhook.said_no(reason, now)
            raise Later(reason, **written)
        webhook.rest(reason, now, pause)
        # Never sooner than it would be tried anyway, or ten attempts are over in no time.
        raise Later(reason, max(pause.total_seconds(), back_off(delivery.attempts)), **written)


def said(answer: Response) -> str:
    """An answer that is no yes, in a sentence."""
    if 300 <= answer.status < 400:
        return _(
            "The answer is %(status)d, a redirect. Redirects are not followed: write the address "
            "that it leads to."
        ) % {"status": answer.status}
    words = {
        400: _("it does not understand the call"),
        401: _("it wants a sign-in"),
        403: _("it does not allow the call"),
        404: _("there is nothing at this address"),
        GONE: _("there is nothing any more"),
        429: _("these are too many calls"),
        503: _("it is busy"),
    }.get(answer.status)
    if words is None:
        return _("The answer is %(status)d.") % {"status": answer.status}
    return _("The answer is %(status)d: %(words)s.") % {"status": answer.status, "words": words}


def asked_pause(answer: Response, now: datetime.datetime) -> datetime.timedelta | None:
    """The pause that an answer asks for with Retry-After, in seconds or as a moment; None if it
    asks for none that can be understood. At most a day."""
    asked = answer.retry_after.strip()
    if asked.isascii() and asked.isdigit():
        return min(datetime.timedelta(seconds=int(asked[:9])), LONGEST_PAUSE)
    try:
        until = parsedate_to_datetime(asked)
    except (ValueError, TypeError):
        return None
    pause = (until if until.tzinfo else until.replace(tzinfo=datetime.UTC)) - now
    return max(min(pause, LONGEST_PAUSE), datetime.timedelta(0))


def _written(answer: Response) -> dict[str, Any]:
    return {
        "status": answer.status,
        "answer": answer.text,
        "milliseconds": answer.milliseconds,
    }
