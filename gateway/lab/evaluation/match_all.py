"""Each photograph against all of other people, and against the others of its own person.

Every photograph is once the portrait and once the live picture. The work goes in tiles, and memory
does not grow with the number of comparisons: strangers are counted by v, exactly, and only the
nearest of them are kept one by one, for intervals by person. Genuine comparisons are kept, in six
bytes each.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gateway.lab.evaluation.match_intervals import Weights
from gateway.lab.evaluation.match_rates import Counts
from gateway.lab.evaluation.match_scores import LOWEST, REACH, Encoded, reached
from gateway.wire.policy import KAPPA

KEPT: Final = 400_000
"""Strangers' comparisons that are kept one by one: those with the largest v."""
_ROWS, _COLUMNS = 512, 2048

Indices = npt.NDArray[np.int32]


@dataclass(frozen=True)
class AllAgainstAll:
    """Every ordered pair of two photographs."""

    strangers: Counts = field(repr=False)
    """By v, as ``match_rates.histogram``; the same for genuine comparisons, and by the cosine."""
    genuine: Counts = field(repr=False)
    strangers_cosine: Counts = field(repr=False)
    """By the float cosine, times kappa, rounded down."""
    genuine_cosine: Counts = field(repr=False)
    nearest: "Nearest" = field(repr=False)
    own_subject: Indices = field(repr=False)
    """Of each genuine comparison: the person, and how many thresholds of the grid it reaches."""
    own_reached: npt.NDArray[np.int16] = field(repr=False)
    portraits: Counts = field(repr=False)
    """How many pictures each person has in either role; shape (people,)."""
    probes: Counts = field(repr=False)

    @property
    def stranger_count(self) -> int:
        return int(self.strangers.sum())

    def weight_of_strangers(self, weights: Weights) -> float:
        """How many comparisons of strangers there are where people count so often."""
        return crossed(self.portraits, self.probes, weights)

    def fmr(self, weights: Weights) -> npt.NDArray[np.float64]:
        """FMR at each threshold of the grid; NaN below those that were kept."""
        near = self.nearest
        counted = weights[near.subject_a] * weights[near.subject_b]
        matched = at_least(near.reached, counted) / self.weight_of_strangers(weights)
        return np.where(near.floor <= LOWEST, matched, np.nan)

    def fnmr(self, weights: Weights) -> npt.NDArray[np.float64]:
        """FNMR of all genuine comparisons at each threshold of the grid."""
        counted = weights[self.own_subject]
        with np.errstate(invalid="ignore"):
            return np.asarray(1 - at_least(self.own_reached, counted) / counted.sum())


@dataclass(frozen=True)
class Nearest:
    """Comparisons of strangers from ``floor`` on: pictures, people, thresholds reached."""

    floor: int
    picture_a: Indices = field(repr=False)
    picture_b: Indices = field(repr=False)
    subject_a: Indices = field(repr=False)
    subject_b: Indices = field(repr=False)
    reached: npt.NDArray[np.int16] = field(repr=False)


def at_least(
    bins: npt.NDArray[np.int16], weights: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """How many comparisons reach each threshold of the grid: shape (501,)."""
    counted = np.bincount(bins, weights=weights, minlength=LOWEST.size + 1)
    return np.asarray(np.cumsum(counted[::-1])[::-1][1:], np.float64)


def crossed(portraits: Counts, probes: Counts, weights: Weights) -> float:
    """Ordered pairs of a portrait and a probe of two people."""
    a, b = weights * portraits, weights * probes
    return float(a.sum() * b.sum() - a @ b)


def compare_all(
    encoded: Encoded, subjects: Indices, tell: Callable[[int, int], None] = lambda *_: None
) -> AllAgainstAll:
    """Compare every photograph with every other.

    Args:
        subjects: whose each picture is; shape (n,).
        tell: told how many of how many tiles are done.
    """
    tally = _Tally(subjects)
    tiles = list(_tiles(encoded))
    for number, (rows, columns) in enumerate(tiles):
        tally.add(encoded, rows, columns)
        tell(number + 1, len(tiles))
    people = int(subjects.max()) + 1
    return tally.whole(
        *(
            np.bincount(subjects[side.there], minlength=people).astype(np.float64)
            for side in (encoded.portraits, encoded.probes)
        )
    )


def _tiles(encoded: Encoded) -> Iterator[tuple[Indices, Indices]]:
    rows = np.flatnonzero(encoded.portraits.there).astype(np.int32)
    columns = np.flatnonzero(encoded.probes.there).astype(np.int32)
    for row in range(0, len(rows), _ROWS):
        for column in range(0, len(columns), _COLUMNS):
            yield rows[row : row + _ROWS], columns[column : column + _COLUMNS]


class _Tally:
    def __init__(self, subjects: Indices) -> None:
        self._subjects = subjects
        self._counts = np.zeros((4, 2 * REACH))
        self._own: list[tuple[Indices, npt.NDArray[np.int16]]] = []
        self._near: list[tuple[Indices, Indices, npt.NDArray[np.int16]]] = []
        self._floor = int(LOWEST[0])

    def add(self, encoded: Encoded, rows: Indices, columns: Indices) -> None:
        # In float32 sums of whole numbers below 2^24 are exact, and a product of matrices is fast.
        signs = encoded.signs[columns].astype(np.float32)
        values = (encoded.templates[rows].astype(np.float32) @ signs.T).astype(np.int16)
        cosines = encoded.portraits.vectors[rows] @ encoded.probes.vectors[columns].T
        scaled = np.floor(cosines * KAPPA).astype(np.int16)
        same = self._subjects[rows, None] == self._subjects[columns]
        own = same & (rows[:, None] != columns)
        for place, chosen in enumerate((~same, own)):
            self._counts[place] += _by_value(values[chosen])
            self._counts[2 + place] += _by_value(scaled[chosen])
        at, _ = np.nonzero(own)
        self._own.append((self._subjects[rows[at]], reached(values[own])))
        near = ~same & (values >= self._floor)
        at, beside = np.nonzero(near)
        self._near.append((rows[at], columns[beside], values[near]))
        self._trim()

    def _trim(self) -> None:
        """Keep the nearest; the floor rises to a threshold of the grid."""
        if sum(len(part[2]) for part in self._near) <= 2 * KEPT:
            return
        a, b, values = (np.concatenate(parts) for parts in zip(*self._near, strict=True))
        least = np.partition(values, len(values) - KEPT)[len(values) - KEPT]
        self._floor = int(LOWEST[min(np.searchsorted(LOWEST, least), LOWEST.size - 1)])
        kept = values >= self._floor
        self._near = [(a[kept], b[kept], values[kept])]

    def whole(self, portraits: Counts, probes: Counts) -> AllAgainstAll:
        a, b, values = _joined(self._near, 3)
        kept = values >= self._floor
        a, b, values = a[kept], b[kept], values[kept]
        subject, own = _joined(self._own, 2)
        strangers, genuine, strangers_cosine, genuine_cosine = self._counts
        return AllAgainstAll(
            strangers,
            genuine,
            strangers_cosine,
            genuine_cosine,
            Nearest(self._floor, a, b, self._subjects[a], self._subjects[b], reached(values)),
            subject,
            own,
            portraits,
            probes,
        )


def _by_value(values: npt.NDArray[np.int16]) -> npt.NDArray[np.intp]:
    return np.bincount(values.astype(np.int64) + REACH, minlength=2 * REACH)


def _joined(parts: Sequence[tuple[npt.NDArray[Any], ...]], width: int) -> list[npt.NDArray[Any]]:
    if not parts:
        return [np.zeros(0, np.int16 if n == width - 1 else np.int32) for n in range(width)]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
