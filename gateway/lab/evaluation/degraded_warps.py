"""Degradations of shape: bulges, swirls, waves and lenses, as camera effects and editors make them.

Each takes a photograph and a strength and gives a picture: shape (height, width, 3), uint8, BGR.
Each pixel is taken from another place in the face's own coordinates (``plane``). Centres, widths
and waves follow from ``Photograph.pattern``: two pictures of one agent have them in common.
"""

import numpy as np

from gateway.lab.evaluation.photograph import Photograph, common, drawn
from gateway.lab.evaluation.plane import EYES, MOUTH, Plane, smooth_noise
from gateway.vision.geometry import BgrImage


def _centre(draw: np.random.Generator) -> tuple[float, float]:
    return draw.uniform(-0.08, 0.08), draw.uniform(0.35, 0.65)


def _swollen(photograph: Photograph, amount: float) -> BgrImage:
    """Towards the middle of the face by ``amount``, less with the distance; below 0 away."""
    draw, plane = common(photograph), Plane(photograph)
    u, v = plane.uv
    (x, y), reach = _centre(draw), draw.uniform(1.1, 1.8)
    square = (u - x) ** 2 + (v - y) ** 2
    factor = np.asarray(np.clip(1 - amount * np.exp(-square / reach**2), 0.2, 2), np.float32)
    return plane.warped(x + (u - x) * factor, y + (v - y) * factor)


def bulge(photograph: Photograph, amount: float) -> BgrImage:
    """The middle of the face enlarged."""
    return _swollen(photograph, amount)


def pinch(photograph: Photograph, amount: float) -> BgrImage:
    """The middle of the face reduced."""
    return _swollen(photograph, -amount)


def barrel(photograph: Photograph, amount: float) -> BgrImage:
    """A wide lens close by: the scale falls with the square of the distance."""
    return _lens(photograph, amount)


def pincushion(photograph: Photograph, amount: float) -> BgrImage:
    """The other way round: the scale grows outwards."""
    return _lens(photograph, -amount)


def _lens(photograph: Photograph, amount: float) -> BgrImage:
    draw, plane = common(photograph), Plane(photograph)
    u, v = plane.uv
    x, y = _centre(draw)
    square = np.minimum((u - x) ** 2 + (v - y) ** 2, 2.5)
    factor = np.maximum(1 + amount * (square - 0.6), 0.3)
    return plane.warped(x + (u - x) * factor, y + (v - y) * factor)


def swirl(photograph: Photograph, radians: float) -> BgrImage:
    """Turned in the middle of the face, less with the distance; the way round is common."""
    draw, plane = common(photograph), Plane(photograph)
    u, v = plane.uv
    (x, y), reach = _centre(draw), draw.uniform(0.75, 1.2)
    along, down = u - x, v - y
    turn = radians * (1 - 2 * (photograph.pattern % 2))
    angle = turn * np.exp(-(along**2 + down**2) / reach**2)
    sine, cosine = np.sin(angle), np.cos(angle)
    return plane.warped(x + along * cosine - down * sine, y + along * sine + down * cosine)


def waves(photograph: Photograph, height: float) -> BgrImage:
    """Waves of ``height`` eye distances across and down."""
    draw, plane = common(photograph), Plane(photograph)
    u, v = plane.uv
    first, second = 2 * np.pi / draw.uniform(0.7, 1.6, 2)
    return plane.warped(
        u + height * np.sin(first * v + draw.uniform(0, 6)),
        v + height * np.sin(second * u + draw.uniform(0, 6)),
    )


def elastic(photograph: Photograph, height: float) -> BgrImage:
    """Shifted by a smooth field of deviation ``height`` that both pictures have in common."""
    draw, plane = common(photograph), Plane(photograph)
    u, v = plane.uv
    field = smooth_noise(draw, plane, draw.uniform(0.15, 0.3), 2) * np.float32(height)
    return plane.warped(u + field[:, :, 0], v + field[:, :, 1])


def frosted(photograph: Photograph, height: float) -> BgrImage:
    """Seen through frosted glass: small shifts, another for each picture."""
    plane = Plane(photograph)
    u, v = plane.uv
    field = smooth_noise(drawn(photograph), plane, 0.06, 2) * np.float32(height)
    return plane.warped(u + field[:, :, 0], v + field[:, :, 1])


def big_eyes(photograph: Photograph, amount: float) -> BgrImage:
    """Both eyes enlarged, as beauty filters do."""
    return _parts(photograph, EYES, amount)


def small_eyes(photograph: Photograph, amount: float) -> BgrImage:
    """Both eyes reduced."""
    return _parts(photograph, EYES, -amount)


def big_mouth(photograph: Photograph, amount: float) -> BgrImage:
    """The mouth enlarged."""
    return _parts(photograph, (MOUTH,), amount)


def _parts(photograph: Photograph, parts: tuple[slice, ...], amount: float) -> BgrImage:
    draw, plane = common(photograph), Plane(photograph)
    u, v = plane.uv
    reach = draw.uniform(0.33, 0.48)
    origin, along, down = plane.axes
    move_u, move_v = np.zeros_like(u), np.zeros_like(v)
    for part in parts:
        away = plane.points[part].mean(axis=0) - origin
        x, y = (float(away @ axis) / plane.unit**2 for axis in (along, down))
        weight = amount * np.exp(-((u - x) ** 2 + (v - y) ** 2) / reach**2)
        move_u += (u - x) * weight
        move_v += (v - y) * weight
    return plane.warped(u - move_u, v - move_v)


def slim_face(photograph: Photograph, amount: float) -> BgrImage:
    """Cheeks and chin narrower, as beauty filters do."""
    draw, plane = common(photograph), Plane(photograph)
    u, v = plane.uv
    low = 1 / (1 + np.exp(-(v - draw.uniform(0.3, 0.7)) / 0.25))
    inside = np.exp(-((u / 1.6) ** 4))
    return plane.warped(u * (1 + amount * low * inside), v)


def mirrored_half(photograph: Photograph, share: float) -> BgrImage:
    """One half of the face is the other's mirror image; which one is common."""
    plane = Plane(photograph)
    u, v = plane.uv
    side = 1 - 2 * (photograph.pattern % 2)
    mirrored = plane.warped(np.asarray(side * np.abs(u), np.float32), v)
    other = np.clip(-side * u / 0.03 + 0.5, 0, 1)
    return plane.laid_over(np.asarray(share * other, np.float32), mirrored)


def two_halves(photograph: Photograph, share: float) -> BgrImage:
    """The face mixed with its mirror image."""
    plane = Plane(photograph)
    u, v = plane.uv
    weight = np.full_like(u, 0.5 * share)
    return plane.laid_over(weight, plane.warped(-u, v))
