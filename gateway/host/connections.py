"""Who may hold a connection, and whose is closed to make room: strangers first, never work.

Rules:

- There is a limit in all, and one per address. Proxies' addresses are exempt from the second.
- At a limit a new connection takes the place of the one that is least missed: first of those that
  are on their way out, then of those whose headers are not complete, then of senders whom nobody
  knows and whose body is awaited, or who leave earlier answers untaken, then of idle ones, the
  oldest of its kind each time. Any other request that is being answered is never ended. If nobody
  can make room, the new one is turned away.
- Why not let newcomers wait instead: who holds all places with half a request would keep everybody
  out for as long as a deadline, again and again. An honest sender's headers follow at once, so it
  is hardly ever the oldest.
- What is late is closed (``overdue``).

No address is ever told to anybody; what was ended is counted by reason. Nothing here does I/O, and
times are passed in.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import Final, Literal, Protocol

Reason = Literal["in-all", "per-address", "headers-late", "body-late", "malformed", "draining"]
"""As in ``gateway.host.measures``."""


class Phase(IntEnum):
    """What a connection is doing; those before ``BUSY`` can make room, in this order."""

    LEAVING = 0
    """Answered for the last time; its sender still sends, or has not taken it."""
    HEAD = 1
    """Its headers, or its TLS handshake, are not complete."""
    BODY = 2
    """The body of a sender whom nobody knows is awaited."""
    UNTAKEN = 3
    """A sender whom nobody knows leaves what he was answered untaken, so his next answer waits."""
    IDLE = 4
    """Between two requests."""
    KNOWN = 5
    """The same, or answered for the last time, after a request that an enrolled party signed."""
    BUSY = 6
    """A request is being answered."""


class Transport(Protocol):
    """What is needed of asyncio's."""

    def abort(self) -> None: ...
    def get_write_buffer_size(self) -> int: ...


class Connection:
    """One connection."""

    __slots__ = ("_end", "_table", "address", "deadline", "known", "phase", "stalled", "untaken")

    def __init__(self, table: "Connections", address: str, deadline: float | None) -> None:
        self._table = table
        self._end: Callable[[], None] = lambda: None
        self.untaken: Callable[[], int] = lambda: 0
        """Bytes of answers that its receiver has not taken."""
        self.address = address
        self.deadline = deadline
        self.phase = Phase.HEAD
        self.known = False
        """Whether an enrolled party has signed a request on it."""
        self.stalled: tuple[int, float] = (0, 0.0)
        """How many those are, and since when they are so many."""

    def ended_by(self, end: Callable[[], None]) -> None:
        """How this connection is closed at once."""
        self._end = end

    def made(self, transport: Transport) -> None:
        """It can be written to."""
        self._end = transport.abort
        self.untaken = transport.get_write_buffer_size

    def end(self, reason: Reason) -> None:
        """Close it at once, and count why."""
        self.count(reason)
        self.leave()
        self._end()

    def count(self, reason: Reason) -> None:
        self._table.ended[reason] += 1

    def leave(self) -> None:
        """It is closed."""
        self._table.leave(self)

    def go(self, phase: Phase, deadline: float | None = None) -> None:
        """It does something else now, until ``deadline`` at the latest."""
        self._table.move(self, phase)
        self.deadline = deadline

    def rest(self) -> None:
        """A request was answered. The server closes idle connections itself."""
        self.go(Phase.KNOWN if self.known else Phase.IDLE)


class Connections:
    """All connections of one server."""

    def __init__(self, most: int | None, per_address: int, header_seconds: float) -> None:
        """
        Args:
            most: connections in all; None: any number.
            per_address: connections of one address; 0: any number.
        """
        self.most = most
        self._per_address = per_address
        self._header_seconds = header_seconds
        self._phases: tuple[dict[Connection, None], ...] = tuple({} for _ in Phase)
        """By phase; the oldest in each comes first."""
        self._addresses: dict[str, dict[Connection, None]] = {}
        self.ended: Counter[Reason] = Counter()
        """Connections that were ended or turned away, by reason."""
        self._told: Counter[Reason] = Counter()

    def __len__(self) -> int:
        return sum(map(len, self._phases))

    def __iter__(self) -> Iterator[Connection]:
        for phase in self._phases:
            yield from tuple(phase)

    def admit(self, address: str, now: float, *, exempt: bool = False) -> Connection | None:
        """Take a new connection in, or None: it is to be closed.

        Args:
            exempt: the limit per address does not count.
        """
        own = self._addresses.get(address, {})
        if self._per_address and not exempt and len(own) >= self._per_address:
            if not _end_one(_first_to_go(own), "per-address"):
                self.ended["per-address"] += 1
                return None
        elif self.most is not None and len(self) >= self.most and not self.make_room():
            self.ended["in-all"] += 1
            return None
        new = Connection(self, address, now + self._header_seconds)
        self._phases[Phase.HEAD][new] = None
        self._addresses.setdefault(address, {})[new] = None
        return new

    def make_room(self) -> bool:
        """Close the connection that is least missed; whether there was one."""
        found = next((one for phase in self._phases[: Phase.BUSY] for one in phase), None)
        return _end_one(found, "in-all")

    def move(self, one: Connection, phase: Phase) -> None:
        if self._phases[one.phase].pop(one, one) is None:  # it has not left
            one.phase = phase
            self._phases[phase][one] = None

    def leave(self, one: Connection) -> None:
        """It is closed. Twice is as once."""
        self._phases[one.phase].pop(one, None)
        own = self._addresses.get(one.address)
        if own is not None and own.pop(one, one) is None and not own:
            del self._addresses[one.address]

    def close_overdue(self, now: float) -> None:
        """End what is late."""
        for one in self:
            if one.deadline is not None and one.deadline < now:
                one.end(_LATE.get(one.phase, "body-late"))

    def close_stalled(self, now: float, seconds: float) -> None:
        """End those whose receiver has taken nothing of an answer for so long."""
        for one in self:
            size = one.untaken()
            if size != one.stalled[0]:
                one.stalled = size, now
            elif size and now - one.stalled[1] > seconds:
                one.end("body-late")

    def take_news(self) -> dict[Reason, int]:
        """What was ended since this was last asked, by reason."""
        news = dict(self.ended - self._told)
        self._told = self.ended.copy()
        return news


_LATE: Final[dict[Phase, Reason]] = {Phase.HEAD: "headers-late"}


def _first_to_go(own: Iterable[Connection]) -> Connection | None:
    """The oldest of those that are least missed; those of one address are in their order."""
    movable = [one for one in own if one.phase < Phase.BUSY]
    return min(movable, key=lambda one: one.phase, default=None)


def _end_one(found: Connection | None, reason: Reason) -> bool:
    if found is not None:
        found.end(reason)
    return found is not None
