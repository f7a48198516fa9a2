"""Kinds of edited and camera-made pictures, beside those of ``degradations``: one table each."""

from typing import Final

from gateway.lab.evaluation import degraded_filters as filters
from gateway.lab.evaluation import degraded_light as light
from gateway.lab.evaluation import degraded_paint as paint
from gateway.lab.evaluation import degraded_patterns as patterns
from gateway.lab.evaluation import degraded_warps as warps
from gateway.lab.evaluation.degradation import Degradation

FILTERED: Final = (
    Degradation("sharpened blur", (1.5, 2.5, 4), "px of 100", filters.blurred_sharpened),
    Degradation("sharpened reduction", (45, 30, 20), "px", filters.reduced_sharpened),
    Degradation("sharpened motion", (6, 11, 17), "px of 100", filters.moved_sharpened),
    Degradation("noisy motion", (6, 10, 15), "px of 100", filters.moved_noisy),
    Degradation("zoom blur", (0.1, 0.2, 0.35), "share", filters.zoomed),
    Degradation("two exposures", (0.12, 0.25, 0.45), "eye distances", filters.two_exposures),
    Degradation("smoothed skin", (1, 2, 4), "passes", filters.smoothed_skin),
    Degradation("edges kept", (0.2, 0.5, 1), "share", filters.edges_kept),
    Degradation("median filter", (3, 5, 8), "px of 100", filters.median_filtered),
    Degradation("denoised", (30, 60, 100), "levels", filters.denoised),
    Degradation("cartoon", (0.3, 0.6, 1), "share", filters.cartoon),
    Degradation("oil", (1, 2, 3.5), "px of 100", filters.oil),
    Degradation("local contrast", (4, 12, 40), "clip", filters.local_contrast),
    Degradation("tone mapped", (0.4, 0.7, 1), "share", filters.tone_mapped),
    Degradation("sharpened JPEG", (80, 55, 35), "px", filters.compressed_sharpened),
)
LIT: Final = (
    Degradation("lamp's spot", (1.4, 0.9, 0.55), "eye distances", light.spot),
    Degradation("lamp beside", (1.4, 0.9, 0.6), "eye distances", light.spot_beside),
    Degradation("half dark", (0.6, 0.85, 0.97), "share", light.half_dark, light.SIDES),
    Degradation("side light", (0.5, 0.75, 1), "share", light.side_light, light.SIDES),
    Degradation("glare", (0.15, 0.3, 0.6), "share", light.glare),
    Degradation("flare", (0.3, 0.6, 1), "share", light.flare),
    Degradation("blinds", (0.3, 0.55, 0.8), "share", light.blinds),
    Degradation("leaves", (0.4, 0.7, 0.95), "share", light.leaves),
    Degradation("coloured light", (0.4, 0.7, 1), "share", light.coloured_light),
    Degradation("one colour lamp", (0.6, 0.8, 0.95), "share", light.one_colour, 3),
)
WARPED: Final = (
    Degradation("bulge", (0.12, 0.25, 0.4, 0.65), "share", warps.bulge),
    Degradation("pinch", (0.3, 0.6, 0.95), "share", warps.pinch),
    Degradation("barrel", (0.1, 0.2, 0.35), "share", warps.barrel),
    Degradation("pincushion", (0.05, 0.1, 0.15), "share", warps.pincushion),
    Degradation("swirl", (0.4, 0.8, 1.4), "radians", warps.swirl, 2),
    Degradation("waves", (0.05, 0.1, 0.17), "eye distances", warps.waves),
    Degradation("elastic", (0.05, 0.1, 0.16), "eye distances", warps.elastic),
    Degradation("frosted", (0.02, 0.04, 0.07), "eye distances", warps.frosted),
    Degradation("big eyes", (0.25, 0.45, 0.65), "share", warps.big_eyes),
    Degradation("small eyes", (0.3, 0.6, 0.9), "share", warps.small_eyes),
    Degradation("big mouth", (0.3, 0.5, 0.7), "share", warps.big_mouth),
    Degradation("slim face", (0.15, 0.35, 0.6), "share", warps.slim_face),
    Degradation("mirrored half", (0.5, 1), "share", warps.mirrored_half, 2),
    Degradation("two halves", (0.5, 1), "share", warps.two_halves),
)
PATTERNED: Final = (
    Degradation("pattern added", (12, 22, 35), "levels", patterns.pattern_added),
    Degradation("colours added", (15, 30, 50), "levels", patterns.colours_added),
    Degradation("pattern multiplied", (0.12, 0.22, 0.35), "share", patterns.pattern_multiplied),
    Degradation("own pattern", (12, 22, 35), "levels", patterns.own_pattern),
    Degradation("stripes", (0.1, 0.2, 0.4), "share", patterns.stripes),
    Degradation("blots", (0.2, 0.5, 1), "share", patterns.blots),
    Degradation("emblem", (0.3, 0.6, 1), "share", patterns.emblem),
    Degradation("lettering", (0.15, 0.3, 0.5), "share", patterns.lettering),
)
PAINTED: Final = (
    Degradation("painted brows", (0.3, 0.6, 1), "share", paint.painted_brows),
    Degradation("no brows", (0.4, 0.7, 1), "share", paint.no_brows),
    Degradation("no nose", (0.3, 0.6, 0.9), "share", paint.no_nose),
    Degradation("no mouth", (0.5, 0.75, 1), "share", paint.no_mouth),
    Degradation("fringe", (0.4, 0.7, 1), "share", paint.fringe),
    Degradation("beard", (0.5, 0.75, 1), "share", paint.beard),
    Degradation("white paint", (0.4, 0.65, 0.9), "share", paint.white_paint),
    Degradation("dark eyes", (0.3, 0.6, 1), "share", paint.dark_eyes),
    Degradation("frames", (0.15, 0.35, 0.7), "share", paint.frames),
    Degradation("tinted glasses", (0.4, 0.65, 0.9), "share", paint.tinted_glasses),
    Degradation("patterned scarf", (0.5, 0.75, 1), "share", paint.patterned_scarf),
    Degradation("eyes blurred", (0.2, 0.5, 1), "share", paint.eyes_blurred),
    Degradation("mouth blurred", (0.2, 0.5, 1), "share", paint.mouth_blurred),
    Degradation("nose blurred", (0.2, 0.5, 1), "share", paint.nose_blurred),
    Degradation("half blurred", (0.15, 0.4, 0.8), "share", paint.one_eye_blurred, 2),
    Degradation("all but eyes blurred", (0.1, 0.25, 0.5), "share", paint.all_but_eyes_blurred),
    Degradation("veiled", (0.3, 0.55, 0.75), "share", paint.veiled),
)
EDITS: Final = (*FILTERED, *LIT, *WARPED, *PATTERNED, *PAINTED)
