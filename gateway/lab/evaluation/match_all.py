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

from gateway.calibration.evidence import Share
from gateway.lab.evaluation.match_intervals import design_effect, enough, share
from gateway.lab.evaluation.match_rates import Counts
from gateway.lab.evaluation.match_scores import LOWEST, REACH, Encoded, reached
from gateway.wire.policy import KAPPA

KEPT: Final = 400_000
"""Strangers' comparisons that are kept one by one: those with the largest v."""
_ROWS, _COLUMNS = 512, 2048

Indices = npt.NDArray[np.int32]
Tell = Callable[[str, int], Callable[[], None]]
"""Told what will be done how often; gives what is to be called each time."""


@dataclass(frozen=True)
class Near:
    """Comparisons of strangers from ``floor`` on, with their pictures, nearest first; and how many
    pictures each person has in either role, among which these are."""

    floor: int
    picture_a: Indices = field(repr=False)
    picture_b: Indices = field(repr=False)
    subject_a: Indices = field(repr=False)
    subject_b: Indices = field(repr=False)
    values: npt.NDArray[np.int16] = field(repr=False)
    portraits: Counts = field(repr=False)
    """Shape (people,)."""
    probes: Counts = field(repr=False)

    @property
    def of(self) -> int:
        """All comparisons of strangers, also those that are not near."""
        every = self.portraits.sum() * self.probes.sum()
        return round(float(every - self.portraits @ self.probes))

    def share(self, lowest: int) -> Share:
        """FMR from a threshold on, which must not be below the floor."""
        hits = self._reaching(lowest)
        return share(hits, self.of, self.effect(lowest))

    def effect(self, lowest: int) -> float | None:
        """The design effect there; None: too few errors, or below the floor.

        As ``match_intervals.Dyads``, without a list of what did not match.
        """
        hits, of, people = self._reaching(lowest), self.of, len(self.portraits)
        if lowest < self.floor or not enough(hits, of):
            return None
        rate = hits / of
        a, b = self.subject_a[:hits], self.subject_b[:hits]
        t, p = self.portraits, self.probes
        compared = t * (p.sum() - p) + p * (t.sum() - t)
        by_person = np.bincount(a, minlength=people) + np.bincount(b, minlength=people)
        errors = by_person - rate * compared
        pairs, matched = np.unique(
            np.minimum(a, b).astype(np.int64) * people + np.maximum(a, b), return_counts=True
        )
        first, second = pairs // people, pairs % people
        each = rate * (t[first] * p[second] + t[second] * p[first])
        own = t * p
        all_pairs = (t**2).sum() * (p**2).sum() - 2 * (own**2).sum() + own.sum() ** 2
        by_pair = ((matched - each) ** 2 - each**2).sum() + rate**2 * all_pairs
        return design_effect(float(errors @ errors - by_pair), rate, of)

    def _reaching(self, lowest: int) -> int:
        return int(np.searchsorted(-self.values, -lowest, side="right"))


@dataclass(frozen=True)
class AllAgainstAll:
    """Every ordered pair of two photographs."""

    strangers: Counts = field(repr=False)
    """By v, as ``match_rates.histogram``; the same for genuine comparisons, and by the cosine."""
    genuine: Counts = field(repr=False)
    strangers_cosine: Counts = field(repr=False)
    """By the float cosine, times kappa, rounded down."""
    genuine_cosine: Counts = field(repr=False)
    nearest: Near = field(repr=False)
    own_subject: Indices = field(repr=False)
    """Of each genuine comparison: the person, and how many thresholds of the grid it reaches."""
    own_reached: npt.NDArray[np.int16] = field(repr=False)

    @property
    def stranger_count(self) -> int:
        return int(self.strangers.sum())

    def among(self, inside: npt.NDArray[np.bool_], encoded: Encoded, subjects: Indices) -> Near:
        """The nearest strangers of some pictures with some pictures."""
        near, people = self.nearest, len(self.nearest.portraits)
        chosen = inside[near.picture_a] & inside[near.picture_b]
        return Near(
            near.floor,
            near.picture_a[chosen],
            near.picture_b[chosen],
            near.subject_a[chosen],
            near.subject_b[chosen],
            near.values[chosen],
            *_pictures_of(encoded, subjects, people, inside),
        )


def at_least(bins: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
    """How many comparisons reach each threshold of the grid: shape (thresholds,)."""
    counted = np.bincount(bins, minlength=LOWEST.size + 1)
    return np.asarray(np.cumsum(counted[::-1])[::-1][1:], np.int64)


def _pictures_of(
    encoded: Encoded, subjects: Indices, people: int, inside: npt.NDArray[np.bool_]
) -> list[Counts]:
    return [
        np.bincount(subjects[side.there & inside], minlength=people).astype(np.float64)
        for side in (encoded.portraits, encoded.probes)
    ]


def compare_all(
    encoded: Encoded, subjects: Indices, tell: Tell = lambda *_: lambda: None
) -> AllAgainstAll:
    """Compare every photograph with every other.

    Args:
        subjects: whose each picture is; shape (n,).
        tell: told how many tiles there are, and when one is done.
    """
    tally = _Tally(subjects)
    tiles = list(_tiles(encoded))
    one_more = tell("tiles of all photographs against all", len(tiles))
    for rows, columns in tiles:
        tally.add(encoded, rows, columns)
        one_more()
    every = np.ones(len(subjects), np.bool_)
    return tally.whole(*_pictures_of(encoded, subjects, int(subjects.max()) + 1, every))


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
        order = np.argsort(-values, kind="stable")
        order = order[values[order] >= self._floor]
        a, b, values = a[order], b[order], values[order]
        subject, own = _joined(self._own, 2)
        strangers, genuine, strangers_cosine, genuine_cosine = self._counts
        return AllAgainstAll(
            strangers,
            genuine,
            strangers_cosine,
            genuine_cosine,
            Near(
                self._floor, a, b, self._subjects[a], self._subjects[b], values, portraits, probes
            ),
            subject,
            own,
        )


def _by_value(values: npt.NDArray[np.int16]) -> npt.NDArray[np.intp]:
    return np.bincount(values.astype(np.int64) + REACH, minlength=2 * REACH)


def _joined(parts: Sequence[tuple[npt.NDArray[Any], ...]], width: int) -> list[npt.NDArray[Any]]:
    if not parts:
        return [np.zeros(0, np.int16 if n == width - 1 else np.int32) for n in range(width)]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
