"""One kind of poor picture: how it is made, at which strengths."""

from collections.abc import Callable
from dataclasses import dataclass, field

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
    sides: int = 1
    """How many ways round it has that look different to a detector: a pattern's remainder."""
