"""Both real servers as processes, with a proxy between gateway and authority.

There a test may alter, drop or delay what passes.
"""

import contextlib
import http.client
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from gateway.host.http import CBOR
from gateway.issuer.issuer import Model
from gateway.lab.deployment.local import LocalDeployment
from tests.support.processes import PATIENCE
from tests.support.samples import MODEL

# The real servers


class Closed(Exception):
    """Raised by a proxy's behaviour: close the connection without an answer."""


Behaviour = Callable[[str, bytes, Callable[[], tuple[int, bytes]]], tuple[int, bytes]]
"""Path, body, and how to ask the real authority -> status and body of the answer."""


def honest(_path: str, _body: bytes, ask: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
    return ask()


class Proxy:
    """Stands between gateway and authority; does what the test's ``behaviour`` says."""

    def __init__(self) -> None:
        self.upstream = 0
        self.behaviour: Behaviour = honest
        self.seen: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                proxy.seen.append(self.path)
                headers = dict(self.headers.items())
                try:
                    status, answer = proxy.behaviour(
                        self.path, body, lambda: proxy.forward(self.path, body, headers)
                    )
                except (Closed, OSError, http.client.HTTPException):
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("content-type", CBOR)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A server that was killed resets its connections; that is what tests do."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        """Under which the gateway knows the authority: requests are signed for this host."""
        return f"127.0.0.1:{self.port}"

    def forward(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=PATIENCE)
        try:
            connection.request("POST", path, body, dict(headers))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class Observed(LocalDeployment):
    """The real servers, with a proxy before the authority."""

    def __init__(
        self,
        root: Path,
        model: Model = MODEL,
        port: int = 0,
        *,
        audit_one_in: int = 0,
        **settings: str,
    ) -> None:
        super().__init__(root, model, port, tls=False, audit_one_in=audit_one_in, **settings)
        self.proxy = Proxy()
        self.authority.settings["public_urls"] = f"http://{self.proxy.host}"

    def authority_url(self, port: int) -> str:
        self.proxy.upstream = port
        return f"http://{self.proxy.host}"

    def stop(self) -> None:
        super().stop()
        self.proxy.close()
