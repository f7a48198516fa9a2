"""Which frame becomes the probe, and what the action lane carries (protocol section 4, step 3).

A passport portrait is frontal, with open eyes and closed mouth; the nearer a frame comes to that,
and the sharper and better lit it is, the better it matches. The factors multiply: one bad property
spoils a frame. Widths are those at which a property clearly costs similarity, not fitted values.
"""

import math
from collections.abc import Sequence

import numpy as np

from gateway.vision.liveness.measurement import FrameMeasurement
from gateway.vision.pipeline import UnitVector

TOO_DARK = 0.20  # exposure
TOO_BRIGHT = 0.85
TOO_BLURRED = 0.20  # sharpness

_TURN_WIDTH = 0.12  # about 15 degrees
_PITCH_LEVEL, _PITCH_WIDTH = 0.55, 0.15  # medians of 12 clips lie between 0.43 and 0.68
_ROLL_WIDTH_DEG = 20.0
_MOUTH_WIDTH = 0.30
_EXPOSURE_BEST, _EXPOSURE_WIDTH = 0.5, 0.25
_SHARPNESS_HALF = 0.25
_EYES_PX = 40.0  # eye distance from which size no longer counts; the aligned face has 35


def frame_quality(measured: FrameMeasurement) -> float:
    """0 (unusable: no face, or several) to 1 (a portrait) for one frame."""
    if measured.face is None or measured.faces != 1:
        return 0.0
    sharp = measured.sharpness / (measured.sharpness + _SHARPNESS_HALF)
    size = min(1.0, measured.face.inter_ocular_px / _EYES_PX)
    return (
        _bell(measured.turn, _TURN_WIDTH)
        * _bell(measured.pitch - _PITCH_LEVEL, _PITCH_WIDTH)
        * _bell(measured.roll_deg, _ROLL_WIDTH_DEG)
        * (1 - measured.eyes_closed)
        * _bell(measured.mouth_open, _MOUTH_WIDTH)
        * _bell(measured.exposure - _EXPOSURE_BEST, _EXPOSURE_WIDTH)
        * sharp
        * size
    )


def action_embedding(vectors: Sequence[UnitVector]) -> UnitVector:
    """The mean direction of the embeddings of action frames: shape (d,), float32, length 1.

    Raises ValueError for no vectors, or for vectors that cancel out.
    """
    if not vectors:
        raise ValueError("an action embedding needs at least one frame")
    total = np.sum([vector.astype(np.float64) for vector in vectors], axis=0)
    length = float(np.linalg.norm(total))
    if not length > 0:
        raise ValueError("the embeddings cancel out")
    mean: UnitVector = (total / length).astype(np.float32)
    mean.flags.writeable = False
    return mean


def _bell(off: float, width: float) -> float:
    return math.exp(-((off / width) ** 2))
