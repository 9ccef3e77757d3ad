"""What a provider tells us later about a message: it settles unknown ones, and says of sent ones
that they came back.

django-anymail's webhooks receive it (``anymail.urls``) and send it on as a signal, the same for
every provider.
"""

import re
import uuid
from importlib.util import find_spec
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.events.states import Cause, State
from automation.rules import plain
from mails.answers import readable
from mails.models import Message
from mails.providers import MESSAGE, UUID_

#: It does not arrive.
BAD = {"bounced", "rejected", "failed"}
#: The provider has it, or even more: the one thing that was unknown.
GOOD = {"queued", "sent", "deferred", "delivered", "opened", "clicked", "complained"}

# A Message-ID of ours: <uuid@domain>. Some leave out its brackets.
_OURS = re.compile(r"<?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@", re.IGNORECASE)


class StillBeingSent(Exception):
    """The answer to this message is not written down yet. django-anymail says 500 to the
    provider, which is: tell us again later."""


def listen() -> None:
    """Hear of what django-anymail receives, if it is installed."""
    if find_spec("anymail") is not None:
        from anymail.signals import tracking

        tracking.connect(on_notice, dispatch_uid="mails.notices")


def on_notice(sender: Any, event: Any, esp_name: str = "", **kwargs: Any) -> None:
    """Take down what ``event``, an ``AnymailTrackingEvent``, says. Another notice of the same
    kind changes nothing. Raises ``StillBeingSent``."""
    kind = str(event.event_type)
    if kind not in BAD | GOOD:
        return
    message = find(event.metadata or {}, str(event.message_id or ""))
    if message is None:
        return  # not ours, or removed since
    if message.state == State.SENDING:
        raise StillBeingSent(message.pk)
    of_copy = event.recipient and event.recipient.casefold() != message.recipient.casefold()
    if kind in GOOD:
        _arrived(message)
    elif of_copy:
        _note(message, _("Copy to %(address)s: %(what)s") % {
            "address": readable(event.recipient), "what": _words(kind, event),
        })  # fmt: skip
    else:
        _came_back(message, _words(kind, event))


def find(metadata: dict[str, Any], name: str) -> Message | None:
    """The message that a notice is about: by what we gave it to take along, else by ``name``,
    which is the provider's own or the Message-ID that we gave. Each has an index: the primary
    key, one of the few messages that a provider has named, and that of the few which are
    unknown or being sent just now."""
    # In no order: one by the primary key would make the databases walk along that.
    known = Message.objects.order_by()
    pk, taken_along = str(metadata.get(MESSAGE, "")), str(metadata.get(UUID_, ""))
    try:
        if pk.isascii() and pk.isdigit() and len(pk) < 19:
            return _one(known.filter(pk=int(pk), uuid=uuid.UUID(taken_along)))
    except ValueError:
        return None
    if not name:
        return None
    # The second condition is that of the index.
    found = _one(known.filter(provider_id=plain.text(name)[:255], provider_id__gt=""))
    if found is None and (ours := _OURS.match(name)):
        is_open = Q(state__in=(State.UNKNOWN, State.SENDING))
        found = _one(known.filter(is_open, uuid=uuid.UUID(ours[1])))
    return found


def _one(messages: Any) -> Message | None:
    return next(iter(messages[:1]), None)


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
    return readable(f"{kind}: {why}".strip(": "))
