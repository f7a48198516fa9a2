"""A face brought to the 112x112 pose that ArcFace models are trained on.

The transformation is a four-parameter similarity (scale, rotation, shift), fitted by least squares
to insightface's five template points. An affine fit would also fit shear, which distorts the face.
Three points, as in the pack's own JavaScript, are too few: one bad point turns the whole face.
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from gateway.vision.geometry import BgrImage, Points
from gateway.vision.recipe import RECIPE

_OURS = RECIPE["alignment"]
SIDE: Final[int] = _OURS["side"]  # pixels
_TEMPLATE = np.asarray(_OURS["template"], np.float32)
_TEMPLATE.flags.writeable = False


def template() -> Points:
    """insightface's ``arcface_dst``: shape (5, 2), float32, pixels of the aligned image."""
    return _TEMPLATE


def similarity(source: Points, target: Points) -> npt.NDArray[np.float64]:
    """Least-squares similarity from ``source`` to ``target``, both (n, 2): shape (2, 3), float64.

    Solves for (a, b, s, t) in x' = a x - b y + s, y' = b x + a y + t.
    """
    count = len(source)
    x, y = source[:, 0].astype(np.float64), source[:, 1].astype(np.float64)
    one, zero = np.ones(count), np.zeros(count)
    rows = np.vstack([np.column_stack([x, -y, one, zero]), np.column_stack([y, x, zero, one])])
    wanted = np.concatenate([target[:, 0], target[:, 1]]).astype(np.float64)
    a, b, s, t = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    return np.array([[a, -b, s], [b, a, t]])


def align(image: BgrImage, five: Points) -> BgrImage:
    """The aligned face with these five points: shape (112, 112, 3), uint8, BGR.

    What lies outside the image is black.
    """
    matrix = similarity(five, template())
    return np.asarray(cv2.warpAffine(image, matrix, (SIDE, SIDE), borderValue=0), np.uint8)
