"""Tiles and entry bundles (C2SP ``tlog-tiles``): how a log is served, and proofs from that.

A tile holds up to 256 consecutive hashes of one level; level ``l`` of tiles is level ``8 * l`` of
the tree, and the levels between are recomputed. Full tiles never change. A partial tile belongs
to the tree sizes that need exactly its width.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from gateway.translog.tree import HASH_BYTES, MAX_SIZE, HashSource, Node, fold, node_hash
from gateway.wire.errors import CallerMisuse, MalformedMessage

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
FULL_TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES
MAX_TILE_LEVEL: Final = 63
MAX_ENTRY_BYTES: Final = 2**16 - 1

_LENGTH_BYTES: Final = 2
_PATH: Final = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?\Z",
    re.ASCII,
)
_MAX_PATH_CHARS: Final = 64


@dataclass(frozen=True, order=True)
class Tile:
    """``width`` hashes from ``index * 256`` on, of tile level ``level``; or the entries there."""

    level: int
    """The level of tiles, not of the tree; entries are level 0 with ``entries`` set."""
    index: int
    width: int = TILE_WIDTH
    entries: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.level <= MAX_TILE_LEVEL or (self.entries and self.level):
            raise CallerMisuse("there is no such level of tiles")
        if not (0 <= self.index <= MAX_SIZE >> TILE_HEIGHT and 1 <= self.width <= TILE_WIDTH):
            raise CallerMisuse("there is no such tile")

    @property
    def path(self) -> str:
        """Its address under the log's prefix: ``tile/0/x001/x234/067.p/8``."""
        level = "entries" if self.entries else str(self.level)
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{_index_path(self.index)}{partial}"

    @property
    def full(self) -> Self:
        """The full tile at the same place."""
        return replace(self, width=TILE_WIDTH)

    @classmethod
    def parse(cls, path: str) -> Self:
        """Read an address. Raises ``MalformedMessage`` unless it is the one of a tile."""
        match = _PATH.match(path) if len(path) <= _MAX_PATH_CHARS else None
        if match is None:
            raise MalformedMessage("not the address of a tile")
        level, index, width = match.group("level", "index", "width")
        entries = level == "entries"
        try:
            tile = cls(
                0 if entries else int(level),
                int(index.replace("x", "").replace("/", "")),
                TILE_WIDTH if width is None else int(width),
                entries,
            )
        except CallerMisuse as error:
            raise MalformedMessage(str(error)) from None
        if tile.path != path:
            raise MalformedMessage("not the address of a tile")
        return tile


TileSource = Callable[[Tile], bytes]
"""Gives the bytes of a tile, or of an entry bundle."""


def tile_at(level: int, index: int, size: int) -> Tile:
    """The tile at this place of a tree of ``size`` leaves. Raises ``CallerMisuse`` if empty."""
    return Tile(level, index, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH))


def tiles_of(size: int, since: int = 0) -> Iterator[Tile]:
    """The tiles of a tree of ``size`` leaves that the tree of ``since`` leaves did not have."""
    level = 0
    while hashes := size >> TILE_HEIGHT * level:
        old = since >> TILE_HEIGHT * level
        if hashes > old:
            for index in range(old // TILE_WIDTH, -(-hashes // TILE_WIDTH)):
                yield tile_at(level, index, size)
        level += 1


def bundles_of(size: int, since: int = 0) -> Iterator[Tile]:
    """The entry bundles that come with ``tiles_of``."""
    for tile in tiles_of(size, since):
        if tile.level == 0:
            yield replace(tile, entries=True)


def tile_of(node: Node, size: int) -> tuple[Tile, int, int]:
    """The tile of a tree from which a node is computed, and the first and last hash to take."""
    level, height = divmod(node.level, TILE_HEIGHT)
    first = node.index << height
    tile = tile_at(level, first // TILE_WIDTH, size)
    offset = first % TILE_WIDTH
    return tile, offset, offset + (1 << height)


def encode_tile(hashes: Sequence[bytes]) -> bytes:
    if not 0 < len(hashes) <= TILE_WIDTH or any(len(h) != HASH_BYTES for h in hashes):
        raise CallerMisuse("a tile has 1 to 256 hashes")
    return b"".join(hashes)


def parse_tile(data: bytes, width: int) -> list[bytes]:
    """The hashes of a tile. Raises ``MalformedMessage`` unless there are ``width`` of them."""
    if len(data) != width * HASH_BYTES:
        raise MalformedMessage("the tile has another width")
    return [data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)]


def hashes_from_tiles(size: int, tiles: TileSource) -> HashSource:
    """Look up nodes of the tree of ``size`` leaves in its tiles; each is read once a batch.

    The tiles are not trusted: what is computed from them is a claim that ``verify_inclusion``
    or ``verify_consistency`` checks against a signed root.

    Raises (when asked):
        MalformedMessage: a tile of another width than it must have.
    """

    def look_up(nodes: Sequence[Node]) -> list[bytes]:
        places = [tile_of(node, size) for node in nodes]
        held = {
            tile: parse_tile(tiles(tile), tile.width)
            for tile in dict.fromkeys(tile for tile, _, _ in places)
        }
        return [_complete_root(held[tile][first:last]) for tile, first, last in places]

    return look_up


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    if not 0 < len(entries) <= TILE_WIDTH or any(len(e) > MAX_ENTRY_BYTES for e in entries):
        raise CallerMisuse("a bundle has 1 to 256 entries of 65535 bytes at most")
    return b"".join(len(entry).to_bytes(_LENGTH_BYTES, "big") + entry for entry in entries)


def parse_bundle(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle. Raises ``MalformedMessage`` unless there are ``width`` of them."""
    entries: list[bytes] = []
    place = 0
    while place < len(data) and len(entries) < width:
        start = place + _LENGTH_BYTES
        end = start + int.from_bytes(data[place:start], "big")
        if start > len(data) or end > len(data):
            raise MalformedMessage("the entry bundle breaks off")
        entries.append(data[start:end])
        place = end
    if place != len(data) or len(entries) != width:
        raise MalformedMessage("the entry bundle has another width")
    return entries


def _complete_root(hashes: Sequence[bytes]) -> bytes:
    """Root of a complete subtree."""
    while len(hashes) > 1:
        hashes = [
            node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)
        ]
    return fold(hashes)


def _index_path(index: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
