"""How much is worked on at a time: requests of each kind, and the bytes of their bodies.

What does not fit is turned away at once with a time after which to come again (503 and
``Retry-After``). So every queue is bounded, and memory too. A place is taken only by a sender whom
the server knows; what strangers send waits nowhere.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Final, Protocol, TypeVar

from gateway.host.limits import Limits
from gateway.wire.errors import Unavailable

THREADS: Final = 64
"""Threads of one server that answer requests."""
RETRY_SECONDS: Final = 2
"""After which it is worth coming again."""

T = TypeVar("T")


class Traffic:
    """What one server works on."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lanes: dict[str, _Lane] = {}
        self._threads: ThreadPoolExecutor | None = None
        self._bytes = 0

    @property
    def bytes_held(self) -> int:
        return self._bytes

    @property
    def waiting(self) -> int:
        """Requests that wait for a thread."""
        return sum(max(0, lane.inside - self.limits.at_once) for lane in self._lanes.values())

    async def run(self, kind: str, work: Callable[[], T]) -> T:
        """Do work in a thread, in the lane of its kind.

        Args:
            kind: one of our own names; there is a lane for each.

        Raises:
            Unavailable: the lane is full.
            As ``work``.
        """
        lane = self._lanes.setdefault(kind, _Lane(self.limits.at_once))
        if lane.inside >= self.limits.at_once + self.limits.waiting:
            raise Unavailable("the server is busy; try again later", retry_after=RETRY_SECONDS)
        lane.inside += 1
        try:
            async with lane.places:
                return await self._in_thread(work)
        finally:
            lane.inside -= 1

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Do work in a thread. Once begun it is waited for, whatever becomes of its request."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "requests")
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._threads, copy_context().run, work)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            with suppress(Exception):
                await done
            raise

    def hold(self, size: int) -> None:
        """Make room for the bytes of a body. Raises ``Unavailable`` if there is none."""
        if self._bytes + size > self.limits.body_bytes:
            raise Unavailable("the server is busy; try again later", retry_after=RETRY_SECONDS)
        self._bytes += size

    def release(self, size: int) -> None:
        self._bytes -= size


class Requester(Protocol):
    """The connection that a request came by."""

    more_to_come: bool
    arrived: int

    def is_known(self) -> None: ...
    def awaits_body(self, limit: int) -> None: ...
    def take(self) -> list[bytes | bytearray]: ...
    def has_body(self) -> None: ...
    def reads_no_more(self) -> None: ...


class Place:
    """What one request takes of its server, until it is answered."""

    def __init__(self, traffic: Traffic, connection: Requester | None) -> None:
        """
        Args:
            connection: None where the application is asked within one process.
        """
        self.traffic = traffic
        self._connection = connection
        self._held = 0
        self.known = False
        """Whether an enrolled party signed the request."""

    def hold(self, size: int) -> None:
        """As ``Traffic.hold``, until ``leave``."""
        self.traffic.hold(size)
        self._held += size

    def leave(self) -> None:
        """The request is answered."""
        self.traffic.release(self._held)
        self._held = 0

    def is_known(self) -> None:
        """An enrolled party signed the request. Any thread may say so."""
        self.known = True
        if self._connection is not None:
            self._connection.is_known()

    def awaits_body(self, limit: int) -> None:
        if self._connection is not None:
            self._connection.awaits_body(limit)

    def take(self) -> list[bytes | bytearray]:
        """What has arrived of the body beside what ASGI handed over."""
        return [] if self._connection is None else self._connection.take()

    def has_body(self) -> None:
        if self._connection is not None:
            self._connection.has_body()

    def arrived(self, taken: int) -> int:
        """Bytes of the body that have arrived, of which the application has taken so many."""
        return taken if self._connection is None else self._connection.arrived

    def must_close(self) -> bool:
        """Whether the answer has to be the connection's last: its body will not be read."""
        return self._connection is not None and self._connection.more_to_come

    def reads_no_more(self) -> None:
        """Let go of what has arrived of the body: the answer is known and only waits."""
        if self._connection is not None:
            self._connection.reads_no_more()


class _Lane:
    def __init__(self, at_once: int) -> None:
        self.places = asyncio.Semaphore(at_once)
        self.inside = 0
