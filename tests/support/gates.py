"""The quality gate's control, and what two strangers' pictures do behind a gate."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from gateway.vision.pack import ModelPack
from gateway.vision.pipeline import FacePipeline, UnitVector
from gateway.vision.quality_profile import QualityProfile


def with_open_gate(pack: ModelPack) -> FacePipeline:
    """The control: a profile without a limit."""
    nothing = QualityProfile(
        format="sealmatch-face-quality/1",
        measures="face-quality/1",
        pack=None,
        calibration="none",
        limits={},
    )
    return FacePipeline(replace(pack, quality=nothing))


def matches(vectors: Sequence[UnitVector], threshold: float) -> int:
    """How many pairs match, by their cosine."""
    return sum(float(a @ b) >= threshold for a, b in combinations(vectors, 2))
