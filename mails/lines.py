"""One worker's line to an e-mail account: its connection, and what all workers know of it."""

import datetime
import logging
from collections.abc import Callable, Mapping

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.events.delivering import Later, Outcome, Wait
from mails.accounts import Account
from mails.answers import Meaning, Stage, words
from mails.connections import Connection, Trouble, connect
from mails.mailers import Mailer

logger = logging.getLogger(__name__)

States = Mapping[tuple[str, str], Account]

# The message that a server refused us for is tried so many seconds after the others, so that
# another one shows whether it was only this one.
_BEHIND = 60


class _Gate:
    """What is known of an account, or of a sender at it, and whether this worker may pass."""

    def __init__(self, state: Account) -> None:
        self.state = state
        #: Until when this worker is the one that tries.
        self._trial: datetime.datetime | None = None

    def check(self, now: datetime.datetime) -> None:
        """Raises ``Wait`` if nothing may pass."""
        if self._trial is not None and now < self._trial:
            return
        if self.state.rests(now) or not self.state.try_again(now):
            raise self.wait()
        self._trial = self.state.stopped_until

    def stop(self, trouble: Trouble, now: datetime.datetime) -> Wait:
        self._trial = None
        reason = _("The mail server cannot be used: %s") % trouble.reason
        logger.warning("%s: %s", self.state, reason)
        self.state.stop(trouble.meaning, reason, now)
        return self.wait()

    def go_on(self) -> None:
        self._trial = None
        try:
            self.state.go_on()
        except DatabaseError:
            logger.exception("That %s works again could not be written down", self.state)

    def wait(self) -> Wait:
        # Another worker may have found meanwhile that it works.
        return Wait(self.state.reason, self.state.stopped_until or timezone.now())


class Line:
    """Opened when it is first needed. ``mailer``: where it leads."""

    def __init__(self, mailer: Mailer, states: States) -> None:
        self.mailer = mailer
        self._connection: Connection | None = None
        self._gate = _Gate(states.get((mailer.name, "")) or Account.of(mailer.name))
        self._senders: dict[str, _Gate] = {}
        self._sent = 0
        self._senders_sent: dict[str, int] = {}
        self.take_states(states)

    def take_states(self, states: States) -> None:
        """What other workers found since."""
        for (name, sender), state in states.items():
            if name != self.mailer.name:
                continue
            if not sender:
                self._gate.state = state
            elif sender in self._senders:
                self._senders[sender].state = state
            else:
                self._senders[sender] = _Gate(state)

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            try:
                self._connection = connect(self.mailer.connection())
            except (ImportError, ImproperlyConfigured, TypeError, ValueError) as error:
                raise Trouble(Meaning.US, words(error)) from error
        return self._connection

    def rests(self, now: datetime.datetime) -> bool:
        return self._gate.state.rests(now)

    def open(self, sender: str = "") -> None:
        """Open it, for a message from ``sender`` if that is not the account's own. Raises
        ``Wait`` if the account or this sender is stopped, or now proves to be."""
        now = timezone.now()
        self._gate.check(now)
        if sender in self._senders:
            self._senders[sender].check(now)
        self._reach(lambda: self.connection.open())

    def make_sure(self) -> None:
        """Make sure that it is alive. Raises ``Wait``."""
        self._reach(lambda: self.connection.make_sure())

    def in_trouble(self, trouble: Trouble, sender: str) -> Outcome:
        """What becomes of the message for which the server said that it does not take anything
        from us, or from this sender."""
        now = timezone.now()
        gate = self._gate
        if trouble.meaning is Meaning.SENDER and sender:
            if sender not in self._senders:
                self._senders[sender] = _Gate(Account.of(self.mailer.name, sender))
            gate = self._senders[sender]
        elif trouble.meaning is Meaning.SENDER:
            trouble = Trouble(Meaning.US, trouble.reason, trouble.stage)
        is_about_one = trouble.stage in (Stage.RECIPIENT, Stage.DATA, Stage.CONTENT)
        proven = self._senders_sent.get(sender, 0) if gate is not self._gate else self._sent
        if is_about_one and (proven or gate.state.is_proven(now)):
            return Later(trouble.reason)  # others go out, so it is about this one after all
        wait = gate.stop(trouble, now)
        if is_about_one:
            wait.until += datetime.timedelta(seconds=_BEHIND)
        return wait

    def works(self, sender: str, sent: int = 0) -> None:
        """The server took a message, or refused it for itself."""
        self._sent += sent
        self._gate.go_on()
        if sender in self._senders:
            self._senders[sender].go_on()
            self._senders_sent[sender] = self._senders_sent.get(sender, 0) + sent

    def count(self) -> None:
        """Write down what was sent since."""
        now = timezone.now()
        if self._sent:
            self._gate.state.count(self._sent, now)
        for sender, sent in self._senders_sent.items():
            if sent:
                self._senders[sender].state.count(sent, now)
        self._sent = 0
        self._senders_sent = {}

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _reach(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Trouble as trouble:
            raise self._gate.stop(trouble, timezone.now()) from trouble
        if self._gate.state.stopped_at is not None and not self._gate.state.refusals:
            self._gate.go_on()  # it was out of reach, and is not any more
