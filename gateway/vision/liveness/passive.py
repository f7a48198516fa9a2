"""``fr_liveness``: a guess from one frame whether a face is alive. It is weak, so only advisory.

On synthetic spoofs its area under the curve is 0.94 (screens) and 0.88 (prints). At a threshold
that turns away 5 % of living people, a quarter of the screens and most prints pass
(gateway/docs/MODELS.md). It may raise a warning, but no decision should rest on it.
"""

from typing import Final

import numpy as np

from gateway.vision.geometry import BgrImage, Box, DetectedFace
from gateway.vision.landmarks import cut
from gateway.vision.liveness.eyes import softmax
from gateway.vision.pack import ModelPack
from gateway.vision.recipe import RECIPE
from gateway.vision.runtime import session

_INPUT: Final[int] = RECIPE["passive"]["side"]  # pixels
_SIDE: Final[float] = RECIPE["passive"]["heights"]
"""Box heights: the model judges the surroundings too."""
_LIVE = 0  # the model's first class


class PassiveLiveness:
    """``fr_liveness`` of the default pack. Raises ModelPackMissing for a pack without it."""

    def __init__(self, pack: ModelPack) -> None:
        self._session = session(pack.content("fr_liveness.onnx"))

    @staticmethod
    def view(face: DetectedFace) -> Box:
        """The square of the image that is judged; it may reach beyond the image."""
        return face.box.square(_SIDE * face.box.height)

    def score(self, image: BgrImage, face: DetectedFace) -> float:
        """Probability in [0, 1] that the face is alive. The model takes BGR values 0 to 255."""
        values = cut(image, self.view(face), _INPUT).astype(np.float32)
        blob = values.transpose(2, 0, 1)[np.newaxis]
        return softmax(self._session.run(None, {"input": blob})[0].ravel())[_LIVE]
