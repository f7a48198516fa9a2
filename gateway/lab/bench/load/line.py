"""The HTTP connection of a generated counter: plain HTTP/1.1, whose bytes and times are counted.

The client's code above it is the product's (``gateway.client``). Below ``httpx`` stands the
standard library's ``http.client``, which costs the generator less than a parser in Python would.

With several gateways it does what the proxy in front of them would: what names a session goes to
the gateway that opened it, everything else to any of them. Signatures cover the host that the trust
file names, so that is what travels in ``Host``.
"""

import http.client
import re
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import httpx

_SESSION = re.compile(r"/sessions/([0-9a-f]{32})")
_TCP_INFO_BYTES: Final = 192
_ACKED, _RECEIVED = 120, 128
"""Offsets of ``tcpi_bytes_acked`` and ``tcpi_bytes_received`` in Linux's ``struct tcp_info``."""


@dataclass(frozen=True)
class Passage:
    """One request and its answer.

    Attributes:
        kind: open, submit or ask (for a state).
        status: of the answer; 0: none came.
        seconds: how long it took.
        began: by the monotonic clock.
    """

    kind: str
    status: int
    began: float
    seconds: float


class Routes:
    """Which of several gateways a request goes to."""

    def __init__(self, ports: Sequence[int], first: int = 0, *, sharded: bool = False) -> None:
        """``sharded``: the first byte of a session's id is the place of its gateway in ``ports``;
        otherwise it is the one that was asked to open the last session."""
        turned = [*ports[first % len(ports) :], *ports[: first % len(ports)]]
        self._ports, self._sharded = list(ports), sharded
        self._turns: Iterator[int] = cycle(turned)
        self._last = turned[0]

    def port(self, path: str) -> int:
        """The port for a request to ``path``."""
        named = _SESSION.search(path)
        if named is None:
            self._last = next(self._turns)
            return self._last
        if not self._sharded:
            return self._last
        return self._ports[int(named[1][:2], 16) % len(self._ports)]


class CountedLine(httpx.BaseTransport):
    """Sends requests over kept connections, one for each gateway.

    Attributes:
        passages: the requests since somebody emptied the list.
        sent, received: bytes so far, HTTP's headers included.
    """

    def __init__(self, routes: Routes, host: str, seconds: float) -> None:
        """
        Args:
            host: where the gateways listen.
            seconds: until an answer is given up.
        """
        self._routes, self._host, self._seconds = routes, host, seconds
        self._lines: dict[int, http.client.HTTPConnection] = {}
        self.passages: list[Passage] = []
        self.sent = self.received = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises ``httpx.ConnectError``, ``httpx.ReadError`` or ``httpx.ReadTimeout``."""
        path = request.url.raw_path.decode("ascii")
        began, status = time.monotonic(), 0
        try:
            response = self._ask(self._routes.port(path), request, path)
            status = response.status_code
            return response
        finally:
            passage = Passage(_kind(request, path), status, began, time.monotonic() - began)
            self.passages.append(passage)

    def close(self) -> None:
        for line in self._lines.values():
            line.close()
        self._lines.clear()

    def _ask(self, port: int, request: httpx.Request, path: str) -> httpx.Response:
        line = self._line(port, request)
        before = _counted(line.sock)
        try:
            line.request(request.method, path, request.read() or None, dict(request.headers))
            answer = line.getresponse()
            content = answer.read()
        except TimeoutError as error:
            self._drop(port)
            raise httpx.ReadTimeout(str(error), request=request) from None
        except (OSError, http.client.HTTPException) as error:
            self._drop(port)
            raise httpx.ReadError(type(error).__name__, request=request) from None
        if line.sock is None:  # the gateway ends the connection
            self.sent, self.received = self.sent + len(request.read()), self.received + len(content)
            self._drop(port)
        else:
            after = _counted(line.sock)
            self.sent += after[0] - before[0]
            self.received += after[1] - before[1]
        return httpx.Response(answer.status, headers=answer.getheaders(), content=content)

    def _line(self, port: int, request: httpx.Request) -> http.client.HTTPConnection:
        line = self._lines.get(port)
        if line is not None and line.sock is not None and not _ended(line.sock):
            return line
        self._drop(port)
        line = http.client.HTTPConnection(self._host, port, timeout=self._seconds)
        try:
            line.connect()
        except OSError as error:
            raise httpx.ConnectError(type(error).__name__, request=request) from None
        line.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines[port] = line
        return line

    def _drop(self, port: int) -> None:
        line = self._lines.pop(port, None)
        if line is not None:
            line.close()


def _kind(request: httpx.Request, path: str) -> str:
    if request.method != "POST":
        return "ask"
    return "submit" if path.endswith("/submission") else "open"


def _ended(sock: socket.socket) -> bool:
    """Whether the other side closed an idle connection, or sent what nobody asked for."""
    return bool(select.select([sock], [], [], 0)[0])


def _counted(sock: socket.socket | None) -> tuple[int, int]:
    """Bytes that the other side has acknowledged, and that it has sent."""
    if sock is None:
        return 0, 0
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    (acked,) = struct.unpack_from("=Q", info, _ACKED)
    (received,) = struct.unpack_from("=Q", info, _RECEIVED)
    return acked, received
