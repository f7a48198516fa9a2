"""Where the faces are: ``fr_detect``, a single-shot detector over a 320x240 view of the image.

Recipe (gateway/docs/MODELS.md): stretch to 320x240, RGB, (x - 127) / 128. ``scores[:, 1]`` is the
probability of a face; ``boxes`` holds corners as fractions of the image. Boxes are taller than
wide. The landmark model expects a square as high as the box, around the same centre.
"""

from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from gateway.vision.geometry import BgrImage, Box
from gateway.vision.pack import ModelPack
from gateway.vision.recipe import RECIPE
from gateway.vision.runtime import session
from gateway.vision.tiles import Tile, is_whole, looks

_OURS = RECIPE["detector"]
MIN_SCORE: Final[float] = _OURS["minScore"]
NMS_OVERLAP: Final[float] = _OURS["nmsOverlap"]
_VIEW: Final[tuple[int, int]] = (_OURS["width"], _OURS["height"])  # pixels

_Corners = npt.NDArray[np.float64]
_Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Detection:
    """One box of the detector, in pixels of the image."""

    box: Box = field(repr=False)
    score: float = field(repr=False)


class FaceDetector:
    """``fr_detect`` of the default pack; fast enough for every video frame.

    Raises ModelPackMissing for a pack without it.
    """

    def __init__(self, pack: ModelPack) -> None:
        self._session = session(pack.content("fr_detect.onnx"))

    def detect(self, image: BgrImage) -> list[Detection]:
        """Every face with a score of at least ``MIN_SCORE``, tallest first; possibly none."""
        return _suppress(*self._look(image))

    def detect_closely(self, image: BgrImage) -> list[Detection]:
        """The same in parts of the picture as well, which show smaller faces (``tiles``).

        Costs some 60 times as much.
        """
        height, width = image.shape[:2]
        parts = [self._look(image)]
        for tiles in looks(width, height):
            parts += [self._look_into(image, tile) for tile in tiles]
        corners, scores = zip(*parts, strict=True)
        return _suppress(np.concatenate(corners), np.concatenate(scores))

    def _look(self, image: BgrImage) -> tuple[_Corners, _Scores]:
        """Boxes (left, top, right, bottom) in pixels, and their scores; they may overlap."""
        height, width = image.shape[:2]
        scores, boxes = self._session.run(None, {"input": _view(image)})
        keep = scores[0, :, 1] >= MIN_SCORE
        corners = boxes[0][keep] * np.array([width, height, width, height], np.float32)
        return corners.astype(np.float64), scores[0, keep, 1]

    def _look_into(self, image: BgrImage, tile: Tile) -> tuple[_Corners, _Scores]:
        """The boxes that lie whole in the tile, in pixels of the picture."""
        height, width = image.shape[:2]
        corners, scores = self._look(image[tile.top : tile.bottom, tile.left : tile.right])
        corners += (tile.left, tile.top, tile.left, tile.top)
        whole = np.array([is_whole(tile, width, height, tuple(box)) for box in corners], bool)
        return corners[whole], scores[whole]


def _view(image: BgrImage) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    small = cv2.resize(image, _VIEW, interpolation=cv2.INTER_LINEAR)
    rgb = (small[:, :, ::-1].astype(np.float32) - _OURS["mean"]) / _OURS["divisor"]
    return np.ascontiguousarray(rgb.transpose(2, 0, 1)[np.newaxis])


def _suppress(corners: _Corners, scores: _Scores) -> list[Detection]:
    """Non-maximum suppression, tallest first. OpenCV takes boxes as (x, y, width, height)."""
    sized = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
    kept = cv2.dnn.NMSBoxes(sized.tolist(), scores.tolist(), MIN_SCORE, NMS_OVERLAP)
    found = [
        Detection(Box(*map(float, corners[i])), float(scores[i]))
        for i in np.asarray(kept, np.intp).ravel()
    ]
    return sorted(found, key=lambda one: -one.box.height)
