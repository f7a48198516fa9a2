"""When verifications begin: a closed loop, or arrivals that are fixed beforehand.

In a closed loop each client begins its next verification when the last one is over, so servers that
slow down are asked less. In an open loop the arrivals are fixed before the run. A verification's
time counts from its arrival, also while it waits for a client: so answers that are slow do not hide
the wait of those that come after them (coordinated omission).
"""

import random
from dataclasses import dataclass
from typing import Literal, Protocol

Spacing = Literal["even", "random"]


class Turn(Protocol):
    """Hands out numbers from 0, each once, to all clients together."""

    def next(self) -> int: ...


@dataclass(frozen=True)
class ClosedLoop:
    """Everyone goes on until the time is over, or so many have begun.

    Attributes:
        seconds: after the start, from which none begins any more.
        count: how many begin at most; None: as many as fit.
    """

    seconds: float
    count: int | None = None

    def due(self, turn: Turn, now: float) -> float | None:
        """When the next one of this client begins, in seconds after the start; None: never."""
        if now >= self.seconds:
            return None
        number = turn.next()
        return None if self.count is not None and number >= self.count else now


@dataclass(frozen=True)
class OpenLoop:
    """Arrivals at ``times``, in seconds after the start, in ascending order. The next free client
    takes the next one."""

    times: tuple[float, ...]

    def due(self, turn: Turn, _now: float) -> float | None:
        """As ``ClosedLoop.due``; it may lie in the past, if no client was free."""
        number = turn.next()
        return self.times[number] if number < len(self.times) else None


Plan = ClosedLoop | OpenLoop


def arrivals(rate: float, seconds: float, spacing: Spacing, seed: int = 1) -> OpenLoop:
    """Arrivals at a rate a second: evenly spaced, or at random (a Poisson process)."""
    rng, times, at = random.Random(seed), [], 0.0  # noqa: S311  a simulation
    while at < seconds:
        times.append(at)
        at = len(times) / rate if spacing == "even" else at + rng.expovariate(rate)
    return OpenLoop(tuple(times))
