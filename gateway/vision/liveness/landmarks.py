"""Landmarks steady enough to tell motion from noise: the mean of nine views of ``fr_landmark``.

The recipe's two passes place a point with a scatter of about 2 % of the eye distance, and their
square follows the detector's box, whose size varies from frame to frame. Here the square follows
the points: their centre and tilt, and as its side 1.95 times the sum of eye distance and eye-mouth
distance. Nine shifted views are averaged. On stills that are moved by known similarities the
scatter falls to 1.4 % (gateway/docs/MODELS.md).

The embedding is still aligned by the two-pass points, because thresholds were calibrated with them.
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from gateway.vision.geometry import BgrImage, Points
from gateway.vision.landmarks import LandmarkFinder, five_points
from gateway.vision.recipe import RECIPE

_INPUT: Final[int] = RECIPE["landmarks"]["side"]  # pixels of the model's square
_SIDE: Final[float] = RECIPE["steady"]["sides"]
"""Of the square, in eye distance plus eye-mouth distance."""
_STEP: Final[float] = RECIPE["steady"]["step"]  # shift of a view, as a fraction of the square
_SHIFTS = tuple((x, y) for x in (-_STEP, 0.0, _STEP) for y in (-_STEP, 0.0, _STEP))
_SHRINK_ABOVE: Final[int] = RECIPE["steady"]["shrinkAbove"]
"""Pixels. A larger square is first halved by averaging, until it fits: sampling would alias."""


def steady_landmarks(finder: LandmarkFinder, image: BgrImage, start: Points) -> Points:
    """The 68 points of the face near ``start``, both of shape (68, 2): float32, pixels."""
    centre, side, angle = _frame(start)
    half = int(1.5 * side) + 2
    left, top = int(centre[0]) - half, int(centre[1]) - half
    grey = _grey_region(image, left, top, 2 * half)
    factor = 1
    while side / factor > _SHRINK_ABOVE:
        factor *= 2
    size = (grey.shape[1] // factor, grey.shape[0] // factor)
    small = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    origin = np.array([left, top], np.float64)
    middle = (centre - origin + 0.5) / factor - 0.5
    views = [_view(finder, small, middle, side / factor, angle, shift) for shift in _SHIFTS]
    points = (np.mean(views, axis=0) + 0.5) * factor - 0.5 + origin
    return np.asarray(points, np.float32)


def _frame(points: Points) -> tuple[npt.NDArray[np.float64], float, float]:
    """The square for these points: its centre, side in pixels and tilt in radians."""
    five = five_points(points).astype(np.float64)
    axis = five[1] - five[0]
    angle = float(np.arctan2(axis[1], axis[0]))
    upright = points.astype(np.float64) @ _rotation(angle).T
    centre = (upright.min(axis=0) + upright.max(axis=0)) / 2 @ _rotation(angle)
    to_mouth = (five[3] + five[4] - five[0] - five[1]) / 2
    side = _SIDE * (np.linalg.norm(axis) + np.linalg.norm(to_mouth))
    return centre, max(float(side), 8.0), angle


def _grey_region(image: BgrImage, left: int, top: int, size: int) -> npt.NDArray[np.uint8]:
    """``size`` x ``size`` pixels of the image from (left, top), grey; black outside."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + size, width), min(top + size, height)
    region = np.zeros((size, size), np.uint8)
    if x0 < x1 and y0 < y1:
        inside = cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_BGR2GRAY)
        region[y0 - top : y1 - top, x0 - left : x1 - left] = inside
    return region


def _view(
    finder: LandmarkFinder,
    grey: npt.NDArray[np.uint8],
    middle: npt.NDArray[np.float64],
    side: float,
    angle: float,
    shift: tuple[float, float],
) -> npt.NDArray[np.float64]:
    """The points that the model finds in one upright view, in pixels of ``grey``: (68, 2)."""
    scale = _INPUT / side
    turn = _rotation(angle) * scale
    centre = middle + np.array(shift) * side
    matrix = np.column_stack([turn, _INPUT / 2 - turn @ centre])
    view = cv2.warpAffine(grey, matrix, (_INPUT, _INPUT), flags=cv2.INTER_LINEAR)
    found = finder.fractions(np.asarray(view, np.uint8)) * _INPUT
    return np.asarray((found - _INPUT / 2) @ _rotation(angle) / scale + centre, np.float64)


def _rotation(angle: float) -> npt.NDArray[np.float64]:
    """Turns the picture so that an axis at ``angle`` lies level: shape (2, 2)."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, sin], [-sin, cos]])
