"""From a decoded image to one unit embedding (protocol, section 4, step 1).

Rule: exactly one face, or a refusal that says what to do. A silent choice between two people could
take somebody else's face for the customer's. A face counts as a rival when its box is at least
``RIVAL_HEIGHT`` times as tall as the tallest one. In 85 LFW photographs the subject is not the
tallest face; there the subject's box was never below 0.74 of the tallest, so all are refused.

No vector leaves this module of a picture that the quality gate refuses: poor faces of strangers
look alike (``quality``). A photograph whose face does not stand upright is turned by right angles,
as a camera without EXIF leaves it; the first position that passes the gate is taken.

Vectors stay in memory and never enter a ``repr``.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

from gateway.vision.errors import (
    FaceTooSmall,
    ModelPackCorrupt,
    NoFaceFound,
    PoorPicture,
    SeveralFacesFound,
    UnreadableImage,
)
from gateway.vision.geometry import BgrImage, Box, DetectedFace, FaceEmbedder, FaceFinder, Points
from gateway.vision.manifest import INSIGHTFACE
from gateway.vision.pack import ModelPack
from gateway.vision.recipe import RECIPE
from gateway.vision.tiles import SURE

if TYPE_CHECKING:
    from gateway.vision.quality.gate import QualityGate
    from gateway.vision.quality.measures import Measures

UnitVector = npt.NDArray[np.float32]
"""Shape (d,), float32, Euclidean length 1, read-only; d <= 512."""

RIVAL_HEIGHT: Final[float] = RECIPE["choice"]["rivalHeight"]
"""Fraction of the tallest face's box height."""
MIN_FACE_HEIGHT_PX: Final[float] = RECIPE["choice"]["minFaceHeight"]
"""Box height. LFW pictures that are shrunk until faces are 52 px tall match as before. At 40 px one
more genuine pair in a hundred is missed, at 27 px twelve more (cosine 0.341)."""

UNCALIBRATED = (
    "this model pack has no calibrated quality gate: poor pictures of two strangers may match, and "
    "a gateway refuses its counters unless its operator says otherwise"
)
_LOG = logging.getLogger(__name__)

Selection = Literal["only", "central"]

_QUARTER_TURNS: Final[tuple[int, ...]] = tuple(RECIPE["turning"]["quarters"])
"""Counter-clockwise, in the order in which a picture that is not upright is tried."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceEmbedding:
    """A unit embedding, and where and how large the face was that it came from (in pixels)."""

    vector: UnitVector = field(repr=False)
    box: Box = field(repr=False)
    five: Points = field(repr=False)
    inter_ocular_px: float
    quarter_turns: int = 0
    """How often the picture was turned counter-clockwise by 90 degrees; box and points are of the
    turned picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """A face before the gate judges it: the model's raw vector and what was measured."""

    raw: npt.NDArray[np.float32] = field(repr=False)
    measured: "Measures" = field(repr=False)


class FacePipeline:
    """Detection, alignment, quality gate and embedding with one model pack: some 15 ms per face.

    Raises ModelPackMissing or ModelPackCorrupt for a pack without the models of its recipe.
    """

    def __init__(self, pack: ModelPack) -> None:
        if not pack.quality.calibrated:
            _LOG.warning(UNCALIBRATED)
        self._dimension = pack.manifest.dimension
        self._finder, self._embedder, self._gate = _parts(pack)

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

        Raises NoFaceFound, SeveralFacesFound, FaceTooSmall, PoorPicture, UnreadableImage for an
        array that is no colour image, and ModelPackCorrupt as ``embed_face``.
        """
        try:
            return self._embed(image, select)
        except (NoFaceFound, PoorPicture) as refused:
            upright = self._upright(image, select)
            if upright is None:
                raise refused from None
            return upright

    def _embed(self, image: BgrImage, select: Selection) -> FaceEmbedding:
        faces = self.faces(image)
        if not faces or faces[0].box.height < SURE * image.shape[0]:
            faces = self._finder.find_closely(image)  # a rival as small may have been missed
        face = _central(faces, image) if select == "central" else only_face(faces)
        if face.box.height < MIN_FACE_HEIGHT_PX:
            raise FaceTooSmall
        return self.embed_face(image, face)

    def _upright(self, image: BgrImage, select: Selection) -> FaceEmbedding | None:
        """The face after quarter turns of the picture, if it passes the gate in one position."""
        for turns in _QUARTER_TURNS:
            with suppress(NoFaceFound, SeveralFacesFound, FaceTooSmall, PoorPicture):
                found = self._embed(np.ascontiguousarray(np.rot90(image, turns)), select)
                return replace(found, quarter_turns=turns)
        return None

    def embed_face(self, image: BgrImage, face: DetectedFace) -> FaceEmbedding:
        """The embedding of a face that was already found in ``image``, e.g. a video frame.

        Raises PoorPicture if the quality gate refuses the face, NoFaceFound if the model gives no
        usable vector, and ModelPackCorrupt if the vector does not have the manifest's dimension.
        """
        examined = self.examine(image, face)
        vector = _unit(examined.raw, self._dimension)
        self._gate.require(examined.measured)
        return FaceEmbedding(vector, face.box, face.five, face.inter_ocular_px)

    def examine(self, image: BgrImage, face: DetectedFace) -> Examined:
        """What the gate judges. For ``embed_face``, and for measurements of the gate itself."""
        raw = self._embedder.raw_vector(image, face)
        return Examined(raw, self._gate.measure(image, face, raw))

    @property
    def gate(self) -> "QualityGate":
        """What every vector passed."""
        return self._gate


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


def _parts(pack: ModelPack) -> "tuple[FaceFinder, FaceEmbedder, QualityGate]":
    """The recipe's finder, embedder and gate, imported only when a pack is used."""
    from gateway.vision.quality.gate import QualityGate  # noqa: PLC0415 - loads OpenCV

    if pack.manifest.recipe == INSIGHTFACE:
        from gateway.vision.insightface_zoo import (  # noqa: PLC0415 - heavy, and seldom wanted
            ZooFaceEmbedder,
            ZooFaceFinder,
            zoo_models,
        )

        models = zoo_models(pack)
        return ZooFaceFinder(models), ZooFaceEmbedder(models), QualityGate(pack.quality, None)
    from gateway.vision.embedder import ArcFaceEmbedder  # noqa: PLC0415 - loads OpenCV
    from gateway.vision.landmarks import LandmarkedFaceFinder  # noqa: PLC0415

    finder = LandmarkedFaceFinder(pack)
    return finder, ArcFaceEmbedder(pack), QualityGate(pack.quality, finder.landmarks)


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
