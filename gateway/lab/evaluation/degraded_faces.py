"""Degradations of the face in the picture: turned, covered, distorted; and portraits of chips.

Each takes a photograph and a strength and gives a picture: shape (height, width, 3), uint8, BGR.
"""

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from gateway.lab.evaluation.photograph import (
    Photograph,
    as_image,
    drawn,
    jpeg_2000_of,
    jpeg_of,
    sign,
)
from gateway.vision.geometry import BgrImage, Points

_RIGHT_ANGLE = 90
_CLOTHS = ((235, 235, 235), (200, 160, 120), (30, 30, 30), (90, 60, 160))
"""Blue, green, red: a white and a blue mask, a black and a red scarf."""
_EYES = (slice(36, 42), slice(42, 48))
_GLASS = (18, 16, 14)
_CHIP, _LARGE_CHIP = (102, 126), (413, 531)  # width, height in pixels


def turned(photograph: Photograph, degrees: float) -> BgrImage:
    """Turned by a multiple of 90 degrees, as by a camera without EXIF."""
    turns = round(degrees) // _RIGHT_ANGLE
    return np.ascontiguousarray(np.rot90(photograph.image, turns))


def tilted(photograph: Photograph, degrees: float) -> BgrImage:
    """Turned about the face by any angle."""
    matrix = cv2.getRotationMatrix2D(photograph.face.box.centre, degrees, 1.0)
    return _warped(photograph.image, np.vstack([matrix, [0, 0, 1]]))


def chip_jpeg(photograph: Photograph, kilobytes: float) -> BgrImage:
    """A chip's portrait of 102x126 pixels as a JPEG of so many kilobytes."""
    return jpeg_of(chip_crop(photograph), round(1000 * kilobytes))


def chip_jpeg_2000(photograph: Photograph, kilobytes: float) -> BgrImage:
    """The same portrait at 413x531, as a JPEG 2000 of so many kilobytes."""
    return jpeg_2000_of(chip_crop(photograph, _LARGE_CHIP), round(1000 * kilobytes))


def chip_crop(photograph: Photograph, size: tuple[int, int] = _CHIP) -> BgrImage:
    """A portrait cut as documents want it, before it is compressed: the head fills 60 %."""
    box, (width, height) = photograph.face.box, size
    scale = 0.56 * height / box.height
    x, y = box.centre
    matrix = np.array([[scale, 0, width / 2 - scale * x], [0, scale, height * 0.53 - scale * y]])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    sized = cv2.resize(photograph.image, None, fx=scale, fy=scale, interpolation=interpolation)
    shift = np.array([[1, 0, matrix[0, 2]], [0, 1, matrix[1, 2]]])
    return as_image(cv2.warpAffine(sized, shift, size, borderMode=cv2.BORDER_REPLICATE))


def masked(photograph: Photograph, share: float) -> BgrImage:
    """A mask from the chin over mouth and nose, ``share`` of the way up to the eyes."""
    points = photograph.landmarks
    chin, bridge = points[8], points[27]
    upper = [
        points[14] + (1 - share) * (points[12] - points[14]),
        points[57] + share * 0.85 * (bridge - points[57]),
        points[2] + (1 - share) * (points[4] - points[2]),
    ]
    below = [points[n] + 0.08 * (chin - bridge) for n in range(4, 13)]
    return _filled(photograph, np.array([*below, *upper]), _cloth(photograph))


def dark_glasses(photograph: Photograph, size: float) -> BgrImage:
    """Black lenses of ``size`` eye widths, and a bridge."""
    image, points = photograph.image.copy(), photograph.landmarks
    centres = [points[eye].mean(axis=0) for eye in _EYES]
    apart = float(np.linalg.norm(centres[1] - centres[0]))
    angle = float(np.degrees(np.arctan2(*(centres[1] - centres[0])[::-1])))
    axes = (round(0.21 * size * apart), round(0.17 * size * apart))
    for centre in centres:
        at = (round(float(centre[0])), round(float(centre[1] + 0.05 * apart)))
        cv2.ellipse(image, at, axes, angle, 0, 360, _GLASS, -1, cv2.LINE_AA)
    ends = [tuple(int(v) for v in np.round(centre)) for centre in centres]
    cv2.line(image, ends[0], ends[1], _GLASS, max(1, round(0.06 * apart)), cv2.LINE_AA)
    return image


def mask_and_glasses(photograph: Photograph, size: float) -> BgrImage:
    """Both at once."""
    return dark_glasses(replace(photograph, image=masked(photograph, 1.0)), size)


def eyes_only(photograph: Photograph, slit: float) -> BgrImage:
    """All is covered but a slit at the eyes, ``slit`` eye distances tall."""
    image = np.full_like(photograph.image, _cloth(photograph))
    shown = np.zeros(image.shape[:2], np.uint8)
    strip = np.round(_strip(photograph, -0.55 * slit, 0.45 * slit)).astype(np.int32)
    cv2.fillPoly(shown, [strip], 1)
    return np.where(shown[:, :, np.newaxis] > 0, photograph.image, image)


def covered_from_above(photograph: Photograph, low: float) -> BgrImage:
    """Covered from above down to ``low`` eye distances below the eyes."""
    return _filled(photograph, _strip(photograph, -9, low), _cloth(photograph))


def side_covered(photograph: Photograph, share: float) -> BgrImage:
    """``share`` of the face's width is covered, from a side in common."""
    image, points = photograph.image.copy(), photograph.landmarks
    left, right = float(points[:, 0].min()), float(points[:, 0].max())
    if sign(photograph) > 0:
        image[:, : max(0, round(left + share * (right - left)))] = _cloth(photograph)
    else:
        image[:, max(0, round(right - share * (right - left))) :] = _cloth(photograph)
    return image


def keystoned(photograph: Photograph, share: float) -> BgrImage:
    """Seen at an angle, flat: one edge of the picture is shorter by ``share``."""
    height, width = photograph.image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    pulled = corners.copy()
    first = photograph.pattern % 4
    second = (first + 1) % 4
    middle = (corners[first] + corners[second]) / 2
    for corner in (first, second):
        pulled[corner] += share * (middle - corners[corner])
    return _warped(photograph.image, cv2.getPerspectiveTransform(corners, pulled))


def wide(photograph: Photograph, factor: float) -> BgrImage:
    """Stretched sideways by ``factor``."""
    return as_image(cv2.resize(photograph.image, None, fx=factor, fy=1.0))


def tall(photograph: Photograph, factor: float) -> BgrImage:
    """Stretched upwards by ``factor``."""
    return as_image(cv2.resize(photograph.image, None, fx=1.0, fy=factor))


def sheared(photograph: Photograph, share: float) -> BgrImage:
    """Slanted: every row is shifted by ``share`` of its distance to the middle of the face."""
    y = photograph.face.box.centre[1]
    share *= sign(photograph)
    return _warped(photograph.image, np.array([[1, share, -share * y], [0, 1, 0], [0, 0, 1]]))


def averted(photograph: Photograph, degrees: float) -> BgrImage:
    """A strong turn of the head, feigned: the picture on a cylinder turned by ``degrees``."""
    height, width = photograph.image.shape[:2]
    box = photograph.face.box
    radius, middle = 0.55 * box.height, box.centre[0]
    angle = np.radians(degrees) * sign(photograph)
    x = np.arange(width, dtype=np.float64)
    shown = np.clip((x - middle) / radius, -0.999, 0.999)
    source = middle + radius * np.clip(np.arcsin(shown) + angle, -np.pi / 2, np.pi / 2)
    columns = np.broadcast_to(source.astype(np.float32), (height, width))
    rows = np.broadcast_to(np.arange(height, dtype=np.float32)[:, np.newaxis], (height, width))
    return as_image(
        cv2.remap(
            photograph.image,
            np.ascontiguousarray(columns),
            np.ascontiguousarray(rows),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
    )


def _cloth(photograph: Photograph) -> tuple[int, int, int]:
    """A mask's or scarf's colour."""
    return _CLOTHS[int(drawn(photograph).integers(len(_CLOTHS)))]


def _warped(image: BgrImage, matrix: npt.ArrayLike) -> BgrImage:
    height, width = image.shape[:2]
    whole = np.asarray(matrix, np.float64)
    return as_image(
        cv2.warpPerspective(image, whole, (width, height), borderMode=cv2.BORDER_REPLICATE)
    )


def _filled(
    photograph: Photograph, outline: npt.NDArray[np.floating], colour: tuple[int, int, int]
) -> BgrImage:
    image = photograph.image.copy()
    cv2.fillPoly(image, [np.round(outline).astype(np.int32)], colour, cv2.LINE_AA)
    return image


def _axes(photograph: Photograph) -> tuple[Points, Points, Points]:
    """Eyes' middle, and unit vectors along the eyes and down, times their distance."""
    left, right = (photograph.landmarks[eye].mean(axis=0) for eye in _EYES)
    along = right - left
    return (left + right) / 2, along, np.array([-along[1], along[0]], np.float32)


def _strip(photograph: Photograph, top: float, bottom: float) -> npt.NDArray[np.float32]:
    """Four corners of a strip over the whole face, in eye distances below the eyes."""
    middle, along, down = _axes(photograph)
    ends = ((-9, top), (9, top), (9, bottom), (-9, bottom))
    corners = np.array([middle + x * along + y * down for x, y in ends])
    return np.asarray(corners, np.float32)
