"""A real SMTP server that remembers what it accepted."""

import asyncio
import email
import email.policy
import ssl
import time
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests import machine


@dataclass(frozen=True)
class Received:
    """A mail as it came over the line."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes

    @cached_property
    def message(self) -> EmailMessage:
        """The parsed mail. Raises for any defect that a mail program would have to forgive."""
        return email.message_from_bytes(self.raw, policy=email.policy.strict)

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        return self._body("plain")

    @property
    def html(self) -> str:
        return self._body("html")

    def _body(self, subtype: str) -> str:
        part = self.message.get_body((subtype,))
        if part is None:
            raise AssertionError(f"The mail has no text/{subtype} part.")
        # Lines end with CRLF on the line, as RFC 5321 wants it.
        return str(part.get_content()).replace("\r\n", "\n")


#: In place of an answer. ``HALFWAY``: to DATA only; yes, and the connection ends.
DROP, HALFWAY = "drop", "halfway"


class _Smtp(SMTP):
    """Asks the server behind it also before a mail's content, which aiosmtpd does not."""

    async def smtp_DATA(self, argument: str) -> None:
        said = self.event_handler.answer(self, "DATA")
        if said == HALFWAY:
            await self.push("354 Go on")
            self.transport.abort()
        elif said and said != DROP:
            await self.push(said)
        elif not said:
            await super().smtp_DATA(argument)


def tls_context(certificate: Path) -> ssl.SSLContext:
    """For a server that has this certificate and its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


class _Controller(Controller):
    def factory(self) -> SMTP:
        return _Smtp(self.handler, **self.SMTP_kwargs)


@dataclass
class SmtpServer:
    """Listens on a free port of 127.0.0.1, which it keeps over ``stop()`` and ``start()``.

    ``answers``: the answer at a stage (``"EHLO"``, ``"MAIL"``, ``"RCPT"``, ``"DATA"``, ``"END"``),
    for all, or by the address that is asked for (``("RCPT", "a@example.com")``). ``DROP`` instead
    of an answer: the connection ends. ``EHLO`` is followed by ``HELO``, which gets the same.
    ``certificate``: with its key; then it knows STARTTLS.
    ``knows_utf8``: whether it takes addresses in any letters.
    ``slow``: so many seconds pass before each answer to a mail's content.
    ``refuse_with``: the answer to every mail's content, as "451 Come back later".
    ``hang_up_on``: mails to these are accepted, and the connection ended without an answer.
    ``hang_up_after``: the connection is ended after every so many mails.
    ``refuse_sender``: the answer to ``MAIL FROM``.
    ``refuse_login``: no name and password are right; else all are.
    ``refuse_recipients``: the answer to ``RCPT TO`` for some addresses.
    """

    received: list[Received] = field(default_factory=list)
    accepted_at: list[float] = field(default_factory=list)
    answers: dict[str | tuple[str, str], str] = field(default_factory=dict)
    slow: float = 0
    knows_utf8: bool = True
    refuse_with: str | None = None
    refuse_sender: str | None = None
    refuse_recipients: dict[str, str] = field(default_factory=dict)
    refuse_login: bool = False
    hang_up_after: int = 0
    hang_up_on: set[str] = field(default_factory=set)
    certificate: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    connections: int = 0

    @property
    def url(self) -> str:
        """For ``EMAIL_URL``."""
        return f"smtp://{self.host}:{self.port}"

    def start(self) -> None:
        self.port = self.port or machine.free_port()
        self._controller = _Controller(
            self,
            hostname=self.host,
            port=self.port,
            enable_SMTPUTF8=self.knows_utf8,
            ready_timeout=20,
            authenticator=self._log_in,
            auth_require_tls=False,
            tls_context=tls_context(self.certificate) if self.certificate else None,
        )
        self._controller.start()

    def stop(self) -> None:
        """Nothing answers at the port any more. Does nothing if it is stopped already."""
        self._controller.stop(no_assert=True)

    def _log_in(self, *login: object) -> AuthResult:
        return AuthResult(success=not self.refuse_login, handled=False)

    def answer(self, server: SMTP, stage: str, address: str = "") -> str | None:
        """What is to be said instead of yes."""
        said = self.answers.get((stage, address), self.answers.get(stage))
        if said == DROP and server.transport is not None:
            server.transport.abort()
        return said

    async def handle_EHLO(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        said = self.answer(server, "EHLO")
        return [said] if said else responses

    async def handle_HELO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str
    ) -> str:
        session.host_name = hostname
        return self.answer(server, "EHLO") or f"250 {hostname}"

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if said := self.refuse_sender or self.answer(server, "MAIL", address):
            return said
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        said = self.refuse_recipients.get(address) or self.answer(server, "RCPT", address)
        if said:
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if said := self.refuse_with or self.answer(server, "END"):
            return said
        if self.slow:
            await asyncio.sleep(self.slow)
        self.accepted_at.append(time.monotonic())
        self.received.append(
            Received(envelope.mail_from, tuple(envelope.rcpt_tos), envelope.original_content)
        )
        if self.hang_up_on & set(envelope.rcpt_tos) and server.transport is not None:
            server.transport.abort()
        if self.hang_up_after and len(self.received) % self.hang_up_after == 0:
            asyncio.get_running_loop().call_later(0.01, server.transport.close)
        return "250 Accepted"
