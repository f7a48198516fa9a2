"""Every kind of poor picture that the quality gate is held against, at every strength."""

from typing import Final

from gateway.lab.evaluation import degraded_faces as faces
from gateway.lab.evaluation import degraded_pixels as pixels
from gateway.lab.evaluation.degradation import Degradation
from gateway.lab.evaluation.edits import EDITS

POOR: Final = (
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
    Degradation("side covered", (0.2, 0.35, 0.5, 0.65), "share", faces.side_covered, 2),
    Degradation("pose", (20, 35, 50, 65), "degrees", faces.averted, 2),
    Degradation("keystone", (0.2, 0.4, 0.6, 0.75), "share", faces.keystoned, 4),
    Degradation("wide", (1.2, 1.5, 2, 3), "times", faces.wide),
    Degradation("tall", (1.2, 1.5, 2, 3), "times", faces.tall),
    Degradation("slanted", (0.2, 0.4, 0.7, 1), "share", faces.sheared, 2),
)
"""Turned, blurred, small, covered, distorted, compressed: what poor pictures are by themselves."""

DEGRADATIONS: Final = (*POOR, *EDITS)
"""Every kind that the quality gate is held against, at every strength."""

_BY_FINDING: Final = {
    "not-upright": ("turned", "tilted"),
    "not-sharp": (
        *("out of focus", "lens blur", "motion blur", "small face", "mosaic", "noisy motion"),
        *("sharpened blur", "sharpened reduction", "sharpened motion", "zoom blur", "denoised"),
        *("median filter", "eyes blurred", "mouth blurred", "nose blurred", "half blurred"),
        *("all but eyes blurred", "two exposures"),
    ),
    "too-dark": ("underexposed", "lamp's spot", "lamp beside", "half dark", "side light"),
    "too-bright": ("overexposed", "glare", "flare"),
    "too-little-contrast": ("low contrast", "veiled"),
    "too-grainy": (
        *("posterised", "noise", "speckles", "JPEG", "chip JPEG", "chip JPEG 2000"),
        *("sharpened JPEG", "own pattern"),
    ),
    "wrong-colours": (
        *("negative", "tinted", "one channel", "grey", "coloured light", "one colour lamp"),
    ),
    "covered": (
        *("mask", "dark glasses", "mask and glasses", "eyes only", "covered from above"),
        *("side covered", "blinds", "leaves", "frames", "tinted glasses", "patterned scarf"),
        *("no mouth", "fringe", "emblem", "lettering", "blots", "stripes", "no nose", "no brows"),
    ),
    "averted": ("pose",),
    "distorted": (
        *("keystone", "wide", "tall", "slanted", "bulge", "pinch", "barrel", "pincushion", "swirl"),
        *("waves", "elastic", "frosted"),
    ),
    "edited": (
        *("smoothed skin", "edges kept", "cartoon", "oil", "local contrast", "tone mapped"),
        *("big eyes", "small eyes", "big mouth", "slim face", "mirrored half", "two halves"),
        *("pattern added", "colours added", "pattern multiplied", "painted brows", "beard"),
        *("white paint", "dark eyes"),
    ),
}
FINDINGS: Final = {kind: finding for finding, kinds in _BY_FINDING.items() for kind in kinds}
"""What a person is told whose picture looks like a kind: ``PoorPicture.what``."""
