"""An observer on the line to a server, for the demonstration and for attackers on the wire.

It is a forwarder on loopback. It passes every request on, with its body and the signed headers, and
keeps what it saw: the demonstration shows the authority's real input. It holds no key, so it cannot
alter a message unnoticed: requests are signed.
"""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import httpx

_FORWARDED = ("host", "content-type", "content-digest", "signature-input", "signature")
_TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Passage:
    """One request and its answer."""

    path: str
    request: bytes = field(repr=False)
    answer: bytes = field(repr=False)


class Wiretap:
    """Forwards to ``target`` within the ``with`` block."""

    def __init__(self, target: str = "") -> None:
        """``target``: a server's base URL; it may be set later."""
        self.target = target
        self.passages: list[Passage] = []
        self._client = httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
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


class Tapped(httpx.HTTPTransport):
    """A client's transport that leads through an observer. The client does not notice.

    Its requests stay signed for the server that it means. Signed for the observer's address, they
    would be requests to another host, which no server accepts.
    """

    def __init__(self, tap_url: str) -> None:
        super().__init__(trust_env=False)
        self._tap = httpx.URL(tap_url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(host=self._tap.host, port=self._tap.port)
        return super().handle_request(request)


def _handler(tap: Wiretap) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name: self.headers[name] for name in _FORWARDED if name in self.headers}
            response = tap.forward(tap.target + self.path, headers, body)
            tap.passages.append(Passage(self.path, body, response.content))
            self.send_response(response.status_code)
            self.send_header("content-type", response.headers.get("content-type", ""))
            self.send_header("content-length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        def log_message(self, *_: object) -> None:
            """Write no access log: the screen belongs to the demonstration."""

    return Handler
