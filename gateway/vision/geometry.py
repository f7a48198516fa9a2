"""Boxes, faces and images, the values that detection, landmarks, alignment and liveness share.

Coordinates are pixels of the decoded image, x to the right and y down, with the origin at the top
left corner. A face's position is personal data, so ``repr`` shows none of it.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

BgrImage = npt.NDArray[np.uint8]
"""Shape (height, width, 3), uint8, channels blue, green, red: OpenCV's order."""

Points = npt.NDArray[np.float32]
"""Shape (n, 2), float32, (x, y) in pixels of the image."""


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-parallel rectangle in pixels; it may reach beyond the image."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def square(self, side: float, centre: tuple[float, float] | None = None) -> "Box":
        """A square of ``side`` pixels about ``centre``, or about this box's own centre."""
        x, y = self.centre if centre is None else centre
        return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


@dataclass(frozen=True, slots=True, eq=False)
class DetectedFace:
    """One face: where it is, how sure the detector is, and its points.

    ``score``: the detector's, in [0, 1].
    ``five``: shape (5, 2), float32: eyes, nose tip, mouth corners; of each pair the one on the
    image's left comes first.
    ``landmarks``: shape (68, 2), float32, in the iBUG order; None if the pack's recipe has none.
    """

    box: Box = field(repr=False)
    score: float = field(repr=False)
    five: Points = field(repr=False)
    landmarks: Points | None = field(default=None, repr=False)

    @property
    def inter_ocular_px(self) -> float:
        """Distance between the eye centres in pixels."""
        return float(np.linalg.norm(self.five[1] - self.five[0]))


class FaceFinder(Protocol):
    """Finds every face of an image, with its five points."""

    def find(self, image: BgrImage) -> list[DetectedFace]:
        """Faces by box height, tallest first; empty when there is none."""

    def find_closely(self, image: BgrImage) -> list[DetectedFace]:
        """The same with faces that are too small for ``find``; slower, for photographs."""


class FaceEmbedder(Protocol):
    """Turns one face of an image into the model's raw, not yet normalised vector."""

    def raw_vector(self, image: BgrImage, face: DetectedFace) -> npt.NDArray[np.float32]:
        """The model's vector: shape (d,), float32, not normalised."""
