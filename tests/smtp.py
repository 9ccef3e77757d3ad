"""A real SMTP server that remembers what it accepted."""

import asyncio
import email
import email.policy
import socket
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import cached_property

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


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


@dataclass
class SmtpServer:
    """Listens on a free port of 127.0.0.1, which it keeps over ``stop()`` and ``start()``.

    ``refuse_with``: the answer to every mail's content, as "451 Come back later".
    ``hang_up_on``: mails to these are accepted, and the connection ended without an answer.
    ``hang_up_after``: the connection is ended after every so many mails.
    ``refuse_sender``: the answer to ``MAIL FROM``.
    ``refuse_login``: no name and password are right; else all are.
    ``refuse_recipients``: the answer to ``RCPT TO`` for some addresses.
    """

    received: list[Received] = field(default_factory=list)
    refuse_with: str | None = None
    refuse_sender: str | None = None
    refuse_recipients: dict[str, str] = field(default_factory=dict)
    refuse_login: bool = False
    hang_up_after: int = 0
    hang_up_on: set[str] = field(default_factory=set)
    host: str = "127.0.0.1"
    port: int = 0
    connections: int = 0

    @property
    def url(self) -> str:
        """For ``EMAIL_URL``."""
        return f"smtp://{self.host}:{self.port}"

    def start(self) -> None:
        if not self.port:
            with socket.create_server((self.host, 0)) as free:
                self.port = free.getsockname()[1]
        self._controller = Controller(
            self,
            hostname=self.host,
            port=self.port,
            enable_SMTPUTF8=True,
            ready_timeout=20,
            authenticator=self._log_in,
            auth_require_tls=False,
        )
        self._controller.start()

    def stop(self) -> None:
        """Nothing answers at the port any more. Does nothing if it is stopped already."""
        self._controller.stop(no_assert=True)

    def _log_in(self, *login: object) -> AuthResult:
        return AuthResult(success=not self.refuse_login, handled=False)

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
        return responses

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse_sender:
            return self.refuse_sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse_recipients:
            return self.refuse_recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuse_with:
            return self.refuse_with
        self.received.append(
            Received(envelope.mail_from, tuple(envelope.rcpt_tos), envelope.original_content)
        )
        if self.hang_up_on & set(envelope.rcpt_tos) and server.transport is not None:
            server.transport.abort()
        if self.hang_up_after and len(self.received) % self.hang_up_after == 0:
            asyncio.get_running_loop().call_later(0.01, server.transport.close)
        return "250 Accepted"
