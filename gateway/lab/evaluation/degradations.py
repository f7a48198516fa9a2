"""Every kind of poor picture that the quality gate is held against, at every strength."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.lab.evaluation import degraded_faces as faces
from gateway.lab.evaluation import degraded_pixels as pixels
from gateway.lab.evaluation.photograph import Photograph
from gateway.vision.geometry import BgrImage

Degrade = Callable[[Photograph, float], BgrImage]


@dataclass(frozen=True, slots=True)
class Degradation:
    """One kind, and its strengths from slight to severe; ``unit`` says what they count."""

    name: str
    strengths: tuple[float, ...]
    unit: str
    degrade: Degrade = field(repr=False)


DEGRADATIONS: Final = (
    Degradation("turned", (90, 180, 270), "degrees", faces.turned),
    Degradation("tilted", (15, 30, 45, 60, 120, 150), "degrees", faces.tilted),
    Degradation("out of focus", (1, 2, 3, 4, 5, 6, 8, 10), "px of 100", pixels.blurred),
    Degradation("lens blur", (2, 4, 6, 9, 13), "px of 100", pixels.disc),
    Degradation("motion blur", (5, 9, 15, 21, 31), "px of 100", pixels.moved),
    Degradation("small face", (60, 50, 40, 30, 25, 20, 15, 10), "px", pixels.tiny),
    Degradation("mosaic", (50, 40, 30, 20, 15, 10), "px", pixels.mosaic),
    Degradation("negative", (0.4, 0.6, 0.8, 1), "share", pixels.negative),
    Degradation("tinted", (0.3, 0.6, 0.8, 1), "share", pixels.tinted),
    Degradation("one channel", (0, 1, 2), "channel", pixels.one_channel),
    Degradation("grey", (0.5, 1), "share", pixels.faded),
    Degradation("overexposed", (1.5, 2, 3, 5, 8), "times", pixels.overexposed),
    Degradation("underexposed", (2, 4, 8, 16, 32), "times", pixels.underexposed),
    Degradation("low contrast", (0.5, 0.25, 0.12, 0.06, 0.03), "share", pixels.flat),
    Degradation("posterised", (8, 4, 3, 2), "levels", pixels.two_tone),
    Degradation("noise", (10, 20, 40, 60, 90), "levels", pixels.noisy),
    Degradation("speckles", (0.02, 0.05, 0.1, 0.2, 0.4), "share", pixels.speckled),
    Degradation("JPEG", (5, 4, 3, 2, 1), "kB", pixels.compressed),
    Degradation("chip JPEG", (6, 3, 2, 1), "kB", faces.chip_jpeg),
    Degradation("chip JPEG 2000", (18, 12, 6, 3, 1), "kB", faces.chip_jpeg_2000),
    Degradation("mask", (0.5, 0.75, 1), "share", faces.masked),
    Degradation("dark glasses", (1, 1.5, 2), "eye widths", faces.dark_glasses),
    Degradation("mask and glasses", (1, 1.5, 2), "eye widths", faces.mask_and_glasses),
    Degradation("eyes only", (1.5, 1, 0.7), "eye distances", faces.eyes_only),
    Degradation(
        "covered from above", (-0.4, -0.1, 0.3, 0.6), "eye distances", faces.covered_from_above
    ),
    Degradation("side covered", (0.2, 0.35, 0.5, 0.65), "share", faces.side_covered),
    Degradation("pose", (20, 35, 50, 65), "degrees", faces.averted),
    Degradation("keystone", (0.2, 0.4, 0.6, 0.75), "share", faces.keystoned),
    Degradation("wide", (1.2, 1.5, 2, 3), "times", faces.wide),
    Degradation("tall", (1.2, 1.5, 2, 3), "times", faces.tall),
    Degradation("slanted", (0.2, 0.4, 0.7, 1), "share", faces.sheared),
)
"""Every kind that the quality gate is held against, at every strength."""
