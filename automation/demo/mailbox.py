"""A mail server for this machine only: what it accepts becomes a file, and goes nowhere."""

import asyncio
import os
import re
import threading
from collections.abc import Coroutine
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, Envelope, Session


class Mailbox:
    """An SMTP server in a thread of its own, for as long as a ``with`` block runs.

    Each mail becomes one file for each recipient in ``directory``, with exactly the bytes
    that were received: ``<moment in UTC>-<counter>-<recipient>.eml``. A file is complete
    as soon as it has this name, and is there before the sender is told "250". With port 0
    the system chooses a free one: read ``port`` inside the block. Entering raises
    ``OSError`` if the port is taken.
    """

    def __init__(self, directory: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        self.directory = directory
        self.host = host
        self.port = port
        self._counter = count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mailbox", daemon=True)
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        try:
            self._in_thread(self._open())
        except BaseException:
            self._end_thread()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._in_thread(self._close())
        self._end_thread()

    def files(self) -> list[Path]:
        """The received mails, oldest first."""
        return sorted(self.directory.glob("*.eml"))

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Called by aiosmtpd for each mail; the answer is what the sender gets."""
        try:
            for recipient in envelope.rcpt_tos:
                self._store(recipient, envelope.original_content or b"")
        except OSError as error:
            return f"451 The mail could not be stored: {error.strerror}"
        return "250 Stored"

    def _store(self, recipient: str, content: bytes) -> None:
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        address = re.sub(r"[^\w@.+-]", "_", recipient, flags=re.ASCII)[:100]
        file = self.directory / f"{moment}-{next(self._counter):06}-{address}.eml"
        unfinished = file.with_name(f".{file.name}.part")
        unfinished.write_bytes(content)
        os.replace(unfinished, file)

    # The server's thread --------------------------------------------------

    def _in_thread(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        self._server = await self._loop.create_server(
            lambda: _Connection(self), self.host, self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        # Senders that keep their connection open would keep the server open too.
        while self._connections:
            for connection in list(self._connections):
                connection.hang_up()
            await asyncio.sleep(0.01)
        await self._server.wait_closed()


class _Connection(SMTP):
    """One sender's connection, which its mailbox knows while it is open."""

    def __init__(self, mailbox: Mailbox) -> None:
        # Without a hostname each connection would ask the DNS for this machine's name.
        super().__init__(mailbox, hostname="localhost", enable_SMTPUTF8=True)
        self._open_connections = mailbox._connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._open_connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._open_connections.discard(self)

    def hang_up(self) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):  # else it is closed already
            self.transport.abort()
