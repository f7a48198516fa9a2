"""A process of strangers who hold what they can of a server: connections, headers, bodies.

They come from addresses of their own (127.0.1.x), so a limit for each address does not meet the
honest clients of this machine. What a server closes they open again. None of them can sign: their
signature is random.
"""

import selectors
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from secrets import token_bytes
from typing import Final, Literal

Holding = Literal["idle", "half-open", "dribble", "body"]
ADDRESSES: Final = 40
"""They share so many addresses."""
BODY_BYTES: Final = 700_000
"""A submission's size."""
_STEP_SECONDS: Final = 0.5
_SESSIONS: Final = "/face-verification/v0.1/sessions"


@dataclass(frozen=True)
class Crowd:
    """What strangers do.

    Attributes:
        holding: nothing sent; half of a header, and no more; one byte of a header after the other;
            or a body that lacks its last byte.
        port: of the server, on the loopback.
    """

    holding: Holding
    count: int
    port: int


@dataclass
class Held:
    """How it went: the most connections at one time, and how many the server ended."""

    most: int = 0
    ended: int = 0
    refused: int = 0
    at_once: list[int] = field(default_factory=list)


def strangers(crowd: Crowd, stop: Event, out: Connection) -> None:
    """Hold until told to stop; then send ``Held``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    held, lines = Held(), _Lines(crowd)
    while not stop.is_set():
        held.refused += lines.fill()
        held.ended += lines.drop_ended()
        lines.dribble()
        held.most = max(held.most, len(lines))
        held.at_once.append(len(lines))
        time.sleep(_STEP_SECONDS)
    lines.close()
    with suppress(OSError):
        out.send(held)


class _Lines:
    """The connections of a crowd."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._open: dict[socket.socket, int] = {}
        self._opened = 0
        self._opening, self._slowly = _opening(crowd)

    def __len__(self) -> int:
        return len(self._open)

    def fill(self) -> int:
        """Open what is missing; returns how many were refused."""
        for _ in range(self._crowd.count - len(self._open)):
            line = socket.socket()
            line.settimeout(_STEP_SECONDS)
            self._opened += 1
            try:
                line.bind((f"127.0.1.{1 + self._opened % ADDRESSES}", 0))
                line.connect(("127.0.0.1", self._crowd.port))
                line.sendall(self._opening)
            except OSError:
                line.close()
                return 1  # the others would fare alike; again in a moment
            line.setblocking(False)
            self._open[line] = 0
        return 0

    def drop_ended(self) -> int:
        """Close what the server ended; returns how many those were."""
        with selectors.DefaultSelector() as selector:
            for line in self._open:
                selector.register(line, selectors.EVENT_READ)
            readable = {key.fd for key, _ in selector.select(0)}
        ended = [line for line in self._open if line.fileno() in readable and _is_over(line)]
        for line in ended:
            del self._open[line]
            line.close()
        return len(ended)

    def dribble(self) -> None:
        for line, sent in self._open.items():
            if sent < len(self._slowly):
                with suppress(OSError):
                    line.send(self._slowly[sent : sent + 1])
                    self._open[line] = sent + 1

    def close(self) -> None:
        for line in self._open:
            line.close()
        self._open.clear()


def _is_over(line: socket.socket) -> bool:
    try:
        return not line.recv(65536)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _opening(crowd: Crowd) -> tuple[bytes, bytes]:
    """What is sent at once, and what is sent byte by byte."""
    signed = (
        f"POST {_SESSIONS}/{token_bytes(16).hex()}/submission HTTP/1.1\r\n"
        f"host: 127.0.0.1:{crowd.port}\r\ncontent-type: application/cbor\r\n"
        f"content-length: {BODY_BYTES}\r\nsignature: sig=:{token_bytes(64).hex()}:\r\n"
    ).encode()
    match crowd.holding:
        case "idle":
            return b"", b""
        case "half-open":
            return signed[:-10], b""
        case "dribble":
            return b"", signed + b"x-more: " + b"x" * 4096
        case "body":
            return signed + b"\r\n" + token_bytes(BODY_BYTES - 1), b""
