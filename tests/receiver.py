"""A real HTTP server that keeps what it was sent, and behaves as badly as it is told to."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Call:
    """A request as it came over the line."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Listens on a free port of 127.0.0.1. ``status``, ``answer`` and ``headers`` are what it
    says; ``statuses`` what it says first, one after the other. With ``answers_after`` it does not
    answer before that."""

    received: list[Call] = field(default_factory=list)
    status: int = 200
    statuses: list[int] = field(default_factory=list)
    answer: bytes = b"thanks"
    headers: dict[str, str] = field(default_factory=dict)
    certificate: Path | None = None
    answers_after: threading.Event | None = None

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(Call(self.path, dict(self.headers), body))
                if receiver.answers_after:
                    receiver.answers_after.wait(30)
                self.send_response(
                    receiver.statuses.pop(0) if receiver.statuses else receiver.status
                )
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(receiver.answer)))
                self.end_headers()
                self.wfile.write(receiver.answer)

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args: Any) -> None:
                pass  # whoever calls may hang up: that is what some tests are about

        self._server = Server(("127.0.0.1", 0), Handler)
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def host(self) -> str:
        """For ``WEBHOOK_INSIDE_HOSTS``."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://{self.host}/hook"


@contextmanager
def saying(*pieces: bytes, then_wait: bool = False, pause: float = 0) -> Iterator[int]:
    """A server that answers its one caller with ``pieces`` whatever it is sent, with a ``pause``
    (in seconds) between them, and keeps the line open if it shall ``then_wait``. Gives the port."""
    over = threading.Event()

    def serve() -> None:
        line, _address = listening.accept()
        with line:
            line.recv(65_536)
            for piece in pieces:
                try:
                    line.sendall(piece)
                except OSError:
                    return
                if over.wait(pause):
                    return
            if then_wait:
                over.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        over.set()
        thread.join(5)


def certificate_for(name: str, directory: Path) -> Path:
    """A certificate for ``name`` that is its own authority, and its key, in one file."""
    made = directory / f"{name}.pem"
    key = directory / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-keyout", str(key), "-out", str(made)],
        check=True, capture_output=True,
    )  # fmt: skip
    made.write_bytes(made.read_bytes() + key.read_bytes())
    return made
