"""Whether an eye is closed: ``fr_eye`` on a grey square, 1.6 times as wide as the eye, at 24x24."""

from typing import Final

import cv2
import numpy as np

from gateway.vision.geometry import BgrImage, Box, Points
from gateway.vision.landmarks import LEFT_EYE, RIGHT_EYE, cut
from gateway.vision.pack import ModelPack
from gateway.vision.recipe import RECIPE
from gateway.vision.runtime import session

_OURS = RECIPE["eyes"]
_INPUT: Final[int] = _OURS["side"]  # pixels
_SIDE: Final[float] = _OURS["widths"]  # eye widths
_CLOSED = 0  # the model's first class


class EyeStateModel:
    """``fr_eye`` of the default pack. Raises ModelPackMissing for a pack without it."""

    def __init__(self, pack: ModelPack) -> None:
        self._session = session(pack.content("fr_eye.onnx"))

    def closed(self, image: BgrImage, landmarks: Points) -> tuple[float, float]:
        """Probability in [0, 1] that each eye is closed, the picture's left one first.

        ``landmarks``: shape (68, 2), pixels of ``image``.
        """
        return self._one(image, landmarks[LEFT_EYE]), self._one(image, landmarks[RIGHT_EYE])

    def _one(self, image: BgrImage, eye: Points) -> float:
        width = max(float(np.linalg.norm(eye[3] - eye[0])), 1.0)
        x, y = eye.mean(axis=0)
        square = Box(x, y, x, y).square(_SIDE * width)
        grey = cv2.cvtColor(cut(image, square, _INPUT), cv2.COLOR_BGR2GRAY)
        blob = (grey.astype(np.float32) / _OURS["divisor"])[np.newaxis, np.newaxis]
        return softmax(self._session.run(None, {"input": blob})[0].ravel())[_CLOSED]


def softmax(raw: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> list[float]:
    """Probabilities of a model's raw outputs, shape (n,)."""
    powers = np.exp(raw.astype(np.float64) - float(raw.max()))
    return [float(power) for power in powers / powers.sum()]
