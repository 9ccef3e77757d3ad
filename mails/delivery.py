"""Delivering messages: rendered, built, handed to the mail server.

Between the hand-over and the server's answer nobody can know what happened (RFC 1047).
"""

import datetime
import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.db import DatabaseError
from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.events.delivering import (
    Accepted,
    Courier,
    Fail,
    Later,
    Outcome,
    Prepared,
    Skip,
    Unknown,
    Wait,
)
from automation.events.erasing.erased import Erased
from automation.events.event import Event
from automation.events.states import Cause
from automation.rules import conf
from automation.rules.templating import TemplateError
from mails import accounts
from mails.addresses import read
from mails.answers import words
from mails.building import Envelope, build, envelope, message_id
from mails.connections import Trouble
from mails.content import Content
from mails.lines import Line
from mails.mailers import Mailer, mailer, ways
from mails.models import Account, Mail, Message, Version
from mails.obstacles import erased, incomplete, unreachable
from mails.parts import FileUnreachable
from mails.politeness import Politeness
from mails.providers import KNOWN_FOR
from mails.rendering import RenderedMail

logger = logging.getLogger(__name__)

# A message whose account is not configured any more is looked at again after so many seconds.
_MISSING = 300


@dataclass
class PreparedMessage(Prepared):
    email: EmailMultiAlternatives | None = None
    line: Line | None = None
    #: The mail's own sender, if it goes out with it.
    sender: str = ""
    #: What people should know of a message that was sent.
    note: str = ""


class Post(Courier):
    """Takes messages to the mail servers, over one connection for each account."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._states: dict[tuple[str, str], Account] = {}
        self._versions: dict[int, tuple[Version, Content]] = {}
        self._politeness = Politeness()
        self._erased = Erased()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for line in self._lines.values():
            line.close()
        try:
            self._count()
        except DatabaseError:
            logger.exception("What was sent could not be counted")

    def begin(self, batch: Sequence[Message]) -> None:
        prefetch_related_objects(batch, "event", "mail")
        # A mail may have been changed since the last batch, an account stopped by another worker.
        self._versions = {}
        self._count()
        self._states = {(each.name, each.sender): each for each in Account.objects.all()}
        for line in self._lines.values():
            line.take_states(self._states)
        self._politeness.begin(batch)
        self._erased = Erased(message.recipient for message in batch)

    def prepare(self, delivery: Message) -> PreparedMessage:
        mail, event = delivery.mail, delivery.event.as_event()
        if reason := erased(delivery.recipient, self._erased):
            raise Skip(reason, Cause.ERASED)
        if reason := unreachable(mail, event, delivery.recipient):
            raise Skip(reason, Cause.BAD_ADDRESS if delivery.recipient else Cause.NO_ADDRESS)
        # Nothing is rendered for a server out of reach.
        line, sender = self._way(delivery)
        slot = self._politeness.slot(line.mailer, delivery, timezone.now())
        version, rendered, whom, email = self._built(delivery, event, line.mailer, sender)
        time.sleep(max((slot - timezone.now()).total_seconds(), 0))
        line.make_sure()
        return PreparedMessage(
            written={
                "version": version,
                "language": rendered.language,
                "subject": rendered.subject,
                "html": rendered.html,
                "text": rendered.text,
                "headers": whom.as_data(),
                "account": line.mailer.name,
            },
            email=email,
            line=line,
            sender=sender,
            note=_left_out(whom),
        )

    def hand_over(self, delivery: Message, prepared: PreparedMessage) -> Accepted:
        line = prepared.line
        assert line is not None
        assert prepared.email is not None
        try:
            sent = line.connection.send(prepared.email, (delivery.pk, delivery.uuid))
        except Trouble as trouble:
            raise self._in_trouble(delivery, line, prepared.sender, trouble) from trouble
        except Fail:
            line.works(prepared.sender)  # it talks to us
            raise
        except Later as later:
            raise _still_in_doubt(delivery, later) from later
        line.works(prepared.sender, sent=1)
        note = " ".join(filter(None, (prepared.note, sent.note)))
        written = {"provider_id": sent.provider_id} if sent.provider_id else {}
        return Accepted(note, written)

    def _built(
        self, delivery: Message, event: Event, by: Mailer, sender: str
    ) -> tuple[Version, RenderedMail, Envelope, EmailMultiAlternatives]:
        mail = delivery.mail
        try:
            version, content = self._version(mail)
            rendered = mail.render(event, content=content)
            if reason := incomplete(content, rendered):
                raise Skip(reason, Cause.INCOMPLETE)
            whom = envelope(mail, content, event, delivery.recipient, self._erased)
            whom = _from(whom, by, sender, mail)
            email = build(rendered, whom, message_id(delivery.uuid), files=content.attachments)
            email.message()  # A header that cannot be written is found now, not at the hand-over.
        except FileUnreachable as error:
            raise Later(str(error)) from error
        except TemplateError as error:
            raise Fail(str(error), Cause.ERROR) from error
        return version, rendered, whom, email

    def _version(self, mail: Mail) -> tuple[Version, Content]:
        if mail.pk not in self._versions:
            version = mail.keep_version()
            self._versions[mail.pk] = version, version.content
        return self._versions[mail.pk]

    # Ways out ---------------------------------------------------------------------------------

    def _way(self, delivery: Message) -> tuple[Line, str]:
        """A line that is open for this message, and the mail's own sender if it goes out with
        it. Raises ``Wait`` if there is none now."""
        wait: Wait | None = None
        for position, each in enumerate(_ways(delivery)):
            replaced = position > 0 and each.from_email
            sender = "" if replaced else delivery.mail.from_email
            line = self._line(each)
            try:
                line.open(sender)
            except Wait as found:
                wait = Wait(wait.reason, min(wait.until, found.until)) if wait else found
            else:
                return line, sender
        if wait is None:
            later = timezone.now() + datetime.timedelta(seconds=_MISSING)
            wait = Wait(accounts.missing(delivery.mail.account), later)
        raise wait

    def _line(self, by: Mailer) -> Line:
        if by.name not in self._lines:
            self._lines[by.name] = Line(by, self._states)
        return self._lines[by.name]

    def _in_trouble(self, delivery: Message, line: Line, sender: str, trouble: Trouble) -> Outcome:
        """What becomes of a message that was refused, but not for itself."""
        now = timezone.now()
        try:
            outcome = line.in_trouble(trouble, sender)
            if isinstance(outcome, Wait):
                others = [self._line(each) for each in _ways(delivery) if each != line.mailer]
                if any(not other.rests(now) for other in others):
                    return Wait(outcome.reason, now)
        except DatabaseError:
            # That the server refused it is known, and must not be lost for this.
            logger.exception("That %s refuses us could not be written down", line.mailer)
            return Wait(trouble.reason, now + datetime.timedelta(seconds=accounts.AWAY))
        return outcome

    def _count(self) -> None:
        for line in self._lines.values():
            line.count()


def _ways(delivery: Message) -> list[Mailer]:
    """The accounts that a message may go out by, the first one that works. One of which a
    provider may have it, and would know it again, goes there and nowhere else."""
    if delivery.in_doubt_since is not None:
        if timezone.now() > delivery.in_doubt_since + KNOWN_FOR:
            raise Unknown(
                _("The provider did not answer, and would no longer know it if it came again.")
            )
        known = mailer(delivery.account)
        return [known] if known else []
    return list(ways(delivery.mail.account))


def _still_in_doubt(delivery: Message, later: Later) -> Outcome:
    """What becomes of a message that is to be tried again, if the provider may have it: the
    first time counts, and after the last attempt nobody knows."""
    if delivery.in_doubt_since is not None:
        later.written["in_doubt_since"] = delivery.in_doubt_since
    if "in_doubt_since" in later.written and delivery.attempts >= conf.get().DELIVERY_ATTEMPTS:
        return Unknown(later.reason)
    return later


def _from(whom: Envelope, by: Mailer, sender: str, mail: Mail) -> Envelope:
    """``whom`` as it goes out by this account. One that stands in for another keeps its own
    address, and answers go to the mail's."""
    if sender:
        return whom
    if mail.from_email and not whom.reply_to:
        whom = replace(whom, reply_to=tuple(read(mail.from_email)[0]))
    return replace(whom, from_email=by.sender)


def _left_out(whom: Envelope) -> str:
    """What a message that was sent says about copies that were not."""
    return _("Without a copy to: %s") % ", ".join(whom.left_out) if whom.left_out else ""


def send_test(mail: Mail, event: Event, address: str, language: str = "") -> None:
    """Send the mail for ``event`` to ``address``, outside of the outbox, without copies to
    anybody; in ``language``, or as the person reads it whom the event is about. Raises
    ``TemplateError``, and ``OSError`` or ``smtplib.SMTPException`` if the server does not
    take it."""
    by = mailer(mail.account)
    if by is None:
        raise OSError(accounts.missing(mail.account))
    content = mail.content()
    rendered = mail.render(event, content=content, language=language)
    whom = Envelope(to=address, from_email=mail.from_email or by.sender)
    identity = message_id(uuid.uuid4())
    hand_over_now(build(rendered, whom, identity, files=content.attachments, is_test=True), by)


def hand_over_now(email: Any, by: Mailer) -> None:
    """Send ``email`` by this account, without asking whether it is stopped. Raises ``OSError``
    or ``smtplib.SMTPException`` if it is not taken."""
    try:
        email.connection = by.connection()
        email.send()
    except OSError:
        raise
    except Exception as error:  # what a provider, or a backend that cannot be made, says
        raise OSError(words(error)) from error
