"""Degradations by filters: what a phone's editor offers, and what makes blur look sharp again.

Each takes a photograph and a strength and gives a picture: shape (height, width, 3), uint8, BGR.
Lengths in pixels are for a face of 100 pixels. What two pictures of one agent have in common
(amounts, directions) follows from ``Photograph.pattern``.
"""

import cv2
import numpy as np
import numpy.typing as npt

from gateway.lab.evaluation.degraded_pixels import blurred, tiny
from gateway.lab.evaluation.photograph import Photograph, as_image, common, drawn, jpeg_of
from gateway.lab.evaluation.plane import Plane
from gateway.vision.geometry import BgrImage

_ZOOM_STEPS = 9


def _scale(photograph: Photograph) -> float:
    return photograph.face.box.height / 100


def sharpened(image: npt.ArrayLike, amount: float, radius: float) -> BgrImage:
    """An unsharp mask: ``amount`` times what a Gaussian of ``radius`` pixels takes off."""
    values = np.asarray(image, np.float32)
    soft = cv2.GaussianBlur(values, (0, 0), max(radius, 0.3))
    return as_image(values + amount * (values - soft))


def blurred_sharpened(photograph: Photograph, sigma: float) -> BgrImage:
    """Out of focus by ``sigma`` pixels, then sharpened."""
    draw, scale = common(photograph), _scale(photograph)
    soft = blurred(photograph, sigma)
    return sharpened(soft, draw.uniform(2, 5), draw.uniform(1.2, 3.2) * scale)


def reduced_sharpened(photograph: Photograph, face_px: float) -> BgrImage:
    """Reduced until the face has ``face_px``, enlarged, sharpened."""
    draw, scale = common(photograph), _scale(photograph)
    small = tiny(photograph, face_px)
    return sharpened(small, draw.uniform(1, 3.5), draw.uniform(1.5, 3.5) * scale)


def moved_sharpened(photograph: Photograph, length: float) -> BgrImage:
    """Smeared along a common line of ``length`` pixels, then sharpened."""
    draw, scale = common(photograph), _scale(photograph)
    angle = draw.choice([0, 90, draw.uniform(0, 180)])
    image = cv2.filter2D(photograph.image, -1, _line(length * scale, angle))
    return sharpened(image, draw.uniform(0.5, 3), draw.uniform(1, 2.5) * scale)


def moved_noisy(photograph: Photograph, length: float) -> BgrImage:
    """Smeared along a common line, with a dim camera's noise."""
    draw, scale = common(photograph), _scale(photograph)
    angle = draw.choice([90, 0, draw.uniform(0, 180)])
    image = cv2.filter2D(photograph.image, -1, _line(length * scale, angle))
    return _noisy(photograph, image, draw.uniform(4, 9))


def zoomed(photograph: Photograph, share: float) -> BgrImage:
    """Zoomed by ``share`` while the shutter was open; sharpened or not."""
    draw, scale, plane = common(photograph), _scale(photograph), Plane(photograph)
    x, y = plane.pixels([[draw.uniform(-0.1, 0.1), draw.uniform(0.2, 0.6)]])[0].tolist()
    height, width = photograph.image.shape[:2]
    total = np.zeros(photograph.image.shape, np.float32)
    for step in range(_ZOOM_STEPS):
        z = 1 + share * (step / (_ZOOM_STEPS - 1) - 0.5)
        matrix = np.array([[z, 0, (1 - z) * x], [0, z, (1 - z) * y]])
        total += cv2.warpAffine(
            photograph.image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE
        )
    return sharpened(total / _ZOOM_STEPS, draw.choice([2.0, 0.0, 3.0]), 1.6 * scale)


def smoothed_skin(photograph: Photograph, passes: float) -> BgrImage:
    """A beauty filter: ``passes`` of a bilateral filter, often sharpened."""
    draw, scale = common(photograph), _scale(photograph)
    image, reach = photograph.image, draw.uniform(4, 8) * scale
    for _ in range(round(passes)):
        image = np.asarray(cv2.bilateralFilter(image, 9, draw.uniform(40, 100), reach), np.uint8)
    return sharpened(image, draw.choice([1.5, 0.0, 2.5]), 1.2 * scale)


def edges_kept(photograph: Photograph, share: float) -> BgrImage:
    """Smoothed but for its edges, and its detail lifted: a painting's look."""
    draw = common(photograph)
    soft = cv2.edgePreservingFilter(
        photograph.image, flags=1, sigma_s=20 + 100 * share, sigma_r=0.1 + 0.8 * share
    )
    if draw.random() < 0.5:
        return np.asarray(soft, np.uint8)
    return np.asarray(cv2.detailEnhance(soft, sigma_s=10, sigma_r=0.2), np.uint8)


def median_filtered(photograph: Photograph, size: float) -> BgrImage:
    """A median of ``size`` pixels, with noise afterwards or not: a denoiser's work."""
    draw = common(photograph)
    window = max(1, round(size * _scale(photograph) / 2)) * 2 + 1
    image = np.asarray(cv2.medianBlur(photograph.image, window), np.uint8)
    return _noisy(photograph, image, draw.choice([8.0, 0.0, 4.0]))


def denoised(photograph: Photograph, sigma: float) -> BgrImage:
    """Noise of ``sigma`` levels, and a median that takes it off."""
    noise = drawn(photograph).normal(0, sigma, photograph.image.shape)
    window = max(1, round(2.2 * _scale(photograph))) * 2 + 1
    return np.asarray(cv2.medianBlur(as_image(photograph.image + noise), window), np.uint8)


def cartoon(photograph: Photograph, share: float) -> BgrImage:
    """Smooth areas and drawn edges."""
    draw = common(photograph)
    image = photograph.image
    for _ in range(1 + round(3 * share)):
        image = np.asarray(cv2.bilateralFilter(image, 9, 70, 6), np.uint8)
    grey = cv2.medianBlur(np.asarray(cv2.cvtColor(photograph.image, cv2.COLOR_BGR2GRAY)), 5)
    depth = max(2.0, draw.uniform(10, 13) - 9 * share)
    edges = cv2.adaptiveThreshold(grey, 255, 0, 0, 9, depth) > 0
    inked = np.where(edges[:, :, np.newaxis], image, 0)
    weight = 0.3 + 0.6 * share
    return as_image(image * (1 - weight) + inked * weight)


def oil(photograph: Photograph, size: float) -> BgrImage:
    """Opened and closed by a disc of ``size`` pixels, as effects named oil or watercolour do."""
    radius = max(1, round(size * _scale(photograph)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    first, second = (cv2.MORPH_OPEN, cv2.MORPH_CLOSE)
    if common(photograph).random() < 0.3:
        first, second = second, first
    image = cv2.morphologyEx(photograph.image, first, disc)
    return np.asarray(cv2.morphologyEx(image, second, disc), np.uint8)


def local_contrast(photograph: Photograph, clip: float) -> BgrImage:
    """CLAHE of lightness: histograms equalised by parts, cut off at ``clip``; often of blur."""
    draw = common(photograph)
    soft = blurred(photograph, draw.choice([1.2, 0.0, 2.2]))
    lab = np.asarray(cv2.cvtColor(soft, cv2.COLOR_BGR2LAB), np.uint8)
    lab[:, :, 0] = cv2.createCLAHE(clip, (8, 8)).apply(lab[:, :, 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR), np.uint8)


def tone_mapped(photograph: Photograph, share: float) -> BgrImage:
    """High dynamic range's look: brightness divided by that of the surroundings."""
    grey = cv2.cvtColor(photograph.image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    reach = common(photograph).uniform(3, 12) * _scale(photograph)
    around = cv2.GaussianBlur(grey, (0, 0), reach)[:, :, np.newaxis]
    bright = photograph.image.astype(np.float32)
    return as_image(bright * (1 - share) + 110 * share * bright / (around + 6))


def compressed_sharpened(photograph: Photograph, face_px: float) -> BgrImage:
    """Reduced, compressed hard, enlarged and sharpened, as messengers and filters do in turn."""
    draw, (height, width) = common(photograph), photograph.image.shape[:2]
    factor = face_px / photograph.face.box.height
    size = max(8, round(width * factor)), max(8, round(height * factor))
    small = np.asarray(cv2.resize(photograph.image, size, interpolation=cv2.INTER_AREA), np.uint8)
    packed = jpeg_of(small, round(small.size * draw.uniform(0.03, 0.07)))
    image = cv2.resize(packed, (width, height), interpolation=cv2.INTER_CUBIC)
    return sharpened(image, draw.uniform(1, 2.5), 2 * _scale(photograph))


def two_exposures(photograph: Photograph, shift: float) -> BgrImage:
    """The picture over itself, moved by ``shift`` eye distances in a common direction."""
    draw, plane = common(photograph), Plane(photograph)
    angle = draw.uniform(0, np.pi)
    x, y = shift * plane.unit * np.cos(angle), shift * plane.unit * np.sin(angle)
    height, width = photograph.image.shape[:2]
    other = cv2.warpAffine(
        photograph.image,
        np.array([[1, 0, x], [0, 1, y]]),
        (width, height),
        borderMode=cv2.BORDER_REPLICATE,
    )
    weight = draw.uniform(0.4, 0.5)
    return as_image(photograph.image * (1 - weight) + other.astype(np.float32) * weight)


def _line(length: float, degrees: float) -> npt.NDArray[np.float32]:
    """A kernel that smears along a line."""
    size = max(3, round(length)) | 1
    kernel = np.zeros((size, size), np.float32)
    kernel[size // 2] = 1
    middle = (size / 2 - 0.5, size / 2 - 0.5)
    turn = cv2.getRotationMatrix2D(middle, float(degrees), 1)
    line = np.asarray(cv2.warpAffine(kernel, turn, (size, size)), np.float32)
    return np.asarray(line / line.sum(), np.float32)


def _noisy(photograph: Photograph, image: npt.ArrayLike, sigma: float) -> BgrImage:
    values = np.asarray(image, np.float32)
    return as_image(values + drawn(photograph).normal(0, max(sigma, 1e-6), values.shape))
