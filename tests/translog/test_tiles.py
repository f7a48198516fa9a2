"""Tiles: addresses, which ones a tree has, and proofs computed from nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.translog import tiles, tree
from gateway.translog.tiles import Tile, bundles_of, hashes_from_tiles, tiles_of
from gateway.translog.tree import leaf_hash, verify_consistency, verify_inclusion
from gateway.wire.errors import CallerMisuse, MalformedMessage
from tests.support.translog import grown

BIG = grown(66_000)

TILES = st.builds(
    lambda level, index, width, entries: Tile(0 if entries else level, index, width, entries),
    st.integers(0, 63), st.integers(0, 2**55 - 1), st.integers(1, 256), st.booleans(),
)  # fmt: skip


def test_addresses_are_those_of_the_specification() -> None:
    assert Tile(0, 1_234_067).path == "tile/0/x001/x234/067"
    assert Tile(0, 273, 112).path == "tile/0/273.p/112"
    assert Tile(0, 5, entries=True).path == "tile/entries/005"


@given(TILES)
def test_an_address_reads_back(tile: Tile) -> None:
    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0", "tile/0/00", "tile/00/000", "tile/64/000", "tile/-1/000", "tile/0/x000/000",
        "tile/0/000.p/0", "tile/0/000.p/01", "tile/0/000.p/256", "tile/0/000.p/", "tile/0/000/",
        "/tile/0/000", "tile/0/x001/x234/067/089", "tile/0/x1/000", "tile/0/000.p/999",
        "tile/0/000\n", "tile/0/٠٠٠", "tile/entries/0", "tile/entry/000", "tile//000", "",
        "tile/0/" + "x999/" * 30 + "999", "tile/0/x036/x028/x797/x018/x963/968",
    ],
)  # fmt: skip
def test_other_spellings_are_refused(path: str) -> None:
    with pytest.raises(MalformedMessage):
        Tile.parse(path)


def test_a_tree_of_70_000_has_the_tiles_that_the_specification_counts() -> None:
    found = list(tiles_of(70_000))
    widths = {level: [tile.width for tile in found if tile.level == level] for level in range(4)}
    assert widths == {0: [256] * 273 + [112], 1: [256, 17], 2: [1], 3: []}
    assert list(tiles_of(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of(0)) == []


@given(st.integers(0, 70_000), st.integers(0, 70_000))
def test_growth_needs_the_tiles_that_changed_and_no_other(old: int, size: int) -> None:
    old, size = min(old, size), max(old, size)
    before, after = set(tiles_of(old)), set(tiles_of(size))
    assert set(tiles_of(size, since=old)) == after - before
    assert {(b.index, b.width) for b in bundles_of(size, old)} == {
        (t.index, t.width) for t in after - before if t.level == 0
    }


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 513, 65_535, 65_536, 65_537, 66_000])
def test_proofs_come_from_tiles_alone(size: int) -> None:
    served = {tile.path: BIG.tile(tile) for tile in tiles_of(size)}
    source = hashes_from_tiles(size, lambda tile: served[tile.path])
    root = tree.root(size, source)
    assert root == BIG.checkpoint(size).root
    for index in {0, size // 3, size // 2, size - 1}:
        proof = tree.prove_inclusion(index, size, source)
        verify_inclusion(leaf_hash(BIG.entries[index]), index, size, root, proof)
        old = index + 1
        proof = tree.prove_consistency(old, size, source)
        verify_consistency(old, BIG.checkpoint(old).root, size, root, proof)


def test_a_batch_reads_every_tile_once() -> None:
    asked: list[Tile] = []

    def read(tile: Tile) -> bytes:
        asked.append(tile)
        return BIG.tile(tile)

    tree.prove_inclusion(65_999, 66_000, hashes_from_tiles(66_000, read))
    assert len(asked) == len(set(asked)) <= 4


def test_a_tile_of_another_width_is_refused() -> None:
    source = hashes_from_tiles(300, lambda tile: BIG.tile(tile)[:-1])
    with pytest.raises(MalformedMessage):
        tree.root(300, source)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_a_bundle_reads_back(entries: list[bytes]) -> None:
    data = tiles.encode_bundle(entries)
    assert tiles.parse_bundle(data, len(entries)) == entries
    for wrong in (data[:-1], data + b"\0", data + b"\0\0"):
        with pytest.raises(MalformedMessage):
            tiles.parse_bundle(wrong, len(entries))
    with pytest.raises(MalformedMessage):
        tiles.parse_bundle(data, len(entries) + 1)


def test_callers_cannot_make_tiles_that_do_not_exist() -> None:
    for level, index, width in ((64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)):
        with pytest.raises(CallerMisuse):
            Tile(level, index, width)
    assert len(tiles.encode_bundle([bytes(65_535)] * 256)) == 256 * 65_537
    for entries in ([bytes(65_536)], [], [b""] * 257):
        with pytest.raises(CallerMisuse):
            tiles.encode_bundle(entries)
    for hashes in ([], [bytes(32)] * 257, [bytes(31)]):
        with pytest.raises(CallerMisuse):
            tiles.encode_tile(hashes)
    with pytest.raises(CallerMisuse):
        tiles.tile_at(0, 1, 256)
