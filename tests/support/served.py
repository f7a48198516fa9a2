"""A small application behind the servers' own HTTP edge, in a thread of this process."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from gateway.host.announced import AnnouncedServer
from gateway.host.application import new_application
from gateway.host.clock import unix_time
from gateway.host.http import bounded_body, json_response
from gateway.host.limits import Limits
from gateway.host.serving import bind, server_of
from gateway.host.signed import SignedRequests
from gateway.host.tls import ServerTls
from gateway.wire.cose import SigningKey
from gateway.wire.requests import NonceMemory, sign_request
from tests.support.processes import PATIENCE

DEVICE = SigningKey.generate("device")
MAX_BODY = 2**20


@dataclass
class Routes:
    """What a test may hold back and look at."""

    gate: threading.Event = field(default_factory=threading.Event)
    """``/work`` answers when it is set."""
    working: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released once for each request that ``/work`` works on."""
    ended: bool = False


def application(routes: Routes, refusal_ms: int = 0) -> FastAPI:
    """Routes of every kind: without a body, with anybody's, with a signed one, and slow work."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        routes.ended = True

    app = new_application("edge", "1", logging.getLogger("sealmatch.edge"), lifespan, refusal_ms)
    find = {DEVICE.public.key_id: DEVICE.public}.get
    signed = SignedRequests(find, NonceMemory(), unix_time, frozenset())

    @app.get("/")
    async def root() -> Response:
        return json_response({"here": True})

    @app.post("/anybody")
    async def anybody(request: Request) -> Response:
        return json_response({"size": len(await bounded_body(request, None, MAX_BODY))})

    @app.post("/signed")
    async def for_signed(request: Request) -> Response:
        received = await signed.read(request, MAX_BODY)
        return json_response({"size": len(received.content), "digest": received.digest.hex()})

    @app.get("/work")
    async def work(request: Request) -> Response:
        def wait() -> bool:
            routes.working.release()
            return routes.gate.wait(PATIENCE)

        return json_response({"done": await request.state.place.traffic.run("work", wait)})

    return app


@dataclass
class Served:
    """The running server."""

    server: AnnouncedServer
    routes: Routes
    address: tuple[str, int]

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, PATIENCE)

    def ask(self, request: bytes) -> bytes:
        """What comes back on a connection of its own until the server closes it."""
        with self.connect() as connection:
            connection.sendall(request)
            return everything(connection)

    def is_well(self) -> bool:
        """Whether a new sender is answered."""
        return self.ask(get("/", close=True)).startswith(b"HTTP/1.1 200")

    def head(self, path: str, body: bytes, **changed: str) -> bytes:
        """The headers of a signed request."""
        host = f"{self.address[0]}:{self.address[1]}"
        headers = {
            "host": host,
            "content-type": "application/cbor",
            "content-length": str(len(body)),
            **sign_request("POST", host, path, body, DEVICE, unix_time()),
        }
        lines = [f"{name}: {value}" for name, value in (headers | changed).items()]
        return "\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""]).encode()


@contextlib.contextmanager
def served(
    limits: Limits | None = None, refusal_ms: int = 0, tls: ServerTls | None = None
) -> Iterator[Served]:
    """Within the block the application is served on a port of its own."""
    routes, listener = Routes(), bind("127.0.0.1", 0)
    server = server_of(application(routes, refusal_ms), "edge", listener, tls, limits or Limits())
    thread = threading.Thread(target=server.run)
    address = listener.getsockname()[:2]
    thread.start()
    try:
        yield Served(server, routes, address)
    finally:
        routes.gate.set()
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


def get(path: str, *, close: bool = False) -> bytes:
    """A request without a body."""
    more = "connection: close\r\n" if close else ""
    return f"GET {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n".encode()


def cut_off(connection: socket.socket) -> bool:
    """Whether the other side ended the connection without a word: in order, or, where something
    sent had not been read, by a reset."""
    try:
        return everything(connection) == b""
    except ConnectionError:
        return True


def everything(connection: socket.socket) -> bytes:
    """What arrives until the other side closes; a reset is told apart as an ``OSError``."""
    found = b""
    while piece := connection.recv(65536):
        found += piece
    return found
