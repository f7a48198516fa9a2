"""What this process itself has just sequenced and published: receipts for it need no look at the
database.

An answer is given a moment after its entry was published, mostly by the process that published it.
That process knows the entry's index, the checkpoint and the newest tile. Everything here stands in
the database as well, and comes from there if it is not known here: after a while, after a restart,
or where another process sequences. A proof is the same bytes either way, and is verified before it
is given out.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.translog.checkpoint import SignedCheckpoint
from gateway.wire.ids import RecordId

_ENTRIES: Final = 4096
"""Entries whose index is remembered: of several batches, and of minutes without witnesses."""
_CHECKPOINTS: Final = 64
_TILES: Final = 8

Place = tuple[int, int]


class Announced:
    """The newest entries, checkpoints and tiles. Thread-safe and bounded."""

    def __init__(self) -> None:
        self._indexes: OrderedDict[RecordId, int] = OrderedDict()
        self._over: deque[tuple[int, SignedCheckpoint]] = deque(maxlen=_CHECKPOINTS)
        """For each checkpoint the least index for which it is the first published one."""
        self._tiles: OrderedDict[Place, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def place(self, indexes: Iterable[tuple[RecordId, int]], tiles: Mapping[Place, bytes]) -> None:
        """Entries got their places, durably; with the tiles that grew by them."""
        with self._lock:
            self._indexes.update(indexes)
            self._tiles.update(tiles)
            _shorten(self._indexes, _ENTRIES)
            _shorten(self._tiles, _TILES)

    def publish(self, first: int, signed: SignedCheckpoint) -> None:
        """A checkpoint was published, durably. For entries from index ``first`` on, no smaller
        one is, or ever will be."""
        with self._lock:
            self._over.append((first, signed))

    def index(self, row: RecordId) -> int | None:
        """The index of the entry of a row, if it is known here."""
        with self._lock:
            return self._indexes.get(row)

    def over(self, index: int) -> SignedCheckpoint | None:
        """The first published checkpoint over an index, if it is known here."""
        with self._lock:
            for first, signed in self._over:
                if first <= index < signed.checkpoint.size:
                    return signed
        return None

    def tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile as far as they are known here. Tiles only grow."""
        with self._lock:
            return self._tiles.get((level, number), b"")


def _shorten(held: OrderedDict[RecordId, int] | OrderedDict[Place, bytes], limit: int) -> None:
    while len(held) > limit:
        held.popitem(last=False)
