"""A person before a camera, without pictures: measurements and actions by script.

``Puppet`` is frame source, meter and detectors in one. It does what the prompts ask, or plays a
recording that knows of no prompt. ``transcript_for`` is an honest answer to any challenge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gateway.client.liveness.capture import Captured, LiveCapture
from gateway.client.liveness.prompts import ASK
from gateway.client.liveness.runner import CaptureState, Progress
from gateway.client.liveness.sources import Frame
from gateway.vision.errors import OutOfFocus
from gateway.vision.geometry import Box, DetectedFace
from gateway.vision.liveness import FrameMeasurement
from gateway.wire.ids import Digest, digest_of
from gateway.wire.liveness import (
    ActionKind,
    ActionTrace,
    AttemptTotals,
    Challenge,
    LivenessTranscript,
    encode_intervals,
)

STEP_MS = 40
"""25 frames a second."""
REACTION_MS, RISE_MS, FALL_MS = 400, 240, 240
SYLLABLE_MS = 120
"""A word of a count opens the mouth for so long, and closes it for as long."""
TOTALS = AttemptTotals(attempts=1, seconds=9, reasons=())
MODEL_DIGEST = digest_of(b"a model of no faces")
_PEAK: dict[ActionKind, dict[str, float]] = {
    "blink": {"eyes_closed": 0.95},
    "open-mouth": {"mouth_open": 0.6},
    "turn-left": {"turn": 0.35},
    "turn-right": {"turn": -0.35},
    "count": {"mouth_open": 0.2},
}
_LEVEL = {"blink": (3, 95), "open-mouth": (5, 60), "turn-left": (0, 35), "turn-right": (0, -35)}
_LEVEL |= {"count": (5, 20)}


def a_face(eyes_px: float = 80.0) -> DetectedFace:
    """A face whose eyes are so many pixels apart."""
    five = np.array([[0, 0], [eyes_px, 0], [eyes_px / 2, 40], [10, 80], [70, 80]], np.float32)
    return DetectedFace(Box(-20, -40, eyes_px + 20, 120), 0.99, five)


@dataclass(frozen=True)
class Seen:
    """An action as a detector reports it."""

    kind: ActionKind
    start_ms: int
    peak_ms: int
    end_ms: int
    strength: float = 1.0


@dataclass
class Puppet:
    """One person, 25 frames a second.

    ``recording``: (start, kind) in milliseconds, whatever is asked; None: obeys the prompts.
    ``missing``, ``crowd``, ``dark``: stretches of time without a face, with two, without light.
    ``cuts``: moments at which the face becomes another person's.
    """

    face: Any = None
    action_face: Any = None
    """Whose face is seen during actions; None: the same."""
    recording: Sequence[tuple[int, ActionKind]] | None = None
    length_ms: int = 30_000
    missing: Sequence[tuple[int, int]] = ()
    crowd: Sequence[tuple[int, int]] = ()
    dark: Sequence[tuple[int, int]] = ()
    cuts: Sequence[int] = ()
    turned_until_ms: int = 0
    eyes_px: float = 80.0
    blink_every_ms: int | None = None
    score: float | None = 0.9
    alter: Callable[[FrameMeasurement], FrameMeasurement] = lambda measured: measured
    """What an impairment, a camera or a room makes of each measurement."""
    step_ms: int = STEP_MS
    poor_during: ActionKind | None = None
    """From half a second before this action to half a second after it, no frame can be embedded."""
    recognised: Callable[[ActionKind], bool] = lambda _kind: True
    """Whether the detectors find an action of this kind."""
    shown: list[Progress] = field(default_factory=list)
    _planned: list[Seen] = field(default_factory=list)
    delays_ms: Sequence[int] = (REACTION_MS,)
    """How long after each number of a count the mouth opens, in turn."""
    _told: set[int] = field(default_factory=set)
    _said: set[int] = field(default_factory=set)
    _now: int = 0

    def __post_init__(self) -> None:
        self.face = np.eye(512, dtype=np.float32)[0] if self.face is None else self.face
        for start, kind in self.recording or ():
            self._plan(kind, start)
        if self.blink_every_ms:
            for start in range(self.blink_every_ms, self.length_ms, self.blink_every_ms):
                self._plan("blink", start - start % STEP_MS, rise=80, fall=40)

    # What LiveCapture needs

    def frames(self) -> Iterator[Frame]:
        for at_ms in range(0, self.length_ms, self.step_ms):
            self._now = at_ms
            yield Frame(np.zeros((2, 2, 3), np.uint8), at_ms)

    def measure(self, _image: Any, at_ms: int) -> FrameMeasurement:
        if _within(at_ms, self.missing):
            return FrameMeasurement(at_ms, 0, None, exposure=0.5, continuous=at_ms > 0)
        levels = {"turn": 0.3 if at_ms < self.turned_until_ms else 0.0, "eyes_closed": 0.03}
        for action in self._planned:
            height = _height(action, at_ms)
            if height > 0:
                levels |= {k: v * height for k, v in _PEAK[action.kind].items()}
        measured = FrameMeasurement(
            at_ms,
            2 if _within(at_ms, self.crowd) else 1,
            a_face(self.eyes_px),
            turn=levels["turn"],
            eyes_closed=levels["eyes_closed"],
            mouth_open=levels.get("mouth_open", 0.05),
            sharpness=10.0,
            exposure=0.1 if _within(at_ms, self.dark) else 0.5,
            continuous=at_ms > 0 and at_ms not in self.cuts,
            pitch=0.55,
            each_closed=(levels["eyes_closed"], levels["eyes_closed"]),
            eyes_contrast=0.65,
            mouth_contrast=0.55,
            finding="good" if at_ms % 240 == 0 else None,
        )
        return self.alter(measured)

    def embed(self, _image: Any, _face: Any) -> Any:
        if any(
            action.kind == self.poor_during
            and action.start_ms - 500 <= self._now <= action.end_ms + 500
            for action in self._planned
        ):
            raise OutOfFocus
        acting = any(_height(action, self._now) > 0 for action in self._planned)
        return self.action_face if acting and self.action_face is not None else self.face

    def passive_score(self, _image: Any, _face: Any) -> float | None:
        return self.score

    def feed(self, frame: Any) -> list[Seen]:
        since = frame.at_ms - self.step_ms
        ended = [
            a for a in self._planned if since < a.end_ms <= frame.at_ms and self.recognised(a.kind)
        ]
        return sorted(ended, key=lambda action: action.start_ms)

    def show(self, progress: Progress) -> None:
        self.shown.append(progress)
        if self.recording is not None or progress.state is not CaptureState.ASKING:
            return
        if progress.number is not None and progress.number not in self._said:
            delay = self.delays_ms[len(self._said) % len(self.delays_ms)]
            self._said.add(progress.number)
            self._plan("count", self._now + delay)
        if progress.prompt != ASK["count"] and progress.done not in self._told:
            self._told.add(progress.done)
            kind = next(kind for kind, prompt in ASK.items() if prompt == progress.prompt)
            self._plan(kind, self._now + REACTION_MS)

    def _plan(self, kind: ActionKind, start: int, rise: int = RISE_MS, fall: int = FALL_MS) -> None:
        if kind == "count":
            rise, fall = SYLLABLE_MS, SYLLABLE_MS
        self._planned.append(Seen(kind, start, start + rise, start + rise + fall))

    def capture(self, challenge: Challenge, model_digest: Digest = MODEL_DIGEST) -> Captured:
        """Run a challenge with this person. Raises ``Inconclusive``."""
        capture: LiveCapture[FrameMeasurement] = LiveCapture(
            lambda: self, lambda: self, model_digest, self.show
        )
        return capture.run(self.frames(), challenge, lambda: TOTALS)


def transcript_for(
    challenge: Challenge, model_digest: Digest, **changes: Any
) -> LivenessTranscript:
    """An honest answer; ``changes`` replace its fields."""
    traces, asked = [], _frame_after(challenge.start_ms)
    for kind in challenge.actions:
        rest, reach = _LEVEL[kind]
        if kind == "count":
            traces.append(_count(challenge, asked))
            asked = traces[-1].end_ms
            continue
        start = asked + REACTION_MS
        traces.append(
            ActionTrace(
                kind=kind,
                asked_ms=asked,
                start_ms=start,
                peak_ms=start + RISE_MS,
                end_ms=start + RISE_MS + FALL_MS,
                rest=rest,
                reach=reach,
            )
        )
        asked = start + RISE_MS + FALL_MS
    given = {
        "session": challenge.session,
        "challenge_digest": challenge.digest,
        "model_digest": model_digest,
        "intervals": encode_intervals(range(0, asked + STEP_MS, STEP_MS)),
        "actions": tuple(traces),
        "longest_gap_ms": STEP_MS,
        "face_changes": 0,
        "passive": 90,
        "totals": TOTALS,
    }
    return LivenessTranscript(**(given | changes))


def _count(challenge: Challenge, asked: int) -> ActionTrace:
    moments = challenge.counting.moments if challenge.counting else ()
    openings = tuple(_frame_after(asked + moment + REACTION_MS) for moment in moments)
    rest, reach = _LEVEL["count"]
    return ActionTrace(
        kind="count",
        asked_ms=asked,
        start_ms=openings[0],
        peak_ms=openings[0] + STEP_MS,
        end_ms=openings[-1] + 2 * STEP_MS,
        rest=rest,
        reach=reach,
        openings=openings,
    )


def _frame_after(at_ms: int) -> int:
    return -(-at_ms // STEP_MS) * STEP_MS


def _within(at_ms: int, stretches: Sequence[tuple[int, int]]) -> bool:
    return any(begin <= at_ms < end for begin, end in stretches)


def _height(action: Seen, at_ms: int) -> float:
    """How far an action is done, 0 to 1."""
    if not action.start_ms <= at_ms <= action.end_ms:
        return 0.0
    if at_ms <= action.peak_ms:
        return 0.2 + 0.8 * (at_ms - action.start_ms) / (action.peak_ms - action.start_ms)
    return 0.2 + 0.8 * (action.end_ms - at_ms) / (action.end_ms - action.peak_ms)
