"""What a photograph cannot do: show eyes or a mouth that look different from before.

Landmarks alone are not enough: in a tilted photograph, the model finds a turned head or a narrowed
eye. So each frame's face is brought to one pose, and small patches of it are compared with earlier
frames of the same person. Every change that a flat print can make is removed first. Motion of a
plane changes its picture by a homography, so a homography is fitted to the pixels (enhanced
correlation coefficient, Evangelidis and Psarakis 2008), and each patch may lie some pixels off.
Light and contrast cancel out of the correlation. What remains is a change of the face itself:

- Eyes: a lid that closes hides the iris. The eyes of a print stay as they are.
- Mouth: the mouth of a print stays closed.
- Turn: the eyes of a real head are then seen from the side. The eyes of a turned print still look
  as they did from the front.

The thresholds are in ``detectors``. Views stay in memory, for 2.5 seconds.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from gateway.vision.geometry import BgrImage, Points
from gateway.vision.liveness.limits import LIMITS

Grey = npt.NDArray[np.uint8]

_OURS = LIMITS["appearance"]
_EYE_DISTANCE: Final[int] = _OURS["eyeDistance"]  # pixels of the view
_WIDTH: Final[int] = _OURS["width"]
_HEIGHT: Final[int] = _OURS["height"]
_MIDDLE = np.array(_OURS["middle"], np.float64)  # between the eyes, in pixels of the view

_POINTS: Final[list[int]] = _OURS["points"]
# Where these points lie in a face seen from the front, in eye distances from the point between the
# eyes: the mean over twelve people, made symmetric.
_HALF: Final[dict[str, tuple[float, float]]] = _OURS["half"]
_TWIN: Final[dict[str, int]] = _OURS["twin"]


def _place(point: int) -> tuple[float, float]:
    if str(point) in _HALF:
        return _HALF[str(point)]
    x, y = _HALF[str(_TWIN[str(point)])]
    return -x, y


_FRONT = np.array([_place(point) for point in _POINTS])

_Patch = tuple[int, int, int, int]  # left, top, width, height in the view
_Patches = tuple[_Patch, ...]
_EYES: Final[_Patches] = _OURS["eyes"]
_MOUTH: Final[_Patches] = _OURS["mouth"]
_LIPS: Final[_Patches] = _OURS["lips"]
_SEARCH: Final[int] = _OURS["search"]  # pixels: a fifth of the eye distance

_FACE = np.zeros((_HEIGHT, _WIDTH), np.uint8)  # the fit ignores the background
_FACE[slice(*_OURS["face"][1::2]), slice(*_OURS["face"][::2])] = 255
_ECC_STOP = (
    cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT,
    _OURS["eccSteps"],
    _OURS["eccEnough"],
)
_ECC_BLUR: Final[int] = _OURS["eccBlur"]  # pixels

_KEEP_MS: Final[int] = _OURS["keepMs"]
_MOUTH_MS: Final[int] = _OURS["mouthMs"]
_BEFORE_MS: Final[int] = _OURS["beforeMs"]  # so long ago the lid had not yet begun to fall
_OPEN_EYES: Final[float] = _OURS["openEyes"]  # probability of closed eyes; below it they are open
_LEAST_GAPE: Final[float] = _OURS["leastGape"]
_LEAST_TURN: Final[float] = _OURS["leastTurn"]
_SHRINK_BELOW: Final[float] = _OURS["shrinkBelow"]  # scale below which sampling would alias
_MARGIN: Final[float] = _OURS["margin"]  # of the points' extent


@dataclass(frozen=True, slots=True)
class Changes:
    """How far the face looks different from before: 1 - correlation, 0 to 2.

    0 also stands where there was nothing to compare.
    """

    eyes: float = field(default=0.0, repr=False)
    """From when the eyes were last open: mean of both eyes."""
    mouth: float = field(default=0.0, repr=False)
    """From when the mouth was most closed, in the last 1.2 seconds."""
    turned: float = field(default=0.0, repr=False)
    """From when the face was most frontal, in the last 2.5 seconds: mean of both eyes."""


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    at_ms: int
    view: Grey = field(repr=False)
    eyes_closed: float
    mouth_open: float
    turn: float


class Appearance:
    """The earlier views of one track. Feed every frame of it, in order."""

    def __init__(self) -> None:
        self._looks: deque[_Look] = deque()

    def reset(self) -> None:
        """Another track begins: it is not compared with the last one."""
        self._looks.clear()

    def observe(
        self, at_ms: int, view: Grey, eyes_closed: float, mouth_open: float, turn: float
    ) -> Changes:
        """Compare one frame's view with the track's earlier ones, then remember it.

        ``view``: as ``aligned_view`` makes it; the rest as in ``FrameMeasurement``.
        """
        looks = self._looks
        while looks and at_ms - looks[0].at_ms > _KEEP_MS:
            looks.popleft()
        now = _Look(at_ms, view, eyes_closed, mouth_open, turn)
        changes = Changes(self._eyes(now), self._mouth(now), self._turned(now))
        looks.append(now)
        return changes

    def _eyes(self, now: _Look) -> float:
        if now.eyes_closed < _OPEN_EYES:
            return 0.0
        for past in reversed(self._looks):
            if past.eyes_closed < _OPEN_EYES and now.at_ms - past.at_ms >= _BEFORE_MS:
                return _eyes_differ(past.view, now.view)
        return 0.0

    def _mouth(self, now: _Look) -> float:
        recent = [past for past in self._looks if now.at_ms - past.at_ms <= _MOUTH_MS]
        closed = min(recent, key=lambda past: past.mouth_open, default=now)
        if now.mouth_open - closed.mouth_open < _LEAST_GAPE:
            return 0.0
        return _differ(closed.view, now.view, _MOUTH)

    def _turned(self, now: _Look) -> float:
        front = min(self._looks, key=lambda past: abs(past.turn), default=now)
        if abs(now.turn - front.turn) < _LEAST_TURN:
            return 0.0
        return _eyes_differ(front.view, now.view)


def aligned_view(image: BgrImage, landmarks: Points) -> Grey:
    """The face in the pose of ``_FRONT``: shape (112, 96), uint8, grey. ``landmarks``: (68, 2)."""
    source = landmarks[list(_POINTS)].astype(np.float64)
    rows = np.column_stack([source, np.ones(len(source))])
    matrix = np.linalg.lstsq(rows, _FRONT * _EYE_DISTANCE + _MIDDLE, rcond=None)[0].T
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    margin = _MARGIN * (high - low)
    height, width = image.shape[:2]
    x0, y0 = np.clip((low - margin).astype(int), 0, [width - 1, height - 1])
    x1, y1 = np.clip((high + margin).astype(int) + 1, [x0 + 1, y0 + 1], [width, height])
    grey = cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_BGR2GRAY)
    matrix[:, 2] += matrix[:, :2] @ [float(x0), float(y0)]
    factor = 1
    while np.sqrt(abs(np.linalg.det(matrix[:, :2]))) * factor < _SHRINK_BELOW and factor < 32:
        factor *= 2
    if factor > 1:
        size = (max(1, grey.shape[1] // factor), max(1, grey.shape[0] // factor))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        matrix[:, 2] += matrix[:, :2] @ [factor / 2 - 0.5, factor / 2 - 0.5]
        matrix[:, :2] *= factor
    view = cv2.warpAffine(grey, matrix, (_WIDTH, _HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(view, np.uint8)


def contrasts(view: Grey) -> tuple[float, float]:
    """Contrast of the eyes and of the lips: deviation of their grey levels over the whole face's.

    Tinted glasses and masks are smooth. In the clips, the eyes of uncovered faces have 0.5 and more
    and the lips 0.33; behind glasses that take 60 % of the light eyes have 0.28 and less, and lips
    behind a plain mask 0.12.
    """
    levels = view.astype(np.float32)
    whole = float(levels[_FACE > 0].std()) + 1.0
    eyes, mouth = (
        float(np.mean([levels[y : y + h, x : x + w].std() for x, y, w, h in patches])) / whole
        for patches in (_EYES, _LIPS)
    )
    return eyes, mouth


def _eyes_differ(past: Grey, now: Grey) -> float:
    return _differ(past, now, _EYES)


def _differ(past: Grey, now: Grey, patches: _Patches) -> float:
    """1 - correlation, mean over the patches: the lower value of two, as aligned and as a plane."""
    views = (now, _as_moved_plane(past, now))
    return min(
        1 - sum(_best_match(past, view, patch) for patch in patches) / len(patches)
        for view in views
    )


def _as_moved_plane(past: Grey, now: Grey) -> Grey:
    """``now``, warped by the homography that makes it most like ``past``."""
    start = np.eye(3, dtype=np.float32)
    try:
        _, matrix = cv2.findTransformECC(
            past, now, start, cv2.MOTION_HOMOGRAPHY, _ECC_STOP, _FACE, _ECC_BLUR
        )
    except cv2.error:  # no resemblance to start from
        return now
    return np.asarray(
        cv2.warpPerspective(
            now,
            matrix,
            (_WIDTH, _HEIGHT),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.uint8,
    )


def _best_match(past: Grey, now: Grey, patch: _Patch) -> float:
    """The best correlation of a patch of ``past`` with ``now``, within ``_SEARCH`` pixels."""
    left, top, width, height = patch
    x0, y0 = max(0, left - _SEARCH), max(0, top - _SEARCH)
    area = now[y0 : top + height + _SEARCH, x0 : left + width + _SEARCH]
    template = past[top : top + height, left : left + width]
    return float(cv2.matchTemplate(area, template, cv2.TM_CCOEFF_NORMED).max())
