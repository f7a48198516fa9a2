"""Photographs for a demonstration on any machine: six faces of insightface's own ``t1.jpg``.

One person's crop gives two pictures: a portrait as a passport chip holds it (nearly grey, small,
strongly compressed) and a live picture (side light, tilted, larger, recompressed). Both come from
the same exposure. So they show the protocol at work and say nothing about accuracy; the
demonstration must say so. Results are JPEG bytes in memory; nothing is written.
"""

from importlib import resources

import cv2
import numpy as np

from gateway.vision.errors import NoFaceFound
from gateway.vision.geometry import BgrImage, DetectedFace
from gateway.vision.images import decode_image
from gateway.vision.pipeline import FacePipeline
from gateway.vision.runtime import insightface

_PEOPLE = 6
_CUSTOMER, _STRANGER = 0, 2  # counted from the left

_CHIP_WIDTH, _CHIP_HEIGHT = 240, 320  # pixels; about what document issuers store
_CHIP_QUALITY = 35  # JPEG, 0 to 100
_CHIP_BLUR_PX = 2.0  # standard deviation; portraits are often scanned prints
_CHIP_COLOUR = 0.25  # share of the colour that is kept

_LIVE_WIDTH, _LIVE_HEIGHT = 480, 640  # pixels
_LIVE_QUALITY = 80
_LIVE_TILT_DEG = 7.0
_LIVE_GAMMA = 1.35
_LIVE_LIGHT = (0.45, 1.25)  # brightness factor at the left and right edge
_LIVE_NOISE = 12.0  # standard deviation in grey levels, as of a cheap camera


def genuine_pair(vision: FacePipeline) -> tuple[bytes, bytes]:
    """(document portrait, live picture) of one person, each a JPEG of one face.

    Raises NoFaceFound as ``people``.
    """
    crops = people(vision)
    return chip_portrait(crops[_CUSTOMER]), live_picture(crops[_CUSTOMER])


def impostor_pair(vision: FacePipeline) -> tuple[bytes, bytes]:
    """(document portrait of one person, live picture of another), each a JPEG of one face.

    Raises NoFaceFound as ``people``.
    """
    crops = people(vision)
    return chip_portrait(crops[_CUSTOMER]), live_picture(crops[_STRANGER])


def people(vision: FacePipeline) -> list[BgrImage]:
    """Head-and-shoulder crops (3:4, uint8, BGR) of the six people, from left to right.

    Raises NoFaceFound if insightface's picture does not show six faces.
    """
    insightface("data")
    group = decode_image((resources.files("insightface.data") / "images/t1.jpg").read_bytes())
    faces = sorted(vision.faces(group), key=lambda face: face.box.centre[0])
    if len(faces) != _PEOPLE:
        raise NoFaceFound(f"insightface's sample picture does not show {_PEOPLE} faces")
    return [_crop(group, face) for face in faces]


def chip_portrait(crop: BgrImage) -> bytes:
    """A JPEG such as a passport chip holds: small, faded, compressed to a few kilobytes."""
    small = cv2.resize(crop, (_CHIP_WIDTH, _CHIP_HEIGHT), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    faded = cv2.addWeighted(small, _CHIP_COLOUR, grey, 1 - _CHIP_COLOUR, 0)
    return _jpeg(
        np.asarray(cv2.GaussianBlur(faded, (0, 0), _CHIP_BLUR_PX), np.uint8), _CHIP_QUALITY
    )


def live_picture(crop: BgrImage) -> bytes:
    """A JPEG such as a telephone takes, with another size, tilt, light and noise."""
    large = cv2.resize(crop, (_LIVE_WIDTH, _LIVE_HEIGHT), interpolation=cv2.INTER_CUBIC)
    middle = (_LIVE_WIDTH / 2, _LIVE_HEIGHT / 2)
    turn = cv2.getRotationMatrix2D(middle, _LIVE_TILT_DEG, 0.95)
    tilted = cv2.warpAffine(
        large, turn, (_LIVE_WIDTH, _LIVE_HEIGHT), borderMode=cv2.BORDER_REFLECT_101
    )
    light = np.linspace(*_LIVE_LIGHT, _LIVE_WIDTH)[np.newaxis, :, np.newaxis]
    lit = 255 * (tilted / 255.0) ** _LIVE_GAMMA * light
    noise = np.random.default_rng(1).normal(0, _LIVE_NOISE, lit.shape)  # the same in every run
    return _jpeg(np.asarray(np.clip(lit + noise, 0, 255), np.uint8), _LIVE_QUALITY)


def _crop(group: BgrImage, face: DetectedFace) -> BgrImage:
    """A 3:4 crop around the face, in which the head takes about two thirds of the height."""
    x, y = face.box.centre
    half_height = 0.8 * face.box.height
    half_width = 0.75 * half_height
    height, width = group.shape[:2]
    top, bottom = max(0, round(y - half_height)), min(height, round(y + half_height))
    left, right = max(0, round(x - half_width)), min(width, round(x + half_width))
    return np.ascontiguousarray(group[top:bottom, left:right])


def _jpeg(image: BgrImage, quality: int) -> bytes:
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("OpenCV could not encode a JPEG image")
    return encoded.tobytes()
