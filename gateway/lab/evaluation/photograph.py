"""A sound photograph, and what every degradation of it needs.

What is drawn (directions, colours, noise) follows from the picture, so that a measurement repeats.
What the pictures of one agent have in common follows from the number of a pattern instead.
"""

import hashlib
import io
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from gateway.vision.geometry import BgrImage, DetectedFace, Points
from gateway.vision.pipeline import FacePipeline, UnitVector


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """A sound picture of one face."""

    image: BgrImage = field(repr=False)
    face: DetectedFace = field(repr=False)
    pattern: int = 0
    """Pictures with the same number have places, directions and patterns in common. Measurements
    use 0; calibration uses others, so that a profile is measured with what it never saw."""

    @property
    def landmarks(self) -> Points:
        """Shape (68, 2). Raises TypeError for a face without them."""
        if self.face.landmarks is None:
            raise TypeError("degradations need a finder with 68 landmarks")
        return self.face.landmarks


def middle_face(vision: FacePipeline, image: BgrImage) -> DetectedFace | None:
    """The face nearest to the middle, which is the subject in Labeled Faces in the Wild."""
    middle = np.array(image.shape[1::-1]) / 2
    return min(
        vision.faces(image),
        key=lambda face: float(np.hypot(*(np.array(face.box.centre) - middle))),
        default=None,
    )


def ungated(vision: FacePipeline, image: BgrImage) -> UnitVector | None:
    """The middle face as the model sees it, whatever the quality gate says. For measurements alone.

    Shape (d,), float32, unit length; None where there is no face.
    """
    face = middle_face(vision, image)
    if face is None:
        return None
    raw = vision.examine(image, face).raw.astype(np.float64)
    return np.asarray(raw / np.linalg.norm(raw), np.float32)


def jpeg_of(image: BgrImage, most: int) -> BgrImage:
    """After the best JPEG of at most ``most`` bytes, or of quality 1 where none is as small."""
    low, high = 1, 100
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(_jpeg(image, middle)) <= most else (low, middle - 1)
    return np.asarray(cv2.imdecode(np.frombuffer(_jpeg(image, low), np.uint8), 1), np.uint8)


def jpeg_2000_of(image: BgrImage, most: int) -> BgrImage:
    """After a JPEG 2000 of about ``most`` bytes."""
    encoded = io.BytesIO()
    ratio = max(1.0, image.size / most)
    Image.fromarray(image[:, :, ::-1]).save(
        encoded, "JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True, mct=1
    )
    with Image.open(encoded) as picture:
        return np.ascontiguousarray(np.asarray(picture.convert("RGB"), np.uint8)[:, :, ::-1])


def _jpeg(image: BgrImage, quality: int) -> bytes:
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("OpenCV could not encode a JPEG image")
    return encoded.tobytes()


def as_image(image: npt.ArrayLike) -> BgrImage:
    return np.asarray(np.clip(np.round(np.asarray(image, np.float32)), 0, 255), np.uint8)


def grey(image: BgrImage) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def drawn(photograph: Photograph) -> np.random.Generator:
    """Random numbers that the picture determines."""
    return np.random.default_rng(
        int.from_bytes(hashlib.sha256(photograph.image.tobytes()).digest()[:8], "big")
    )


def common(photograph: Photograph) -> np.random.Generator:
    """Random numbers that are the same for all pictures of one pattern."""
    return np.random.default_rng([0x5EA1, photograph.pattern])


def sign(photograph: Photograph) -> int:
    """1 or -1: to which side pictures of one pattern suffer."""
    return 1 - 2 * (photograph.pattern % 2)
