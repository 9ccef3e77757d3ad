"""A real SMTP server in a process of its own that writes down what it accepted, the moment it
does, and can be told to behave badly.

    python -m tests.faults.server ACCEPTED-FILE [PORT]

It prints its port. Each line of its standard input is JSON that changes ``Behaviour``; its
end ends the server, so that it outlives nobody. What it accepts is a line
``seconds Message-ID`` of the file.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parent.parent.parent

_MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^>\r\n]+>)", re.I | re.M)


@dataclass
class Behaviour:
    """How the server behaves from now on. Answers are as "451 Come back later", empty: yes."""

    #: Nothing answers at the port, and connections are cut.
    down: bool = False
    greeting: str = ""
    auth: str = ""
    mail: str = ""
    rcpt: str = ""
    data: str = ""
    content: str = ""
    #: Answers to ``RCPT TO`` for some addresses, and to the content of mails to them.
    recipients: dict[str, str] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    #: The next so many mails: the connection is cut at ``DATA``, nothing was accepted.
    drop_before: int = 0
    #: The next so many mails: accepted, and the connection is cut without an answer.
    drop_after: int = 0
    #: Seconds that each answer to a content takes; the mail is accepted before.
    delay: float = 0
    #: Seconds before any other answer.
    tarpit: float = 0


class Smtp(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._transport: Any = None
        self._buffer = bytearray()
        self._in_data = False
        self._recipients: list[str] = []

    @property
    def _now(self) -> Behaviour:
        return self._server.behaviour

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._server.connections.add(transport)
        self._answer(self._now.greeting or "220 faults ESMTP")

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._take():
            pass

    def _take(self) -> bool:
        """Handle one command, or one mail's content; False: not all of it is there."""
        if self._in_data:
            end = self._buffer.find(b"\r\n.\r\n")
            if end < 0:
                return False
            content = bytes(self._buffer[:end])
            del self._buffer[: end + 5]
            self._in_data = False
            self._content(content)
            return True
        line, found, _rest = self._buffer.partition(b"\r\n")
        if not found:
            return False
        del self._buffer[: len(line) + 2]
        verb, _blank, rest = line.decode(errors="replace").partition(" ")
        handle = getattr(self, f"_on_{verb.lower()}", None)
        if handle is None:
            self._answer("502 Not known")
        else:
            handle(rest)
        return not self._transport.is_closing()

    def _answer(self, text: str, delay: float | None = None) -> None:
        def write() -> None:
            if not self._transport.is_closing():
                self._transport.write(text.encode() + b"\r\n")
                if text.startswith(("421", "221")):
                    self._transport.close()

        wait = self._now.tarpit if delay is None else delay
        if wait:
            asyncio.get_running_loop().call_later(wait, write)
        else:
            write()

    def _on_ehlo(self, rest: str) -> None:
        self._answer("250-faults\r\n250-AUTH PLAIN\r\n250-8BITMIME\r\n250 SMTPUTF8")

    def _on_helo(self, rest: str) -> None:
        self._answer("250 faults")

    def _on_auth(self, rest: str) -> None:
        self._answer(self._now.auth or "235 Welcome")

    def _on_mail(self, rest: str) -> None:
        self._recipients = []
        self._answer(self._now.mail or "250 OK")

    def _on_rcpt(self, rest: str) -> None:
        address = rest.partition("<")[2].partition(">")[0]
        refused = self._now.recipients.get(address) or self._now.rcpt
        if not refused:
            self._recipients.append(address)
        self._answer(refused or "250 OK")

    def _on_data(self, rest: str) -> None:
        if self._now.drop_before > 0:
            self._now.drop_before -= 1
            self._transport.abort()
        elif self._now.data:
            self._answer(self._now.data)
        else:
            self._in_data = True
            self._answer("354 Go on")

    def _content(self, content: bytes) -> None:
        refused = next((a for to in self._recipients if (a := self._now.contents.get(to))), "")
        if refused := refused or self._now.content:
            self._answer(refused, self._now.delay)
            return
        found = _MESSAGE_ID.search(content)
        self._server.accept(found[1].decode() if found else "<none>")
        if self._now.drop_after > 0:
            self._now.drop_after -= 1
            self._transport.abort()
            return
        self._answer("250 Accepted", self._now.delay)

    def _on_rset(self, rest: str) -> None:
        self._recipients = []
        self._answer("250 OK")

    def _on_noop(self, rest: str) -> None:
        self._answer("250 OK")

    def _on_quit(self, rest: str) -> None:
        self._answer("221 Bye", 0)


class Server:
    def __init__(self, accepted: str, port: int) -> None:
        self.behaviour = Behaviour()
        self.connections: set[Any] = set()
        self._file = os.open(accepted, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._port = port
        self._listening: asyncio.Server | None = None

    def accept(self, message_id: str) -> None:
        os.write(self._file, f"{time.time():.6f} {message_id}\n".encode())

    async def run(self) -> None:
        await self._listen()
        print(self._port, flush=True)
        loop, lines = asyncio.get_running_loop(), asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            await self._change(json.loads(line))
            print("done", flush=True)

    async def _change(self, changes: dict[str, Any]) -> None:
        known = {found.name for found in fields(Behaviour)}
        if unknown := changes.keys() - known:
            raise ValueError(f"The server knows no {', '.join(unknown)}.")
        for name, value in changes.items():
            setattr(self.behaviour, name, value)
        if self.behaviour.down and self._listening is not None:
            self._listening.close()
            self._listening = None
            for transport in list(self.connections):
                transport.abort()
        elif not self.behaviour.down and self._listening is None:
            await self._listen()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(lambda: Smtp(self), HOST, self._port)
        self._port = self._listening.sockets[0].getsockname()[1]


class MailServer:
    """The server as a process, for those who use it: a context manager."""

    def __init__(self, accepted: Path) -> None:
        self._accepted = accepted

    def __enter__(self) -> "MailServer":
        self._accepted.touch()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server", str(self._accepted)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.port = int(self._line())
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate(timeout=10)

    @property
    def url(self) -> str:
        return f"smtp://{HOST}:{self.port}"

    def behave(self, **changes: Any) -> None:
        """Change how it behaves; returns when it does."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(changes) + "\n")
        self._process.stdin.flush()
        self._line()

    def behave_well(self) -> None:
        self.behave(**vars(Behaviour()))

    def accepted(self) -> list[tuple[float, str]]:
        """(when, Message-ID) of every mail that was accepted."""
        # A line that is being written has no end yet.
        lines = self._accepted.read_text().split("\n")[:-1]
        return [(float(when), identity) for when, identity in map(str.split, lines)]

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The mail server has ended.")
        return line


def main(accepted: str, port: str = "0", run: Callable[[Any], Any] = asyncio.run) -> None:
    run(Server(accepted, int(port)).run())


if __name__ == "__main__":
    main(*sys.argv[1:])
