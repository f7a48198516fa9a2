"""Degradations by patterns: what an agent lays over both pictures alike, and noise of a picture.

Each takes a photograph and a strength and gives a picture: shape (height, width, 3), uint8, BGR.
A pattern that two pictures have in common follows from ``Photograph.pattern``, drawn on the face's
own coordinates. So a profile is calibrated with some patterns and measured with another.
"""

import cv2
import numpy as np

from gateway.lab.evaluation.photograph import Photograph, as_image, common, drawn
from gateway.lab.evaluation.plane import Plane, smooth_noise
from gateway.vision.geometry import BgrImage

_INK = (40, 220, 250)  # blue, green, red


def pattern_added(photograph: Photograph, sigma: float) -> BgrImage:
    """One soft grey pattern of deviation ``sigma`` levels added to all pictures."""
    draw, plane = common(photograph), Plane(photograph)
    noise = smooth_noise(draw, plane, draw.uniform(0.05, 0.18))
    return as_image(photograph.image + sigma * noise)


def colours_added(photograph: Photograph, sigma: float) -> BgrImage:
    """One soft coloured pattern added to all pictures."""
    draw, plane = common(photograph), Plane(photograph)
    noise = smooth_noise(draw, plane, draw.uniform(0.04, 0.12), 3)
    return as_image(photograph.image + sigma * noise)


def pattern_multiplied(photograph: Photograph, sigma: float) -> BgrImage:
    """One pattern that all pictures are brighter and darker by."""
    draw, plane = common(photograph), Plane(photograph)
    noise = smooth_noise(draw, plane, draw.uniform(0.06, 0.16))
    return as_image(photograph.image * np.exp(sigma * noise))


def own_pattern(photograph: Photograph, sigma: float) -> BgrImage:
    """A soft pattern of deviation ``sigma``, another for each picture."""
    grain = common(photograph).uniform(0.06, 0.15)
    noise = smooth_noise(drawn(photograph), Plane(photograph), grain)
    return as_image(photograph.image + sigma * noise)


def stripes(photograph: Photograph, share: float) -> BgrImage:
    """Fine stripes or a net, as of a screen or a print: ``share`` of their full contrast."""
    draw, plane = common(photograph), Plane(photograph)
    u, v = plane.uv
    angle, period = draw.uniform(0, np.pi), draw.uniform(0.09, 0.25)
    along = (u * np.cos(angle) + v * np.sin(angle)) * 2 * np.pi / period
    across = (v * np.cos(angle) - u * np.sin(angle)) * 2 * np.pi / period
    wave = np.sin(along) if draw.random() < 0.5 else (np.sin(along) + np.sin(across)) / 1.4
    return as_image(photograph.image * (1 + 0.5 * share * wave[:, :, np.newaxis]))


def blots(photograph: Photograph, share: float) -> BgrImage:
    """Coloured dots at common places."""
    draw, plane = common(photograph), Plane(photograph)
    image = photograph.image.copy()
    for _ in range(round(50 * share)):
        place = [[draw.uniform(-1.4, 1.4), draw.uniform(-0.9, 1.8)]]
        x, y = np.round(plane.pixels(place)[0]).astype(int).tolist()
        size = max(1, round(draw.uniform(0.06, 0.17) * plane.unit))
        colour = [float(value) for value in draw.uniform(0, 255, 3)]
        cv2.circle(image, (x, y), size, colour, -1, cv2.LINE_AA)
    return image


def emblem(photograph: Photograph, share: float) -> BgrImage:
    """A watermark: a ring and a line over the face, ``share`` as thick as they can be."""
    draw, plane = common(photograph), Plane(photograph)
    image = photograph.image.copy()
    thick = max(1, round(0.2 * share * plane.unit))
    middle = [[draw.uniform(-0.2, 0.2), draw.uniform(0.2, 0.6)]]
    x, y = np.round(plane.pixels(middle)[0]).astype(int).tolist()
    size = round(draw.uniform(0.5, 0.8) * plane.unit)
    cv2.circle(image, (x, y), size, _INK, max(1, thick // 2), cv2.LINE_AA)
    ends = [[draw.uniform(-1, -0.5), -0.6], [draw.uniform(0.5, 1), 1.4]]
    (a, b), (c, d) = np.round(plane.pixels(ends)).astype(int).tolist()
    cv2.line(image, (a, b), (c, d), _INK, thick, cv2.LINE_AA)
    weight = draw.uniform(0.5, 0.9)
    return as_image(photograph.image * (1 - weight) + image.astype(np.float32) * weight)


def lettering(photograph: Photograph, share: float) -> BgrImage:
    """Lines of a word over the whole picture, ``share`` opaque."""
    draw, plane = common(photograph), Plane(photograph)
    image = photograph.image.copy()
    gap, size = draw.uniform(0.4, 0.8), plane.unit / 55
    for row in np.arange(-1.2, 2.2, gap):
        x, y = np.round(plane.pixels([[-2.6 + (row % 0.7), row]])[0]).astype(int).tolist()
        cv2.putText(image, "COPY SPECIMEN COPY", (x, y), 0, size, (255, 255, 255), 2, cv2.LINE_AA)
    return as_image(photograph.image * (1 - share) + image.astype(np.float32) * share)
