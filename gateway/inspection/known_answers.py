"""Sessions with known answers: how a key authority that lies is caught (protocol, section 9).

A carrier makes up vectors, works out the answer in plain integers, and registers with them as with
anybody. To the authority such a session is like every other: it sees uniform values, a subject
handle it has not seen before, and a device that registers people all day. So it cannot be honest in
these sessions only, and a wrong answer in one of them can have no other cause.

An authority that spends a lane's one bit on learning something else does not know that lane's
answer. So in most sessions one lane lies close to an end of its interval, on either side, while the
other lane accepts. There such an authority has to guess.
"""

import math
import secrets
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.he.frame import probe_signs, template_values
from gateway.he.randomness import SeedStream
from gateway.wire.evaluation import Outcome
from gateway.wire.policy import KAPPA, MatchPolicy
from gateway.wire.profile import DIMENSION, SEED_BYTES

CONFIDENCE: Final = 0.95

_STRANGERS: Final = 0.05
_SAME_PERSON: Final = 0.72
"""Typical cosines of strangers, and of two pictures of one person."""
_NEAR: Final = 0.02
"""Distance from an end of the interval; the frame moves a cosine by 0.011 (SD)."""

Vector = NDArray[np.floating]
Cosines = tuple[float, float]
"""Cosines of probe and action vector to the template."""

FAR: Final[tuple[Cosines, ...]] = (
    (_STRANGERS, _STRANGERS),
    (_SAME_PERSON, _SAME_PERSON),
)


@dataclass(frozen=True)
class KnownAnswer:
    """Three unit vectors, shape (512,): template, probe and action vector."""

    template: Vector = field(repr=False)
    live: Vector = field(repr=False)
    action: Vector = field(repr=False)

    def expected(self, policy: MatchPolicy) -> Outcome:
        """The outcome that an honest authority gives, worked out in plain integers."""
        template = template_values(self.template)
        accepted = [
            lane.accepts(int(probe_signs(vector) @ template))
            for lane, vector in zip(policy.lanes, (self.live, self.action), strict=True)
        ]
        return "MATCH" if all(accepted) else "NO_MATCH"


def series(policy: MatchPolicy | None) -> tuple[Cosines, ...]:
    """Far pairs, then pairs on both sides of both ends of each lane's interval. There the other
    lane accepts.

    Args:
        policy: the gateway's, if it is known already; None: far pairs only.
    """
    if policy is None:
        return FAR
    edges = [
        (edge / KAPPA + side, lane)
        for lane, rule in enumerate(policy.lanes)
        for edge in (rule.lo, rule.hi)
        for side in (-_NEAR, _NEAR)
    ]
    near = [(c, _SAME_PERSON) if lane == 0 else (_SAME_PERSON, c) for c, lane in edges]
    return (*FAR, *near)


def draw(number: int, policy: MatchPolicy | None) -> KnownAnswer:
    """Fresh vectors for the ``number``-th session. The series begins anew after its last pair."""
    cosines = series(policy)
    template = _unit()
    live, action = (_at(template, cosine) for cosine in cosines[number % len(cosines)])
    return KnownAnswer(template, live, action)


def caught(rate: float, sessions: int) -> float:
    """Probability of a wrong answer in so many sessions, if the authority lies at this rate."""
    return 1 - (1 - rate) ** sessions


def rate_excluded(sessions: int) -> float:
    """Upper bound of the rate at which the authority lies, after so many right answers and no wrong
    one, with a confidence of 95 % (Clopper-Pearson, one-sided)."""
    return 1.0 if sessions == 0 else 1 - (1 - CONFIDENCE) ** (1 / sessions)


def _at(template: Vector, cosine: float) -> Vector:
    """A random unit vector with this cosine to the template."""
    other = _unit()
    other -= (template @ other) * template
    other /= np.linalg.norm(other)
    return cosine * template + math.sqrt(1 - cosine * cosine) * other


def _unit() -> Vector:
    stream = SeedStream(bytearray(secrets.token_bytes(SEED_BYTES)), bytes(32))
    values = stream.centred_binomial("known-answer", DIMENSION).astype(np.float64)
    return values / np.linalg.norm(values)
