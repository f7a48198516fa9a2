"""Parts of a picture in which a detector looks again."""

import numpy as np
import pytest

from gateway.vision.tiles import LOOKS, MOST, SMALLEST, Tile, is_whole, looks

_SIZES = [(2480, 3508), (1280, 720), (8660, 5773), (50_000, 1000), (640, 640), (3, 300_000)]


@pytest.mark.parametrize(("width", "height"), _SIZES)
def test_every_face_lies_whole_in_one_part_and_the_parts_are_few(width: int, height: int) -> None:
    """A face of half a tile, wherever it is; and parts of one picture never cost without bound."""
    draw = np.random.default_rng(width)
    found = list(looks(width, height))
    assert len(found) <= len(LOOKS)
    for tiles in found:
        wide, tall = tiles[0].right - tiles[0].left, tiles[0].bottom - tiles[0].top
        assert tall >= min(SMALLEST, height) * 0.99
        for x, y in draw.random((100, 2)):
            left, top = x * (width - wide * 0.48), y * (height - tall * 0.48)
            box = (left, top, left + wide * 0.48, top + tall * 0.48)
            assert any(
                tile.left <= box[0]
                and tile.top <= box[1]
                and box[2] <= tile.right
                and box[3] <= tile.bottom
                for tile in tiles
            )
    assert sum(map(len, found)) <= len(LOOKS) * MOST


def test_a_box_at_a_cut_may_be_half_a_face() -> None:
    tile = Tile(100, 0, 400, 300)
    assert is_whole(tile, 800, 300, (110, 0, 390, 300))
    assert not is_whole(tile, 800, 300, (101, 10, 200, 200))
    assert not is_whole(tile, 800, 300, (200, 10, 399, 200))
    assert not is_whole(tile, 800, 600, (200, 10, 300, 299))
    assert is_whole(Tile(0, 0, 300, 300), 800, 600, (-3, -3, 200, 200)), "the picture's own edge"
