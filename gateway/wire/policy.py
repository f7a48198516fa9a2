"""The match policy: what the gateway evaluates and which values it accepts (protocol, section 5).

v = Ks <p, b> - Kn <p, p>, accepted iff lo <= v <= hi, per lane. Over every scaling of p the largest
v is 10000 Kn (cos / tau)^2, reached at the honest length, so a client gains nothing by scaling.
"""

import math
from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.wire.ids import DigestField, ModelId
from gateway.wire.message import Message
from gateway.wire.profile import MAX_LANES, NORM_SQUARED, T

KN = 16
REPLAY_COSINE = Fraction(97, 100)
"""Default upper end: a live face is never this close to a chip portrait, but the portrait is."""

_MAX_ACCEPTED = T // 2**14
"""A value that wraps modulo t must land in the window with probability below 2^-14."""

PolicyAssurance = Literal["unsigned-default", "signed"]


class LanePolicy(Message):
    """Public integer weights and the accepted interval of one lane."""

    ks: Annotated[int, Field(ge=1, le=512)]
    kn: Annotated[int, Field(ge=1, le=64)]
    lo: Annotated[int, Field(ge=1, lt=T // 2)]
    hi: Annotated[int, Field(ge=1, lt=T // 2)]

    @model_validator(mode="after")
    def _interval(self) -> Self:
        if not self.lo <= self.hi or self.hi - self.lo + 1 >= _MAX_ACCEPTED:
            raise ValueError("the accepted interval is empty or too wide")
        return self

    @classmethod
    def for_cosine(cls, tau: str, replay: Fraction = REPLAY_COSINE) -> Self:
        """Accept cosines from ``tau`` (a decimal, e.g. "0.419") up to ``replay``."""
        ks = round(Fraction(2 * KN) / Fraction(tau))
        hi = NORM_SQUARED * (ks * replay - KN)
        return cls(ks=ks, kn=KN, lo=NORM_SQUARED * KN, hi=hi.__floor__())

    def from_cosine(self, tau: str) -> Self:
        """The same weights and upper end, accepting from another cosine at the honest length.

        The best scaled length passes from ``best_scaled_cosine``, which is a little lower.
        """
        lo = NORM_SQUARED * (self.ks * Fraction(tau) - self.kn)
        return type(self)(ks=self.ks, kn=self.kn, lo=lo.__ceil__(), hi=self.hi)

    @property
    def best_scaled_cosine(self) -> float:
        """The least cosine that passes at whatever length suits it best (protocol, section 5)."""
        return math.sqrt(4 * self.kn * self.lo / NORM_SQUARED) / self.ks

    def value(self, probe_template: int, probe_probe: int) -> int:
        """v of two integer inner products: the plaintext reference of the encrypted score."""
        return self.ks * probe_template - self.kn * probe_probe

    def accepts(self, value: int) -> bool:
        """Whether a value, taken modulo t, lies in the interval."""
        return self.lo <= value % T <= self.hi


class MatchPolicy(Message):
    """Lanes that must all accept, and the model for which the thresholds were calibrated."""

    policy_id: ModelId
    assurance: PolicyAssurance
    model_id: ModelId
    model_digest: DigestField
    # Lanes share Ks and Kn: a scalar costs no noise, a factor per slot would. An interval of its
    # own still gives a lane its own threshold, and to first order scaling gains nothing then too.
    lanes: Annotated[
        tuple[LanePolicy, ...], Field(min_length=1, max_length=MAX_LANES, strict=False)
    ]

    @model_validator(mode="after")
    def _same_weights(self) -> Self:
        if len({(lane.ks, lane.kn) for lane in self.lanes}) != 1:
            raise ValueError("all lanes of a policy have the same weights")
        return self
