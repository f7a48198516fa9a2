"""What one video frame says about the face in it: numbers, no pixels (protocol, section 4, step 1).

The 68 points come in the iBUG order: 0-16 contour, 17-26 brows, 27-35 nose, 36-41 and 42-47 eyes,
48-59 outer and 60-67 inner lip. Every ratio below is invariant under shift, scale and rotation of
the points within the picture; tests check this. Signs: turn is positive when the nose points to the
right of the picture, which is the person's own left before an unmirrored camera; pitch grows as the
head bows.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.vision.geometry import DetectedFace
from gateway.vision.liveness.limits import LIMITS

PointsXY = npt.NDArray[np.floating]
"""Shape (68, 2), (x, y) with y down, iBUG order."""

_POINTS = LIMITS["points"]
LEFT_EYE, RIGHT_EYE = slice(*_POINTS["leftEye"]), slice(*_POINTS["rightEye"])  # in the picture
NOSE_TIP: Final[int] = _POINTS["noseTip"]
_UPPER_LIP: Final[int] = _POINTS["upperLip"]
_OUTLINE: Final[tuple[int, int]] = _POINTS["outline"]
_BROWS = range(*_POINTS["brows"])
_NOSE_BASE: Final[int] = _POINTS["noseBase"]
_LIP_PAIRS: Final[list[tuple[int, int]]] = _POINTS["lipPairs"]
_LIP_CORNERS: Final[tuple[int, int]] = _POINTS["lipCorners"]


@dataclass(frozen=True, slots=True, eq=False)
class FrameMeasurement:
    """One frame. Without a face ``face`` is None, ``exposure`` is the whole picture's, and every
    other measurement is zero.

    ``faces``: 0, 1, or 2 if several could be the customer's; ``face`` is then the tracked one.
    ``face.landmarks``: shape (68, 2), float32, pixels of the image.
    ``turn``, ``pitch``, ``roll_deg``: as the functions of these names.
    ``sharpness``: as ``picture.sharpness_and_exposure``.
    ``continuous``: the same person's face as in the frame before, as far as checks were due.
    """

    at_ms: int
    faces: int
    face: DetectedFace | None = field(repr=False)
    turn: float = field(default=0.0, repr=False)
    pitch: float = field(default=0.0, repr=False)
    roll_deg: float = field(default=0.0, repr=False)
    eyes_closed: float = field(default=0.0, repr=False)
    """Probability in [0, 1] that the eye that is more open is closed."""
    eye_aspect: float = field(default=0.0, repr=False)
    """Opening over width, mean of both eyes: about 0.3 open, 0.1 closed."""
    mouth_open: float = field(default=0.0, repr=False)
    """Inner lips: opening over width. 0 closed, above 0.35 clearly open."""
    sharpness: float = field(default=0.0, repr=False)
    exposure: float = field(default=0.0, repr=False)
    """Mean luma of the face, 0 black to 1 white."""
    continuous: bool = False
    eyes_changed: float = field(default=0.0, repr=False)
    mouth_changed: float = field(default=0.0, repr=False)
    turned_changed: float = field(default=0.0, repr=False)
    """These three: how far eyes or mouth look different from before, 0 to 2 (``appearance``)."""
    breadth: float = field(default=0.0, repr=False)
    """Width of the face's outline over the height from the nose's base to the brows: about 2."""
    each_closed: tuple[float, float] = field(default=(0.0, 0.0), repr=False)
    """Probability in [0, 1] that each eye is closed, the picture's left one first."""
    eyes_contrast: float = field(default=1.0, repr=False)
    mouth_contrast: float = field(default=1.0, repr=False)
    """These two: as ``appearance.contrasts``."""
    finding: str | None = field(default=None, repr=False)
    """What the quality gate said of this frame: ``PoorPicture.what``, "good", or None where it was
    not asked."""
    upright_turns: int = 0
    """Quarter turns of the picture, counter-clockwise, after which its face passes the gate. 0 also
    where that was not tried: it is, now and then, while no good face is seen."""


def eye_centres(points: PointsXY) -> tuple[PointsXY, PointsXY]:
    """Centres of the eyes, the picture's left one first, each of shape (2,)."""
    return points[LEFT_EYE].mean(axis=0), points[RIGHT_EYE].mean(axis=0)


def turn(points: PointsXY) -> float:
    """Offset of the nose tip from the point between the eyes, along their axis, in eye distances.

    About 0.6 times the tangent of the angle between face and camera, because the tip of the nose
    lies about 0.6 eye distances before the eyes: 0.1 is about 10 degrees, 0.16 are 15, 0.22 are 20.
    Noses differ: two people in the clips have 0.4 (a child) and 0.8 (gateway/docs/MODELS.md).
    """
    return _upright(points, NOSE_TIP)[0]


def pitch(points: PointsXY) -> float:
    """Where the nose tip lies between eyes (0) and upper lip (1), at right angles to their axis."""
    depth = _upright(points, _UPPER_LIP)[1]
    return _upright(points, NOSE_TIP)[1] / depth if depth > 0 else 0.0


def roll_deg(points: PointsXY) -> float:
    """Angle of the eyes' axis in degrees; positive when the eye on the picture's right is lower."""
    left, right = eye_centres(points)
    return float(np.degrees(np.arctan2(right[1] - left[1], right[0] - left[0])))


def eye_aspect(points: PointsXY) -> float:
    """Distance of the lids over the eye's width, mean of both eyes (Soukupova and Cech, 2016)."""
    return (_one_eye_aspect(points[LEFT_EYE]) + _one_eye_aspect(points[RIGHT_EYE])) / 2


def mouth_open(points: PointsXY) -> float:
    """Mean distance of three pairs of inner lip points, over the distance of the lip's corners."""
    opening = np.mean([_distance(points[a], points[b]) for a, b in _LIP_PAIRS])
    width = _distance(points[_LIP_CORNERS[0]], points[_LIP_CORNERS[1]])
    return float(opening / width) if width > 0 else 0.0


def breadth(points: PointsXY) -> float:
    """Width of the outline at eye level over the height from the nose's base to the brows.

    A head is round, so its outline stays as broad when it turns. A turned sheet becomes narrow.
    Neither eyes nor mouth move these points.
    """
    width = _upright(points, _OUTLINE[1])[0] - _upright(points, _OUTLINE[0])[0]
    brows = float(np.mean([_upright(points, brow)[1] for brow in _BROWS]))
    height = _upright(points, _NOSE_BASE)[1] - brows
    return width / height if height > 0 else 0.0


def _one_eye_aspect(eye: PointsXY) -> float:
    width = _distance(eye[0], eye[3])
    lids = _distance(eye[1], eye[5]) + _distance(eye[2], eye[4])
    return lids / (2 * width) if width > 0 else 0.0


def _upright(points: PointsXY, index: int) -> tuple[float, float]:
    """One point along and across the eyes' axis, from the point between them, in eye distances."""
    left, right = eye_centres(points)
    axis = right - left
    square = float(axis @ axis)
    if square <= 0:
        return 0.0, 0.0
    offset = points[index] - (left + right) / 2
    across = axis[0] * offset[1] - axis[1] * offset[0]
    return float(axis @ offset) / square, float(across) / square


def _distance(a: PointsXY, b: PointsXY) -> float:
    return float(np.hypot(*(a - b)))
