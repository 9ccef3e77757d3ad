"""Not too many messages at a time: for an account, and for a domain.

A worker waits a moment for its account's next slot. A message to a domain that has had enough is
put off until its own slot, so that the others go on; its slot stays its own, so that it is claimed
once more and not again and again.
"""

import datetime
from collections import Counter
from collections.abc import Iterable

from django.utils.translation import gettext as _

from automation.events.delivering import Wait
from automation.events.pacing import BLOCK, Slots
from mails.mailers import Mailer
from mails.messages import Message

#: So many seconds a worker waits for a slot of its account.
PATIENCE = 2.0
#: A message is in time for its slot for so many seconds.
IN_TIME = 2.0


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].casefold()


class Politeness:
    """One worker's, for all accounts."""

    def __init__(self) -> None:
        self._accounts: dict[str, Slots] = {}
        self._domains: dict[tuple[str, str], Slots] = {}
        self._put_off: dict[str, datetime.datetime] = {}
        self._to_come: Counter[str] = Counter()

    def begin(self, batch: Iterable[Message]) -> None:
        self._to_come = Counter(domain_of(message.recipient) for message in batch)

    def slot(self, mailer: Mailer, message: Message, now: datetime.datetime) -> datetime.datetime:
        """When ``message`` may go out by ``mailer``, in a moment at the latest. Raises ``Wait``
        if that is not so."""
        self._domain(mailer, message, now)
        if mailer.rate is None:
            return now
        if mailer.name not in self._accounts:
            self._accounts[mailer.name] = Slots(f"mails {mailer.name}", mailer.rate)
        slot, is_mine = self._accounts[mailer.name].take(now, PATIENCE)
        if is_mine:
            return slot
        # Behind those that were put off before it.
        if last := self._put_off.get(mailer.name):
            slot = max(slot, last + datetime.timedelta(seconds=1 / mailer.rate))
        self._put_off[mailer.name] = slot
        said = _("%(account)s sends %(rate)s messages a second, and others are before this one.")
        raise Wait(said % {"account": mailer, "rate": _number(mailer.rate)}, slot)

    def _domain(self, mailer: Mailer, message: Message, now: datetime.datetime) -> None:
        domain = domain_of(message.recipient)
        rate = mailer.rate_of(domain)
        if rate is None:
            return
        to_come, self._to_come[domain] = self._to_come[domain], self._to_come[domain] - 1
        if message.slot_at and abs((now - message.slot_at).total_seconds()) < IN_TIME:
            return
        key = (mailer.name, domain)
        if key not in self._domains:
            self._domains[key] = Slots(f"mails {mailer.name} {domain}"[:255], rate)
        slot = self._domains[key].take_any(now, to_come)
        if slot <= now + datetime.timedelta(seconds=BLOCK):
            return
        said = _("%(domain)s gets %(rate)s messages a second, and others are before this one.")
        raise Wait(said % {"domain": domain, "rate": _number(rate)}, slot, slot_at=slot)


def _number(rate: float) -> str:
    return f"{rate:g}"
