"""Vectors of numbers in binary: floats of every width and byte order, signs and small integers.

An embedding has a few hundred values of similar size and both signs. As a float such a value has
one of few upper bytes (sign and most of the exponent), and lower bytes that look random. So upper
bytes are looked for that stand at equal distances, 64 of them. Of random bytes one in nine would
do, and 64 in a row never occur. Text is told apart by its signs and lower bytes.

Packed bits (512 signs in 64 bytes) look like any random bytes. Nobody can find them in the middle
of something else. Where they stand alone, their length tells (``shapes``).
"""

from collections.abc import Iterator
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from gateway.inspection.contents.blocks import Block, Bytes, Found, register, runs
from gateway.wire.profile import T

FLOATS, INTEGERS = "vector of floats", "vector of small integers"

LEAST: Final = 64
"""Values that count as a vector."""

_WINDOW: Final = 64
"""Bytes of a window in which upper bytes are counted."""
_LANES: Final = 8
_ALMOST: Final = 6
_MIXED: Final = (0.1, 0.9)
"""Share of negative values in a vector with both signs."""
_MANTISSAS: Final = 20
"""Different second bytes among 64 values: random ones have 57, and one in a billion has 42."""
_SMALL: Final = 16
"""Largest small integer: those of a template reach 8."""
_RUN: Final = 256
"""Bytes of small integers that are looked at together."""
_REPEATED: Final = 0.66
"""Share of values that are equal at some distance: 5 of 7 in a page of an index over times."""


_WIDE: Final = (0x35, 0x42)
"""Upper bytes, without the sign, of floats of 4 bytes from 2^-21 to 64, of 8 bytes, of bfloat16."""
_HALF: Final = (0x1C, 0x3F)
"""Of floats of 2 bytes from 2^-8 to 2."""


def _within(array: Bytes, limits: tuple[int, int]) -> Bytes:
    """1 for each byte whose lower seven bits lie in this range."""
    low, high = limits
    return ((array & np.uint8(0x7F)) - np.uint8(low) <= np.uint8(high - low)).view(np.uint8)


def floats(block: Block) -> Iterator[Found]:
    """Vectors of floats, at any place and with any alignment."""
    array = block.array
    seen = np.zeros(array.size // _WINDOW, np.bool_)
    for limits, widths in ((_WIDE, (2, 4, 8)), (_HALF, (2,))):
        counts = _counts(_within(array, limits))
        # Each of a window's eight lanes that belong to a vector is almost full.
        maybe = np.flatnonzero((counts >= _ALMOST).view(np.uint64)[:, 0])
        counts = counts[maybe]
        for width in widths:
            for phase in range(width):
                own = counts[:, phase::width].sum(axis=1, dtype=np.uint8)
                enough = _WINDOW // width - (_WINDOW // width) // 8
                full = maybe[own >= enough]
                name = "float16" if limits is _HALF else _NAMES[width]
                for first, last in _joined(full[~seen[full]]):
                    found = _vector(array, limits, first, last, width, phase)
                    if found is not None:
                        seen[first : last + 1] = True
                        yield Found(FLOATS, name, *found)


_NAMES: Final = {8: "float64", 4: "float32", 2: "bfloat16"}


def _counts(flags: Bytes) -> NDArray[np.uint8]:
    """For each window and each offset modulo 8: how many flags, shape (windows, 8)."""
    whole = flags.size // _WINDOW
    words = flags[: whole * _WINDOW].view(np.uint64).reshape(whole, _WINDOW // _LANES)
    total = words[:, 0].copy()
    for column in range(1, _WINDOW // _LANES):
        total += words[:, column]
    return total.view(np.uint8).reshape(whole, _LANES)


def _joined(windows: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """First and last of consecutive windows, where there are at least two."""
    if windows.size < 2:
        return
    cut = np.flatnonzero(np.diff(windows) > 1)
    first = windows[np.concatenate(([0], cut + 1))]
    last = windows[np.concatenate((cut, [windows.size - 1]))]
    two = last > first
    yield from zip(first[two].tolist(), last[two].tolist(), strict=True)


def _vector(
    array: Bytes, limits: tuple[int, int], first: int, last: int, width: int, phase: int
) -> tuple[int, int] | None:
    """Offset and length of a vector around these windows; None: something else."""
    begin = max(0, first * _WINDOW - _WINDOW) + phase
    tops = array[begin : (last + 2) * _WINDOW : width]
    good = _within(tops, limits)
    inside = np.flatnonzero(good)
    tops = tops[inside[0] : inside[-1] + 1]
    begin += int(inside[0]) * width
    count = tops.size
    if count < (LEAST if width < 8 else LEAST // 2):
        return None
    negative = float((tops >> 7).mean())
    # The neighbour that is less even holds the mantissa: which one it is depends on byte order.
    beside = [array[begin + side : begin + side + count * width : width] for side in (-1, 1)]
    variety = max(
        (np.unique(one[:LEAST]).size for one in beside if one.size >= LEAST // 2), default=0
    )
    if variety < _MANTISSAS or np.unique(tops[: 4 * LEAST]).size < (2 if width == 8 else 3):
        return None
    if width == 2:  # half of it is exponent, so more is asked of the rest
        low = [float((one >> 7).mean()) for one in beside if one.size]
        if not 0.25 < negative < 0.75 or not any(0.25 < share < 0.75 for share in low):
            return None
    elif not _MIXED[0] <= negative <= _MIXED[1]:
        if negative > _MIXED[1] or any(_sorted(tops, one) for one in beside if one.size):
            return None
        high = [float((one >> 7).mean()) for one in beside if one.size]
        if not any(0.25 < share < 0.75 for share in high):
            return None
    return begin, count * width


def integers(block: Block) -> Iterator[Found]:
    """Signs and small integers, in 1, 2, 4 or 8 bytes each."""
    array = block.array
    near = (array + np.uint8(_SMALL) <= 2 * _SMALL).view(np.uint8)
    for begin, end in runs(near, _RUN).tolist():
        count = (end - begin) // _RUN
        windows = array[begin : begin + count * _RUN].reshape(count, _RUN)
        share = (windows >= 0x80).mean(axis=1)
        busy = (windows != 0).mean(axis=1)
        maybe = np.flatnonzero((busy >= 0.2) & (share <= _MIXED[1]))
        width = next((w for w in (_width(windows[n]) for n in maybe.tolist()[:4096]) if w), 0)
        if width:
            yield Found(INTEGERS, f"{8 * width}-bit integers", begin, end - begin)


def _sorted(tops: Bytes, second: Bytes) -> bool:
    """Whether values only fall or only rise, but for what stands at the ends: frequencies, as
    databases keep them to plan queries."""
    values = tops[: second.size].astype(np.int64) << 8 | second[: tops.size]
    steps = np.diff(values)
    return min(float((steps > 0).mean()), float((steps < 0).mean())) < 0.08


def whole_floats(block: Block) -> Iterator[Found]:
    """Signs and small integers as floats of 4 or 8 bytes: of each four bytes two are zero."""
    array = block.array
    if array.size < 8 * LEAST:
        return
    zero = (array == 0).view(np.uint8)
    two = zero[:-1] & zero[1:]
    for phase in range(4):
        for first, last in runs(np.ascontiguousarray(two[phase::4]), LEAST).tolist():
            begin, end = max(0, phase + 4 * first - 2), phase + 4 * last + 2
            if np.count_nonzero(array[begin:end]) * 8 < end - begin:
                continue
            for code in ("<f4", ">f4", "<f8", ">f8"):
                if _holds_whole_floats(array[begin:end], np.dtype(code)):
                    yield Found(INTEGERS, f"float{8 * np.dtype(code).itemsize}", begin, end - begin)
                    break


def _holds_whole_floats(array: Bytes, kind: "np.dtype[np.floating]") -> bool:
    for phase in range(kind.itemsize):
        count = (array.size - phase) // kind.itemsize
        values = array[phase : phase + count * kind.itemsize].view(kind)
        with np.errstate(invalid="ignore"):
            good = ((np.abs(values) <= _SMALL) & (values == np.rint(values))).view(np.uint8)
        for begin, end in runs(good, LEAST).tolist():
            if _is_vector(values[begin:end].astype(np.int64)):
                return True
    return False


def slots(block: Block) -> Iterator[Found]:
    """Small integers modulo t in 64-bit words, as they are before they are encrypted: some lie just
    below t."""
    places = [at for at in block.at(_BELOW_T[0]) if block.data[at + 4 : at + 6] == bytes(2)]
    if len(places) >= _SLOTS:
        yield Found(INTEGERS, "slots modulo t", max(0, places[0] - 3), 8 * LEAST)


_BELOW_T: Final = ((T >> 16).to_bytes(2, "little"),)
"""The upper half of every number just below t."""
_SLOTS: Final = 16
register(*_BELOW_T)


def tagged(block: Block) -> Iterator[Found]:
    """Floats as MessagePack and CBOR write them: the same byte stands before each."""
    for name, mark, code in _TAGS:
        kind = np.dtype(code)
        stride = 1 + kind.itemsize
        begin = _in_step(block.array == mark, stride)
        if begin is None:
            continue
        size = LEAST * stride
        rows = np.ascontiguousarray(block.array[begin : begin + size].reshape(LEAST, stride)[:, 1:])
        values = rows.view(kind).ravel().astype(np.float64)
        sound = np.isfinite(values).all() and np.abs(values).max() < _LARGEST
        if sound and np.unique(values).size > LEAST // 2:
            yield Found(FLOATS, name, begin, size)


_TAGS: Final = (
    ("MessagePack", 0xCA, ">f4"),
    ("MessagePack", 0xCB, ">f8"),
    ("CBOR", 0xF9, ">f2"),
    ("CBOR", 0xFA, ">f4"),
    ("CBOR", 0xFB, ">f8"),
)
"""Name, the byte before a float, and the float."""
_LARGEST: Final = 64.0


def _in_step(marked: NDArray[np.bool_], stride: int) -> int | None:
    """Where 64 marks in a row stand at this distance, the last one with a whole value after it."""
    reach, step = marked, stride
    while step < LEAST * stride:
        if reach.size <= step or not reach.any():
            return None
        reach = reach[:-step] & reach[step:]
        step *= 2
    reach = reach[: max(0, marked.size - LEAST * stride + 1)]
    return int(np.argmax(reach)) if reach.any() else None


_ORDERS: Final[tuple[Literal["<", ">"], ...]] = ("<", ">")


def _width(window: Bytes) -> int:
    """Bytes of each integer of a window; 0: no vector."""
    for width, kind in ((8, np.int64), (4, np.int32), (2, np.int16), (1, np.int8)):
        for order in _ORDERS:
            for phase in range(width):
                whole = window[phase : phase + (_RUN - width) // width * width]
                values = whole.view(np.dtype(kind).newbyteorder(order))
                if _is_vector(values.astype(np.int64)):
                    return width
    return 0


def _is_vector(values: NDArray[np.int64]) -> bool:
    if np.abs(values).max() > _SMALL:
        return False
    different = np.unique(values)
    changes = float((np.diff(values) != 0).mean())
    if changes < 0.25:
        return False
    if set(different.tolist()) <= {0, 1}:
        return values.size >= _RUN - 1 and 0.2 < float(values.mean()) < 0.8 and _irregular(values)
    negative = float((values < 0).mean())
    return _MIXED[0] <= negative <= _MIXED[1] and _irregular(values)


def _irregular(values: NDArray[np.int64]) -> bool:
    """Whether no small distance repeats the values, as it does in tables of records: there most
    columns are the same from row to row. Of random signs half are equal at any distance."""
    return all(
        float((values[:-step] == values[step:]).mean()) < _REPEATED
        for step in range(1, min(33, values.size // 2))
    )
