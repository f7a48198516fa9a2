"""HTTP/1.1 on one connection: uvicorn's, on llhttp, with bounds for what a stranger may send.

Rules:

- Request line, headers and their number are bounded, however they arrive. So are requests that are
  handed in before their turn.
- A body is not taken from the network before the application asks for it. After the last answer on
  a connection it is thrown away unread, for a short while, so that its sender gets the answer: a
  socket that is closed with bytes in it resets the connection.
- Headers behind a body (trailers) are dropped: nobody has verified them.
- No request becomes another protocol.
- What cannot be read is answered with a plain 400, and no line in the log; ``Connections`` counts.
- What arrives is read into one buffer, which is overwritten at once: it would keep a part of the
  last body for as long as the process lives.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.host.connections import Connection, Phase
from gateway.host.limits import HEAD_BYTES, HEAD_FIELDS, LINGER_SECONDS, PIPELINED
from gateway.host.traffic import Traffic
from gateway.wire.errors import INVALID, Problem

READ_BYTES: Final = 128 * 1024
_TOO_LARGE: Final = Problem(431, INVALID.code, "the headers are too long, or too many")
_NO_BODY: Final = (b"", b"0")
_SMALL: Final = 1024
"""Bytes of a piece below which it is gathered with its neighbours: as an object of its own, a piece
of two bytes takes fifty."""


class HttpProtocol(HttpToolsProtocol):
    """Serves one connection."""

    def __init__(
        self,
        config: Config,
        state: ServerState,
        app_state: dict[str, Any],
        traffic: Traffic,
        connection: Connection,
    ) -> None:
        super().__init__(config, state, app_state)
        self._traffic = traffic
        self.connection = connection
        self.more_to_come = False
        """Whether the body of the newest request has not arrived in full."""
        self.arrived = 0
        """Bytes of its body that have."""
        self._pieces: list[bytes | bytearray] = []
        self._limit: int | None = None
        """Of the body that the application asked for."""
        self._in_head = True
        self._hosts = self._fields = self._named = 0
        self._advanced = False
        """Whether what arrived last completed headers or a request, or was a body's."""
        self._quiet_bytes = 0
        """Of headers and trailers, since that was so."""
        self._has_body = False
        self._deaf = False
        """What arrives is thrown away."""
        self._fault = INVALID

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._line = Line(transport, self)  # type: ignore[arg-type]
        super().connection_made(self._line)  # type: ignore[arg-type]
        self.connection.made(transport)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        self.connection.leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes | memoryview) -> None:
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        self._advanced = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # what follows is in no language that is spoken here
        except httptools.HttpParserError:
            self._refuse()
        else:
            self._quiet_bytes = 0 if self._advanced else self._quiet_bytes + len(data)
            if self._quiet_bytes > HEAD_BYTES:
                self._fault = _TOO_LARGE
                self._refuse()

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= PIPELINED:
            raise ValueError("too many requests at a time")
        super().on_message_begin()
        self._in_head, self._has_body = True, False
        self._hosts = self._fields = self._named = 0
        self.scope["state"]["traffic"] = self._traffic
        self.scope["state"]["connection"] = self
        if self.connection.phase in (Phase.IDLE, Phase.KNOWN):
            seconds = self._traffic.limits.header_seconds
            self.connection.go(Phase.HEAD, time.monotonic() + seconds)

    def on_url(self, url: bytes) -> None:
        self._named += len(url)
        self._require_small_head()
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        self._named += len(name) + len(value)
        self._require_small_head()
        if not self._in_head:
            return
        super().on_header(name, value)
        lower = self.headers[-1][0]
        if lower == b"host":
            self._hosts += 1
        elif lower == b"transfer-encoding" or (
            lower == b"content-length" and value not in _NO_BODY
        ):
            self._has_body = True

    def on_headers_complete(self) -> None:
        if self._hosts > 1 or (self._hosts < 1 and self.parser.get_http_version() == "1.1"):
            raise ValueError("a request is for one host")
        self._in_head, self._advanced = False, True
        self.more_to_come = True
        if self._pieces:  # of the request before this one, whose reader was not here yet
            self.cycle.body += b"".join(self.take())
        self.arrived, self._limit = 0, None
        self._work()
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False
        if self._has_body:
            self.flow.pause_reading()

    def on_body(self, body: bytes) -> None:
        self._advanced = True
        self.arrived += len(body)
        if self._line.is_closing() or self.cycle.response_complete:
            return
        if self._limit is None:
            super().on_body(body)
            return
        # Its room is taken, so it is gathered; the application is woken once, at its end.
        if len(body) >= _SMALL:
            self._pieces.append(body)
        elif self._pieces and isinstance(self._pieces[-1], bytearray):
            self._pieces[-1] += body
        else:
            self._pieces.append(bytearray(body))
        if self.arrived > self._limit:
            self.flow.pause_reading()
            self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.more_to_come = False
        self._advanced = True

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._line.is_closing() and not self.pipeline:
            self.connection.rest()

    def is_known(self) -> None:
        """An enrolled party signed the request that is being answered. Any thread may say so."""
        self.connection.known = True

    def awaits_body(self, limit: int) -> None:
        """The application asks for the body, and wants to know when it has more bytes."""
        self._limit = limit
        if not self.connection.known:
            self.connection.go(Phase.BODY)

    def take(self) -> list[bytes | bytearray]:
        """What has arrived of the body since it was asked for."""
        taken, self._pieces = self._pieces, []
        return taken

    def has_body(self) -> None:
        """The body is there."""
        self._limit = None  # what follows is another request's, and nobody has asked for it
        self._work()

    def reads_no_more(self) -> None:
        """The answer is known and only waits: hold nothing of the body meanwhile."""
        if self.more_to_come:
            self.cycle.body = bytearray()
            self._pieces = []

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.connection.phase is Phase.BUSY:
            self._work()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.connection.phase is Phase.UNTAKEN:
            self._work()

    def closes(self) -> None:
        """The last answer is written, and waits until its receiver has taken it. With TLS it also
        waits for the receiver's word that it is the last."""
        limits = self._traffic.limits
        seconds = limits.stalled_seconds + self.connection.untaken() / limits.body_rate
        phase = Phase.KNOWN if self.connection.known else Phase.LEAVING
        self.connection.go(phase, time.monotonic() + seconds)

    def leave(self) -> None:
        """The last answer is written: throw away what still comes, for a while."""
        self._deaf = True
        self.connection.go(Phase.LEAVING, time.monotonic() + LINGER_SECONDS)
        self._line.resume_reading()

    def shutdown(self) -> None:
        """The server ends: what is answered is the last, and nobody is listened to for longer."""
        if self._line.leaving:
            self.connection.end("draining")
        else:
            super().shutdown()

    def _work(self) -> None:
        """A request is being answered. A stranger who leaves earlier answers untaken makes room and
        has a deadline: otherwise a byte now and then would hold his place for ever."""
        if self.connection.known or not self.flow.write_paused:
            self.connection.go(Phase.BUSY)
        elif self.connection.phase is not Phase.UNTAKEN:
            seconds = self._traffic.limits.stalled_seconds
            self.connection.go(Phase.UNTAKEN, time.monotonic() + seconds)

    def _refuse(self) -> None:
        """Answer bytes that are no request, unless an answer is on its way: then that is the
        last."""
        self._deaf = True
        self.connection.count("malformed")
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
            return
        problem = self._fault
        content = json.dumps(problem.body()).encode()
        lines = [
            STATUS_LINE[problem.status],
            *(b"%b: %b\r\n" % header for header in self.server_state.default_headers),
            b"content-type: application/json\r\ncontent-length: %d\r\n" % len(content),
            b"cache-control: no-store\r\nx-content-type-options: nosniff\r\n",
            b"connection: close\r\n\r\n",
            content,
        ]
        self.more_to_come = True
        self._line.write(b"".join(lines))
        self._line.close()

    def _require_small_head(self) -> None:
        if self._named > HEAD_BYTES or self._fields > HEAD_FIELDS:
            self._fault = _TOO_LARGE
            raise ValueError("too long a head")


class Line:
    """A transport that is closed politely: the last answer first reaches who still sends."""

    def __init__(self, transport: asyncio.Transport, protocol: HttpProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self.leaving = False
        self.write = transport.write
        self.get_extra_info = transport.get_extra_info
        self.pause_reading: Callable[[], None] = transport.pause_reading
        self.resume_reading: Callable[[], None] = transport.resume_reading
        self.abort = transport.abort

    def is_closing(self) -> bool:
        return self.leaving or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        if not self._protocol.more_to_come:
            self._transport.close()
            self._protocol.closes()
            return
        self.leaving = True
        self._protocol.leave()
        if self._transport.can_write_eof():
            self._transport.write_eof()


class Reader(asyncio.BufferedProtocol):
    """Reads for a protocol, into one buffer for all connections of this process's loop."""

    def __init__(self, protocol: HttpProtocol, buffer: memoryview, wipe: bytes) -> None:
        self._protocol = protocol
        self._buffer = buffer
        self._wipe = wipe
        self.connection_lost = protocol.connection_lost  # type: ignore[method-assign]
        self.pause_writing = protocol.pause_writing  # type: ignore[method-assign]
        self.resume_writing = protocol.resume_writing  # type: ignore[method-assign]
        self.eof_received = protocol.eof_received  # type: ignore[method-assign]
        self.connection_made = protocol.connection_made  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = self._buffer[:nbytes]
        try:
            self._protocol.data_received(data)
        finally:
            data[:] = self._wipe[:nbytes]
