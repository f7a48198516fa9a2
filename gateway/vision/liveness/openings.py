"""Small openings of the mouth, as in quiet speech, relative to this person's own closed mouth.

``detectors`` finds mouths that are opened wide on purpose. Whoever counts aloud hardly parts the
lips, so here the measure is the person's own: the level below which the opening lies for a fifth of
the last seconds is that of the closed mouth, and an opening rises above it. Two more witnesses are
asked for: the mouth must look different from when it was most closed, the more so the wider it
opened; and the face must stay as broad as it was, as a print that is bent at the mouth does not.

An opening is told when it is over, or has lasted ``longestMs``.

Pure and causal, as ``detectors``. Limits: in the clips the opening of a mouth at rest scatters by
0.001 to 0.007 from frame to frame, and speech opens it by 0.1 and more (gateway/docs/MODELS.md).
"""

from collections import deque
from statistics import median
from typing import Final

from gateway.vision.liveness.events import ActionEvent
from gateway.vision.liveness.limits import LIMITS
from gateway.vision.liveness.measurement import FrameMeasurement

_OURS = LIMITS["openings"]
_OPENS: Final[float] = _OURS["opens"]  # above the closed mouth's level
_CLOSES: Final[float] = _OURS["closes"]
_WIDE: Final[float] = _OURS["wide"]  # at its height
_CHANGED: Final[float] = _OURS["changed"]
_CHANGED_SHARE: Final[float] = _OURS["changedShare"]  # of the opening
_BROAD: Final[float] = _OURS["broad"]  # share by which the breadth may differ from the usual one
_LASTS_MS: Final[int] = _OURS["lastsMs"]
_LONGEST_MS: Final[int] = _OURS["longestMs"]
_REST_MS: Final[int] = _OURS["restMs"]
_REST_SHARE: Final[float] = _OURS["restShare"]
_SETTLED_MS: Final[int] = _OURS["settledMs"]  # of a new track: before, nothing is known of its rest


class MouthOpenings:
    """Feed every frame of one track that shows one face, in order of time."""

    def __init__(self) -> None:
        self._recent: deque[FrameMeasurement] = deque()
        self._open: list[FrameMeasurement] = []
        self._told = False

    def feed(self, now: FrameMeasurement) -> ActionEvent | None:
        """The opening that is over with this frame, as a ``count`` event; mostly none."""
        self._recent.append(now)
        while now.at_ms - self._recent[0].at_ms > _REST_MS:
            self._recent.popleft()
        above = now.mouth_open - self._rest()
        if above < (_CLOSES if self._open else _OPENS):
            event = None if self._told else self._event(now)
            self._open, self._told = [], False
            return event
        if not self._open and now.at_ms - self._recent[0].at_ms < _SETTLED_MS:
            return None
        self._open.append(now)
        if self._told or now.at_ms - self._open[0].at_ms < _LONGEST_MS:
            return None
        self._told = True
        return self._event(now)

    def _rest(self) -> float:
        levels = sorted(frame.mouth_open for frame in self._recent)
        return levels[int(_REST_SHARE * len(levels))]

    def _event(self, now: FrameMeasurement) -> ActionEvent | None:
        if not self._open:
            return None
        first, peak = self._open[0], max(self._open, key=lambda frame: frame.mouth_open)
        strength = peak.mouth_open - self._rest()
        if now.at_ms - first.at_ms < _LASTS_MS or strength < _WIDE:
            return None
        if not (self._looks_open(strength) and self._is_as_broad()):
            return None
        return ActionEvent("count", first.at_ms, peak.at_ms, now.at_ms, strength)

    def _looks_open(self, strength: float) -> bool:
        changed = max(frame.mouth_changed for frame in self._open)
        return changed >= max(_CHANGED, _CHANGED_SHARE * strength)

    def _is_as_broad(self) -> bool:
        usual = median(frame.breadth for frame in self._recent)
        return abs(median(frame.breadth for frame in self._open) - usual) <= _BROAD * usual
