"""From a decoded image to one unit embedding (protocol, section 4, step 1).

Rule: exactly one face, or a refusal that says what to do. A silent choice between two people could
take somebody else's face for the customer's. A face counts as a rival when its box is at least
``RIVAL_HEIGHT`` times as tall as the tallest one. In 85 LFW photographs the subject is not the
tallest face; there the subject's box was never below 0.74 of the tallest, so all are refused.

Vectors stay in memory and never enter a ``repr``.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from gateway.vision.errors import (
    FaceTooSmall,
    ModelPackCorrupt,
    NoFaceFound,
    SeveralFacesFound,
    UnreadableImage,
)
from gateway.vision.geometry import BgrImage, Box, DetectedFace, FaceEmbedder, FaceFinder, Points
from gateway.vision.manifest import INSIGHTFACE
from gateway.vision.pack import ModelPack

UnitVector = npt.NDArray[np.float32]
"""Shape (d,), float32, Euclidean length 1, read-only; d <= 512."""

RIVAL_HEIGHT = 0.7  # fraction of the tallest face's box height
MIN_FACE_HEIGHT_PX = 50.0
"""Box height. LFW pictures that are shrunk until faces are 52 px tall match as before. At 40 px one
more genuine pair in a hundred is missed, at 27 px twelve more (cosine 0.341)."""

Selection = Literal["only", "central"]


@dataclass(frozen=True, slots=True, eq=False)
class FaceEmbedding:
    """A unit embedding, and where and how large the face was that it came from (in pixels)."""

    vector: UnitVector = field(repr=False)
    box: Box = field(repr=False)
    five: Points = field(repr=False)
    inter_ocular_px: float


class FacePipeline:
    """Detection, alignment and embedding with one model pack. Costs some 12 ms per face.

    Raises ModelPackMissing or ModelPackCorrupt for a pack without the models of its recipe.
    """

    def __init__(self, pack: ModelPack) -> None:
        self._dimension = pack.manifest.dimension
        self._finder, self._embedder = _parts(pack)

    def faces(self, image: BgrImage) -> list[DetectedFace]:
        """Every face of the image, background included, tallest first; possibly none.

        Raises UnreadableImage for an array that is no colour image.
        """
        _check_image(image)
        return self._finder.find(image)

    def embed(self, image: BgrImage, select: Selection = "only") -> FaceEmbedding:
        """The embedding of the one face of ``image``: shape (height, width, 3), uint8, BGR.

        ``select="central"`` takes the face nearest to the middle, whatever else is in the picture.
        It exists for benchmarks such as LFW, where the subject is always in the middle. A
        registration must use "only".

        Raises NoFaceFound, SeveralFacesFound, FaceTooSmall, UnreadableImage for an array that is
        no colour image, and ModelPackCorrupt as ``embed_face``.
        """
        faces = self.faces(image)
        face = _central(faces, image) if select == "central" else only_face(faces)
        if face.box.height < MIN_FACE_HEIGHT_PX:
            raise FaceTooSmall
        return self.embed_face(image, face)

    def embed_face(self, image: BgrImage, face: DetectedFace) -> FaceEmbedding:
        """The embedding of a face that was already found in ``image``, e.g. a video frame.

        Raises NoFaceFound if the model gives no usable vector, and ModelPackCorrupt if the vector
        does not have the manifest's dimension.
        """
        vector = _unit(self._embedder.raw_vector(image, face), self._dimension)
        return FaceEmbedding(vector, face.box, face.five, face.inter_ocular_px)


def only_face(faces: list[DetectedFace]) -> DetectedFace:
    """The tallest face, if it has no rival. Raises NoFaceFound or SeveralFacesFound."""
    if not faces:
        raise NoFaceFound
    tallest = max(faces, key=lambda face: face.box.height)
    rivals = [face for face in faces if face.box.height >= RIVAL_HEIGHT * tallest.box.height]
    if len(rivals) > 1:
        raise SeveralFacesFound(len(rivals))
    return tallest


def _central(faces: list[DetectedFace], image: BgrImage) -> DetectedFace:
    if not faces:
        raise NoFaceFound
    height, width = image.shape[:2]
    middle = np.array([width / 2, height / 2])
    return min(faces, key=lambda face: float(np.linalg.norm(np.array(face.box.centre) - middle)))


def _parts(pack: ModelPack) -> tuple[FaceFinder, FaceEmbedder]:
    """The recipe's finder and embedder, imported only when a pack is used."""
    if pack.manifest.recipe == INSIGHTFACE:
        from gateway.vision.insightface_zoo import (  # noqa: PLC0415 - heavy, and seldom wanted
            ZooFaceEmbedder,
            ZooFaceFinder,
            zoo_models,
        )

        models = zoo_models(pack)
        return ZooFaceFinder(models), ZooFaceEmbedder(models)
    from gateway.vision.embedder import ArcFaceEmbedder  # noqa: PLC0415 - loads OpenCV
    from gateway.vision.landmarks import LandmarkedFaceFinder  # noqa: PLC0415

    return LandmarkedFaceFinder(pack), ArcFaceEmbedder(pack)


def _check_image(image: BgrImage) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise UnreadableImage("the image is not a colour image of 8 bits per channel")


def _unit(raw: npt.NDArray[np.float32], dimension: int) -> UnitVector:
    """The vector with length 1, normalised in float64 so that float32's last place is right."""
    if raw.shape != (dimension,):
        raise ModelPackCorrupt("the embedding's dimension is not the one that the manifest states")
    wide = raw.astype(np.float64)
    length = float(np.linalg.norm(wide))
    if not np.isfinite(length) or length == 0.0:
        raise NoFaceFound("the model gave no usable embedding for this image")
    vector = (wide / length).astype(np.float32)
    vector.flags.writeable = False
    return vector
