"""Degradations by light: lamps, shadows, glare and coloured light, as rooms make them.

Each takes a photograph and a strength and gives a picture: shape (height, width, 3), uint8, BGR.
Places are in the face's own coordinates (``plane``). Where a light stands follows from
``Photograph.pattern``, because two pictures of one agent have it in common.
"""

import numpy as np
import numpy.typing as npt

from gateway.lab.evaluation.photograph import Photograph, as_image, common
from gateway.lab.evaluation.plane import Field, Plane, smooth_noise, softened
from gateway.vision.geometry import BgrImage

_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1))  # light from the left, the right, above, below
SIDES = len(_SIDES)


def _lit(photograph: Photograph, factor: Field) -> BgrImage:
    return as_image(photograph.image * factor[:, :, np.newaxis])


def _away(plane: Plane, place: tuple[float, float]) -> Field:
    """Squared distance from a place, in eye distances."""
    u, v = plane.uv
    return np.asarray((u - place[0]) ** 2 + (v - place[1]) ** 2, np.float32)


def _step(values: npt.ArrayLike) -> Field:
    """From 0 to 1."""
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -40, 40))), np.float32)


def spot(photograph: Photograph, reach: float) -> BgrImage:
    """A lamp's spot of ``reach`` eye distances on the middle of the face, dark around."""
    draw, plane = common(photograph), Plane(photograph)
    place = draw.uniform(-0.15, 0.15), draw.uniform(0.35, 0.7)
    return _lit(photograph, 0.1 + 1.1 * np.exp(-_away(plane, place) / (2 * reach**2)))


def spot_beside(photograph: Photograph, reach: float) -> BgrImage:
    """The same on another part of the face."""
    draw, plane = common(photograph), Plane(photograph)
    place = draw.uniform(-0.7, 0.7), draw.uniform(-0.4, 1.4)
    return _lit(photograph, 0.1 + 1.1 * np.exp(-_away(plane, place) / (2 * reach**2)))


def half_dark(photograph: Photograph, share: float) -> BgrImage:
    """``share`` of the light is missing on one half of the face, with a clear edge."""
    draw = common(photograph)
    width = draw.uniform(0.06, 0.12)
    return _lit(photograph, 1 - share * _step(_to_the_dark(photograph, draw, 0.15) / width))


def side_light(photograph: Photograph, share: float) -> BgrImage:
    """Light from one side: ``share`` is missing on the other, with a soft change."""
    draw = common(photograph)
    width = draw.uniform(0.25, 0.5)
    dark = _step(_to_the_dark(photograph, draw, 0.3) / width)
    return _lit(photograph, 1 + 0.4 * share - 1.35 * share * dark)


def _to_the_dark(photograph: Photograph, draw: np.random.Generator, spread: float) -> Field:
    """Distance into the dark side, whose number is the pattern's remainder."""
    along, down = _SIDES[photograph.pattern % SIDES]
    u, v = Plane(photograph).uv
    return np.asarray(along * u + down * (v - 0.45) + draw.uniform(-spread, spread), np.float32)


def glare(photograph: Photograph, share: float) -> BgrImage:
    """Light on both lenses of glasses."""
    draw, plane = common(photograph), Plane(photograph)
    u, v = plane.uv
    wide, tall, low = draw.uniform(0.3, 0.5), draw.uniform(0.2, 0.35), draw.uniform(-0.08, 0.08)
    total = np.zeros_like(u)
    for eye in (-0.5, 0.5):
        away = ((u - eye) / wide) ** 2 + ((v - low) / tall) ** 2
        total += np.exp(-(away**2))
    colour = np.array([1, 0.95, 0.88], np.float32) * 220 * share
    return as_image(photograph.image + total[:, :, np.newaxis] * colour)


def flare(photograph: Photograph, share: float) -> BgrImage:
    """A bright spot on the lens, over a part of the face."""
    draw, plane = common(photograph), Plane(photograph)
    away = _away(plane, (draw.uniform(-0.9, 0.9), draw.uniform(-0.4, 1.4)))
    reach = draw.uniform(0.4, 0.8)
    added = 230 * share * np.exp(-away / (2 * reach**2))
    return as_image(photograph.image * (1 - 0.3 * share) + added[:, :, np.newaxis])


def blinds(photograph: Photograph, share: float) -> BgrImage:
    """Shadows of a blind: stripes with ``share`` of the light missing."""
    draw, plane = common(photograph), Plane(photograph)
    u, v = plane.uv
    angle = draw.normal(0, 0.2) + (np.pi / 2 if draw.random() < 0.25 else 0)
    phase = (v * np.cos(angle) + u * np.sin(angle)) * 2 * np.pi / draw.uniform(0.3, 0.9)
    shade = (np.sin(phase + draw.uniform(0, 6)) > 0).astype(np.float32)
    return _lit(photograph, softened(1 - share * shade, 0.02 * plane.unit))


def leaves(photograph: Photograph, share: float) -> BgrImage:
    """Shadows of leaves: patches with ``share`` of the light missing."""
    draw, plane = common(photograph), Plane(photograph)
    noise = smooth_noise(draw, plane, draw.uniform(0.1, 0.3))[:, :, 0]
    shade = softened((noise > 0).astype(np.float32), 0.03 * plane.unit)
    return _lit(photograph, 1 - share * shade)


def coloured_light(photograph: Photograph, share: float) -> BgrImage:
    """Two lamps of different colours, one from each side."""
    draw, plane = common(photograph), Plane(photograph)
    u, v = plane.uv
    angle = draw.uniform(0, 2 * np.pi)
    part = _step((u * np.cos(angle) + (v - 0.45) * np.sin(angle)) / draw.uniform(0.2, 0.4))
    first, second = (1.2 - share * draw.uniform(0, 1.1, 3) for _ in range(2))
    weight = part[:, :, np.newaxis]
    return as_image(photograph.image * (weight * first + (1 - weight) * second))


def one_colour(photograph: Photograph, share: float) -> BgrImage:
    """``share`` of two colours is missing, as under a coloured lamp."""
    kept = photograph.pattern % 3
    factor = np.full(3, 1 - share, np.float32)
    factor[kept] = 1
    return as_image(photograph.image * factor)
