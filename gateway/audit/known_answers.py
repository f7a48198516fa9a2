"""Sessions with known answers: how a key authority that lies is caught (protocol, section 9).

A carrier makes up two vectors, works out the answer in plain integers, and registers with them as
with anybody. To the authority such a session is like every other: it sees uniform values, a
subject handle it has not seen before, and a device that registers people all day. So it cannot be
honest in these sessions only, and a wrong answer in one of them is a proof of nothing else.

Half of the pairs lie close to the threshold, on either side: an authority that does not know the
answer itself (because it spent the session on learning something else) has to guess there.
"""

import math
import secrets
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.he.quantise import quantise
from gateway.he.randomness import SeedStream
from gateway.wire.evaluation import Outcome
from gateway.wire.policy import MatchPolicy
from gateway.wire.profile import LANE, SEED_BYTES

CONFIDENCE: Final = 0.95

_FAR: Final[tuple[float, ...]] = (0.05, 0.72)
"""Cosines as strangers and as two pictures of one person have them."""
_NEAR: Final = 0.02
"""Distance from the threshold; quantisation moves a cosine by 0.004."""

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class KnownAnswer:
    """Two unit vectors, shape (512,)."""

    template: Vector = field(repr=False)
    live: Vector = field(repr=False)

    def expected(self, policy: MatchPolicy) -> Outcome:
        """What an honest authority says of them, worked out in plain integers."""
        p, b = quantise(self.live), quantise(self.template)
        pair, own = int(p @ b), int(p @ p)
        accepted = all(lane.accepts(lane.value(pair, own)) for lane in policy.lanes)
        return "MATCH" if accepted else "NO_MATCH"


def draw(number: int, policy: MatchPolicy | None) -> KnownAnswer:
    """The ``number``-th pair of a series that goes round far and near, match and no match.

    Args:
        policy: the gateway's, where it is known already; without, a far pair.
    """
    cosines = _FAR
    if policy is not None:
        threshold = 2 * policy.lanes[0].kn / policy.lanes[0].ks
        cosines = (*_FAR, threshold - _NEAR, threshold + _NEAR)
    cosine = cosines[number % len(cosines)]
    template, other = _unit(), _unit()
    other -= (template @ other) * template
    other /= np.linalg.norm(other)
    return KnownAnswer(template, cosine * template + math.sqrt(1 - cosine * cosine) * other)


def caught(rate: float, sessions: int) -> float:
    """Probability that an authority that lies at this rate gives a wrong answer among these."""
    return 1 - (1 - rate) ** sessions


def rate_excluded(sessions: int) -> float:
    """After this many right answers and no wrong one: it lies at a lower rate than this, or the
    carrier was unlucky once in twenty (Clopper-Pearson, one-sided)."""
    return 1.0 if sessions == 0 else 1 - (1 - CONFIDENCE) ** (1 / sessions)


def _unit() -> Vector:
    stream = SeedStream(secrets.token_bytes(SEED_BYTES), bytes(32))
    values = stream.centred_binomial("known-answer", LANE).astype(np.float64)
    return values / np.linalg.norm(values)
