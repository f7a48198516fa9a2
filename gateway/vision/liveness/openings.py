"""Small openings of the mouth, as in quiet speech, relative to this person's own closed mouth.

``detectors`` finds mouths that are opened wide on purpose. Whoever counts aloud hardly parts the
lips, so here the measure is the person's own: the level below which the opening lies for a fifth of
the last seconds is that of the closed mouth, and an opening rises above it. A second witness is
asked for here as well: the mouth must look different from when it was most closed.

Pure and causal, as ``detectors``. Limits: in the clips the opening of a mouth at rest scatters by
0.001 to 0.007 from frame to frame, and speech opens it by 0.1 and more (gateway/docs/MODELS.md).
"""

from collections import deque
from typing import Final

from gateway.vision.liveness.events import ActionEvent
from gateway.vision.liveness.limits import LIMITS
from gateway.vision.liveness.measurement import FrameMeasurement

_OURS = LIMITS["openings"]
_OPENS: Final[float] = _OURS["opens"]  # above the closed mouth's level
_CLOSES: Final[float] = _OURS["closes"]
_WIDE: Final[float] = _OURS["wide"]  # at its height
_CHANGED: Final[float] = _OURS["changed"]
_LASTS_MS: Final[int] = _OURS["lastsMs"]
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
        """The opening that this frame confirmed, as a ``count`` event; mostly none."""
        self._recent.append(now)
        while now.at_ms - self._recent[0].at_ms > _REST_MS:
            self._recent.popleft()
        above = now.mouth_open - self._rest()
        if above < (_CLOSES if self._open else _OPENS):
            self._open, self._told = [], False
            return None
        if not self._open and now.at_ms - self._recent[0].at_ms < _SETTLED_MS:
            return None
        self._open.append(now)
        return None if self._told else self._event(now)

    def _rest(self) -> float:
        levels = sorted(frame.mouth_open for frame in self._recent)
        return levels[int(_REST_SHARE * len(levels))]

    def _event(self, now: FrameMeasurement) -> ActionEvent | None:
        first, peak = self._open[0], max(self._open, key=lambda frame: frame.mouth_open)
        changed = max(frame.mouth_changed for frame in self._open)
        strength = peak.mouth_open - self._rest()
        if now.at_ms - first.at_ms < _LASTS_MS or changed < _CHANGED or strength < _WIDE:
            return None
        self._told = True
        return ActionEvent("count", first.at_ms, peak.at_ms, now.at_ms, strength)
