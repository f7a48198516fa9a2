"""The match policy: which values of each lane are accepted (protocol, sections 4 and 5), and on
what measurement a proposal of one rests.

v = <p, T> of a probe of signs p and a template T of small integers is kappa times the cosine, plus
an error of standard deviation 0.011 in the cosine. A lane accepts iff lo <= v <= hi. Every
well-formed probe has the same length, so a client cannot scale its own.
"""

from fractions import Fraction
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from gateway.wire.ids import DigestField, ModelId, PartyId, UnixTime
from gateway.wire.message import Message
from gateway.wire.profile import LANES, T

KAPPA: Final = 6536
"""4096 * 2 * sqrt(2 / pi): v of two vectors is this times their cosine."""

REPLAY_COSINE = Fraction(955, 1000)
"""Default upper end. A live face is never this close to a chip portrait, but the portrait itself
is: an identical vector scores 0.99 +- 0.01, the best genuine pairs of different moments 0.95."""

MAX_WIDTH: Final = 2**12
"""Accepted values of a lane: a uniform value lands among them with probability below 2^-14.99."""

PolicyAssurance = Literal["unsigned-default", "signed"]


class LanePolicy(Message):
    """The accepted interval of one lane, in units of v."""

    lo: Annotated[int, Field(ge=1, lt=T // 2)]
    """The least accepted value."""
    hi: Annotated[int, Field(ge=1, lt=T // 2)]
    """The largest."""

    @model_validator(mode="after")
    def _interval(self) -> Self:
        if not 1 <= self.width <= MAX_WIDTH:
            raise ValueError("the accepted interval is empty or too wide")
        return self

    @classmethod
    def for_cosine(cls, tau: str, replay: Fraction = REPLAY_COSINE) -> Self:
        """Accept cosines from ``tau`` (a decimal, e.g. "0.419") up to ``replay``."""
        return cls(lo=(KAPPA * Fraction(tau)).__ceil__(), hi=(KAPPA * replay).__floor__())

    @property
    def width(self) -> int:
        """W: how many values are accepted."""
        return self.hi - self.lo + 1

    def accepts(self, value: int) -> bool:
        """Whether a value, taken modulo t, lies in the interval."""
        return self.lo <= value % T <= self.hi


class MatchPolicy(Message):
    """Both lanes' intervals, which must both accept, and the model they were calibrated for."""

    policy_id: ModelId
    """The policy's name."""
    assurance: PolicyAssurance
    """Whether somebody answers for the thresholds."""
    model_id: ModelId
    """The face model that the thresholds were calibrated for."""
    model_digest: DigestField
    """SHA-256 of its pack's manifest."""
    lanes: Annotated[
        tuple[LanePolicy, ...], Field(min_length=LANES, max_length=LANES, strict=False)
    ]
    """The probe's lane, then the actions'."""


RATE_UNIT: Final = 10**9
"""Rates are whole numbers of thousand-millionths: messages have no fractions."""
Rate = Annotated[int, Field(ge=0, le=RATE_UNIT)]
DataName = Annotated[str, StringConstraints(pattern=r"^[ -~]+$", min_length=1, max_length=120)]
"""What was measured on, in plain words."""


class LaneRates(Message):
    """What was found at a lane's lower end. The bounds are upper 95 % bounds, as the evaluation
    gives them."""

    strangers: Rate
    """Bound of the rate at which an honest stranger is accepted (FMR)."""
    probe: Rate
    """Bound of the rate at which people who were not tuned against accept the strongest probe."""
    genuine_lost: Rate
    """Rate at which the same person is not accepted (FNMR), as found: the expected cost."""


class PolicyProposal(Message):
    """A match policy with what it rests on. Two operators sign it (``orders.PolicyOrder``)."""

    policy: MatchPolicy
    evidence: DigestField
    """SHA-256 of the file with the evaluation."""
    measured_on: DataName
    target_fmr: Rate
    """What was asked for: at most this rate for honest strangers, in the probe's lane."""
    target_probe_fmr: Rate
    """The same for the strongest probe."""
    rates: Annotated[tuple[LaneRates, ...], Field(min_length=LANES, max_length=LANES, strict=False)]
    """The probe's lane, then the actions'."""
    author: PartyId
    """Who calibrated: a name, which nobody checks."""
    calibrated_at: UnixTime

    @model_validator(mode="after")
    def _to_be_signed(self) -> Self:
        if self.policy.assurance != "signed":
            raise ValueError("a policy that operators sign says so")
        return self
