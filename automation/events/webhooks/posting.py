"""One HTTP call to an address that was checked, with an end that a slow server cannot move.

No redirect is followed, no proxy is taken from the environment, and only the beginning of the
answer is read.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from automation.events.webhooks.addresses import Target
from automation.rules import plain

#: So many characters of an answer are kept, of which each can take four bytes.
ANSWER_LENGTH = 2_000


class NoAnswer(Exception):
    """The call had no answer that can be understood; the text says why. Whether the other side
    took it is not known."""


@dataclass(frozen=True)
class Response:
    """What the other side said: the status, the beginning of the text, and how long it took."""

    status: int
    text: str
    milliseconds: int
    retry_after: str = ""

    @property
    def is_yes(self) -> bool:
        return 200 <= self.status < 300


def post(
    target: Target,
    addresses: Sequence[str],
    body: bytes,
    headers: Mapping[str, str],
    seconds: float,
) -> Response:
    """Post ``body`` to ``target`` at the first of ``addresses`` that can be reached, within
    ``seconds`` for everything. Raises ``NoAnswer``."""
    begun = time.monotonic()
    connection = _Connection(target, addresses, begun + seconds)
    with ExitStack() as line:
        line.callback(connection.hang_up)
        try:
            connection.connect()
            every = {**headers, "Host": target.host_header, "Accept-Encoding": "identity"}
            connection.request("POST", target.path, body, every)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(_why(error, seconds)) from error
        with closing(response):
            text = _beginning(response)
        return Response(
            status=response.status,
            text=text,
            milliseconds=round((time.monotonic() - begun) * 1000),
            retry_after=response.headers.get("Retry-After", ""),
        )


def _beginning(response: http.client.HTTPResponse) -> str:
    """What can be had of the answer's text. The status is known by now, so a text that breaks
    off or does not end takes nothing back."""
    found = b""
    with suppress(OSError, http.client.HTTPException, ValueError):
        while len(found) < 4 * ANSWER_LENGTH:
            some = response.read1(4 * ANSWER_LENGTH - len(found))
            if not some:
                break
            found += some
    return plain.text(found.decode(errors="replace"))[:ANSWER_LENGTH]


def _why(error: Exception, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return _("There was no answer within %g seconds.") % seconds
    if isinstance(error, ssl.SSLCertVerificationError):
        return _("The certificate is not valid: %s") % error.verify_message
    if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
        said = plain.text(repr(error))[:300]
        return _("The answer is no HTTP: %s") % said
    return _("The server cannot be reached: %s") % (error.strerror or repr(error))  # type: ignore[attr-defined]


class _Connection(http.client.HTTPConnection):
    """A connection to one of the ``addresses``, and never to what the name may mean by now."""

    def __init__(self, target: Target, addresses: Sequence[str], end: float) -> None:
        super().__init__(target.host, target.port)
        self._target, self._addresses, self._end = target, addresses, end
        self._line: socket.socket | None = None

    def connect(self) -> None:
        line: Any = self._first_that_answers()
        if self._target.scheme == "https":
            line.settimeout(_left(self._end))
            plain_line, context = line, ssl.create_default_context()
            try:
                line = context.wrap_socket(plain_line, server_hostname=self._target.host)
            except BaseException:
                plain_line.close()
                raise
        self._line, self.sock = line, _Line(line, self._end)

    def hang_up(self) -> None:
        if self._line is not None:
            self._line.close()

    def _first_that_answers(self) -> socket.socket:
        """A silent address leaves time for those after it."""
        waiting = len(self._addresses)
        for address in self._addresses:
            try:
                return socket.create_connection(
                    (address, self._target.port), timeout=_left(self._end) / waiting
                )
            except OSError:
                waiting -= 1
                if not waiting:
                    raise
        raise OSError(_("the host has no address"))


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Line:
    """What ``http.client`` needs of a socket. A socket's own timeout is for one step, and a server
    that answers a byte a second takes a step each time; here all steps share one end."""

    def __init__(self, line: socket.socket, end: float) -> None:
        self._line, self._end = line, end

    def sendall(self, data: bytes) -> None:
        waiting = memoryview(data)
        while waiting:
            self._line.settimeout(_left(self._end))
            waiting = waiting[self._line.send(waiting) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self._line, self._end))

    def close(self) -> None:
        """Called as soon as an answer begins that is the last one; it is read all the same."""


class _Incoming(io.RawIOBase):
    def __init__(self, line: socket.socket, end: float) -> None:
        super().__init__()
        self._line, self._end = line, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._line.settimeout(_left(self._end))
        return self._line.recv_into(buffer)
