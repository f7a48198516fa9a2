"""A file that is read again when it has changed, e.g. a list that operators edit in service.

The stamp is taken before the file is read. So a change in between shows at the next look, and no
content is kept under the stamp of a later one. If the file cannot be read, the last value and stamp
stay: each look tries again, and raises what is wrong.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

V = TypeVar("V")
_Stamp = tuple[int, int, int, int]


class WatchedFile(Generic[V]):
    """What a file says. Thread-safe."""

    def __init__(self, path: Path, read: Callable[[Path, V], V], empty: V) -> None:
        """``read`` gets the path and the value read before, at first ``empty``.

        It decides what a missing file means.
        """
        self.path = path
        self._read = read
        self._value = empty
        self._stamp: _Stamp | None = None
        self._lock = threading.Lock()

    def value(self) -> V:
        """The value; a missing file is looked for each time. Raises what ``read`` raises."""
        with self._lock:
            stamp = _stamp_of(self.path)
            if stamp is None or stamp != self._stamp:
                self._value = self._read(self.path, self._value)
                self._stamp = stamp
            return self._value

    def put(self, value: V) -> None:
        """Take what this process wrote itself; the next look reads and checks it."""
        with self._lock:
            self._value = value


def _stamp_of(path: Path) -> _Stamp | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size
