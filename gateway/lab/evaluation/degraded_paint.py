"""Degradations by paint: parts of the face painted over, covered, or blurred alone.

Each takes a photograph and a strength and gives a picture: shape (height, width, 3), uint8, BGR.
Strengths are shares of the largest extent, from 0 to 1. Places follow the landmarks or the face's
own coordinates (``plane``); what pictures have in common follows from ``Photograph.pattern``.
"""

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from gateway.lab.evaluation.degraded_pixels import blurred
from gateway.lab.evaluation.photograph import Photograph, as_image, common, drawn
from gateway.lab.evaluation.plane import BROWS, EYES, MOUTH, Field, Plane, smooth_noise
from gateway.vision.geometry import BgrImage, Points

_INK = (20.0, 15.0, 12.0)
_LENS = (20.0, 20.0, 20.0)
_WHITE = (215.0, 220.0, 225.0)
_DARK = (25.0, 18.0, 20.0)
_LIPS = (40.0, 30.0, 120.0)


def _box(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def _grown(points: Points, share: float) -> Points:
    """An outline larger by ``share`` about its middle."""
    middle = points.mean(axis=0)
    return np.asarray(middle + (points - middle) * (1 + share), np.float32)


def _skin(photograph: Photograph, plane: Plane) -> npt.NDArray[np.float32]:
    """A picture of plain skin with a little noise."""
    noise = drawn(photograph).standard_normal((*photograph.image.shape[:2], 1))
    return np.asarray(plane.skin() + 4 * noise, np.float32)


def painted_brows(photograph: Photograph, share: float) -> BgrImage:
    """Thick dark brows."""
    draw, plane = common(photograph), Plane(photograph)
    image = photograph.image.copy()
    thick = max(1, round((0.07 + 0.24 * share) * plane.unit))
    colour = (_INK, (40.0, 60.0, 90.0))[int(draw.random() < 0.3)]
    for brow in BROWS:
        line = np.round(plane.points[brow]).astype(np.int32)
        cv2.polylines(image, [line], False, colour, thick, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.015 * plane.unit + 0.1), np.uint8)


def no_brows(photograph: Photograph, share: float) -> BgrImage:
    """Brows and forehead painted over with skin, down to just above the eyes at 1."""
    plane = Plane(photograph)
    low = -0.62 + 0.5 * share
    mask = plane.inside(_box(-1.4, -1.3, 1.4, low), common(photograph).uniform(0.03, 0.08))
    return plane.laid_over(mask, _skin(photograph, plane))


def no_nose(photograph: Photograph, share: float) -> BgrImage:
    """Skin over the nose."""
    plane = Plane(photograph)
    half = 0.85 * share
    mask = plane.inside(_box(-half, 0, half, 1.35 * share), common(photograph).uniform(0.04, 0.1))
    return plane.laid_over(mask, _skin(photograph, plane))


def no_mouth(photograph: Photograph, share: float) -> BgrImage:
    """Skin over mouth and chin, as of a hand held before them."""
    plane = Plane(photograph)
    top = 1.75 - 1.1 * share
    mask = plane.inside(_box(-1.2, top, 1.2, 2.3), common(photograph).uniform(0.05, 0.12))
    return plane.laid_over(mask, _skin(photograph, plane))


def fringe(photograph: Photograph, share: float) -> BgrImage:
    """Hair over the forehead, down over the brows at 1."""
    draw, plane = common(photograph), Plane(photograph)
    u, _ = plane.uv
    low = -0.75 + 0.85 * share
    xs = np.linspace(1.9, -1.9, 23)
    teeth = [[x, low + (0.12 if i % 2 else -0.1)] for i, x in enumerate(xs.tolist())]
    mask = plane.inside([[-1.9, -3.0], [1.9, -3.0], *teeth], 0.03)
    shade = draw.uniform(25, 90) * (1 + 0.4 * np.sin(u * 2 * np.pi / draw.uniform(0.1, 0.2)))
    colour = np.array([0.7, 0.85, 1], np.float32) if draw.random() < 0.7 else np.ones(3)
    return plane.laid_over(mask, shade[:, :, np.newaxis] * colour)


def beard(photograph: Photograph, share: float) -> BgrImage:
    """A dark beard on cheeks and chin, ``share`` opaque; the lips stay."""
    draw, plane = common(photograph), Plane(photograph)
    points = plane.points
    outline = np.vstack([points[3:14], points[[54, 35, 31, 48]]])
    hair = draw.uniform(20, 60) + 25 * smooth_noise(draw, plane, 0.03)
    covered = plane.laid_over(share * plane.inside_pixels(outline, 0.05), hair)
    lips = plane.inside_pixels(points[MOUTH], 0.03)
    return Plane(replace(photograph, image=covered)).laid_over(lips, photograph.image)


def white_paint(photograph: Photograph, share: float) -> BgrImage:
    """A white face with eyes and mouth left, as make-up or a mask."""
    plane, points = Plane(photograph), Plane(photograph).points
    top = points[26:16:-1] - 0.5 * plane.axes[2]
    whole = share * plane.inside_pixels(np.vstack([points[:17], top]), 0.1)
    kept: Field = np.zeros_like(whole)
    for part in (*EYES, MOUTH):
        kept = np.maximum(kept, plane.inside_pixels(_grown(points[part], 0.2), 0.05))
    return plane.laid_over(np.asarray(whole * (1 - kept), np.float32), _WHITE)


def dark_eyes(photograph: Photograph, share: float) -> BgrImage:
    """Black paint about the eyes and dark lips."""
    plane = Plane(photograph)
    for parts, more, colour in ((EYES, 2.0, _DARK), ((MOUTH,), 0.5, _LIPS)):
        for part in parts:
            outline = _grown(plane.points[part], more * share)
            image = plane.laid_over(0.9 * plane.inside_pixels(outline, 0.06), colour)
            plane = Plane(replace(photograph, image=image))
    return plane.image


def frames(photograph: Photograph, share: float) -> BgrImage:
    """Thick frames of glasses."""
    draw, plane = common(photograph), Plane(photograph)
    image = photograph.image.copy()
    thick = max(1, round(0.22 * share * plane.unit))
    axes = (round(draw.uniform(0.33, 0.42) * plane.unit), round(0.29 * plane.unit))
    turn = float(np.degrees(np.arctan2(plane.axes[1][1], plane.axes[1][0])))
    for eye in (-0.51, 0.51):
        x, y = np.round(plane.pixels([[eye, 0.02]])[0]).astype(int).tolist()
        cv2.ellipse(image, (x, y), axes, turn, 0, 360, _INK, thick, cv2.LINE_AA)
    (a, b), (c, d) = np.round(plane.pixels([[-0.1, -0.05], [0.1, -0.05]])).astype(int).tolist()
    cv2.line(image, (a, b), (c, d), _INK, thick, cv2.LINE_AA)
    return image


def tinted_glasses(photograph: Photograph, share: float) -> BgrImage:
    """Glasses that take ``share`` of the light."""
    draw, plane = common(photograph), Plane(photograph)
    low, wide = draw.uniform(0.25, 0.4), draw.uniform(0.38, 0.46)
    mask: Field = np.zeros(photograph.image.shape[:2], np.float32)
    for eye in (-0.51, 0.51):
        mask = np.maximum(mask, plane.inside(_box(eye - wide, -0.26, eye + wide, low), 0.03))
    return plane.laid_over(np.asarray(share * mask, np.float32), _LENS)


def patterned_scarf(photograph: Photograph, share: float) -> BgrImage:
    """A chequered scarf from below, up to the nose at 1."""
    draw, plane = common(photograph), Plane(photograph)
    u, v = plane.uv
    size = draw.uniform(0.15, 0.4)
    checks = np.sign(np.sin((u + v) * np.pi / size)) * np.sign(np.sin((u - v) * np.pi / size))
    cloth = (128 + 70 * checks)[:, :, np.newaxis] * draw.uniform(0.4, 1, 3)
    top = 1.8 - 1.3 * share
    outline = [[-3.0, top + 0.1], [0.0, top - 0.1], [3.0, top + 0.1], [3.0, 4.0], [-3.0, 4.0]]
    return plane.laid_over(plane.inside(outline, 0.03), cloth)


def eyes_blurred(photograph: Photograph, share: float) -> BgrImage:
    """The eyes' strip out of focus."""
    draw, plane = common(photograph), Plane(photograph)
    strip = _box(-1.05, -draw.uniform(0.25, 0.45), 1.05, draw.uniform(0.22, 0.4))
    return plane.laid_over(plane.inside(strip, 0.09), blurred(photograph, 0.8 + 6 * share))


def mouth_blurred(photograph: Photograph, share: float) -> BgrImage:
    """The lower half of the face out of focus."""
    draw, plane = common(photograph), Plane(photograph)
    part = _box(-0.9, draw.uniform(0.4, 0.75), 0.9, 1.9)
    return plane.laid_over(plane.inside(part, 0.09), blurred(photograph, 0.8 + 11 * share))


def nose_blurred(photograph: Photograph, share: float) -> BgrImage:
    """The middle of the face out of focus."""
    draw, plane = common(photograph), Plane(photograph)
    part = _box(-draw.uniform(0.4, 0.7), -0.2, 0.6, 0.9)
    return plane.laid_over(plane.inside(part, 0.09), blurred(photograph, 0.8 + 7 * share))


def one_eye_blurred(photograph: Photograph, share: float) -> BgrImage:
    """One half of the face out of focus; which one is common."""
    plane, side = Plane(photograph), 1 - 2 * (photograph.pattern % 2)
    part = _box(0.05, -0.9, 1.5, 1.9)
    outline = [[side * u, v] for u, v in part]
    return plane.laid_over(plane.inside(outline, 0.09), blurred(photograph, 0.8 + 8 * share))


def all_but_eyes_blurred(photograph: Photograph, share: float) -> BgrImage:
    """A portrait effect gone wrong: the eyes' strip alone is in focus."""
    draw, plane = common(photograph), Plane(photograph)
    strip = _box(-1.05, -0.35, 1.05, draw.uniform(0.2, 0.35))
    kept = plane.inside(strip, 0.09)
    return plane.laid_over(1 - kept, blurred(photograph, 0.8 + 7 * share))


def veiled(photograph: Photograph, share: float) -> BgrImage:
    """A veil of one colour over the face, ``share`` opaque."""
    draw, plane = common(photograph), Plane(photograph)
    colour = draw.choice([235.0, 20.0, 128.0])
    mask = plane.inside(_box(-1.5, -1.5, 1.5, 2.2), 0.1)
    return as_image(plane.laid_over(np.asarray(share * mask, np.float32), colour))
