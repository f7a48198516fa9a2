"""What issuer and device say of the pictures that they embedded: an outcome, and by which measures.

No measurement travels: sharpness or exposure of a face is personal data, and no server needs it.
A picture that fails is never embedded, so a statement knows no such outcome. What it says rests on
the word of an enrolled issuer and an enrolled device: one that lies says "passed" of anything.
"""

from typing import Annotated, Literal

from pydantic import Field

from gateway.wire.ids import DigestField
from gateway.wire.message import Message

QualityOutcome = Literal["passed", "uncalibrated"]
"""``passed``: every picture passed the gate that was calibrated for the face model.
``uncalibrated``: the model pack states no such gate, and only the picture itself was judged."""


QualityRule = Literal["required", "optional"]
"""What a gateway asks of both assertions: ``passed``, or either outcome."""


class FaceQuality(Message):
    """The outcome of the quality gate for every picture behind one vector."""

    outcome: QualityOutcome
    """What the gate found."""
    measures: Annotated[str, Field(pattern=r"^[a-z][a-z-]*/[0-9]{1,4}$", max_length=32)]
    """Name and version of the measures, e.g. `face-quality/1`."""
    profile_digest: DigestField
    """SHA-256 of the thresholds that were applied."""

    def satisfies(self, rule: QualityRule) -> bool:
        """Whether a gateway with this rule goes on."""
        return rule == "optional" or self.outcome == "passed"
