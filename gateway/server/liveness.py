"""The liveness challenge at the gateway: what is asked, and what counts as an answer.

The gateway draws a challenge for each session. Later it checks a transcript of times and coarse
measurements, which an enrolled device signed. A good transcript says that the device saw, or claims
to have seen, these actions in this order at human speed, on one face, in answer to this challenge
and no other. A device that lies can write such a transcript. Only enrolment protects against that.

This module has no clock, no storage and no randomness of its own.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from statistics import median
from typing import Final, Literal

from gateway.wire.errors import LivenessNotPossible, Refused
from gateway.wire.ids import Digest, Nonce, SessionId
from gateway.wire.liveness import (
    MAX_LIMIT_MS,
    MOVEMENTS,
    ActionKind,
    ActionTrace,
    Challenge,
    Counting,
    Exclusion,
    LivenessResult,
    LivenessTranscript,
    PassiveRule,
    result_of,
)

LivenessMode = Literal["off", "optional", "required"]

MIN_KINDS = 3
"""With two kinds and no immediate repeats there are only two sequences of any length. A count is
unforeseen by itself: it may be asked for with fewer, or alone."""

NUMBERS: Final = 5
FIRST_MS: Final = (800, 2_000)
"""When the first number lights up, after the count was asked for."""
GAP_MS: Final = (1_200, 3_000)
"""From one number to the next, uniformly. A recorded count fits another one's moments in 1.1 of a
hundred cases, the best steady rhythm in 1.8 (ADR 55)."""
LATEST_MS: Final = 1_200
TOLERANCE_MS: Final = 280
"""Of an answer, about this person's usual delay."""

START_MS, START_SPREAD_MS = 1000, 2001
"""The first action is asked for 1.0 to 3.0 s after the first frame: no recording can know when."""

REACTION_MS = 100
"""No person answers a prompt faster: simple visual reactions take 200 ms and more, and athletics
calls a start false below 100 ms."""

DURATION_MS: Final[dict[ActionKind, tuple[int, int]]] = {
    "blink": (0, 4_000),
    "open-mouth": (40, 10_000),
    "turn-left": (60, 15_000),
    "turn-right": (60, 15_000),
    "count": (3 * GAP_MS[0] - 2 * TOLERANCE_MS, MAX_LIMIT_MS),
}
"""Shortest and longest time, in ms, from an action's first frame to its last, or to the frame that
confirmed it. A slow camera may show the closed eyes of a blink of 100 ms in a single frame. The
shortest count has four numbers."""

MIN_CHANGE: Final[dict[ActionKind, int]] = {
    "blink": 15,
    "open-mouth": 5,
    "turn-left": 8,
    "turn-right": -8,
    "count": 1,
}
"""Least change from rest to reach, in hundredths. Left is positive (image right). The client's
detectors ask for more: a transcript with less does not come from them. Of a count, rest is seen
before the first opening and reach at the smallest one, and a head that bows between them lowers
both."""

FRAME_MS = (10, 200)
"""Bounds of the median time between frames: 100 to 5 frames a second. At a lower rate a blink falls
between two frames."""

MAX_GAP_MS = 1_000
"""Longest time between two frames, and longest stretch without exactly one face."""

CLOCK_GRAIN_MS = 2_000
"""Tolerance of the elapsed time: both of its ends are in whole seconds."""


@dataclass(frozen=True)
class LivenessPolicy:
    """What the operator asks for."""

    mode: LivenessMode = "off"
    kinds: tuple[ActionKind, ...] = MOVEMENTS
    length: int = 3
    limit_ms: int = 20_000
    go_on_if_impossible: bool = False
    passive: PassiveRule = "warn"
    passive_threshold: int = 50
    """In hundredths. Below it the passive check warns, or fails, as ``passive`` says."""
    numbers: int = NUMBERS
    """In a count."""

    def challenge(
        self,
        session: SessionId,
        nonce: Nonce,
        excluded: Sequence[Exclusion],
        below: Callable[[int], int],
    ) -> Challenge | None:
        """Draw a fresh challenge, or None if the policy makes no check.

        Args:
            below: a uniform integer from 0 to one less than its argument, from a secure generator.

        Raises:
            LivenessNotPossible: too few kinds are left, and the policy does not go on without a
                check.
        """
        if self.mode == "off":
            return None
        kinds = [kind for kind in self.kinds if kind not in {one.kind for one in excluded}]
        possible = may_ask(kinds)
        if not possible and not self.go_on_if_impossible:
            raise LivenessNotPossible("too few kinds of action are left for a liveness check")
        actions = draw_actions(kinds, self.length, below) if possible else ()
        counting = draw_numbers(self.numbers, below) if "count" in actions else None
        longer_ms = counting.moments[-1] + LATEST_MS if counting else 0
        return Challenge(
            session=session,
            nonce=nonce,
            actions=actions,
            excluded=tuple(excluded),
            start_ms=START_MS + below(START_SPREAD_MS),
            limit_ms=min(self.limit_ms + longer_ms, MAX_LIMIT_MS),
            counting=counting,
            passive=self.passive,
            passive_threshold=self.passive_threshold,
            required=self.mode == "required" and possible,
        )


NO_LIVENESS: Final = LivenessPolicy()
"""The policy that asks for nothing."""


def may_ask(kinds: Collection[ActionKind]) -> bool:
    """Whether a challenge of these kinds is unforeseen enough."""
    return len(kinds) >= MIN_KINDS or "count" in kinds


def draw_actions(
    kinds: Sequence[ActionKind], length: int, below: Callable[[int], int]
) -> tuple[ActionKind, ...]:
    """Draw a sequence without immediate repeats and with at most one count, uniformly from all of
    them. Of fewer than ``MIN_KINDS`` it holds the count, and is as long as it can be."""
    moves = [kind for kind in kinds if kind != "count"]
    while True:
        ways = [0 if len(kinds) < MIN_KINDS else _sequences(len(moves), length)]
        if "count" in kinds:  # the movements before it and after it are drawn by themselves
            ways += [
                _sequences(len(moves), at) * _sequences(len(moves), length - 1 - at)
                for at in range(length)
            ]
        if any(ways):
            break
        length -= 1
    drawn = below(sum(ways))
    place = next(at for at, until in enumerate(accumulate(ways)) if drawn < until)
    if place == 0:
        return _draw_moves(moves, length, below)
    before, after = place - 1, length - place
    return (*_draw_moves(moves, before, below), "count", *_draw_moves(moves, after, below))


def _sequences(kinds: int, length: int) -> int:
    """How many sequences of movements there are without immediate repeats."""
    return 1 if length == 0 else kinds * (kinds - 1) ** (length - 1)


def _draw_moves(
    moves: Sequence[ActionKind], length: int, below: Callable[[int], int]
) -> tuple[ActionKind, ...]:
    actions: list[ActionKind] = []
    while len(actions) < length:
        others = [kind for kind in moves if kind not in actions[-1:]]
        actions.append(others[below(len(others))])
    return tuple(actions)


def draw_numbers(count: int, below: Callable[[int], int]) -> Counting:
    """Draw when so many numbers light up."""
    spans = [FIRST_MS, *[GAP_MS] * (count - 1)]
    waits = [shortest + below(longest - shortest + 1) for shortest, longest in spans]
    return Counting(
        moments=tuple(accumulate(waits)), latest_ms=LATEST_MS, tolerance_ms=TOLERANCE_MS
    )


@dataclass(frozen=True)
class CheckedLiveness:
    """The result for the statement, and the counts for the gateway's totals."""

    result: LivenessResult
    counts: dict[str, int] = field(default_factory=dict)


def assess(
    challenge: Challenge | None,
    transcript: LivenessTranscript | None,
    model_digest: Digest,
    elapsed_ms: int,
) -> CheckedLiveness:
    """Check a transcript against the challenge that it answers.

    Args:
        elapsed_ms: milliseconds since the challenge was offered.

    Raises:
        Refused: a required transcript is missing, a transcript was not asked for, or it does not
            answer the challenge.
    """
    if challenge is None:
        if transcript is not None:
            raise Refused("liveness evidence was not asked for")
        return CheckedLiveness(result_of(None, None))
    if transcript is not None:
        _check(challenge, transcript, model_digest, elapsed_ms)
        result = result_of(challenge, transcript.digest)
        return CheckedLiveness(result, _counts(challenge, transcript))
    if challenge.required:
        raise Refused("liveness evidence is missing")
    return CheckedLiveness(result_of(challenge, None))


def _counts(challenge: Challenge, transcript: LivenessTranscript) -> dict[str, int]:
    totals = transcript.totals
    counts = {"passed": 1, "attempts": totals.attempts, "seconds": totals.seconds}
    if challenge.passive != "off" and challenge.doubts(transcript.passive):
        counts["passive-warning"] = 1
    return counts | {one.reason: one.count for one in totals.reasons}


def _check(
    challenge: Challenge,
    transcript: LivenessTranscript,
    model_digest: Digest,
    elapsed_ms: int,
) -> None:
    times, actions = transcript.frame_times, transcript.actions
    _require("session", transcript.session == challenge.session)
    _require("challenge", transcript.challenge_digest == challenge.digest)
    _require("model", transcript.model_digest == model_digest)
    _require("actions", tuple(one.kind for one in actions) == challenge.actions != ())
    _require("time limit", times[-1] <= challenge.limit_ms)
    _require("elapsed time", times[-1] <= elapsed_ms + CLOCK_GRAIN_MS)
    _check_frames(times)
    _require("face", transcript.face_changes == 0 and transcript.longest_gap_ms <= MAX_GAP_MS)
    _require("start", actions[0].asked_ms >= challenge.start_ms)
    for one in actions:
        _check_action(one, frozenset(times))
        _check_count(one, challenge.counting if one.kind == "count" else None, frozenset(times))
    for before, after in pairwise(actions):
        _require("order", before.end_ms <= after.asked_ms)
    _require("passive check", challenge.satisfied_by(transcript.passive))


def _check_frames(times: tuple[int, ...]) -> None:
    """Check that frame times rise at the rate of a camera, without a gap."""
    _require("frames", len(times) > 1)
    steps = [later - now for now, later in pairwise(times)]
    _require("frame times", min(steps) > 0 and max(steps) <= MAX_GAP_MS)
    shortest, longest = FRAME_MS
    _require("frame rate", shortest <= median(steps) <= longest)


def _check_action(action: ActionTrace, times: frozenset[int]) -> None:
    """Check one action: human speed, times of frames that were taken, and enough change."""
    shortest, longest = DURATION_MS[action.kind]
    _require("reaction", action.start_ms - action.asked_ms >= REACTION_MS)
    _require("peak", action.start_ms <= action.peak_ms <= action.end_ms)
    _require("speed", shortest <= action.end_ms - action.start_ms <= longest)
    _require("frames", {action.start_ms, action.peak_ms, action.end_ms} <= times)
    least = MIN_CHANGE[action.kind]
    change = action.reach - action.rest
    _require("extent", change >= least if least > 0 else change <= least)


def _check_count(action: ActionTrace, counting: Counting | None, times: frozenset[int]) -> None:
    """Check that the mouth opened once for each number, at this person's own usual delay."""
    moments = counting.moments if counting else ()
    openings = action.openings
    _require("count", len(openings) == len(moments))
    if counting is None:
        return
    _require("count's frames", set(openings) <= times and openings[0] == action.start_ms)
    delays = [at - action.asked_ms - moment for at, moment in zip(openings, moments, strict=True)]
    _require("answers", all(REACTION_MS <= delay <= counting.latest_ms for delay in delays))
    usual = sorted(delays)[len(delays) // 2]
    even = all(abs(delay - usual) <= counting.tolerance_ms for delay in delays)
    _require("rhythm", even and openings[-1] <= action.end_ms)


def _require(what: str, holds: bool) -> None:
    if not holds:
        raise Refused(f"liveness {what} is not as it must be")
