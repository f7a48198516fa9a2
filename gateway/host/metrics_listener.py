"""Where a server's metrics are read: a listener of its own, which the server's peers never reach.

It has a thread and an event loop of its own: a server that is stuck still says so. One path,
``/metrics``; everything else is not there. Off loopback it needs TLS, as the server does, and with
``tls_client_ca`` it answers only clients with a certificate of that CA.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gateway.host.limits import Limits
from gateway.host.serving import CannotListen, bind, server_of
from gateway.host.tls import ServerTls
from gateway.wire.errors import Unavailable

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from gateway.host.announced import AnnouncedServer

log = logging.getLogger("sealmatch.metrics")

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LIMITS: Final = Limits(connections=16, per_address=0, header_seconds=5, grace_seconds=1)
"""A scraper needs one connection."""


class MetricsListener:
    """A part of a server (``Lifetime``): runs while the server does."""

    def __init__(
        self, host: str, port: int, tls: ServerTls | None, text: Callable[[], bytes]
    ) -> None:
        """``text``: everything in Prometheus's format; called in a thread."""
        self._address = (host, port)
        self._tls = tls
        self._text = text
        self._server: AnnouncedServer | None = None
        self._thread: threading.Thread | None = None
        self.port = port
        """The one that was bound, once it runs."""

    def start(self) -> None:
        """Listen.

        Raises:
            Unavailable: the address cannot be bound.
            TlsMisconfigured: certificate or key cannot be used.
        """
        try:
            listener = bind(*self._address)
        except CannotListen as error:
            raise Unavailable(f"metrics: {error}") from None
        self.port = listener.getsockname()[1]

        async def app(scope: "Scope", receive: "Receive", send: "Send") -> None:
            await self._answer(scope, receive, send)  # to uvicorn a method is no ASGI application

        self._server = server_of(app, None, listener, self._tls, LIMITS)
        self._server.config.lifespan = "off"
        self._thread = threading.Thread(target=self._server.run, name="metrics", daemon=True)
        self._thread.start()
        log.info("metrics are read at port %d", self.port)

    def stop(self) -> None:
        """Stop listening; nobody is waited for."""
        if self._server is not None and self._thread is not None:
            self._server.force_exit = self._server.should_exit = True
            self._thread.join()

    async def _answer(self, scope: "Scope", _receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http":
            return
        found = scope["path"] == "/metrics" and scope["method"] in ("GET", "HEAD")
        body = await asyncio.to_thread(self._text) if found else b""
        headers = [
            (b"content-type", CONTENT_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        status = 200 if found else 404
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send(
            {
                "type": "http.response.body",
                "body": b"" if scope["method"] == "HEAD" else body,
            }
        )
