"""Connections to mail servers: how a message is handed over, and how sure one can be of what
became of it.

Until the final dot of a message was written, the server cannot have taken it. So each step of an
SMTP conversation is made here, and what breaks before that is *later* and not *unknown*.
"""

import logging
import re
import select
import smtplib
import ssl
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends import smtp
from django.core.mail.message import sanitize_address
from django.utils.translation import gettext as _

from automation.events.delivering import Fail, Later, Unknown
from automation.events.states import Cause
from mails import pipelining
from mails.answers import Meaning, Stage, meaning, said_by, words

logger = logging.getLogger(__name__)

_DOT = re.compile(rb"^\.", re.MULTILINE)


class Trouble(Exception):
    """No message is at fault: ``meaning`` is AWAY, US or SENDER. ``stage``: where it was said.
    Certainly nothing was sent."""

    def __init__(self, meaning: Meaning, reason: str, stage: Stage = Stage.OPENING) -> None:
        super().__init__(reason)
        self.meaning, self.reason, self.stage = meaning, reason, stage


@dataclass(frozen=True)
class Sent:
    """The server has the message. ``note``: what people should know all the same;
    ``provider_id``: how a provider calls it."""

    note: str = ""
    provider_id: str = ""


class Connection:
    """A connection over any mail backend: what becomes of a message can be told only if the
    backend says yes."""

    #: Whether the other side knows a message that comes twice.
    REPEATABLE = False

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self._is_open = False
        #: How often the server has ended the connection since it last took a message.
        self._goodbyes = 0

    def open(self) -> None:
        """Raises ``Trouble``. Does nothing if it is open."""
        if self._is_open:
            return
        try:
            self._open()
        except Exception as error:
            self._give_up()
            raise _trouble(error) from error
        self._is_open = True

    def make_sure(self) -> None:
        """Make sure that the connection is alive, right before something is handed over: the
        server may have ended it since the last mail, and a mail must not wait for that. Raises
        as ``open``."""
        if self._is_open and not self._is_alive():
            self.close()
        self.open()

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._give_up()

    def send(self, email: EmailMultiAlternatives, identity: tuple[int, UUID]) -> Sent:
        """Hand ``email`` over. ``identity``: primary key and name of its message. Raises an
        ``Outcome`` by the answer, or ``Trouble``."""
        try:
            sent = self.backend.send_messages([email])
        except smtplib.SMTPRecipientsRefused as error:
            code, answer = next(iter(error.recipients.values()))
            self._refused(Stage.RECIPIENT, code, answer)
        except smtplib.SMTPSenderRefused as error:
            self._refused(Stage.SENDER, error.smtp_code, error.smtp_error)
        except smtplib.SMTPResponseException as error:
            self._refused(Stage.CONTENT, error.smtp_code, error.smtp_error)
        except (UnicodeError, smtplib.SMTPNotSupportedError) as error:
            raise _not_written(error) from error
        except Exception as error:
            # Whether before or after the mail was accepted cannot be told from here.
            self.close()
            raise unanswered(error) from error
        if not sent:
            raise Fail(_("The mail server took no message and gave no reason."), Cause.REFUSED)
        self._goodbyes = 0
        return Sent()

    def _open(self) -> None:
        self.backend.open()

    def _give_up(self) -> None:
        """Let go of what was opened of it."""
        try:
            self.backend.close()
        except OSError:
            logger.info("The mail server closed the connection first")

    def _is_alive(self) -> bool:
        return True

    def _refused(self, stage: Stage, code: int, answer: Any) -> None:
        """Raise what the answer means."""
        text = _text(answer)
        reason = said_by(code, text)
        found = meaning(stage, code, text)
        # 421: the server closes the connection (RFC 5321, 3.8). What is no refusal at all: who
        # knows where in the conversation we are.
        if code == 421 or not 400 <= code < 600:
            self.close()
            self._goodbyes += 1
            if self._goodbyes > 1 and found is Meaning.LATER:
                # It is not about this message: a server that wants to be left alone.
                raise Trouble(Meaning.AWAY, reason)
        match found:
            case Meaning.LATER:
                raise Later(reason)
            case Meaning.FAILED:
                raise Fail(reason, Cause.REFUSED)
            case Meaning.UNKNOWN:
                raise Unknown(reason)
            case _:
                raise Trouble(found, reason, stage)


class SmtpConnection(Connection):
    """A connection to an SMTP server, by Django's own backend."""

    def _open(self) -> None:
        self.backend.open()
        self.backend.connection.ehlo_or_helo_if_needed()

    def _is_alive(self) -> bool:
        server = self.backend.connection
        try:
            # A server that says nothing by itself listens. Asking it takes a way there and back.
            readable, _writable, _failed = select.select([server.sock], [], [], 0)
            return not readable or server.noop()[0] == 250
        except (OSError, ValueError, AttributeError):
            return False

    def send(self, email: EmailMultiAlternatives, identity: tuple[int, UUID]) -> Sent:
        encoding = email.encoding or settings.DEFAULT_CHARSET
        try:
            sender = sanitize_address(email.from_email, encoding)
            recipients = [sanitize_address(each, encoding) for each in email.recipients()]
            message: Any = email.message()
            content = _DOT.sub(b"..", message.as_bytes(linesep="\r\n"))
            refused = self._before_the_message(sender, recipients, len(content))
        except (UnicodeError, smtplib.SMTPNotSupportedError) as error:
            self._start_anew()
            raise _not_written(error) from error
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            said = _("The connection broke before the message was handed over: %s") % words(error)
            raise Later(said) from error
        self._the_message(content)
        self._goodbyes = 0
        return Sent(_("Without a copy to: %s") % ", ".join(refused) if refused else "")

    def _before_the_message(self, sender: str, recipients: list[str], size: int) -> list[str]:
        """All that comes before the message. Returns which copies were refused."""
        server = self.backend.connection
        options = [f"size={size}"] if server.does_esmtp and server.has_extn("size") else []
        if pipelining.is_possible(server, recipients):
            server = pipelining.Together(server, sender, recipients, options)
        code, answer = server.mail(sender, options)
        if code != 250:
            self._refused(Stage.SENDER, code, answer)
        refused = []
        for position, recipient in enumerate(recipients):
            code, answer = server.rcpt(recipient)
            if code in (250, 251, 252):
                continue
            if position == 0 or code == 421:
                self._refused(Stage.RECIPIENT, code, answer)
            # A copy: the message goes to the others all the same, and it says so.
            refused.append(f"{recipient} ({said_by(code, answer)})")
        code, answer = server.docmd("DATA")
        if code != 354:
            self._refused(Stage.DATA, code, answer)
        return refused

    def _the_message(self, content: bytes) -> None:
        server = self.backend.connection
        end = b"" if content.endswith(b"\r\n") else b"\r\n"
        try:
            server.send(content + end + b".\r\n")
        except (OSError, smtplib.SMTPException) as error:
            # What was not written to its end has no final dot. No QUIT either, which might.
            self._drop()
            said = _("The connection broke while the message was handed over: %s") % words(error)
            raise Later(said) from error
        try:
            code, answer = server.getreply()
        except Exception as error:
            self._drop()
            raise unanswered(error) from error
        if not 200 <= code < 300:
            self._refused(Stage.CONTENT, code, answer)

    def _refused(self, stage: Stage, code: int, answer: Any) -> None:
        if code != 421 and 400 <= code < 600:
            self._start_anew()
        super()._refused(stage, code, answer)

    def _start_anew(self) -> None:
        """Forget the message that was begun, for the next one."""
        try:
            self.backend.connection.rset()
        except (OSError, smtplib.SMTPException, AttributeError):
            self._drop()

    def close(self) -> None:
        if self._is_open and self.backend.connection is not None:
            # Not for as long as a mail: there is nothing to lose.
            sock = self.backend.connection.sock
            if sock is not None:
                sock.settimeout(_GOODBYE)
        super().close()

    def _drop(self) -> None:
        """Let go of the connection without a word."""
        self._is_open = False
        server, self.backend.connection = self.backend.connection, None
        if server is not None:
            server.close()


# So many seconds a server has for its answer to QUIT.
_GOODBYE = 5


def connect(backend: Any) -> Connection:
    """A connection by ``backend``, which is not open yet."""
    from mails import providers

    if providers.is_provider(backend):
        return providers.ProviderConnection(backend)
    # One that sends in its own way (it signs what it sends, say) is left to do so.
    own, django = (
        (getattr(kind, "send_messages", None), getattr(kind, "_send", None))
        for kind in (type(backend), smtp.EmailBackend)
    )
    return SmtpConnection(backend) if own == django else Connection(backend)


def _trouble(error: Exception) -> Exception:
    """What it means that a connection cannot be opened."""
    if isinstance(error, smtplib.SMTPResponseException):
        found = meaning(Stage.OPENING, error.smtp_code, _text(error.smtp_error))
        return Trouble(found, words(error))
    if isinstance(error, ssl.SSLCertVerificationError):
        # It is there, but is it the right one? That takes a person.
        return Trouble(Meaning.US, words(error))
    if isinstance(error, OSError) and not isinstance(error, smtplib.SMTPNotSupportedError):
        return Trouble(Meaning.AWAY, words(error))
    # STARTTLS or a login is wanted and the server has none, or the settings are wrong.
    return Trouble(Meaning.US, words(error))


def _not_written(error: Exception) -> Fail:
    """An address in letters that the server does not know (SMTPUTF8)."""
    said = _("The mail server does not know the letters of an address: %s") % words(error)
    return Fail(said, Cause.REFUSED)


def unanswered(error: BaseException) -> Unknown:
    return Unknown(_("The connection broke before the server answered: %s") % words(error))


def _text(answer: Any) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)
