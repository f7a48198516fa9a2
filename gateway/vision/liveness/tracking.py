"""Follows one face from the first frame to the last, and says when it is no longer the same.

Rules:

- A face that moved or grew faster than heads do, or was out of sight too long, starts a new track.
- At least every 250 ms the embedding is compared with the mean of the track so far. After a jump, a
  gap or a sudden change of the face's shape it is compared at once. A face that is not close enough
  starts a new track.
- A frame is continuous only if the checks that were due passed; nothing else is assumed.

Thresholds come from 12 clips of lively faces (3,900 frames). In 1,937 samples the cosine of the
same person with the mean before was never below 0.63, and another person's never above 0.45
(gateway/docs/MODELS.md). Faces stay in memory.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.vision.alignment import similarity
from gateway.vision.geometry import DetectedFace, Points
from gateway.vision.liveness.limits import LIMITS
from gateway.vision.liveness.measurement import eye_centres
from gateway.vision.pipeline import UnitVector

_OURS = LIMITS["tracking"]
SAME_PERSON_COSINE: Final[float] = _OURS["samePersonCosine"]
SAMPLE_EVERY_MS: Final[int] = _OURS["sampleEveryMs"]
MAX_GAP_MS: Final[int] = _OURS["maxGapMs"]
MAX_UNSURE_MS: Final[int] = _OURS["maxUnsureMs"]
"""Since the person was last identified, while no frame is good enough to embed."""

# Eye distances between two frames. The fastest head in the clips: 0.8 in 40 ms, 2.0 in 240 ms.
_REACH: Final[float] = _OURS["reach"]
_REACH_PER_MS: Final[float] = _OURS["reachPerMs"]
_REACH_AT_MOST: Final[float] = _OURS["reachAtMost"]
_MAX_ZOOM: Final[float] = _OURS["maxZoom"]  # natural logarithm; the fastest in the clips is 0.10
_JUMP: Final[float] = _OURS["jump"]
_ZOOM_JUMP: Final[float] = _OURS["zoomJump"]
_SHAPE_JUMP: Final[float] = _OURS["shapeJump"]
"""Motion, growth and change of shape. Above any of them the embedding is compared at once."""
_LONG_STEP_MS: Final[int] = _OURS["longStepMs"]
_RIGID = slice(*LIMITS["points"]["rigid"])
"""Contour, brows, nose, eyes: they change little from frame to frame."""


class FaceTrack:
    """Feed every frame: ``pick`` a face, ``follow`` or ``lose`` it, ``identify`` it when asked."""

    def __init__(self) -> None:
        self._points: Points | None = None
        self._seen_ms = self._sampled_ms = 0
        self._sum: npt.NDArray[np.float64] | None = None
        self._owed = False

    def pick(self, faces: Sequence[DetectedFace]) -> DetectedFace | None:
        """The face nearest to where the tracked one was, or the tallest if none is tracked.

        None if there is no face.
        """
        if not faces:
            return None
        last = self._points
        if last is None:
            return max(faces, key=lambda face: face.box.height)
        middle = _middle(last)
        return min(faces, key=lambda face: float(np.hypot(*(face.five[:2].mean(axis=0) - middle))))

    def lose(self, at_ms: int) -> bool:
        """A frame has no face. Returns whether the track may still go on."""
        if self._points is not None and at_ms - self._seen_ms <= MAX_GAP_MS:
            return True
        self._points = self._sum = None
        return False

    def follow(self, at_ms: int, points: Points) -> tuple[bool, bool]:
        """Take the picked face's points, shape (68, 2), into the track, or start a new track.

        Returns:
            Whether the motion fits the track, and whether ``identify`` must be called now.
        """
        last, passed = self._points, at_ms - self._seen_ms
        self._points, self._seen_ms = points, at_ms
        if last is None or not 0 <= passed <= MAX_GAP_MS or _out_of_reach(last, points, passed):
            self._sum = None
            return False, True
        due = self._owed or at_ms - self._sampled_ms >= SAMPLE_EVERY_MS
        return True, due or passed > _LONG_STEP_MS or _jumped(last, points)

    def identify(self, at_ms: int, vector: UnitVector) -> bool:
        """Whether this is the track's person; if not, a new track starts with this face.

        ``vector``: shape (d,), unit length.
        """
        known, self._sampled_ms, self._owed = self._sum, at_ms, False
        if known is None:
            self._sum = vector.astype(np.float64)
            return True
        same = float(known @ vector) >= SAME_PERSON_COSINE * float(np.linalg.norm(known))
        self._sum = known + vector if same else vector.astype(np.float64)
        return same

    def unsure(self, at_ms: int) -> bool:
        """The face should be identified, but this frame is too poor to embed.

        The next frame that is good enough is compared, whenever it comes. Returns whether the track
        goes on until then; after ``MAX_UNSURE_MS`` a new one starts.
        """
        self._owed = True
        if self._sum is None or at_ms - self._sampled_ms <= MAX_UNSURE_MS:
            return True
        self._sum = None
        return False


def _middle(points: Points) -> npt.NDArray[np.floating]:
    left, right = eye_centres(points)
    return (left + right) / 2


def _eye_distance(points: Points) -> float:
    left, right = eye_centres(points)
    return max(float(np.hypot(*(right - left))), 1.0)


def _motion(last: Points, points: Points) -> tuple[float, float]:
    """Motion of the point between the eyes, in eye distances, and growth (natural logarithm)."""
    way = float(np.hypot(*(_middle(points) - _middle(last)))) / _eye_distance(last)
    return way, abs(float(np.log(_eye_distance(points) / _eye_distance(last))))


def _out_of_reach(last: Points, points: Points, passed_ms: int) -> bool:
    way, zoom = _motion(last, points)
    return way > min(_REACH + _REACH_PER_MS * passed_ms, _REACH_AT_MOST) or zoom > _MAX_ZOOM


def _jumped(last: Points, points: Points) -> bool:
    way, zoom = _motion(last, points)
    return way > _JUMP or zoom > _ZOOM_JUMP or shape_change(last, points) > _SHAPE_JUMP


def shape_change(last: Points, points: Points) -> float:
    """How far two frames' rigid points differ after the best similarity, in eye distances (RMS)."""
    matrix = similarity(last[_RIGID], points[_RIGID])
    moved = last[_RIGID] @ matrix[:, :2].T + matrix[:, 2]
    rest = np.sqrt(np.mean(np.sum((moved - points[_RIGID]) ** 2, axis=1)))
    return float(rest) / _eye_distance(points)
