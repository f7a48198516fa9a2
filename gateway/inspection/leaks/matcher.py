"""Many patterns at once in large blocks of bytes.

Every form of every canary contributes *anchors*: pairs of 8-byte windows at neighbouring offsets,
placed so that any fragment that counts contains a whole pair. A block is read as 8-byte words at
every even offset, so one window of each pair is read as a word. If the hash table may hold a word,
it is looked up among the sorted anchors, and the bytes around it are compared one by one.

Eight bytes of a *dull* form (signs, small integers) say nothing. For these a block is cut into
windows of half a fragment, side by side, so that any fragment contains a whole window. Each is
hashed and looked up among the windows that begin at any place of such a form.

Cost: about a second of one core per 100 MB of block, whatever the number of canaries, plus 16 bytes
and some tens of nanoseconds per anchor (a ciphertext has some 0.2 million).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from gateway.inspection.leaks.canaries import SHORTEST, Form

_WORD: Final = 8
_OFFSETS: Final = (0, 2, 4, 6)
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_SPARSE: Final = 5
"""The table has 2^5 places per anchor, so one word in 32 is looked up in vain."""
_TABLE_BITS: Final = (16, 27)
"""Bits of the smallest and of the largest table."""
_CAREFUL_BYTES: Final = 1 << 17
"""Up to this length of a form, anchors are chosen for their variety, not at fixed steps."""
_COPIES: Final = 16
_FEW_VALUES: Final = 2
"""An anchor is not used if the forms contain it more often, or if it has so few different bytes (a
small number and zeros). Such an anchor is found all over memory."""
_BATCH: Final = 4096
_NO_ANCHOR: Final = -1

Bytes = NDArray[np.uint8]
Positions = NDArray[np.int64]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class _Windows:
    """Windows of dull forms, all of one size, and where each begins."""

    size: int
    hashes: Hashes
    places: Positions
    table: NDArray[np.bool_]
    """Which hashes there may be, by their upper bits."""
    shift: np.uint64
    """How far to shift a hash for its place in ``table``."""


@dataclass(frozen=True)
class Hit:
    """A run of a form's bytes in a block."""

    form: int
    offset: int
    length: int


class Matcher:
    """Finds runs of the given forms. Holds their bytes; shows none of them."""

    def __init__(self, forms: Sequence[Form]) -> None:
        self.margin = max((form.fragment for form in forms), default=0) + _WORD
        """Bytes before and after a block that a caller must give along with it."""
        self._arena: Bytes = np.frombuffer(b"".join(form.data for form in forms), dtype=np.uint8)
        sizes = np.array([len(form.data) for form in forms], dtype=np.int64)
        self._ends = np.cumsum(sizes)
        self._starts = self._ends - sizes
        self._fragments = np.array([form.fragment for form in forms], dtype=np.int64)
        places = [
            np.empty(0, np.int64) if form.dull else anchors(form) + start
            for form, start in zip(forms, self._starts, strict=True)
        ]
        owners = np.repeat(np.arange(len(forms)), [p.size for p in places])
        self._index(np.concatenate([*places, np.empty(0, np.int64)]), owners)
        sizes_of_windows = {_window(form) for form in forms if form.dull}
        self._dull = [
            self._windows(size, [i for i, f in enumerate(forms) if f.dull and _window(f) == size])
            for size in sorted(sizes_of_windows)
        ]

    def _windows(self, size: int, forms: list[int]) -> "_Windows":
        """The windows of this size that begin at any place of these forms, sorted by hash."""
        hashes, places = [], []
        for form in forms:
            data = self._arena[self._starts[form] : self._ends[form]]
            if data.size < size:
                continue
            own = _hashes_everywhere(data, size)
            hashes.append(own)
            places.append(np.arange(own.size) + self._starts[form])
        joined = np.concatenate(hashes)
        order = np.argsort(joined)
        shift = _shift(joined.size)
        table = np.zeros(1 << (64 - int(shift)), dtype=np.bool_)
        table[(joined >> shift).view(np.int64)] = True
        return _Windows(
            size,
            joined[order],
            np.concatenate(places)[order],
            table,
            shift,
        )

    def _index(self, places: Positions, owners: Positions) -> None:
        windows = self._arena[places[:, None] + np.arange(_WORD)]
        keys = np.ascontiguousarray(windows).view("<u8").reshape(-1)
        _, which, copies = np.unique(keys, return_inverse=True, return_counts=True)
        telling = (_different(windows) > _FEW_VALUES) & (copies[which] <= _COPIES)
        keys, places, owners = keys[telling], places[telling], owners[telling]
        order = np.argsort(keys)
        self._keys, self._places, self._owners = keys[order], places[order], owners[order]
        self._shift = _shift(keys.size)
        self._table = np.zeros(1 << (64 - int(self._shift)), dtype=np.bool_)
        self._table[self._hash(keys)] = True

    def search(self, block: Bytes, start: int = 0, stop: int | None = None) -> list[Hit]:
        """Runs with an anchor in ``block[start:stop]``; the rest of the block is context.

        Runs of dull forms are found in the whole block.
        """
        stop = block.size if stop is None else stop
        if not block[start:stop].any():
            return []
        return [*self._telling(block, start, stop), *self._monotonous(block)]

    def _telling(self, block: Bytes, start: int, stop: int) -> Iterator[Hit]:
        if not self._keys.size:
            return iter(())
        found = [self._candidates(block, offset) for offset in _OFFSETS]
        at = np.concatenate([f[0] for f in found])
        anchor = np.concatenate([f[1] for f in found])
        inside = (at >= start) & (at < stop)
        return self._runs(block, at[inside], anchor[inside])

    def _monotonous(self, block: Bytes) -> Iterator[Hit]:
        """Runs of dull forms. Those in the margin are found again with the neighbouring block."""
        runs = []
        for windows in self._dull:
            size = windows.size
            cut = block[: block.size - block.size % size].reshape(-1, size)
            hashes = _hashes(cut, size)
            maybe = np.flatnonzero(windows.table[(hashes >> windows.shift).view(np.int64)])
            first = np.searchsorted(windows.hashes, hashes[maybe], "left")
            copies = np.searchsorted(windows.hashes, hashes[maybe], "right") - first
            which = np.repeat(maybe, copies)
            begins = np.repeat(np.cumsum(copies) - copies, copies)
            found = np.repeat(first, copies) + (np.arange(which.size) - begins)
            for i in range(0, which.size, _BATCH):
                at = which[i : i + _BATCH] * size
                place = windows.places[found[i : i + _BATCH]]
                owner = np.searchsorted(self._ends, place, "right")
                fragment = self._fragments[owner]
                reach = int(fragment.max())
                before, after = self._agreeing(block, at, place, owner, size, reach)
                begin, end = at - before, at + size + after
                runs.append(np.array((owner, at - place, begin, end))[:, end - begin >= fragment])
        return _joined(runs)

    def _candidates(self, block: Bytes, offset: int) -> tuple[Positions, Positions]:
        """Where a word equals an anchor, and which anchor. Several may have equal bytes."""
        count = max(0, block.size - offset) // _WORD
        read = np.frombuffer(block, dtype="<u8", count=count, offset=offset if count else 0)
        maybe = np.flatnonzero(self._table[self._hash(read)])
        first = np.searchsorted(self._keys, read[maybe], "left")
        copies = np.searchsorted(self._keys, read[maybe], "right") - first
        at = np.repeat(maybe * _WORD + offset, copies)
        begins = np.repeat(np.cumsum(copies) - copies, copies)
        anchor = np.repeat(first, copies) + (np.arange(at.size) - begins)
        return at, anchor

    def _hash(self, keys: NDArray[np.uint64]) -> Positions:
        return ((keys * _MULTIPLIER) >> self._shift).view(np.int64)

    def _runs(self, block: Bytes, at: Positions, anchor: Positions) -> Iterator[Hit]:
        """Extend each candidate both ways, and join those that touch."""
        for i in range(0, at.size, _BATCH):
            part = slice(i, i + _BATCH)
            before, after = self._extend(block, at[part], anchor[part], _WORD)
            needed = np.minimum(self._fragments[self._owners[anchor[part]]] - _WORD, _WORD)
            anchor[part][before + after < needed] = _NO_ANCHOR
        at, anchor = at[anchor != _NO_ANCHOR], anchor[anchor != _NO_ANCHOR]
        by_reach = np.argsort(self._fragments[self._owners[anchor]], kind="stable")
        at, anchor = at[by_reach], anchor[by_reach]
        runs = []
        for i in range(0, at.size, _BATCH):
            part = slice(i, i + _BATCH)
            owners = self._owners[anchor[part]]
            fragment = self._fragments[owners]
            before, after = self._extend(block, at[part], anchor[part], int(fragment.max()))
            begin, end = at[part] - before, at[part] + _WORD + after
            diagonal = at[part] - self._places[anchor[part]]
            runs.append(np.array((owners, diagonal, begin, end))[:, end - begin >= fragment])
        yield from _joined(runs)

    def _extend(
        self, block: Bytes, at: Positions, anchor: Positions, reach: int
    ) -> tuple[Positions, Positions]:
        """How many bytes before and after each anchor agree too, at most ``reach``."""
        return self._agreeing(block, at, self._places[anchor], self._owners[anchor], _WORD, reach)

    def _agreeing(
        self,
        block: Bytes,
        at: Positions,
        place: Positions,
        owner: Positions,
        size: int,
        reach: int,
    ) -> tuple[Positions, Positions]:
        """How many bytes agree before and after a window of ``size`` bytes that agrees."""
        owners, places = owner[:, None], place[:, None]
        steps = np.arange(reach)

        def agreeing(offsets: Positions) -> Positions:
            there, here = at[:, None] + offsets, places + offsets
            valid = (there >= 0) & (there < block.size)
            valid &= (here >= self._starts[owners]) & (here < self._ends[owners])
            left = block[there.clip(0, block.size - 1)]
            same = left == self._arena[here.clip(0, self._arena.size - 1)]
            return np.asarray(np.logical_and.accumulate(valid & same, axis=1).sum(axis=1))

        return agreeing(-1 - steps), agreeing(size + steps)


def _joined(runs: list[Positions]) -> Iterator[Hit]:
    """Join touching runs of one form on one diagonal: offset in the block less that in the form."""
    if not runs:
        return
    form, diagonal, begin, end = np.concatenate(runs, axis=1)
    order = np.lexsort((begin, diagonal, form))
    current: tuple[int, int] | None = None
    first = reach = 0
    for f, d, b, e in zip(*(x[order].tolist() for x in (form, diagonal, begin, end)), strict=True):
        if current == (f, d) and b <= reach:
            reach = max(reach, e)
            continue
        if current is not None:
            yield Hit(current[0], first, reach - first)
        current, first, reach = (f, d), b, e
    if current is not None:
        yield Hit(current[0], first, reach - first)


def _shift(count: int) -> np.uint64:
    """How far to shift a hash for its place in a table of ``count`` anchors."""
    return np.uint64(64 - int(np.clip(count.bit_length() + _SPARSE, *_TABLE_BITS)))


def _window(form: Form) -> int:
    """Window size in bytes, a power of two. Any run of ``fragment`` bytes contains a whole one."""
    half = (form.fragment + 1) // 2
    return 1 << (half.bit_length() - 1)


def _hashes(windows: Bytes, size: int) -> Hashes:
    """A 64-bit hash of each row. Long arrays are hashed in parts, to bound the memory."""
    parts = []
    for i in range(0, len(windows), _BATCH):
        mixed = _mixed(np.ascontiguousarray(windows[i : i + _BATCH]).view("<u8"))
        parts.append((mixed * _factors(size)).sum(axis=1, dtype=np.uint64))
    return np.concatenate([*parts, np.empty(0, np.uint64)])


def _hashes_everywhere(data: Bytes, size: int) -> Hashes:
    """The same hashes of the windows that begin at each place, each word mixed only once."""
    mixed = _mixed(np.ascontiguousarray(sliding_window_view(data, _WORD)).view("<u8").reshape(-1))
    hashes = np.zeros(data.size - size + 1, np.uint64)
    for number, factor in enumerate(_factors(size)):
        hashes += mixed[_WORD * number :][: hashes.size] * factor
    return hashes


def _mixed(words: Hashes) -> Hashes:
    return words ^ (words >> np.uint64(29))


def _factors(size: int) -> Hashes:
    """One for each word of a window."""
    return np.multiply.accumulate(np.full(size // _WORD, _MULTIPLIER | np.uint64(1)))


def anchors(form: Form) -> Positions:
    """Offsets p and p + 1 of each pair; every run of ``fragment`` bytes contains a whole pair."""
    size = len(form.data)
    if size < SHORTEST:
        return np.empty(0, np.int64)
    if form.fragment >= size:
        first = _varied(form, size)
    elif size <= _CAREFUL_BYTES and form.fragment > SHORTEST:
        # A run with a whole stretch, and the window that begins last in it, contains its pair.
        first = _varied(form, (form.fragment - SHORTEST + 1) // 2)
    else:
        first = np.arange(0, size - SHORTEST + 1, form.fragment - SHORTEST + 1)
    return np.concatenate((first, first + 1))


def _varied(form: Form, stretch: int) -> Positions:
    """In each stretch of offsets, the one whose pair has the most different bytes."""
    data: Bytes = np.frombuffer(form.data, dtype=np.uint8)
    different = _different(sliding_window_view(data, _WORD))
    variety = np.minimum(different[1:], different[:-1])
    padded = np.pad(variety, (0, -variety.size % stretch), constant_values=-1)
    best = padded.reshape(-1, stretch).argmax(axis=1)
    return np.asarray(best + np.arange(best.size) * stretch)


def _different(windows: Bytes) -> NDArray[np.int64]:
    """Number of different bytes in each row."""
    ordered = np.sort(windows, axis=1)
    return np.asarray(1 + (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1), dtype=np.int64)
