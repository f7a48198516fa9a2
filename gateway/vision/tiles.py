"""Small faces in large photographs: where a detector looks again, closer.

A detector sees a small view of the whole picture. A face of 120 pixels on a page scanned at 300 dpi
is 8 pixels tall in it, and is not found; of two equal ones of 200 pixels perhaps one is. So where
no face is found that is surely seen, the detector looks at parts of the picture as well: parts of
half its size, and of a quarter. Neighbours overlap by half. That is more than the tallest face that
the coarser look can miss, so each face lies whole in one of them.

The cost does not grow with the picture: some 60 looks in all, at 2 ms each. Nothing smaller than
``SMALLEST`` is cut: a face in it would be too small to be compared.
"""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway.vision.recipe import RECIPE

_OURS = RECIPE["tiles"]
LOOKS: Final[tuple[int, ...]] = tuple(_OURS["looks"])
"""How often one side of a tile goes into the picture's."""
SMALLEST: Final[int] = _OURS["smallest"]
"""Pixels of a tile's height."""
SURE: Final[float] = _OURS["sure"]
"""Share of the height of what the detector looks at: it finds faces that are so tall. Measured on
six faces at 1280x720: 120 pixels always, 80 pixels one in two."""
MOST: Final[int] = _OURS["most"]
"""Tiles of one look. Only a picture that is a hundred times as long as it is wide has more."""
_ASPECT: Final[float] = _OURS["aspect"]
_EDGE: Final[float] = _OURS["edge"]
"""Pixels. A box that ends so close to a cut may be of half a face; a neighbour has it whole."""


class Tile(NamedTuple):
    """A part of a picture, in its pixels."""

    left: int
    top: int
    right: int
    bottom: int


def looks(width: int, height: int) -> Iterator[list[Tile]]:
    """Lists of tiles, finer from one to the next; each covers a picture of this size."""
    for parts in LOOKS:
        tall = math.sqrt(width * height / _ASPECT) / parts
        if tall < SMALLEST:
            return
        tiles = _cover(width, height, round(tall * _ASPECT), round(tall))
        if len(tiles) <= MOST:
            yield tiles


def is_whole(tile: Tile, width: int, height: int, box: tuple[float, ...]) -> bool:
    """Whether a box (left, top, right, bottom) touches no side where its tile was cut out.

    ``width`` and ``height`` are the picture's: its own edges cut nothing.
    """
    left, top, right, bottom = box
    return (
        (tile.left == 0 or left > tile.left + _EDGE)
        and (tile.top == 0 or top > tile.top + _EDGE)
        and (tile.right == width or right < tile.right - _EDGE)
        and (tile.bottom == height or bottom < tile.bottom - _EDGE)
    )


def _cover(width: int, height: int, wide: int, tall: int) -> list[Tile]:
    return [
        Tile(left, top, min(left + wide, width), min(top + tall, height))
        for top in _starts(height, tall)
        for left in _starts(width, wide)
    ]


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin along one side: evenly spread, half a tile apart at most."""
    if length <= side:
        return [0]
    steps = math.ceil((length - side) / (side / 2))
    return [round(n * (length - side) / steps) for n in range(steps + 1)]
