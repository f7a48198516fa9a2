"""A web server that says when it answers. It is apart from ``serving`` because it loads uvicorn.

It accepts connections by itself, so that a stranger's address counts before anything is held for
it, its TLS handshake included, and so that a process without descriptors neither spins nor writes a
line for each connection that it cannot take.
"""

import asyncio
import contextlib
import errno
import json
import logging
import signal
import socket
import ssl
import time
from asyncio import sslproto
from functools import partial
from types import FrameType
from typing import Final

import uvicorn

from gateway.host.connections import Connection, Connections
from gateway.host.limits import Limits
from gateway.host.metrics import Metrics
from gateway.host.protocol import READ_BYTES, HttpProtocol, Reader
from gateway.host.traffic import Traffic

log = logging.getLogger("sealmatch.connections")

_ACCEPTED_AT_ONCE: Final = 64
"""Before what is open gets its turn."""
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_TLS_BYTES: Final = 32 * 1024
"""Of each connection's buffer for what is encrypted; a record has half of it. asyncio's own takes
256 KB before a handshake's first byte, and is no faster."""
_PAUSE_SECONDS: Final = 0.5
"""Without accepting, when nothing is left and nobody can make room."""
_TICKS_OF_SWEEP: Final = 5
_TICKS_OF_REPORT: Final = 100
"""Ticks of uvicorn's are tenths of a second."""


class AnnouncedServer(uvicorn.Server):
    """Prints a line once it is ready: listening, and its workers started."""

    def __init__(
        self,
        config: uvicorn.Config,
        name: str | None,
        listener: socket.socket,
        limits: Limits,
        descriptors: int,
    ) -> None:
        """
        Args:
            name: of the line on stdout; None: there is none.
            descriptors: that the process may have.
        """
        super().__init__(config)
        self._name = name
        self._listener = listener
        self._limits = limits
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._wipe = bytes(READ_BYTES)
        self._connecting: set[asyncio.Task[None]] = set()
        self.traffic = Traffic(limits)
        self.open = Connections(
            limits.most_connections(descriptors), limits.per_address, limits.header_seconds
        )
        self._metrics: Metrics | None = None
        self.interrupted = False
        """Whether it was Ctrl-C that ended it."""

    def watched_by(self, metrics: Metrics) -> None:
        """Have the gauges of what is held looked at there, and count what is ended."""
        self._metrics = metrics
        metrics.watch("connections_open", lambda: len(self.open))
        metrics.watch("connections_limit", lambda: self.open.most)
        metrics.watch("queue_length", lambda: self.traffic.waiting)
        metrics.set("queue_limit", self._limits.waiting)
        metrics.watch("body_bytes", lambda: self.traffic.bytes_held)
        metrics.set("body_bytes_limit", self._limits.body_bytes)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal ends the server in order; any further one hastens that."""
        self.interrupted |= sig == signal.SIGINT
        self.force_exit = self.should_exit
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_note)
        sslproto.SSLProtocol.max_size = _TLS_BYTES
        await super().startup([])
        if self.started and not self.should_exit:
            self._listener.setblocking(False)
            loop.add_reader(self._listener, self._accept)
            host, port = self._listener.getsockname()[:2]
            if self._name is None:
                return
            print(json.dumps({"ready": self._name, "host": host, "port": port}), flush=True)

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_OF_SWEEP == 0:
            self._sweep(time.monotonic())
        if counter % _TICKS_OF_REPORT == 0:
            self._report()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and let requests end that are being answered.

        In haste nobody's requests are waited for. What is open is closed all the same.
        """
        asyncio.get_running_loop().remove_reader(self._listener)
        for task in self._connecting:
            task.cancel()
        await super().shutdown([self._listener, *(sockets or [])])
        if self.force_exit:
            await self.lifespan.shutdown()
        self._report()

    def _accept(self) -> None:
        """Take the connections that wait, each where a place is free or can be made free."""
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, sender = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    continue  # its sender went away
                if not self.open.make_room():
                    self._pause()
                return
            self._admit(accepted, str(sender[0]))

    def _admit(self, accepted: socket.socket, address: str) -> None:
        exempt = self._limits.is_proxy(address)
        connection = self.open.admit(address, time.monotonic(), exempt=exempt)
        if connection is None:
            accepted.close()
            return
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.ended_by(partial(_cut, accepted))
        task = asyncio.get_running_loop().create_task(self._connect(accepted, connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, accepted: socket.socket, connection: Connection) -> None:
        def protocol() -> Reader:
            http = HttpProtocol(
                self.config, self.server_state, self.lifespan.state, self.traffic, connection
            )
            return Reader(http, self._buffer, self._wipe)

        secured = self.config.ssl
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                protocol,
                accepted,
                ssl=secured,
                ssl_handshake_timeout=self._limits.header_seconds if secured else None,
            )
        except (OSError, ssl.SSLError):  # a handshake that failed or took too long
            connection.leave()
            accepted.close()

    def _pause(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        loop.call_later(_PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        if not self.should_exit:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _sweep(self, now: float) -> None:
        self.open.close_overdue(now)
        self.open.close_stalled(now, self._limits.stalled_seconds)

    def _report(self) -> None:
        """One line for all strangers of a while, with how many were ended for which reason."""
        news = self.open.take_news()
        if self._metrics is not None:
            for reason, count in news.items():
                self._metrics.count("connections_refused_total", count, limit=reason)
        if news:
            said = ", ".join(f"{count} {reason}" for reason, count in sorted(news.items()))
            log.warning("connections ended: %s", said)


def _cut(accepted: socket.socket) -> None:
    """End a connection whose TLS handshake is not complete."""
    with contextlib.suppress(OSError):  # it has ended
        accepted.shutdown(socket.SHUT_RDWR)


def _note(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """A fault that nobody awaited: its type alone, as its values might be a peer's."""
    log.error("in the event loop: %s", type(context.get("exception")).__name__)
