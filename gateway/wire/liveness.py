"""The liveness challenge and its answer: what was asked, when it was seen (protocol, section 8).

A challenge is drawn by the gateway, for one session, and serves once. The answer is a transcript of
times and coarse measurements: no frame, no landmark, no vector. It is bound to the session by the
session's id, the challenge's digest, and its own digest in the signed submission assertion.

Left and right are the subject's own. Times are milliseconds after the transcript's first frame.
"""

import struct
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from gateway.wire.ids import Digest, DigestField, NonceField, SessionIdField
from gateway.wire.message import Message

Movement = Literal["blink", "open-mouth", "turn-left", "turn-right"]
ActionKind = Literal[Movement, "count"]
"""``count``: numbers light up one after the other, and the mouth opens for each, aloud or not."""
MOVEMENTS: Final[tuple[Movement, ...]] = get_args(Movement)
ACTION_KINDS: Final[tuple[ActionKind, ...]] = get_args(ActionKind)

ExclusionReason = Literal["cannot-perform", "cannot-be-seen", "not-recognised"]
"""Why a kind is not asked for: the person cannot or may not do it; glasses, a veil or a dressing
cover it; it was done and not found. A signed statement never names a health condition."""
EXCLUSION_REASONS: Final[tuple[ExclusionReason, ...]] = get_args(ExclusionReason)

PassiveRule = Literal["off", "warn", "require"]
LivenessOutcome = Literal["not-performed", "not-possible", "passed"]
"""A failed check leaves no statement: its session ends without a decision."""

AttemptReason = Literal[
    "time-ran-out",
    "wrong-action",
    "face-lost",
    "several-faces",
    "face-changed",
    "recording-ended",
    "passive-check",
    "interrupted",
]
"""Why an earlier attempt ended."""

EVIDENCE_BYTES = 8 * 1024
MAX_ACTIONS = 6
MAX_NUMBERS = 9
MAX_LIMIT_MS = 60_000
MAX_FRAMES = 1800
"""30 frames a second for the longest time limit."""

_Time = Annotated[int, Field(ge=0, le=2 * MAX_LIMIT_MS)]
_Score = Annotated[int, Field(ge=0, le=100)]
"""Of the passive check, in hundredths: 100 = live."""
_Level = Annotated[int, Field(ge=-300, le=300)]
"""A measurement in hundredths."""


class Exclusion(Message):
    """One kind of action that this person is not asked for, and why."""

    kind: ActionKind
    """The action."""
    reason: ExclusionReason
    """Why it is not asked for."""


Exclusions = Annotated[tuple[Exclusion, ...], Field(max_length=len(ACTION_KINDS), strict=False)]
Actions = Annotated[tuple[ActionKind, ...], Field(max_length=MAX_ACTIONS, strict=False)]


Moments = Annotated[
    tuple[Annotated[int, Field(ge=0, le=MAX_LIMIT_MS)], ...],
    Field(min_length=4, max_length=MAX_NUMBERS, strict=False),
]


class Counting(Message):
    """When the numbers of a count light up, and which openings of the mouth answer them."""

    moments: Moments
    """Milliseconds after the count was asked for, rising: when 1, 2, 3, ... light up."""
    latest_ms: Annotated[int, Field(ge=500, le=5_000)]
    """A number is answered no later than this after it lit up, and the next one not sooner."""
    tolerance_ms: Annotated[int, Field(ge=100, le=1_000)]
    """How far an answer may lie from this person's usual delay; both limits are told, so that an
    honest client hands in nothing that would be refused."""

    @model_validator(mode="after")
    def _time_for_each(self) -> Self:
        if any(later - now < self.latest_ms for now, later in pairwise(self.moments)):
            raise ValueError("a number leaves no time to answer it")
        return self


class Challenge(Message):
    """Gateway to client: do this, in this order, not before, and within that time."""

    max_bytes = 1024

    session: SessionIdField
    """The session's id."""
    nonce: NonceField
    """32 random bytes: no two challenges are the same."""
    actions: Actions
    """What to do, in this order. Empty where too few kinds are left to ask for: the check is then
    not possible."""
    excluded: Exclusions
    """The exclusions of the session request."""
    start_ms: Annotated[int, Field(ge=0, le=10_000)]
    """The first action is asked for no earlier, and not done before."""
    limit_ms: Annotated[int, Field(ge=3_000, le=MAX_LIMIT_MS)]
    """By when the last action is done."""
    counting: Counting | None = None
    """How numbers light up; null exactly where no action is a count."""
    passive: PassiveRule
    """What the passive check of single frames does."""
    passive_threshold: _Score
    """Below it the passive check warns, or fails; told, so that an honest client hands in nothing
    that would be refused."""
    required: bool
    """Whether a submission without a transcript is refused."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        require_distinct(one.kind for one in self.excluded)
        if any(first == second for first, second in pairwise(self.actions)):
            raise ValueError("an action follows itself")
        if {one.kind for one in self.excluded} & set(self.actions):
            raise ValueError("an excluded action is asked for")
        if self.actions.count("count") != (self.counting is not None):
            raise ValueError("a count is asked for once, with its moments")
        return self

    def satisfied_by(self, passive: int | None) -> bool:
        """Whether a passive score is one that this challenge accepts."""
        return self.passive != "require" or not self.doubts(passive, absent=True)

    def doubts(self, passive: int | None, *, absent: bool = False) -> bool:
        """Whether a score is below the threshold; ``absent`` says what no score counts as."""
        return absent if passive is None else passive < self.passive_threshold


class ActionTrace(Message):
    """One action as it was seen."""

    kind: ActionKind
    """The action."""
    asked_ms: _Time
    """When it was asked for."""
    start_ms: _Time
    """When it began."""
    peak_ms: _Time
    """When it was at its height."""
    end_ms: _Time
    """When it was over."""
    rest: _Level
    """The action's own measurement when it was asked for: eye closure, mouth opening or turn."""
    reach: _Level
    """The same measurement at the peak; of a count, at the peak of its smallest opening."""
    openings: Annotated[tuple[_Time, ...], Field(max_length=MAX_NUMBERS, strict=False)] = ()
    """Of a count: when the mouth began to open for each number. Empty for every other kind."""


class ReasonCount(Message):
    """How many earlier attempts ended for a reason."""

    reason: AttemptReason
    """Why they ended."""
    count: Annotated[int, Field(ge=1, le=100)]
    """How many did."""


class AttemptTotals(Message):
    """This customer's attempts, this one included. Totals only; nothing says what was tried."""

    attempts: Annotated[int, Field(ge=1, le=100)]
    """How many there were."""
    seconds: Annotated[int, Field(ge=0, le=24 * 3600)]
    """From the beginning of the first attempt to the end of this one."""
    reasons: Annotated[
        tuple[ReasonCount, ...], Field(max_length=len(get_args(AttemptReason)), strict=False)
    ]
    """Why the earlier ones ended, each reason once."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        require_distinct(one.reason for one in self.reasons)
        return self


class LivenessTranscript(Message):
    """Client to gateway: when the actions of one challenge were seen, on one tracked face."""

    max_bytes = EVIDENCE_BYTES

    session: SessionIdField
    """The session's id."""
    challenge_digest: DigestField
    """SHA-256 of the challenge that it answers."""
    model_digest: DigestField
    """The model pack that measured."""
    intervals: Annotated[bytes, Field(max_length=2 * (MAX_FRAMES - 1), repr=False)]
    """Milliseconds from each frame to the next, two bytes each, big-endian."""
    actions: Annotated[tuple[ActionTrace, ...], Field(max_length=MAX_ACTIONS, strict=False)]
    """The actions as they were seen, in the order of the challenge."""
    longest_gap_ms: _Time
    """Longest stretch without exactly one face."""
    face_changes: Annotated[int, Field(ge=0, le=1000)]
    """How often the tracked face became another one."""
    passive: _Score | None
    """Score of the passive check; null where it is off, or no frame allowed it."""
    totals: AttemptTotals
    """Of this customer's attempts."""

    @model_validator(mode="after")
    def _whole_intervals(self) -> Self:
        if len(self.intervals) % 2:
            raise ValueError("intervals have two bytes each")
        return self

    @property
    def frame_times(self) -> tuple[int, ...]:
        """When each frame was taken, in milliseconds; the first is 0."""
        values = struct.unpack(f">{len(self.intervals) // 2}H", self.intervals)
        return tuple(accumulate(values, initial=0))


class LivenessResult(Message):
    """What a statement says: what was asked, and the outcome; never how a face moved."""

    outcome: LivenessOutcome
    asked: Actions
    excluded: Exclusions
    passive: PassiveRule
    """The rule in force: under ``require`` a score below the threshold ends in a refusal."""
    evidence_digest: DigestField | None
    """SHA-256 of the transcript, which is not kept."""


def not_performed() -> LivenessResult:
    """The result where no check was asked for."""
    return LivenessResult(
        outcome="not-performed", asked=(), excluded=(), passive="off", evidence_digest=None
    )


def result_of(challenge: Challenge | None, evidence: Digest | None) -> LivenessResult:
    """What a statement says of a submission that is taken. Gateway and client know it alike.

    Args:
        challenge: None: no check was asked for.
        evidence: digest of the transcript that answers the challenge; None: none was handed in.
    """
    if challenge is None:
        return not_performed()
    if evidence is None:
        outcome: LivenessOutcome = "not-performed" if challenge.actions else "not-possible"
        return not_performed().model_copy(
            update={"outcome": outcome, "excluded": challenge.excluded}
        )
    return LivenessResult(
        outcome="passed",
        asked=challenge.actions,
        excluded=challenge.excluded,
        passive=challenge.passive,
        evidence_digest=evidence,
    )


def encode_intervals(times: Sequence[int]) -> bytes:
    """``LivenessTranscript.intervals`` of ascending frame times in milliseconds."""
    return struct.pack(f">{len(times) - 1}H", *(later - now for now, later in pairwise(times)))


def require_distinct(values: Iterable[str]) -> None:
    """Raise ``ValueError`` if a value stands twice."""
    given = list(values)
    if len(set(given)) != len(given):
        raise ValueError("named twice")
