"""What the detectors find."""

from dataclasses import dataclass, field
from typing import Literal

ActionKind = Literal["blink", "open-mouth", "turn-left", "turn-right", "count"]
"""Left and right are the person's own; the person's left is the picture's right. ``count``: one
small opening of the mouth, as in speech."""


@dataclass(frozen=True, slots=True)
class ActionEvent:
    """One action. Times are on the clock of ``FrameMeasurement.at_ms``.

    ``strength``: how far the landmarks moved. Blink: share by which the lids fell; open mouth:
    ``mouth_open`` at the peak; count: the same above the closed mouth; turn: offset of the nose
    from its usual place, in eye distances.
    """

    kind: ActionKind
    start_ms: int
    peak_ms: int
    end_ms: int
    strength: float = field(repr=False)
