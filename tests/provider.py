"""A real HTTP server that speaks as far as needed the JSON APIs of Resend and Postmark."""

import json
import threading
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.smtp import tls_context

#: In place of a status: the request is read, and the connection ends without an answer.
HANG_UP = 0


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    data: dict[str, Any]
    connection: int


@dataclass
class Provider:
    """``answers``: what is said to the next requests, as (status, JSON, headers); then it takes
    everything. What comes again by the same Idempotency-Key is not taken again."""

    requests: list[Request] = field(default_factory=list)
    answers: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)
    taken: list[Request] = field(default_factory=list)
    takes_before_hanging_up: bool = True
    connections: int = 0
    certificate: Path | None = None
    _known: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                provider.connections += 1
                self.number = provider.connections

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.path, headers, json.loads(body), self.number)
                provider.requests.append(request)
                status, data, more = (
                    provider.answers.pop(0) if provider.answers else (200, None, {})
                )
                if status == HANG_UP:
                    if provider.takes_before_hanging_up:
                        provider.take(request)
                    self.close_connection = True
                    return
                written = json.dumps(provider.take(request) if data is None else data).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **more}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(written)))
                self.end_headers()
                self.wfile.write(written)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.certificate:
            self._server.socket = tls_context(self.certificate).wrap_socket(
                self._server.socket, server_side=True
            )
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}/"

    def take(self, request: Request) -> dict[str, Any]:
        key = request.headers.get("idempotency-key", "") or str(uuid.uuid4())
        if key not in self._known:
            self._known[key] = str(uuid.uuid4())
            self.taken.append(request)
        name = self._known[key]
        if request.path == "/email":  # Postmark
            to = request.data["To"]
            return {"ErrorCode": 0, "Message": "OK", "MessageID": name, "To": to}
        return {"id": name}
