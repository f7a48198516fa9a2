"""What the quality gate lets through, as counts: pictures that pass, and strangers who match.

A row is one degradation at one strength. "Alike" are pairs of strangers whose pictures are both of
that row; "otherwise" are pairs of one picture of the row and one of any other. Rates count every
pair of two people once. Pairs share people, so a count's exact interval is somewhat too narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gateway.lab.intervals import Interval, share

MOST_TIMES_GOOD = 2.0
"""How much more often strangers may match than the threshold's own false match rate says."""
MOST_REFUSED = 0.01
"""Share of undegraded photographs."""
_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Taken:
    """One picture: whose, of which row, its unit vector if a face was found, and its passing."""

    person: int
    row: int
    vector: npt.NDArray[np.float32] | None = field(repr=False)
    passed: npt.NDArray[np.float32] | None = field(repr=False)
    """The vector that a registration would use; None where the gate refuses."""


@dataclass(frozen=True, slots=True)
class Count:
    """Hits among trials."""

    hits: int
    trials: int

    @property
    def rate(self) -> float:
        return self.hits / self.trials if self.trials else 0.0

    @property
    def interval(self) -> Interval:
        """Exact, 95 %."""
        return share(self.hits, self.trials)

    def __add__(self, other: "Count") -> "Count":
        return Count(self.hits + other.hits, self.trials + other.trials)


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one degradation at one strength."""

    name: str
    strength: float
    unit: str
    passed: Count
    ungated: Count
    """Pairs of strangers alike, with the gate off."""
    alike: Count
    otherwise: Count


@dataclass(frozen=True, slots=True)
class QualityFigures:
    """The whole table."""

    fmr: float
    """That the threshold was calibrated for."""
    refused: Count
    """Undegraded photographs."""
    good: Count
    """Pairs of undegraded strangers that pass."""
    rows: Sequence[Row]

    @property
    def alike(self) -> Count:
        return sum((row.alike for row in self.rows), Count(0, 0))

    @property
    def otherwise(self) -> Count:
        """Every pair stands in two rows."""
        both = sum((row.otherwise for row in self.rows), Count(0, 0))
        return Count(both.hits // 2, both.trials // 2)

    @property
    def most(self) -> float:
        return MOST_TIMES_GOOD * self.fmr

    def above(self, row: Row) -> bool:
        """Whether a row's rate is above the bound by more than chance explains."""
        return max(row.alike.interval.low, row.otherwise.interval.low) > self.most

    @property
    def met(self) -> bool:
        """No row above the bound, both sums below it, and few good photographs refused."""
        return (
            not any(self.above(row) for row in self.rows)
            and self.alike.rate <= self.most
            and self.otherwise.rate <= self.most
            and self.refused.interval.low <= MOST_REFUSED
        )


def pairs_alike(
    vectors: npt.NDArray[np.float32], people: npt.NDArray[np.int64], least: float
) -> Count:
    """Strangers with a cosine of at least ``least``, among pictures of one row.

    Args:
        vectors: shape (n, d), unit length.
        people: shape (n,), whose each is.
    """
    if len(people) < 2:
        return Count(0, 0)
    above = np.triu(vectors @ vectors.T >= least, 1)
    strangers = np.triu(people[:, None] != people[None, :], 1)
    return Count(int((above & strangers).sum()), int(strangers.sum()))


def pairs_otherwise(
    vectors: npt.NDArray[np.float32],
    people: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    least: float,
) -> dict[int, Count]:
    """By row: strangers of one picture of the row and one of another row."""
    counts: dict[int, Count] = {}
    for row in np.unique(rows):
        own = np.flatnonzero(rows == row)
        found = Count(0, 0)
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            fits = (people[own][:, None] != people[None, part]) & (rows[None, part] != row)
            hits = (vectors[own] @ vectors[part].T >= least) & fits
            found += Count(int(hits.sum()), int(fits.sum()))
        counts[int(row)] = found
    return counts
