"""What can be measured of a face and its picture: pure functions, numbers without a judgement.

Everything is measured on the 112x112 pixels that the embedder sees, so that neither the size of the
photograph nor what surrounds the face counts. Names and ideas follow ISO/IEC 29794-5 and its
reference implementation OFIQ where they have one: luminance mean and variance, under- and
overexposure (shares of pixels up to 25 and from 247 of 255), dynamic range (entropy of the
luminance histogram, bits), natural colour (mean a* and b* of CIELAB), sharpness (from Laplacian
responses), head pose, inter-eye distance. OFIQ's models for occlusion and compression are not used
here; ``unrest`` and the embedding itself stand for them.
"""

from functools import cache
from itertools import pairwise
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from gateway.vision.alignment import SIDE, similarity, template
from gateway.vision.geometry import BgrImage, DetectedFace, Points
from gateway.vision.landmarks import LandmarkFinder
from gateway.vision.recipe import RECIPE

Measures = dict[str, float]
"""Values by the names that a profile's limits have."""

_OURS = RECIPE["measures"]


def _both(part: dict[str, Any]) -> tuple[slice, tuple[slice, ...]]:
    """Rows, and columns of the left and the right one."""
    return slice(*part["rows"]), tuple(slice(*columns) for columns in part["columns"])


_EYES, _CHEEKS = _both(_OURS["eyes"]), _both(_OURS["cheeks"])
_DARK, _BRIGHT = _OURS["dark"], _OURS["bright"]  # grey levels, as in OFIQ
_FINE: Final[float] = _OURS["fine"]
"""Pixels: standard deviation of the Gaussian that takes sensor noise off before the Laplacian."""
_LEVELS = 256
_ROWS, _COLUMNS = _OURS["cellRows"], _OURS["cellColumns"]
"""Edges of the cells: forehead, eyes, nose, mouth, chin."""
_DETAIL: Final[float] = _OURS["detail"]
"""Pixels: standard deviation of the Gaussian that leaves the detail over."""


def picture_measures(aligned: BgrImage) -> Measures:
    """Light, sharpness and colour of an aligned face: shape (112, 112, 3), uint8, BGR."""
    grey = np.asarray(cv2.cvtColor(aligned, cv2.COLOR_BGR2GRAY), np.uint8)
    inside = face_pixels()
    luminance = grey[inside].astype(np.float64)
    deviation = float(luminance.std())
    return {
        "luminance-mean": float(luminance.mean()) / 255,
        "luminance-deviation": deviation / 255,
        "under-exposure": float((luminance <= _DARK).mean()),
        "over-exposure": float((luminance >= _BRIGHT).mean()),
        "dynamic-range": _entropy(grey[inside]),
        "sharpness": _sharpness(grey, deviation),
        "grain": _grain(grey, deviation),
        "eyes-darker": _eyes_darker(grey, deviation),
        **_colour(aligned),
        **_cells(grey),
    }


def geometry_measures(face: DetectedFace) -> Measures:
    """Size and position of a face from its five points; pose where it has 68 landmarks.

    ``inter-eye-distance``: pixels. ``misfit``: root mean square distance of the five points from
    where an upright frontal face has them, in pixels of the aligned image. ``aspect``: distance
    from eyes to mouth over that of the eyes. ``turn``, ``nose``: the tip of the nose along and
    across the eyes' axis, from their middle, in eye distances and in ways to the mouth.
    """
    five = face.five.astype(np.float64)
    eyes, mouth = five[:2].mean(axis=0), five[3:].mean(axis=0)
    axis, down = five[1] - five[0], mouth - eyes
    square = max(float(axis @ axis), 1e-9)
    across = (axis[0] * down[1] - axis[1] * down[0]) / square
    nose = five[2] - eyes
    nose_across = (axis[0] * nose[1] - axis[1] * nose[0]) / square
    return {
        "inter-eye-distance": face.inter_ocular_px,
        "roll": abs(float(np.degrees(np.arctan2(axis[1], axis[0])))),
        "misfit": _misfit(five),
        "aspect": float(across),
        "slant": abs(float(axis @ down) / square),
        "turn": abs(float(axis @ nose) / square),
        "nose": float(nose_across / across) if across > 0 else 0.0,
    }


def unrest(finder: LandmarkFinder, aligned: BgrImage, before: Points) -> float:
    """How far the landmarks move when they are looked for again on the aligned face.

    ``before``: the 68 points on the aligned face. Pixels of it, root mean square over the points.
    On an upright, uncovered face the model finds the same points again; on half a face, or none,
    it finds others.
    """
    (top, left), side = _AGAIN, _AGAIN_SIDE
    grey = cv2.cvtColor(aligned[top : top + side, left : left + side], cv2.COLOR_BGR2GRAY)
    view = np.asarray(cv2.resize(grey, (64, 64)), np.uint8)
    after = finder.fractions(view) * side + np.array([left, top])
    return float(np.sqrt(np.mean(np.sum((after - before) ** 2, axis=1))))


_AGAIN = (_OURS["again"]["top"], _OURS["again"]["left"])
_AGAIN_SIDE: Final[int] = _OURS["again"]["side"]
"""Top and left, and side of the second look's square, pixels."""


def _misfit(five: npt.NDArray[np.float64]) -> float:
    matrix = similarity(np.asarray(five, np.float32), template())
    fitted = five @ matrix[:, :2].T + matrix[:, 2]
    return float(np.sqrt(np.mean(np.sum((fitted - template()) ** 2, axis=1))))


@cache
def face_pixels() -> npt.NDArray[np.bool_]:
    """The face in an aligned image, shape (112, 112): OpenCV's ellipse about (56, 68) with radii 34
    and 42 pixels, as where each row of it begins and ends."""
    mask = np.zeros((SIDE, SIDE), np.bool_)
    for row, (first, end) in enumerate(_OURS["faceSpans"], _OURS["faceTop"]):
        mask[row, first:end] = True
    return mask


def _entropy(values: npt.NDArray[np.uint8]) -> float:
    shares = np.bincount(values, minlength=_LEVELS) / len(values)
    used = shares[shares > 0]
    return float(-(used * np.log2(used)).sum())


def _sharpness(grey: npt.NDArray[np.uint8], deviation: float) -> float:
    """Laplacian's deviation over that of the grey levels, after a Gaussian of one pixel."""
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), _FINE)
    response = cv2.Laplacian(smooth, cv2.CV_32F)[face_pixels()]
    return float(response.std()) / deviation if deviation > 0 else 0.0


def _grain(grey: npt.NDArray[np.uint8], deviation: float) -> float:
    """What a median of 3x3 pixels takes off, over the deviation of the grey levels."""
    fine = grey.astype(np.float32) - cv2.medianBlur(grey, 3).astype(np.float32)
    return float(fine[face_pixels()].std()) / deviation if deviation > 0 else 0.0


def _eyes_darker(grey: npt.NDArray[np.uint8], deviation: float) -> float:
    """How much darker the eyes are than the cheeks, in deviations; below 0 in a negative."""
    if deviation <= 0:
        return 0.0
    rows, columns = _EYES
    eyes = np.mean([grey[rows, column].mean() for column in columns])
    rows, columns = _CHEEKS
    cheeks = np.mean([grey[rows, column].mean() for column in columns])
    return float(cheeks - eyes) / deviation


def _colour(aligned: BgrImage) -> Measures:
    """Mean a* and b* of CIELAB over the face."""
    lab = cv2.cvtColor(aligned.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)[face_pixels()]
    return {"colour-a": float(lab[:, 1].mean()), "colour-b": float(lab[:, 2].mean())}


def _cells(grey: npt.NDArray[np.uint8]) -> Measures:
    """Brightness, contrast and detail of twenty parts of the face, against the whole of it.

    A mask, dark glasses or a hand makes its parts smooth and of one brightness.
    """
    values = grey.astype(np.float32)
    fine = values - cv2.GaussianBlur(values, (0, 0), _DETAIL)
    whole = values[_ROWS[0] : _ROWS[-1], _COLUMNS[0] : _COLUMNS[-1]]
    mean, deviation = float(whole.mean()), float(whole.std()) + 1
    cells: Measures = {}
    for row, (top, bottom) in enumerate(pairwise(_ROWS)):
        for column, (left, right) in enumerate(pairwise(_COLUMNS)):
            part = values[top:bottom, left:right]
            detail = fine[top:bottom, left:right]
            name = f"cell-{row}{column}"
            cells[f"{name}-light"] = (float(part.mean()) - mean) / deviation
            cells[f"{name}-spread"] = float(np.log(part.std() / deviation + 0.02))
            cells[f"{name}-detail"] = float(np.log(detail.std() / deviation + 0.01))
    return cells


def derived(measured: Measures) -> Measures:
    """Measures on a scale on which a linear discriminant can use them."""
    return {
        "norm-log": float(np.log(max(measured["embedding-norm"], 1e-6))),
        "under-exposure-log": float(np.log1p(100 * measured["under-exposure"])),
        "over-exposure-log": float(np.log1p(100 * measured["over-exposure"])),
        "aspect-squared": measured["aspect"] ** 2,
        "luminance-squared": measured["luminance-mean"] ** 2,
    }


def aligned_landmarks(face: DetectedFace) -> Points | None:
    """The 68 points on the aligned face: shape (68, 2), pixels; None where it has none."""
    if face.landmarks is None:
        return None
    matrix = similarity(face.five, template())
    return np.asarray(face.landmarks @ matrix[:, :2].T + matrix[:, 2], np.float32)
