"""A face's own coordinates on its picture, in which edits of the face are described.

The origin lies midway between the eyes. ``u`` runs along the eyes, ``v`` down to the mouth, both in
eye distances: the eyes are at (-0.5, 0) and (0.5, 0), the tip of the nose is near (0, 0.55), the
mouth near (0, 1.15), the chin near (0, 1.8). So a recipe is one recipe for faces of every size,
place and tilt.
"""

from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from gateway.lab.evaluation.photograph import Photograph, as_image
from gateway.vision.geometry import BgrImage, Points

Field = npt.NDArray[np.float32]
"""One number for each pixel: shape (height, width)."""

EYES = (slice(36, 42), slice(42, 48))
BROWS = (slice(17, 22), slice(22, 27))
MOUTH = slice(48, 60)
_NOSE, _CHEEKS = (29, 31, 35), (2, 14)


@dataclass(frozen=True, eq=False)
class Plane:
    """The coordinates of one photograph's face."""

    photograph: Photograph = field(repr=False)

    @property
    def image(self) -> BgrImage:
        return self.photograph.image

    @cached_property
    def points(self) -> Points:
        """The 68 landmarks: shape (68, 2), pixels."""
        return np.asarray(self.photograph.landmarks, np.float32)

    @cached_property
    def axes(self) -> tuple[Points, Points, Points]:
        """Origin, and the vectors of one eye distance along and down, in pixels."""
        left, right = (self.points[eye].mean(axis=0) for eye in EYES)
        along = right - left
        return (left + right) / 2, along, np.array([-along[1], along[0]], np.float32)

    @cached_property
    def unit(self) -> float:
        """The eye distance in pixels."""
        return max(float(np.linalg.norm(self.axes[1])), 1.0)

    @cached_property
    def uv(self) -> tuple[Field, Field]:
        """The coordinates of every pixel."""
        origin, along, down = self.axes
        height, width = self.image.shape[:2]
        y, x = np.mgrid[:height, :width].astype(np.float32)
        x, y = x - origin[0], y - origin[1]
        square = self.unit**2
        return (x * along[0] + y * along[1]) / square, (x * down[0] + y * down[1]) / square

    def pixels(self, uv: npt.ArrayLike) -> Points:
        """Pixels of coordinates: both of shape (n, 2)."""
        origin, along, down = self.axes
        given = np.asarray(uv, np.float32)
        return np.asarray(origin + given[:, :1] * along + given[:, 1:] * down, np.float32)

    def warped(self, u: Field, v: Field) -> BgrImage:
        """Each pixel taken from (u, v) of the picture."""
        origin, along, down = self.axes
        x, y = (origin[i] + u * along[i] + v * down[i] for i in (0, 1))
        return as_image(
            cv2.remap(
                self.image,
                x.astype(np.float32),
                y.astype(np.float32),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
        )

    def inside(self, outline: npt.ArrayLike, soft: float) -> Field:
        """1 within a polygon of coordinates (n, 2), 0 outside; ``soft`` eye distances between."""
        return self.inside_pixels(self.pixels(outline), soft)

    def inside_pixels(self, outline: npt.ArrayLike, soft: float) -> Field:
        """The same with the outline in pixels."""
        mask = np.zeros(self.image.shape[:2], np.float32)
        corners = np.clip(np.asarray(outline, np.float64), -4000, 4000)
        fixed = np.round(corners * (1 << 4)).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 1.0, cv2.LINE_8, 4)
        return softened(mask, soft * self.unit)

    def laid_over(self, mask: Field, fill: npt.ArrayLike) -> BgrImage:
        """The picture with ``fill`` (a colour, or a picture) where ``mask`` is 1."""
        part = mask[:, :, np.newaxis]
        return as_image(self.image * (1 - part) + np.asarray(fill, np.float32) * part)

    def skin(self) -> npt.NDArray[np.float32]:
        """The median colour beside the nose and of the cheeks: blue, green, red."""
        height, width = self.image.shape[:2]
        x, y = np.round(self.points[[*_NOSE, *_CHEEKS]]).astype(int).T
        shown = self.image[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
        return np.asarray(np.median(shown.astype(np.float32), axis=0), np.float32)


def softened(values: npt.NDArray[np.float32], sigma: float) -> npt.NDArray[np.float32]:
    """After a Gaussian of ``sigma`` pixels."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), max(sigma, 0.05)), np.float32)


def smooth_noise(
    draw: np.random.Generator, plane: Plane, grain: float, channels: int = 1
) -> npt.NDArray[np.float32]:
    """Noise of deviation 1 and ``grain`` eye distances: shape (height, width, channels).

    It is drawn on the face's own coordinates. So faces of different sizes get the same pattern at
    the same parts of the face, if ``draw`` is seeded alike.
    """
    cells = 96  # over six eye distances
    rough = draw.standard_normal((cells, cells, channels)).astype(np.float32)
    rough = softened(rough, max(grain * cells / 6, 0.3)).reshape(cells, cells, channels)
    rough /= rough.std()
    u, v = plane.uv
    to_cell = cells / 6
    at = ((u + 3) * to_cell).astype(np.float32), ((v + 2.5) * to_cell).astype(np.float32)
    shown = cv2.remap(rough, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(shown, np.float32).reshape(*u.shape, channels)
