"""Degradations of the pixels: focus, resolution, light, colour, noise, compression.

Each takes a photograph and a strength and gives a picture of the same kind: shape (height, width,
3), uint8, BGR. Lengths in pixels are for a face of 100 pixels, and grow with the face.
"""

import cv2
import numpy as np

from gateway.lab.evaluation.photograph import Photograph, as_image, drawn, grey, jpeg_of
from gateway.vision.geometry import BgrImage


def blurred(photograph: Photograph, sigma: float) -> BgrImage:
    """Out of focus: a Gaussian of ``sigma`` pixels where the face is some 100 px tall."""
    scale = photograph.face.box.height / 100
    return as_image(cv2.GaussianBlur(photograph.image, (0, 0), max(sigma * scale, 0.1)))


def disc(photograph: Photograph, radius: float) -> BgrImage:
    """Out of focus as lenses are: a disc of ``radius`` pixels at a face of 100 px."""
    size = max(1, round(radius * photograph.face.box.height / 100))
    y, x = np.mgrid[-size : size + 1, -size : size + 1]
    kernel = (x * x + y * y <= size * size).astype(np.float32)
    return as_image(cv2.filter2D(photograph.image, -1, kernel / kernel.sum()))


def moved(photograph: Photograph, length: float) -> BgrImage:
    """Smeared along a line of ``length`` pixels at a face of 100 px; the direction is drawn."""
    size = max(3, round(length * photograph.face.box.height / 100)) | 1
    kernel = np.zeros((size, size), np.float32)
    kernel[size // 2] = 1
    turn = cv2.getRotationMatrix2D(
        (size / 2 - 0.5, size / 2 - 0.5), drawn(photograph).uniform(0, 180), 1
    )
    line = np.asarray(cv2.warpAffine(kernel, turn, (size, size)), np.float32)
    return as_image(cv2.filter2D(photograph.image, -1, line / line.sum()))


def tiny(photograph: Photograph, face_px: float) -> BgrImage:
    """Shrunk until the face is ``face_px`` tall, and enlarged again."""
    height, width = photograph.image.shape[:2]
    factor = face_px / photograph.face.box.height
    size = max(2, round(width * factor)), max(2, round(height * factor))
    small = cv2.resize(photograph.image, size, interpolation=cv2.INTER_AREA)
    return as_image(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def mosaic(photograph: Photograph, face_px: float) -> BgrImage:
    """As ``tiny``, with square pixels left as they are."""
    height, width = photograph.image.shape[:2]
    factor = face_px / photograph.face.box.height
    size = max(2, round(width * factor)), max(2, round(height * factor))
    small = cv2.resize(photograph.image, size, interpolation=cv2.INTER_AREA)
    return as_image(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST))


def negative(photograph: Photograph, share: float) -> BgrImage:
    """Inverted, wholly at 1; in between solarised from ``1 - share`` of full brightness on."""
    image = photograph.image
    return np.where(image >= round(255 * (1 - share)), 255 - image, image).astype(np.uint8)


def tinted(photograph: Photograph, share: float) -> BgrImage:
    """Moved towards one colour, drawn for the picture: at 1 its brightness alone varies."""
    brightness = grey(photograph.image)[:, :, np.newaxis] / 255.0
    colour = drawn(photograph).dirichlet([0.5, 0.5, 0.5]) * 255 * 1.5
    return as_image(photograph.image * (1 - share) + share * brightness * colour)


def one_channel(photograph: Photograph, channel: float) -> BgrImage:
    """Only blue (0), green (1) or red (2) is left; the others are black."""
    kept = np.zeros_like(photograph.image)
    kept[:, :, int(channel)] = photograph.image[:, :, int(channel)]
    return kept


def faded(photograph: Photograph, share: float) -> BgrImage:
    """Colour leaves: at 1 the picture is grey, as many passports' are."""
    plain = np.repeat(grey(photograph.image)[:, :, np.newaxis], 3, axis=2)
    return as_image(photograph.image * (1 - share) + share * plain.astype(np.float64))


def overexposed(photograph: Photograph, factor: float) -> BgrImage:
    """Brighter by ``factor``, clipped."""
    return as_image(photograph.image.astype(np.float64) * factor)


def underexposed(photograph: Photograph, factor: float) -> BgrImage:
    """Darker by ``factor``, rounded to grey levels, with a dim camera's noise."""
    noise = drawn(photograph).normal(0, 1.5, photograph.image.shape)
    return as_image(photograph.image / factor + noise)


def flat(photograph: Photograph, share: float) -> BgrImage:
    """Low contrast: ``share`` of the distance to the mean is left."""
    image = photograph.image.astype(np.float64)
    return as_image(image.mean() + share * (image - image.mean()))


def two_tone(photograph: Photograph, levels: float) -> BgrImage:
    """Posterised to ``levels`` levels a channel, as a copier does."""
    step = 255 / (levels - 1)
    return as_image(np.round(photograph.image / step) * step)


def noisy(photograph: Photograph, sigma: float) -> BgrImage:
    """Gaussian noise of ``sigma`` grey levels."""
    noise = drawn(photograph).normal(0, sigma, photograph.image.shape)
    return as_image(photograph.image + noise)


def speckled(photograph: Photograph, share: float) -> BgrImage:
    """``share`` of the pixels are black or white."""
    image, draw = photograph.image.copy(), drawn(photograph)
    hit = draw.random(image.shape[:2]) < share
    image[hit] = draw.choice([0, 255], size=(int(hit.sum()), 1))
    return image


def compressed(photograph: Photograph, kilobytes: float) -> BgrImage:
    """A JPEG of at most so many kilobytes, or of quality 1."""
    return jpeg_of(photograph.image, round(1000 * kilobytes))
