"""Sharpness and exposure of a face, measured on the 112x112 pixels that the embedder sees."""

from typing import Final

import cv2
import numpy as np

from gateway.vision.alignment import align
from gateway.vision.geometry import BgrImage, Points
from gateway.vision.recipe import RECIPE

_INNER: Final = slice(*RECIPE["picture"]["inner"])
"""Pixels of the aligned 112: face without background."""
_WHITE = 255.0


def sharpness_and_exposure(image: BgrImage, five: Points) -> tuple[float, float]:
    """(sharpness, exposure) of the face with these five points, shape (5, 2).

    Sharpness is the Laplacian's standard deviation over that of the grey levels. So it depends
    neither on contrast nor on the face's size in the picture. Exposure is the mean luma, 0 to 1.
    """
    grey = cv2.cvtColor(align(image, five), cv2.COLOR_BGR2GRAY)[_INNER, _INNER]
    contrast = float(grey.std())
    edges = float(cv2.Laplacian(grey, cv2.CV_64F).std())
    return edges / contrast if contrast > 0 else 0.0, float(np.mean(grey)) / _WHITE
