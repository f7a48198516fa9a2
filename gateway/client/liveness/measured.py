"""Protocols for measured frames, for detected actions, and for what finds them.

They describe the shapes of ``gateway.vision.liveness``, so the runner is pure and loads no model.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from gateway.vision.geometry import BgrImage, DetectedFace
from gateway.vision.pipeline import UnitVector
from gateway.wire.errors import SealmatchError
from gateway.wire.liveness import ActionKind, AttemptReason


class Measured(Protocol):
    """One measured frame. Left and right are the subject's own; angles and ratios have no unit."""

    @property
    def at_ms(self) -> int: ...
    @property
    def faces(self) -> int:
        """0, 1, or 2 for several."""

    @property
    def face(self) -> DetectedFace | None: ...
    @property
    def turn(self) -> float:
        """Offset of the nose along the eyes' axis, in eye distances; positive = subject's left."""

    @property
    def eyes_closed(self) -> float:
        """0 open to 1 closed."""

    @property
    def mouth_open(self) -> float:
        """Opening of the inner lips over their width."""

    @property
    def sharpness(self) -> float: ...
    @property
    def exposure(self) -> float:
        """Mean brightness of the face, 0 to 1."""

    @property
    def continuous(self) -> bool:
        """Whether this is the same person's face as in the frame before; False in the first."""


class Action(Protocol):
    """One action that a detector found; times as ``Measured.at_ms``."""

    @property
    def kind(self) -> ActionKind: ...
    @property
    def start_ms(self) -> int: ...
    @property
    def peak_ms(self) -> int: ...
    @property
    def end_ms(self) -> int: ...


Made_co = TypeVar("Made_co", bound=Measured, covariant=True)
Taken_contra = TypeVar("Taken_contra", bound=Measured, contravariant=True)


class Meter(Protocol[Made_co]):
    """Measures frames in order."""

    def measure(self, image: BgrImage, at_ms: int) -> Made_co: ...
    def embed(self, image: BgrImage, face: DetectedFace) -> UnitVector: ...
    def passive_score(self, image: BgrImage, face: DetectedFace) -> float | None:
        """From 0, not live, to 1, live. None if the model pack has no such check."""


class Detectors(Protocol[Taken_contra]):
    """Finds actions in measurements, in order and without looking ahead."""

    def feed(self, measurement: Taken_contra, /) -> Sequence[Action]: ...


class Inconclusive(SealmatchError):
    """The capture gave nothing that can be submitted. ``advice`` is for the person."""

    def __init__(self, message: str, advice: str, reason: AttemptReason | None = None) -> None:
        super().__init__(message)
        self.advice = advice
        self.reason = reason
