"""What a server opens, starts and stops: one owner, one order.

Putting a server together opens files and connections; serving starts processes and threads. What
was started last stops first, and all of it before what is open is closed. That holds also when a
part does not start, when one does not stop, and when the server was never put together.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol, Self, TypeVar


class Closeable(Protocol):
    """Something open."""

    def close(self) -> None: ...


class Part(Protocol):
    """Something that runs while the server does."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """End it; also when ``start`` failed half-way."""
        ...


C = TypeVar("C", bound=Closeable)
P = TypeVar("P", bound=Part)


class Lifetime:
    """Owns what lives as long as one server."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._parts: list[tuple[Callable[[], object] | None, Callable[[], object]]] = []

    @classmethod
    @contextmanager
    def building(cls) -> Iterator[Self]:
        """Within the block a server is put together; where that fails, what was opened is closed.

        Afterwards it stays open until ``running`` ends.
        """
        lifetime = cls()
        with lifetime._open as opened:
            yield lifetime
            lifetime._open = opened.pop_all()

    def closing(self, opened: C) -> C:
        """Close it after everything that is opened or started later."""
        self._open.callback(opened.close)
        return opened

    def starting(self, part: P) -> P:
        """Start it after the parts before it, and stop it before they stop."""
        self._parts.append((part.start, part.stop))
        return part

    def ending(self, end: Callable[[], object]) -> None:
        """Call this when the server ends, before the parts so far stop."""
        self._parts.append((None, end))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Within the block all parts run. Serves once: afterwards everything is closed.

        Raises:
            As the parts do; what had been started is stopped then.
        """
        with self._open, ExitStack() as started:
            for start, stop in self._parts:
                started.callback(stop)
                if start is not None:
                    start()
            yield
