"""A challenge as a state machine over measured frames. Pure: the frames tell the time.

    SETTLING --start moment--> ASKING(0) --seen--> ASKING(1) ... --seen--> PASSED
        |                          |
        +----- no time left -------+---- another action, another face, no face ----> FAILED

Until the first action is asked for, a lost or changed face begins the transcript anew. After that,
one face must stay in view. An action counts only if it starts ``REACTION_MS`` or more after its
prompt; an earlier one is ignored. People blink unasked, so a blink is never wrong. Any other action
than the one asked for ends the attempt. Otherwise a recording of all actions would pass every
challenge. Small openings of the mouth matter in a count alone (``counting``).
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from statistics import median
from typing import Final

from gateway.client.liveness.counting import Count, Fault
from gateway.client.liveness.limits import LIMITS
from gateway.client.liveness.measured import Action, Measured
from gateway.client.liveness.prompts import ASK, MessageId
from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import Digest
from gateway.wire.liveness import (
    MAX_FRAMES,
    ActionKind,
    ActionTrace,
    AttemptReason,
    AttemptTotals,
    Challenge,
    LivenessTranscript,
    encode_intervals,
)

_OURS = LIMITS["runner"]
REACTION_MS: Final[int] = _OURS["reactionMs"]
"""The gateway checks the same limit: no person answers a prompt faster."""
MAX_GAP_MS: Final[int] = _OURS["maxGapMs"]
"""Longest stretch without exactly one face once actions are asked for; the gateway allows 1000."""
FRONTAL_TURN: Final[float] = _OURS["frontalTurn"]
"""About 11 degrees (``gateway.vision.liveness.measurement.turn``). The first action is asked for
only when the person looks at the camera."""
PATIENCE_MS: Final[int] = _OURS["patienceMs"]
"""After so long without the action, the person is told to do it more clearly."""

REST_MS: Final[int] = _OURS["restMs"]
"""Time before an action, over which its measurement at rest is taken."""

DARK: Final[float] = _OURS["dark"]
BRIGHT: Final[float] = _OURS["bright"]
DARK_ROOM: Final[float] = _OURS["darkRoom"]
"""Mean brightness of a picture without a face, in which none could be seen."""
FAR_PX: Final[float] = _OURS["farPx"]
"""Least distance between the eyes. Below it, a closing eye changes by about one pixel."""

_REMEMBERED: Final[int] = _OURS["remembered"]
_LEVEL: Final[dict[ActionKind, str]] = {
    "blink": "eyes_closed",
    "open-mouth": "mouth_open",
    "turn-left": "turn",
    "turn-right": "turn",
    "count": "mouth_open",
}


class CaptureState(Enum):
    SETTLING = "settling"
    ASKING = "asking"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True)
class Progress:
    """State of the challenge after a frame, and what to tell the person."""

    state: CaptureState
    done: int
    prompt: MessageId
    advice: MessageId | None = None
    reason: AttemptReason | None = None
    number: int | None = None
    """The number that is lit, in a count."""

    @property
    def over(self) -> bool:
        return self.state in (CaptureState.PASSED, CaptureState.FAILED)


@dataclass
class _Track:
    """One unbroken face, from its first frame."""

    first_ms: int
    last_face_ms: int
    longest_gap_ms: int = 0
    times: list[int] = field(default_factory=list)
    levels: deque[Measured] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))


class ChallengeRunner:
    """Runs one challenge. Feed frames in order until ``Progress.over``."""

    def __init__(self, challenge: Challenge) -> None:
        if not challenge.actions:
            raise CallerMisuse("this challenge asks for nothing")
        self._challenge = challenge
        self._begun_ms: int | None = None
        self._track: _Track | None = None
        self._crowded = False
        self._asked: Measured | None = None
        self._traces: list[ActionTrace] = []
        self._reason: AttemptReason | None = None
        self._wrong: ActionKind | None = None
        self._count: Count | None = None

    @property
    def awaited(self) -> ActionKind | None:
        """The action that is asked for and was not seen yet."""
        done = len(self._traces)
        return self._challenge.actions[done] if self.asking and done < self._length else None

    @property
    def asked_ms(self) -> int | None:
        """When ``awaited`` was asked for, in the source's own time."""
        return None if self._asked is None else self._asked.at_ms

    @property
    def wrong(self) -> ActionKind | None:
        """The action that was seen in place of ``awaited``, and ended the attempt."""
        return self._wrong

    @property
    def fault(self) -> Fault | None:
        """What ended a count, if one did."""
        return None if self._count is None else self._count.fault

    @property
    def _length(self) -> int:
        return len(self._challenge.actions)

    @property
    def traces(self) -> tuple[ActionTrace, ...]:
        """The actions seen so far, in the times of the transcript."""
        return tuple(self._traces)

    @property
    def first_ms(self) -> int:
        """When the transcript's first frame was taken, in the source's own time."""
        return 0 if self._track is None else self._track.first_ms

    @property
    def asking(self) -> bool:
        """Whether actions are asked for. From then on, one face must stay in view."""
        return self._asked is not None

    def feed(self, frame: Measured, actions: Sequence[Action] = ()) -> Progress:
        """Take the next frame, and the actions that were found with it.

        Raises:
            CallerMisuse: the challenge is over.
        """
        if self._state in (CaptureState.PASSED, CaptureState.FAILED):
            raise CallerMisuse("this challenge is over")
        if self._begun_ms is None:
            self._begun_ms = frame.at_ms
        self._follow(frame)
        if not self._reason and self._asked is not None:
            self._take(actions, frame)
            self._go_on_counting(frame)
        if self._state in (CaptureState.SETTLING, CaptureState.ASKING):
            self._watch_the_clock(frame)
            self._maybe_ask(frame)
        return self._progress(frame)

    def end(self, reason: AttemptReason = "recording-ended") -> Progress:
        """End the challenge, because no further frame will come."""
        if self._state is not CaptureState.PASSED:
            self._reason = self._reason or reason
        return Progress(self._state, len(self._traces), "failed", reason=self._reason)

    def transcript(
        self, model_digest: Digest, totals: AttemptTotals, passive: int | None
    ) -> LivenessTranscript:
        """The evidence of a passed challenge. Raises ``CallerMisuse`` before that."""
        if self._state is not CaptureState.PASSED or self._track is None:
            raise CallerMisuse("the challenge was not passed")
        return LivenessTranscript(
            session=self._challenge.session,
            challenge_digest=self._challenge.digest,
            model_digest=model_digest,
            intervals=encode_intervals(self._track.times),
            actions=self.traces,
            longest_gap_ms=self._track.longest_gap_ms,
            face_changes=0,
            passive=passive,
            totals=totals,
        )

    @property
    def _state(self) -> CaptureState:
        if self._reason is not None:
            return CaptureState.FAILED
        if len(self._traces) == self._length:
            return CaptureState.PASSED
        return CaptureState.SETTLING if self._asked is None else CaptureState.ASKING

    def _follow(self, frame: Measured) -> None:
        """Follow one face without a long gap. A break before the first prompt begins a new
        track."""
        track, usable = self._track, frame.faces == 1 and frame.face is not None
        gap = 0 if track is None else frame.at_ms - track.last_face_ms
        if track is None or gap > MAX_GAP_MS or (usable and not frame.continuous):
            if self._asked is not None:
                self._fail_for_face(changed=gap <= MAX_GAP_MS)
                return
            self._track = track = _Track(frame.at_ms, frame.at_ms) if usable else None
        self._crowded = frame.faces > 1
        if track is None:
            return
        track.times.append(frame.at_ms)
        if usable:
            track.longest_gap_ms = max(track.longest_gap_ms, frame.at_ms - track.last_face_ms)
            track.last_face_ms = frame.at_ms
            track.levels.append(frame)

    def _fail_for_face(self, *, changed: bool) -> None:
        if changed:
            self._reason = "face-changed"
        else:
            self._reason = "several-faces" if self._crowded else "face-lost"

    def _take(self, actions: Sequence[Action], frame: Measured) -> None:
        for action in actions:
            expected = self._challenge.actions[len(self._traces)]
            if self._asked is None or action.start_ms < self._asked.at_ms + REACTION_MS:
                continue
            if action.kind == expected != "count":
                self._traces.append(self._trace(action, self._asked))
                self._ask(frame)
                if self._state is CaptureState.PASSED:
                    return
            elif action.kind == "count":
                if self._count is not None:
                    self._count.take(action)
            elif not _harmless(action.kind, expected):
                self._reason, self._wrong = "wrong-action", action.kind
                return

    def _go_on_counting(self, frame: Measured) -> None:
        count = self._count
        if count is None or self._asked is None:
            return
        count.watch(frame.at_ms)
        if count.fault is not None:
            self._reason = "time-ran-out" if count.fault == "missed" else "wrong-action"
        elif count.complete:
            self._traces.append(self._trace_of_count(count.answers, self._asked, frame))
            self._ask(frame)

    def _ask(self, frame: Measured) -> None:
        """Ask for the next action, if one is left."""
        self._asked, self._count = frame, None
        if self.awaited == "count" and self._challenge.counting is not None:
            self._count = Count(self._challenge.counting, frame.at_ms, REACTION_MS)

    def _trace_of_count(
        self, answers: Sequence[Action], asked: Measured, frame: Measured
    ) -> ActionTrace:
        first = self.first_ms
        levels = [_level("count", min(self._frames, key=_nearness(one.peak_ms))) for one in answers]
        smallest = answers[levels.index(min(levels))]
        return ActionTrace(
            kind="count",
            asked_ms=asked.at_ms - first,
            start_ms=answers[0].start_ms - first,
            peak_ms=smallest.peak_ms - first,
            end_ms=frame.at_ms - first,
            rest=self._rest(answers[0], asked),
            reach=min(levels),
            openings=tuple(one.start_ms - first for one in answers),
        )

    def _trace(self, action: Action, asked: Measured) -> ActionTrace:
        first = self.first_ms
        return ActionTrace(
            kind=action.kind,
            asked_ms=asked.at_ms - first,
            start_ms=action.start_ms - first,
            peak_ms=action.peak_ms - first,
            end_ms=action.end_ms - first,
            rest=self._rest(action, asked),
            reach=_level(action.kind, min(self._frames, key=_nearness(action.peak_ms))),
        )

    @property
    def _frames(self) -> Sequence[Measured]:
        return () if self._track is None else self._track.levels

    def _rest(self, action: Action, asked: Measured) -> int:
        """Median before the action, because a single frame may show an unasked blink."""
        before = action.start_ms - REST_MS
        levels = [
            _level(action.kind, frame)
            for frame in self._frames
            if before <= frame.at_ms < action.start_ms
        ]
        return round(median(levels or [_level(action.kind, asked)]))

    def _watch_the_clock(self, frame: Measured) -> None:
        begun = frame.at_ms if self._begun_ms is None else self._begun_ms
        frames = 0 if self._track is None else len(self._track.times)
        if frame.at_ms - begun > self._challenge.limit_ms or frames > MAX_FRAMES:
            self._reason = "time-ran-out"

    def _maybe_ask(self, frame: Measured) -> None:
        """Ask for the first action at its moment, once the person looks straight."""
        if self._asked is not None or self._track is None or _hindrance(frame) is not None:
            return
        if frame.at_ms - self._track.first_ms >= self._challenge.start_ms and _frontal(frame):
            self._ask(frame)

    def _progress(self, frame: Measured) -> Progress:
        state, done = self._state, len(self._traces)
        if state is CaptureState.FAILED:
            return Progress(state, done, "failed", reason=self._reason)
        if state is CaptureState.PASSED:
            return Progress(state, done, "done")
        if self._asked is None:
            advice = _hindrance(frame) or (None if _frontal(frame) else "look-straight")
            return Progress(state, done, "hold-still", advice)
        number = None if self._count is None else self._count.lit(frame.at_ms)
        late = self._count is None and frame.at_ms - self._asked.at_ms > PATIENCE_MS
        advice = _hindrance(frame) or ("more-clearly" if late else None)
        asked = ASK[self._challenge.actions[done]]
        return Progress(state, done, asked, advice, number=number)


def _harmless(kind: ActionKind, expected: ActionKind) -> bool:
    """People blink unasked; whoever counts opens the mouth."""
    return kind == "blink" or (kind == "open-mouth" and expected == "count")


def _nearness(at_ms: int) -> Callable[[Measured], int]:
    return lambda frame: abs(frame.at_ms - at_ms)


def _level(kind: ActionKind, frame: Measured) -> int:
    """The action's own measurement in hundredths."""
    return max(-300, min(300, round(100 * float(getattr(frame, _LEVEL[kind])))))


def _frontal(frame: Measured) -> bool:
    return frame.faces == 1 and abs(frame.turn) <= FRONTAL_TURN


def _hindrance(frame: Measured) -> MessageId | None:
    """Advice about what makes this frame unusable, or None."""
    if frame.faces == 0 or frame.face is None:
        return "no-face" if frame.exposure >= DARK_ROOM else "too-dark"
    if frame.faces > 1:
        return "several-faces"
    if frame.face.inter_ocular_px < FAR_PX:
        return "come-closer"
    if frame.exposure < DARK:
        return "too-dark"
    return "too-bright" if frame.exposure > BRIGHT else None
