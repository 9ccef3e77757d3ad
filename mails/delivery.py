"""Delivering messages: rendered, built, handed to the mail server.

Between the hand-over and the server's answer nobody can know what happened (RFC 1047).
"""

import datetime
import logging
import select
import smtplib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.events.delivering import (
    Answer,
    Courier,
    Fail,
    Later,
    Prepared,
    Skip,
    Unknown,
    Wait,
)
from automation.events.erased import Erased
from automation.events.event import Event
from automation.events.outbox import Cause
from automation.rules.templating import TemplateError
from mails.building import Envelope, build, envelope, message_id
from mails.content import Content
from mails.models import Mail, Message, Version
from mails.obstacles import erased, incomplete, unreachable
from mails.parts import FileUnreachable

logger = logging.getLogger(__name__)

# A server that is out of reach is tried again after so many seconds, for as long as it takes.
PAUSE = 60


class ServerRefusesUs(Exception):
    """The server took the connection and refuses us or our sender: no message is at fault."""


@dataclass
class PreparedMessage(Prepared):
    email: EmailMultiAlternatives | None = None
    #: What people should know of a message that was sent.
    note: str = ""


class Post(Courier):
    """Takes messages to the mail server, over one connection."""

    def __init__(self) -> None:
        self._connection = _Connection()
        self._versions: dict[int, tuple[Version, Content]] = {}
        self._erased = Erased()
        self._waiting_for: Wait | None = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def begin(self, batch: Sequence[Message]) -> None:
        prefetch_related_objects(batch, "event", "mail")
        # A mail may have been changed since the last batch.
        self._versions = {}
        self._erased = Erased(message.recipient for message in batch)

    def prepare(self, delivery: Message) -> PreparedMessage:
        if self._waiting_for is not None:
            raise self._waiting_for
        self._reach(self._connection.open)  # nothing is rendered for a server out of reach
        mail, event = delivery.mail, delivery.event.as_event()
        if reason := erased(delivery.recipient, self._erased):
            raise Skip(reason, Cause.ERASED)
        if reason := unreachable(mail, event, delivery.recipient):
            raise Skip(reason, Cause.BAD_ADDRESS if delivery.recipient else Cause.NO_ADDRESS)
        try:
            version, content = self._version(mail)
            rendered = mail.render(event, content=content)
            if reason := incomplete(content, rendered):
                raise Skip(reason, Cause.INCOMPLETE)
            whom = envelope(mail, content, event, delivery.recipient, self._erased)
            email = build(rendered, whom, message_id(delivery.uuid), files=content.attachments)
            email.message()  # A header that cannot be written is found now, not at the hand-over.
        except FileUnreachable as error:
            raise Later(str(error)) from error
        except TemplateError as error:
            raise Fail(str(error), Cause.ERROR) from error
        self._reach(self._connection.make_sure)
        return PreparedMessage(
            written={
                "version": version,
                "language": rendered.language,
                "subject": rendered.subject,
                "html": rendered.html,
                "text": rendered.text,
                "headers": whom.as_data(),
            },
            email=email,
            note=_left_out(whom),
        )

    def hand_over(self, delivery: Message, prepared: PreparedMessage) -> Answer:
        try:
            self._connection.send(prepared.email)
        except ServerRefusesUs as error:
            raise self._wait(error) from error
        return Answer(prepared.note)

    def _version(self, mail: Mail) -> tuple[Version, Content]:
        if mail.pk not in self._versions:
            version = mail.keep_version()
            self._versions[mail.pk] = version, version.content
        return self._versions[mail.pk]

    def _reach(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (OSError, smtplib.SMTPException) as error:
            raise self._wait(error) from error

    def _wait(self, error: Exception) -> Wait:
        reason = _("The mail server cannot be used: %s") % _words(error)
        logger.warning("%s", reason)
        later = timezone.now() + datetime.timedelta(seconds=PAUSE)
        self._waiting_for = Wait(reason, later)
        return self._waiting_for


def _left_out(whom: Envelope) -> str:
    """What a message that was sent says about copies that were not."""
    return _("Without a copy to: %s") % ", ".join(whom.left_out) if whom.left_out else ""


class _Connection:
    """The connection to the mail server, and what its answers mean for a message."""

    def __init__(self) -> None:
        self._backend: Any = get_connection()
        self._is_open = False

    def open(self) -> None:
        """Raises what ``smtplib`` raises if the server is out of reach or refuses us."""
        if not self._is_open:
            self._backend.open()
            self._is_open = True
            if smtp := getattr(self._backend, "connection", None):
                smtp.ehlo_or_helo_if_needed()

    def make_sure(self) -> None:
        """Make sure that the connection is alive, right before something is handed over: the
        server may have ended it since the last mail, and a mail must not be found unknown for
        that. Raises as ``open``."""
        if self._is_open and not self._listens():
            self.close()
        self.open()

    def _listens(self) -> bool:
        smtp = getattr(self._backend, "connection", None)
        if smtp is None:
            return True
        try:
            # A server that says nothing by itself listens. Asking it takes a way there and back.
            readable, _writable, _failed = select.select([smtp.sock], [], [], 0)
            return not readable or smtp.noop()[0] == 250
        except (OSError, ValueError, smtplib.SMTPException):
            return False

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            try:
                self._backend.close()
            except (OSError, smtplib.SMTPException):
                logger.info("The mail server closed the connection first")

    def send(self, email: EmailMultiAlternatives | None) -> None:
        """Hand ``email`` over. Raises an ``Outcome`` by the server's answer, and
        ``ServerRefusesUs`` if it was not about this message at all."""
        try:
            sent = self._backend.send_messages([email])
        except smtplib.SMTPRecipientsRefused as error:
            code, answer = next(iter(error.recipients.values()))
            self._refused(code, _words(smtplib.SMTPResponseException(code, answer)))
        except smtplib.SMTPSenderRefused as error:
            self.close()
            if 400 <= error.smtp_code < 500:
                raise Later(_words(error)) from error
            raise ServerRefusesUs(_words(error)) from error
        except smtplib.SMTPResponseException as error:
            self._refused(error.smtp_code, _words(error))
        except Exception as error:
            # Also a connection that broke: whether before or after the mail was accepted
            # cannot be told from here.
            self.close()
            raise Unknown(
                _("The connection broke before the server answered: %s") % _words(error)
            ) from error
        else:
            if sent == 0:
                raise Fail(_("The mail server took no message and gave no reason."), Cause.REFUSED)

    def _refused(self, code: int, reason: str) -> None:
        if code == 421:  # the server closes the connection (RFC 5321, 3.8)
            self.close()
        if 400 <= code < 500:
            raise Later(reason)
        raise Fail(reason, Cause.REFUSED)


def send_test(mail: Mail, event: Event, address: str, language: str = "") -> None:
    """Send the mail for ``event`` to ``address``, outside of the outbox, without copies to
    anybody; in ``language``, or as the person reads it whom the event is about. Raises
    ``TemplateError``, and ``OSError`` or ``smtplib.SMTPException`` if the server does not
    take it."""
    content = mail.content()
    rendered = mail.render(event, content=content, language=language)
    whom = Envelope(to=address, from_email=mail.from_email or settings.DEFAULT_FROM_EMAIL)
    identity = message_id(uuid.uuid4())
    build(rendered, whom, identity, files=content.attachments, is_test=True).send()


def _words(error: BaseException) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        answer = error.smtp_error
        said = answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)
        return f"{error.smtp_code} {said}"
    return str(error) or type(error).__name__
