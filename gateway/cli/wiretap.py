"""An observer on the wire between gateway and authority, for the demonstration alone.

A loopback forwarder: it passes every request on unchanged and keeps what went by, so that the
screen shows the authority's real input. It holds no key and can neither read nor alter a message
unnoticed: requests are signed.
"""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import httpx

_FORWARDED = ("content-type", "content-digest", "signature-input", "signature")
_TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Passage:
    """One request and its answer."""

    path: str
    request: bytes = field(repr=False)
    answer: bytes = field(repr=False)


class Wiretap:
    """Forwards to ``target`` while the ``with`` block runs."""

    def __init__(self, target: str) -> None:
        self.passages: list[Passage] = []
        self._client = httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, target))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._client.close()

    def forward(self, url: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        return self._client.post(url, content=body, headers=headers)


def _handler(tap: Wiretap, target: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name: self.headers[name] for name in _FORWARDED if name in self.headers}
            response = tap.forward(target + self.path, headers, body)
            tap.passages.append(Passage(self.path, body, response.content))
            self.send_response(response.status_code)
            self.send_header("content-type", response.headers.get("content-type", ""))
            self.send_header("content-length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        def log_message(self, *_: object) -> None:
            """Keep the screen for the demonstration."""

    return Handler
