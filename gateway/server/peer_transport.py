"""How the gateway reaches its peers: connections that are kept, answers that are bounded in time.

An ``httpx`` transport over sockets and llhttp's parser (``httptools``), because a registration asks
its authority four times and ``httpx``'s own transport takes three times as much of the processor.
It does less: one request at a time on a connection, HTTP/1.1 alone, no redirection, no proxy, no
content coding. An answer has one deadline, its header and its length included: a peer that sends a
byte now and then does not hold a thread for ever.

A request is never sent twice here. Whoever asks signs it anew (``authority_client``).
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

import httptools
import httpx

from gateway.host.tls import ClientTls

KEPT_SECONDS: Final = 4
"""A connection that was idle for longer is not used again: our servers close it after five."""
KEPT_CONNECTIONS: Final = 64
"""Idle connections kept at most, to all hosts together."""
_HEADER_BYTES: Final = 16 * 1024
_PIECE: Final = 64 * 1024

Origin = tuple[bytes, str, int]
"""Scheme, host, port."""


def peer_client(seconds: float, tls: ClientTls | None = None) -> httpx.Client:
    """A client whose answers come within ``seconds``. Raises ``TlsMisconfigured``."""
    context = httpx.create_ssl_context(trust_env=False) if tls is None else tls.context()
    transport = PeerTransport(seconds, context)
    return httpx.Client(transport=transport, trust_env=False, timeout=seconds)


class _Connection:
    """One connection, with one answer at a time. Not thread-safe."""

    def __init__(self, origin: Origin, context: ssl.SSLContext, until: float) -> None:
        scheme, host, port = origin
        self.origin = origin
        self.used_at = 0.0
        self._socket = socket.create_connection((host, port), _left(until))
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if scheme == b"https":
                self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except BaseException:
            self._socket.close()
            raise

    def alive(self) -> bool:
        """Whether nothing came while nothing was asked: the peer's end of it would be readable."""
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        return not waiting.poll(0)

    def send(self, head: bytes, body: bytes, until: float) -> None:
        """Send a request. A peer that refuses it may close before it has read the whole."""
        self._socket.settimeout(_left(until))
        try:
            if len(body) <= _PIECE:
                self._socket.sendall(head + body)
            else:
                self._socket.sendall(head)
                self._socket.sendall(body)
        except ConnectionError:
            return  # then its answer is there, or the connection has ended

    def receive(self, until: float) -> bytes:
        """What comes next. Raises ``OSError``; also if the connection has ended."""
        self._socket.settimeout(_left(until))
        piece = self._socket.recv(_PIECE)
        if not piece:
            raise ConnectionResetError("the connection ended before the answer did")
        return piece

    def close(self) -> None:
        self._socket.close()


class _Heard:
    """What llhttp calls. It does not know its parser: the two would be a circle, and circles stay
    in memory for a while."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.headed = self.complete = self.overfull = False

    @property
    def reusable(self) -> bool:
        """Whether the peer keeps the connection, and is in step."""
        says = b",".join(value for name, value in self.headers if name.lower() == b"connection")
        return self.complete and not self.overfull and says.lower() in (b"", b"keep-alive")

    def on_message_begin(self) -> None:
        self.overfull = self.complete  # a second answer to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_body(self, piece: bytes) -> None:
        if not self.overfull:
            self.body.append(piece)

    def on_message_complete(self) -> None:
        self.complete = True


class _Answer(httpx.SyncByteStream):
    """One answer as it comes. If it is closed early, its connection is as well."""

    def __init__(self, pool: "PeerTransport", connection: _Connection, until: float) -> None:
        self._pool, self._connection, self._until = pool, connection, until
        self._heard = _Heard()
        self._parser = httptools.HttpResponseParser(self._heard)

    def response(self) -> httpx.Response:
        """Wait for the header. Raises ``OSError``, ``RemoteProtocolError``."""
        came = 0
        while not self._heard.headed:
            came += self._hear()
            if came > _HEADER_BYTES + _PIECE:
                raise httpx.RemoteProtocolError("header too long")
        if self._heard.overfull:  # the status would be the second's
            raise httpx.RemoteProtocolError("more than one answer")
        status = self._parser.get_status_code()
        if status < httpx.codes.OK:
            raise httpx.RemoteProtocolError("an interim answer that nobody asked for")
        return httpx.Response(status, headers=self._heard.headers, stream=self)

    def __iter__(self) -> Iterator[bytes]:
        quiet = 0
        while True:
            pieces, self._heard.body = self._heard.body, []
            yield from pieces
            if self._heard.complete:
                return
            with _as_httpx_says():
                came = self._hear()
            quiet = 0 if self._heard.body else quiet + came
            if quiet > _HEADER_BYTES + _PIECE:  # whoever reads would not see it grow
                raise httpx.RemoteProtocolError("trailer too long")

    def close(self) -> None:
        if self._heard.reusable and self._parser.get_http_version() == "1.1":
            self._pool.keep(self._connection)
        else:
            self._connection.close()

    def _hear(self) -> int:
        """Take in what comes next; returns its length."""
        piece = self._connection.receive(self._until)
        try:
            self._parser.feed_data(piece)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            raise httpx.RemoteProtocolError("not an HTTP answer") from None
        return len(piece)


class PeerTransport(httpx.BaseTransport):
    """Connections to peers. Thread-safe."""

    def __init__(self, seconds: float, context: ssl.SSLContext) -> None:
        """``seconds``: until an answer must be there, from its request's first byte to its last."""
        self._seconds = seconds
        self._context = context
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises ``httpx.TransportError``. A request may ask for less time than all have."""
        asked = request.extensions.get("timeout", {}).get("read") or self._seconds
        until = time.monotonic() + min(asked, self._seconds)
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        with _as_httpx_says():
            connection = self._connection((url.raw_scheme, url.host, port), until)
        try:
            with _as_httpx_says():
                connection.send(_head(request), _body(request), until)
                return _Answer(self, connection, until).response()
        except BaseException:
            connection.close()
            raise

    def keep(self, connection: _Connection) -> None:
        """Take back a connection that has served its request."""
        connection.used_at = time.monotonic()
        with self._lock:
            self._idle.append(connection)
            surplus = self._idle.pop(0) if len(self._idle) > KEPT_CONNECTIONS else None
        if surplus is not None:
            surplus.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _connection(self, origin: Origin, until: float) -> _Connection:
        while (kept := self._take(origin)) is not None:
            if time.monotonic() - kept.used_at <= KEPT_SECONDS and kept.alive():
                return kept
            kept.close()
        return _Connection(origin, self._context, until)

    def _take(self, origin: Origin) -> _Connection | None:
        """The idle connection to there that was used last."""
        with self._lock:
            for index in range(len(self._idle) - 1, -1, -1):
                if self._idle[index].origin == origin:
                    return self._idle.pop(index)
        return None


@contextmanager
def _as_httpx_says() -> Iterator[None]:
    """Faults of a connection, as errors of ``httpx``."""
    try:
        yield
    except TimeoutError:
        raise httpx.ReadTimeout("no answer in time") from None
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that is none
        raise httpx.NetworkError(type(error).__name__) from None


def _head(request: httpx.Request) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _body(request: httpx.Request) -> bytes:
    return b"".join(cast(httpx.SyncByteStream, request.stream))


def _left(until: float) -> float:
    """Seconds until then. Raises ``TimeoutError`` if it is over."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
