"""The tree that a gateway's database holds: entries, tiles and head, held against each other."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from gateway.inspection.evidence import Evidence
from gateway.inspection.exhibits import table_rows
from gateway.inspection.lines import Progress
from gateway.store import schema
from gateway.store.reading import BATCH
from gateway.translog.tiles import TILE_HEIGHT, TILE_WIDTH
from gateway.translog.tree import Frontier, leaf_hash


class StoredTree:
    """Grown once from the stored entries. Cost: a pass over them, with bounded memory."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.frontier = Frontier()
        self._gap: int | None = None
        self._tiles = defaultdict[tuple[int, int], Any](hashlib.sha256)
        """Level and number of a tile -> hash over the hashes in it."""

    @property
    def size(self) -> int:
        """Entries without a gap, from the first on."""
        return self.frontier.size

    def grow(self, progress: Progress) -> Iterator[tuple[Frontier, list[bytes]]]:
        """The tree after each batch of entries, and the batch. Ends before a gap."""
        held, batch = schema.log_entries.c, list[bytes]()
        query = sa.select(held.log_index, held.entry).order_by(held.log_index)
        for expected, row in enumerate(table_rows(self._evidence, query)):
            if int(row.log_index) != expected:
                self._gap = expected
                break
            batch.append(bytes(row.entry))
            if len(batch) == BATCH:
                yield self._extended(batch), batch
                progress.at(self.size, what="stored entries")
                batch = []
        if batch:
            yield self._extended(batch), batch

    def roots(self, sizes: Iterable[int], progress: Progress) -> dict[int, bytes]:
        """The roots of the stored tree at these sizes, where it is that large."""
        wanted = sorted(sizes)
        found = {0: Frontier().root}
        tree = Frontier()
        for after, batch in self.grow(progress):
            first = after.size - len(batch)
            for size in [one for one in wanted if first < one <= after.size]:
                tree, _ = tree.extend(map(leaf_hash, batch[tree.size - first : size - first]))
                found[size] = tree.root
            tree = after
        return found

    def faults(self) -> Iterator[str]:
        """What does not fit together, once the tree is grown."""
        if self._gap is not None:
            yield f"entry {self._gap:,} is missing"
            return
        yield from self._head_faults()
        yield from self._tile_faults()

    def _extended(self, batch: list[bytes]) -> Frontier:
        self.frontier, complete = self.frontier.extend(map(leaf_hash, batch))
        for node, computed in complete:
            level, between = divmod(node.level, TILE_HEIGHT)
            if not between:
                self._tiles[level, node.index // TILE_WIDTH].update(computed)
        return self.frontier

    def _head_faults(self) -> Iterator[str]:
        held = schema.log_head.c
        heads = list(table_rows(self._evidence, sa.select(held.size, held.edge)))
        if len(heads) != 1:
            yield f"the log has {len(heads)} heads"
        for head in heads:
            if int(head.size) != self.size:
                yield f"the head names {int(head.size):,} entries, and {self.size:,} are stored"
            elif bytes(head.edge) != b"".join(self.frontier.hashes):
                yield "the head is that of another tree"

    def _tile_faults(self) -> Iterator[str]:
        expected = {at: tile.digest() for at, tile in self._tiles.items()}
        held = schema.log_tiles.c
        query = sa.select(held.level, held.number, held.hashes).order_by(held.level, held.number)
        for row in table_rows(self._evidence, query):
            found = expected.pop((int(row.level), int(row.number)), None)
            if found != hashlib.sha256(row.hashes).digest():
                yield f"tile {row.number} of level {row.level} is not that of the entries"
        if expected:
            yield f"{len(expected)} tiles are missing"
