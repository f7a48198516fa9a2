"""What of the log may be seen: published checkpoints, and tiles and proofs under them.

Nothing leaves here before it is under a published checkpoint, though the database holds it already.
A reader who saw it earlier would know a leaf's time better than the batches tell.
"""

from typing import Final

import sqlalchemy as sa

from gateway.sequencing.announced import Announced
from gateway.store import log as store
from gateway.store.database import Database
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.proof import LogProof
from gateway.translog.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    TileSource,
    encode_bundle,
    hashes_from_tiles,
)
from gateway.translog.tree import HASH_BYTES, prove_consistency, prove_inclusion

MAX_LEVEL: Final = 8
"""Levels of tiles of the largest tree that a 64-bit index can name."""


class PublishedLog:
    """A log as its readers see it."""

    def __init__(self, database: Database, announced: Announced | None = None) -> None:
        """``announced``: what this process has just published, if it sequences."""
        self._database = database
        self._announced = announced or Announced()

    def checkpoint(self) -> bytes | None:
        """The newest published checkpoint, or None before the first. Raises ``Unavailable``."""
        with self._database.transaction() as connection:
            newest = store.newest_published(connection)
        return None if newest is None else newest.note

    def tile(self, tile: Tile) -> bytes | None:
        """A tile or entry bundle; None unless it is all under the checkpoint.

        Raises:
            Unavailable: the storage does not answer.
        """
        with self._database.transaction() as connection:
            newest = store.newest_published(connection)
            hashes = tile.index * TILE_WIDTH + tile.width
            last = hashes << TILE_HEIGHT * min(tile.level, MAX_LEVEL)
            if newest is None or last > newest.size:
                return None
            if tile.entries:
                first = tile.index * TILE_WIDTH
                return encode_bundle(store.entries(connection, first, tile.width))
            return _tiles_of(connection)(tile)

    def proof(self, index: int, *, newest: bool = False) -> LogProof | None:
        """The proof for an entry under the first checkpoint that covers it: always the same one.

        Args:
            newest: under the newest checkpoint instead.

        Returns:
            None while no such checkpoint is published.

        Raises:
            Unavailable: the storage does not answer.
        """
        known = None if newest else self._announced.over(index)
        if known is not None:
            source = hashes_from_tiles(known.checkpoint.size, self._known_tile)
            return LogProof(index, prove_inclusion(index, known.checkpoint.size, source), known)
        with self._database.transaction() as connection:
            over = (
                store.newest_published(connection)
                if newest
                else store.published_over(connection, index)
            )
            if over is None or over.note is None or over.size <= index:
                return None
            source = hashes_from_tiles(over.size, _tiles_of(connection))
            path = prove_inclusion(index, over.size, source)
        return LogProof(index, path, SignedCheckpoint.parse(over.note))

    def newest_size(self) -> int:
        """Size of the newest published checkpoint, 0 before the first. Raises ``Unavailable``."""
        with self._database.transaction() as connection:
            return store.published_size(connection)

    def _known_tile(self, tile: Tile) -> bytes:
        held = self._announced.tile(tile.level, tile.index)
        if len(held) < tile.width * HASH_BYTES:
            with self._database.transaction() as connection:
                held = store.tile(connection, tile.level, tile.index)
            self._announced.place((), {(tile.level, tile.index): held})
        return held[: tile.width * HASH_BYTES]

    def consistency(self, old: int, size: int) -> tuple[bytes, ...]:
        """Proof that the log's tree of ``size`` leaves extends that of ``old``.

        Raises:
            CallerMisuse: ``old`` is larger.
            Unavailable: the storage does not answer.
        """
        with self._database.transaction() as connection:
            return prove_consistency(old, size, hashes_from_tiles(size, _tiles_of(connection)))


def _tiles_of(connection: sa.Connection) -> TileSource:
    """Rows only grow: the first hashes of one are the tile of a smaller tree."""

    def read(tile: Tile) -> bytes:
        return store.tile(connection, tile.level, tile.index)[: tile.width * HASH_BYTES]

    return read
