"""Thresholds of a profile's detectors: which refuse, and from where on.

A greedy search. No detector refuses anything at first. Each step tightens the one that stops most
false matches for the good photographs that it costs, until those cost a given share of them or no
row is left above its bound. A row is one kind at one strength, and pairs of strangers alike; the
gain of a step is the sum over rows of the fall in log((matches + 1) / (allowed + 1)), so that rows
with few matches count as rows with many do.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

BEYOND = 0.25
"""Deviations beyond the highest of all good photographs, where a detector begins."""
_STEPS = (0, 1, 2, 4)  # good photographs more
_JUST = 1e-6
_UNSEEN = 0.1  # good photographs of other people, that a detector at its beginning refuses
_HARMLESS_WEIGHT = 0.4
_LEAST_GAIN = 0.02


@dataclass(frozen=True)
class Pairs:
    """Strangers who match with the gate open, among pictures of rows."""

    first: Indices = field(repr=False)
    second: Indices = field(repr=False)
    """Numbers of pictures: shape (pairs,)."""
    row: Indices = field(repr=False)
    """Of each pair."""
    members: Indices = field(repr=False)
    """Numbers of the pictures of all groups, one group after another."""
    group: Indices = field(repr=False)
    """Of each member. Pairs are counted within a group."""
    owner: Indices = field(repr=False)
    """The row of each group."""
    rows: int


def pairs_of(
    vectors: npt.NDArray[np.float32], rows: Sequence[Sequence[Indices]], least: float
) -> Pairs:
    """All pairs with a cosine of at least ``least``.

    Args:
        vectors: shape (n, d), unit length.
        rows: of each row its groups, of each group the numbers of its pictures, one a person.
    """
    groups = [(row, group) for row, own in enumerate(rows) for group in own]
    found = [
        (group[i], group[j], np.full(len(i), row))
        for row, group in groups
        for i, j in (np.nonzero(np.triu(vectors[group] @ vectors[group].T >= least, 1)),)
    ]
    first, second, row = (np.concatenate(part).astype(np.intp) for part in zip(*found, strict=True))
    return Pairs(
        first,
        second,
        row,
        members=np.concatenate([group for _, group in groups]),
        group=np.repeat(np.arange(len(groups)), [len(group) for _, group in groups]),
        owner=np.array([row for row, _ in groups]),
        rows=len(rows),
    )


@dataclass
class Search:
    """The state of the greedy search.

    Args:
        good: scores (good photographs, detectors).
        harmless: scores of pictures that should pass, as far as it is cheap.
        poor: scores (pictures, detectors), to which ``pairs`` refer.
        bound: false match rate that a row may have.
        weights: how much each row's gain counts: shape (rows,).
    """

    good: Matrix = field(repr=False)
    harmless: Matrix = field(repr=False)
    poor: Matrix = field(repr=False)
    pairs: Pairs = field(repr=False)
    bound: float
    weights: Matrix = field(repr=False)
    most: Matrix = field(init=False)

    def __post_init__(self) -> None:
        self.most = np.full(self.good.shape[1], np.inf)
        self._sorted = np.sort(self.good, axis=0)[::-1]
        self._passing = np.ones(len(self.poor), bool)
        self._fine = np.ones(len(self.good), bool)
        self._fine_too = np.ones(len(self.harmless), bool)
        self._live = np.arange(len(self.pairs.first))

    def run(self, share: float, most_detectors: int) -> Matrix:
        """Tighten until about ``share`` of good photographs are refused."""
        queue = [(-np.inf, number) for number in range(len(self.most))]
        heapq.heapify(queue)
        while queue:
            _, number = heapq.heappop(queue)
            value, threshold = self._best(number, share, most_detectors)
            if value <= 0:
                continue
            if queue and -queue[0][0] > value:
                heapq.heappush(queue, (-value, number))
                continue
            self._tighten(number, threshold)
            heapq.heappush(queue, (-np.inf, number))
        return self.most

    @property
    def refused(self) -> float:
        """Share of good photographs, and what is to be expected of other people's."""
        unseen = _UNSEEN * np.isfinite(self.most).sum()
        return float((~self._fine).sum() + unseen) / len(self.good)

    def rates(self) -> tuple[Matrix, Matrix]:
        """Matches and pairs that pass, of each row."""
        return self._counts(self._passing, self._live)

    def _best(self, number: int, share: float, most_detectors: int) -> tuple[float, float]:
        """Gain for cost of a detector's best step, and the step's threshold."""
        begun = np.isfinite(self.most[number])
        if not begun and np.isfinite(self.most).sum() >= most_detectors:
            return 0.0, np.inf
        found = (0.0, np.inf)
        before = self._loss(self._passing, self._live)
        for threshold in self._steps(number):
            if threshold >= self.most[number]:
                continue
            lost = self._fine & (self.good[:, number] > threshold)
            cost = (lost.sum() + (0 if begun else _UNSEEN)) / len(self.good)
            if self.refused + cost > share:
                continue
            lost_too = self._fine_too & (self.harmless[:, number] > threshold)
            cost += _HARMLESS_WEIGHT * lost_too.mean() + 0.2 / len(self.good)
            passing = self._passing & (self.poor[:, number] <= threshold)
            gain = before - self._loss(passing, self._still(passing))
            if gain > _LEAST_GAIN and gain / cost > found[0]:
                found = gain / cost, threshold
        return found

    def _steps(self, number: int) -> Iterator[float]:
        column = self._sorted[:, number]
        above = int((column > self.most[number]).sum())
        yield float(column[0] + BEYOND)
        for step in _STEPS:
            at = above + step - 1
            yield float(column[at] - _JUST if at >= 0 else column[0] + _JUST)

    def _tighten(self, number: int, threshold: float) -> None:
        self.most[number] = threshold
        self._passing &= self.poor[:, number] <= threshold
        self._fine &= self.good[:, number] <= threshold
        self._fine_too &= self.harmless[:, number] <= threshold
        self._live = self._still(self._passing)

    def _still(self, passing: npt.NDArray[np.bool_]) -> Indices:
        live, pairs = self._live, self.pairs
        return live[passing[pairs.first[live]] & passing[pairs.second[live]]]

    def _loss(self, passing: npt.NDArray[np.bool_], live: Indices) -> float:
        matches, trials = self._counts(passing, live)
        above = np.log((matches + 1) / (self.bound * trials + 1))
        return float(self.weights @ np.maximum(above, 0))

    def _counts(self, passing: npt.NDArray[np.bool_], live: Indices) -> tuple[Matrix, Matrix]:
        pairs = self.pairs
        matches = np.bincount(pairs.row[live], minlength=pairs.rows).astype(np.float64)
        shown = passing[pairs.members].astype(np.float64)
        counts = np.bincount(pairs.group, weights=shown, minlength=len(pairs.owner))
        within = counts * (counts - 1) / 2
        trials = np.bincount(pairs.owner, weights=within, minlength=pairs.rows).astype(np.float64)
        return matches, trials
