"""Vectors in the forms that the product compares, and the scores of pairs.

The portrait becomes a template of small integers, the live picture a probe of signs (protocol,
section 4). Their product v is 6536 times the cosine, with an error. Everything here counts by v,
which is a whole number, so that counts are exact; the float cosine stands beside it.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.he.frame import probe_signs, template_values
from gateway.wire.policy import KAPPA, LanePolicy
from gateway.wire.profile import LANE

Floats = npt.NDArray[np.float32]
Small = npt.NDArray[np.int8]
Whole = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

REACH: Final = 2**14
"""|v| is smaller: 8192 is proven for signs against 2 R x, and rounding adds 2048 at most."""


def lowest_of(cosine: str) -> int:
    """The least v that a lane from this cosine on accepts, as ``LanePolicy.for_cosine`` has it."""
    return (KAPPA * Fraction(cosine)).__ceil__()


GRID: Final = tuple(f"0.{n:03}" for n in range(200, 801))
"""Thresholds of every curve."""
LOWEST: Final = np.array([lowest_of(cosine) for cosine in GRID], np.int32)


def reached(values: npt.NDArray[np.integer]) -> npt.NDArray[np.int16]:
    """How many thresholds of the grid each v reaches, from none to all."""
    return np.searchsorted(LOWEST, values, side="right").astype(np.int16)


@dataclass(frozen=True)
class Side:
    """The vectors of one role, by picture: shape (n, d), zero where the picture failed."""

    vectors: Floats = field(repr=False)
    there: Flags = field(repr=False)
    """Which pictures gave a vector; shape (n,)."""


@dataclass(frozen=True)
class Encoded:
    """Portraits as templates and live pictures as probes: (n, 4096) each, beside their vectors.

    Some 12 kB a picture.
    """

    portraits: Side
    probes: Side
    templates: Small = field(repr=False)
    signs: Small = field(repr=False)

    @classmethod
    def of(cls, portraits: Side, probes: Side) -> "Encoded":
        """The same side twice where portraits are not compressed."""
        templates = np.zeros((len(portraits.there), LANE), np.int8)
        signs = np.zeros((len(probes.there), LANE), np.int8)
        for number in np.flatnonzero(portraits.there):
            templates[number] = template_values(portraits.vectors[number])
        for number in np.flatnonzero(probes.there):
            signs[number] = probe_signs(probes.vectors[number])
        return cls(portraits, probes, templates, signs)

    def scores(self, template: Whole, probe: Whole) -> "Scores":
        """Of pairs of pictures, all of which are there."""
        values = np.empty(len(template), np.int32)
        cosines = np.empty(len(template), np.float32)
        for number, (a, b) in enumerate(zip(template, probe, strict=True)):
            values[number] = self.templates[a].astype(np.int32) @ self.signs[b].astype(np.int32)
            cosines[number] = self.portraits.vectors[a] @ self.probes.vectors[b]
        return Scores(cosines, values)

    def identical(self) -> npt.NDArray[np.float64]:
        """What each picture's own probe scores with its template, as a cosine."""
        both = np.flatnonzero(self.portraits.there & self.probes.there)
        return self.scores(both.astype(np.int32), both.astype(np.int32)).values / KAPPA


@dataclass(frozen=True)
class Scores:
    """Comparisons of a template with a probe: the float cosine, and v = <p, T>, side by side."""

    cosines: Floats = field(repr=False)
    values: Whole = field(repr=False)

    @property
    def errors(self) -> npt.NDArray[np.float64]:
        """v / kappa less the cosine."""
        return self.values / KAPPA - self.cosines

    def accepted(self, lane: LanePolicy) -> Flags:
        """The decision of one lane."""
        return (self.values >= lane.lo) & (self.values <= lane.hi)

    def by_cosine(self, cosine: str) -> Flags:
        """What float cosines would decide; the upper end is left aside."""
        return self.cosines >= np.float32(cosine)

    def by_value(self, cosine: str) -> Flags:
        """What v decides; the upper end is left aside."""
        return self.values >= lowest_of(cosine)

    def __getitem__(self, chosen: Flags | npt.NDArray[np.intp]) -> "Scores":
        return Scores(self.cosines[chosen], self.values[chosen])
