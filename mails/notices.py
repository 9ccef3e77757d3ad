"""What a provider tells us later about a message: it settles unknown ones, and says of sent ones
that they came back.

django-anymail's webhooks receive it (``anymail.urls``) and send it on as a signal, the same for
every provider.
"""

import logging
import uuid
from importlib.util import find_spec
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.events.outbox import Cause, State
from mails.models import Message
from mails.providers import MESSAGE, UUID_

logger = logging.getLogger(__name__)

#: It does not arrive.
BAD = {"bounced", "rejected", "failed"}
#: The provider has it, or even more: the one thing that was unknown.
GOOD = {"queued", "sent", "deferred", "delivered", "opened", "clicked", "complained"}


def listen() -> None:
    """Hear of what django-anymail receives, if it is installed."""
    if find_spec("anymail") is not None:
        from anymail.signals import tracking

        tracking.connect(on_notice, dispatch_uid="mails.notices")


def on_notice(sender: Any, event: Any, esp_name: str = "", **kwargs: Any) -> None:
    """Take down what ``event``, an ``AnymailTrackingEvent``, says. Another notice of the same
    kind changes nothing."""
    kind = str(event.event_type)
    if kind not in BAD | GOOD:
        return
    found = find(event.metadata or {}, str(event.message_id or ""))
    message = found.first() if found is not None else None
    if message is None:
        return  # not ours, or removed since
    of_copy = event.recipient and event.recipient.casefold() != message.recipient.casefold()
    if kind in GOOD:
        _arrived(message)
    elif of_copy:
        _note(message, _("Copy to %(address)s: %(what)s") % {
            "address": event.recipient, "what": _words(kind, event),
        })  # fmt: skip
    else:
        _came_back(message, _words(kind, event))


def find(metadata: dict[str, Any], provider_id: str) -> Any:
    """The message that a notice is about: by what we gave it to take along, else by the
    provider's own name for it. Both have an index: the primary key, and one of the few messages
    that a provider has named."""
    pk, name = str(metadata.get(MESSAGE, "")), str(metadata.get(UUID_, ""))
    try:
        if pk.isascii() and pk.isdigit() and len(pk) < 19:
            return Message.objects.filter(pk=int(pk), uuid=uuid.UUID(name))
    except ValueError:
        return None
    if not provider_id:
        return None
    # The second condition is that of the index.
    return Message.objects.filter(provider_id=provider_id[:255], provider_id__gt="")


def _arrived(message: Message) -> None:
    """The provider has it. One that is tried again because it did not answer needs no more."""
    in_doubt = Q(state=State.QUEUED, attempts__gt=0) & ~Q(in_doubt_since=None)
    Message.objects.filter(Q(state=State.UNKNOWN) | in_doubt, pk=message.pk).update(
        state=State.SENT,
        cause="",
        reason=_("The provider told us afterwards."),
        sent_at=message.handed_at or message.in_doubt_since or timezone.now(),
        token=None,
    )


def _came_back(message: Message, said: str) -> None:
    """An unknown one has failed. What was sent was sent, and says that it came back."""
    known = Message.objects.filter(pk=message.pk)
    failed = known.filter(state=State.UNKNOWN).update(
        state=State.FAILED, cause=Cause.BOUNCED, reason=said, token=None
    )
    if not failed:
        known.filter(state=State.SENT).update(cause=Cause.BOUNCED, reason=said)


def _note(message: Message, said: str) -> None:
    if said not in message.reason:
        reason = f"{message.reason} {said}".strip()
        Message.objects.filter(pk=message.pk, reason=message.reason).update(reason=reason)


def _words(kind: str, event: Any) -> str:
    # The provider's own words, as they come.
    why = event.description or event.mta_response or event.reject_reason or ""
    return f"{kind}: {why}".strip(": ")
