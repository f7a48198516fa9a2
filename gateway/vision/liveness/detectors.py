"""Blinks, mouth openings and turns of the head, found in measurements as they come.

Pure and causal: numbers in, events out, no look ahead. Each action needs two witnesses:

- **landmarks and eye model** say what moved, compared with what is usual for this face;
- **appearance** says that the picture of eyes or mouth changed in a way that no motion of a flat
  photograph explains (``appearance``). Landmarks alone are fooled: of prints that were tilted,
  bent and shaken, every third showed a "turn".

Nothing is found in the first moments of a track, nor while several faces could be the customer's. A
blink counts when the eyes are open again, the others as soon as they have lasted long enough.
Thresholds were tuned on the labelled clips and on moved photographs of other people
(gateway/docs/MODELS.md).
"""

from collections import deque
from statistics import median
from typing import Final, Protocol

from gateway.vision.liveness.events import ActionEvent, ActionKind
from gateway.vision.liveness.limits import LIMITS
from gateway.vision.liveness.measurement import FrameMeasurement
from gateway.vision.liveness.openings import MouthOpenings

_OURS = LIMITS["detectors"]
_SETTLED_MS: Final[int] = _OURS["settledMs"]  # of a new track

_CLOSED: Final[float] = _OURS["closed"]  # probability that the more open eye is closed
_OPEN: Final[float] = _OURS["open"]
_EYES_CHANGED: Final[float] = _OURS["eyesChanged"]
_LIDS_FALL: Final[float] = _OURS["lidsFall"]
"""Of the eyes' opening before; the loss is twice the landmarks' scatter."""
_BEFORE_MS: Final[int] = _OURS["beforeMs"]
_LONGEST_BLINK_MS: Final[int] = _OURS["longestBlinkMs"]
_FALL_MS: Final[int] = _OURS["fallMs"]  # from open eyes to closed ones

_GAPE: Final[float] = _OURS["gape"]
_GAPE_BEGINS: Final[float] = _OURS["gapeBegins"]  # share of _GAPE
_GAPE_END: Final[float] = _OURS["gapeEnd"]  # share of the widest opening
_MOUTH_CHANGED: Final[float] = _OURS["mouthChanged"]
_GAPE_MS: Final[int] = _OURS["gapeMs"]

_TURN: Final[float] = _OURS["turn"]  # from the baseline
_TURN_END: Final[float] = _OURS["turnEnd"]
_TURN_SEEN: Final[float] = _OURS["turnSeen"]
"""From the camera: coming back from a turn is not a turn."""
_TURN_CHANGED: Final[float] = _OURS["turnChanged"]
_TURN_MS: Final[int] = _OURS["turnMs"]
_FRONTAL: Final[float] = _OURS["frontal"]  # a face is frontal up to this turn
_BASELINE_MS: Final[int] = _OURS["baselineMs"]

_BROAD: Final[float] = _OURS["broad"]  # of the usual breadth
"""Turned heads in the clips keep 0.93 and more; of 40 turned and bent prints, 34 kept less."""
_FAR: Final[float] = _OURS["far"]
_BROAD_LOSS: Final[float] = _OURS["broadLoss"]
"""Offset of the nose in eye distances, and share of the breadth. No print's nose came beyond
``_FAR``. There a head becomes narrower too, by at most ``_BROAD_LOSS`` per further eye distance."""
_MOST_LOSS: Final[float] = _OURS["mostLoss"]


class ActionDetectors:
    """Feed every frame in order of time.

    ``openings``: also find the small ones of a count (``openings``).
    """

    def __init__(self, *, openings: bool = False) -> None:
        self._openings = openings
        self._begin(0)

    def feed(self, measured: FrameMeasurement) -> list[ActionEvent]:
        """The actions that this frame ended or confirmed; mostly none."""
        if measured.face is None or not measured.continuous:
            self._begin(measured.at_ms)
            return []
        if measured.faces != 1 or measured.at_ms - self._since_ms < _SETTLED_MS:
            return []
        found = (detector.feed(measured) for detector in self._detectors)
        return [event for event in found if event is not None]

    def _begin(self, at_ms: int) -> None:
        self._since_ms = at_ms
        small = [MouthOpenings()] if self._openings else []
        self._detectors: list[_Detector] = [_Blink(), _Mouth(), _Turn(), *small]


class _Detector(Protocol):
    def feed(self, now: FrameMeasurement) -> ActionEvent | None: ...


class _Blink:
    """Both eyes close within a moment, look different, and open again."""

    def __init__(self) -> None:
        self._open: deque[FrameMeasurement] = deque()
        self._closed: list[FrameMeasurement] = []

    def feed(self, now: FrameMeasurement) -> ActionEvent | None:
        if now.eyes_closed >= _CLOSED:
            fell = bool(self._open) and now.at_ms - self._open[-1].at_ms <= _FALL_MS
            if self._closed or fell:
                self._closed.append(now)
            return None
        if now.eyes_closed >= _OPEN:
            return None
        event = self._event(now.at_ms)
        self._closed = []
        self._open.append(now)
        while now.at_ms - self._open[0].at_ms > _BEFORE_MS:
            self._open.popleft()
        return event

    def _event(self, now_ms: int) -> ActionEvent | None:
        closed = self._closed
        if not closed or now_ms - closed[0].at_ms > _LONGEST_BLINK_MS:
            return None
        peak = max(closed, key=lambda frame: frame.eyes_changed)
        before = sorted(frame.eye_aspect for frame in self._open)[len(self._open) // 2]
        fallen = min(frame.eye_aspect for frame in closed) / before if before > 0 else 1.0
        if peak.eyes_changed < _EYES_CHANGED or fallen > _LIDS_FALL:
            return None
        return ActionEvent("blink", closed[0].at_ms, peak.at_ms, closed[-1].at_ms, 1 - fallen)


class _Mouth:
    """The lips part, stay apart for a moment, and the mouth looks different."""

    def __init__(self) -> None:
        self._gape: list[FrameMeasurement] = []
        self._told = False

    def feed(self, now: FrameMeasurement) -> ActionEvent | None:
        widest = max((frame.mouth_open for frame in self._gape), default=0.0)
        if now.mouth_open < max(_GAPE * _GAPE_BEGINS, _GAPE_END * widest):
            self._gape, self._told = [], False
            return None
        if now.mouth_open >= _GAPE or self._gape:
            self._gape.append(now)
        if self._told or not self._gape or now.at_ms - self._gape[0].at_ms < _GAPE_MS:
            return None
        if max(frame.mouth_changed for frame in self._gape) < _MOUTH_CHANGED:
            return None
        self._told = True
        peak = max(self._gape, key=lambda frame: frame.mouth_open)
        return ActionEvent(
            "open-mouth", self._gape[0].at_ms, peak.at_ms, now.at_ms, peak.mouth_open
        )


class _Turn:
    """The nose leaves its usual place between the eyes for a while, and the eyes look different.

    The face must stay as broad as it was: a head is round, but a turned sheet becomes narrow.
    """

    def __init__(self) -> None:
        self._usual: deque[FrameMeasurement] = deque()
        self._away: list[FrameMeasurement] = []
        self._baseline = 0.0
        self._told = False

    def feed(self, now: FrameMeasurement) -> ActionEvent | None:
        way = now.turn - self._baseline
        if self._away and (abs(way) < _TURN_END or way * self._away[0].turn < 0):
            self._away, self._told = [], False
        if self._usual and abs(way) >= _TURN and abs(now.turn) >= _TURN_SEEN and way * now.turn > 0:
            self._away.append(now)
        if not self._away:
            self._learn(now)
            return None
        if self._told or self._away[-1].at_ms - self._away[0].at_ms < _TURN_MS:
            return None
        changed = sorted(frame.turned_changed for frame in self._away)
        if changed[len(changed) // 2] < _TURN_CHANGED:
            return None
        if not self._broad():
            return None
        self._told = True
        return self._event(now)

    def _broad(self) -> bool:
        usual = median(frame.breadth for frame in self._usual)
        return median(self._breadth(frame) for frame in self._away) >= _BROAD * usual

    def _breadth(self, frame: FrameMeasurement) -> float:
        """The breadth, plus what a head loses in a far turn."""
        far = max(0.0, abs(frame.turn - self._baseline) - _FAR)
        return frame.breadth / (1 - min(_BROAD_LOSS * far, _MOST_LOSS) / _BROAD)

    def _learn(self, now: FrameMeasurement) -> None:
        """Take a frontal frame into the baseline: the median over the last seconds.

        Without any frontal frame there is no baseline, and no turn is found.
        """
        if abs(now.turn) > _FRONTAL:
            return
        self._usual.append(now)
        while now.at_ms - self._usual[0].at_ms > _BASELINE_MS:
            self._usual.popleft()
        self._baseline = sorted(frame.turn for frame in self._usual)[len(self._usual) // 2]

    def _event(self, now: FrameMeasurement) -> ActionEvent:
        peak = max(self._away, key=lambda frame: abs(frame.turn - self._baseline))
        kind: ActionKind = "turn-left" if peak.turn > self._baseline else "turn-right"
        strength = abs(peak.turn - self._baseline)
        return ActionEvent(kind, self._away[0].at_ms, peak.at_ms, now.at_ms, strength)
