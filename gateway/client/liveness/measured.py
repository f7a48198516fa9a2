"""Protocols for measured frames, for detected actions, and for what finds them.

They describe the shapes of ``gateway.vision.liveness``, so the runner is pure and loads no model.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from gateway.vision.geometry import BgrImage, DetectedFace
from gateway.vision.pipeline import UnitVector
from gateway.wire.errors import SealmatchError
from gateway.wire.liveness import ActionKind, AttemptReason, Exclusion


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
    def pitch(self) -> float:
        """Where the nose's tip lies between eyes (0) and lip (1): more as the head bows."""

    @property
    def eyes_closed(self) -> float:
        """0 open to 1 closed."""

    @property
    def each_closed(self) -> tuple[float, float]:
        """The same for each eye."""

    @property
    def mouth_open(self) -> float:
        """Opening of the inner lips over their width."""

    @property
    def sharpness(self) -> float: ...
    @property
    def exposure(self) -> float:
        """Mean brightness of the face, 0 to 1; without a face, of the picture."""

    @property
    def eyes_contrast(self) -> float:
        """Of both eyes, over the face's: tinted glasses have little."""

    @property
    def mouth_contrast(self) -> float:
        """Of the lips, over the face's: a mask has little."""

    @property
    def finding(self) -> str | None:
        """What the quality gate said: "good", a word of ``gateway.vision.errors``, or nothing."""

    @property
    def upright_turns(self) -> int:
        """Quarter turns after which the picture shows a good face; 0 also where none was tried."""

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
    """The capture gave nothing that can be submitted. ``advice`` is for the person.

    ``exclude``: the action that another attempt may leave out, if the person cannot do it.
    """

    def __init__(
        self,
        message: str,
        advice: str,
        reason: AttemptReason | None = None,
        exclude: Exclusion | None = None,
    ) -> None:
        super().__init__(message)
        self.advice = advice
        self.reason = reason
        self.exclude = exclude
