"""Delivering messages: rendered, written down, handed to the mail server, settled.

Between the hand-over and the server's answer nobody can know what happened (RFC 1047).
So everything that can fail is done before it, and what fails after it is *unknown* unless
the server gave an answer.
"""

import datetime
import logging
import smtplib
import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import DatabaseError, InterfaceError
from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.events.event import Event
from automation.rules import conf
from automation.rules.templating import TemplateError
from mails.building import Envelope, build, envelope, message_id
from mails.content import Content
from mails.models import Mail, Message, Version
from mails.obstacles import incomplete, unreachable
from mails.parts import FileUnreachable

logger = logging.getLogger(__name__)

# A server that is out of reach is tried again after so many seconds, for as long as it takes.
PAUSE = 60


class ServerRefusesUs(Exception):
    """The server took the connection and refuses us or our sender: no message is at fault."""


def deliver(batch: Sequence[Message]) -> int:
    """Deliver a claimed batch over one connection: every message is settled or queued again
    when it returns. Returns how many were given back because time was up. Raises only when
    the database is gone; the sweep finds the rest then."""
    prefetch_related_objects(batch, "event", "mail")
    prepared = _Prepared()
    post = _Post()
    waiting = list(batch)
    end = timezone.now() + datetime.timedelta(seconds=conf.get().DELIVERY_SECONDS)
    try:
        while waiting:
            post.open()  # nothing is rendered for a server that is out of reach
            message = waiting[0]
            if timezone.now() > end or _claim_ends_soon(message):
                break
            _deliver_one(message, prepared, post)
            waiting.pop(0)
    except (OSError, smtplib.SMTPException, ServerRefusesUs) as error:
        later = timezone.now() + datetime.timedelta(seconds=PAUSE)
        reason = _("The mail server cannot be used: %s") % _words(error)
        logger.warning("%s; %d messages wait", reason, len(waiting))
        for message in waiting:
            message.postpone(later, reason)
        waiting = []
    finally:
        post.close()
    for message in waiting:
        message.release()
    return len(waiting)


def _claim_ends_soon(message: Message) -> bool:
    """Whether the claim could run out while the server takes its time."""
    margin = datetime.timedelta(seconds=2 * (settings.EMAIL_TIMEOUT or 60))
    return message.lease_until is None or timezone.now() + margin > message.lease_until


class _Prepared:
    """What the messages of a batch have in common: each mail's version is looked up once."""

    def __init__(self) -> None:
        self._versions: dict[int, tuple[Version, Content]] = {}

    def version(self, mail: Mail) -> tuple[Version, Content]:
        if mail.pk not in self._versions:
            version = mail.keep_version()
            self._versions[mail.pk] = version, version.content
        return self._versions[mail.pk]


def _deliver_one(message: Message, prepared: _Prepared, post: "_Post") -> None:
    event = message.event.as_event()
    if reason := unreachable(message.mail, event, message.recipient):
        message.settle_skipped(reason)
        return
    try:
        version, content = prepared.version(message.mail)
        rendered = message.mail.render(event, content=content)
        if reason := incomplete(content, rendered):
            message.settle_skipped(reason)
            return
        whom = envelope(message.mail, content, event, message.recipient)
        email = build(rendered, whom, message_id(message.uuid), files=content.attachments)
        email.connection = post.connection
        email.message()  # A header that cannot be written is found now, not at the hand-over.
    except (DatabaseError, InterfaceError):
        raise
    except FileUnreachable as error:
        message.put_back(timezone.now(), str(error))
        return
    except Exception as error:
        if not isinstance(error, TemplateError):
            logger.exception("Message %s could not be made", message.pk)
        message.settle_failed(str(error) or type(error).__name__)
        return
    post.make_sure()
    if not message.hand_over(
        timezone.now(),
        version=version,
        language=rendered.language,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        headers=whom.as_data(),
    ):
        return  # The claim is somebody else's by now.
    post.send(message, email, _left_out(whom))


def _left_out(whom: Envelope) -> str:
    """What a message that was sent says about copies that were not."""
    return _("Without a copy to: %s") % ", ".join(whom.left_out) if whom.left_out else ""


class _Post:
    """The connection to the mail server, and what its answers mean for a message."""

    def __init__(self) -> None:
        self.connection: Any = get_connection()
        self.is_open = False

    def open(self) -> None:
        """Raises what ``smtplib`` raises if the server is out of reach or refuses us."""
        if not self.is_open:
            self.connection.open()
            self.is_open = True
            if smtp := getattr(self.connection, "connection", None):
                smtp.ehlo_or_helo_if_needed()

    def make_sure(self) -> None:
        """Make sure that the connection is alive, right before something is handed over."""
        if not self._answers():
            self.close()
            self.open()

    def _answers(self) -> bool:
        """Whether the server still listens: it may have ended the connection since the last
        mail, and a mail must not be found unknown for that."""
        smtp = getattr(self.connection, "connection", None)
        try:
            return smtp is None or smtp.noop()[0] == 250
        except (OSError, smtplib.SMTPException):
            return False

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            try:
                self.connection.close()
            except (OSError, smtplib.SMTPException):
                logger.info("The mail server closed the connection first")

    def send(self, message: Message, email: EmailMultiAlternatives, note: str = "") -> None:
        """Hand ``email`` over and settle ``message`` by the answer; ``note`` is for one that
        was sent. Raises ``ServerRefusesUs``
        if it was not about this message at all, which is queued again then."""
        try:
            sent = self.connection.send_messages([email])
        except smtplib.SMTPRecipientsRefused as error:
            code, answer = next(iter(error.recipients.values()))
            self._refused(message, code, _words(smtplib.SMTPResponseException(code, answer)))
        except smtplib.SMTPSenderRefused as error:
            self.close()
            if 400 <= error.smtp_code < 500:
                message.put_back(timezone.now(), _words(error))
                return
            raise ServerRefusesUs(_words(error)) from error
        except smtplib.SMTPResponseException as error:
            self._refused(message, error.smtp_code, _words(error))
        except Exception as error:
            # Also a connection that broke: whether before or after the mail was accepted
            # cannot be told from here.
            self.close()
            logger.warning("Message %s is unknown: %s", message.pk, error)
            message.settle_unknown(
                _("The connection broke before the server answered: %s") % _words(error)
            )
        else:
            if sent == 0:
                message.settle_failed(_("The mail server took no message and gave no reason."))
            else:
                message.settle_sent(timezone.now(), note)

    def _refused(self, message: Message, code: int, reason: str) -> None:
        if code == 421:  # the server closes the connection (RFC 5321, 3.8)
            self.close()
        if 400 <= code < 500:
            message.put_back(timezone.now(), reason)
        else:
            message.settle_failed(reason)


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
