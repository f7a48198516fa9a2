"""The evaluation that comes with the product: of the default face model, on LFW.

It is what the default thresholds rest on. It is no evaluation of a carrier's documents, counters
and customers: whoever signs a policy that follows from it signs that.
"""

from importlib.resources import files
from typing import Final

from gateway.calibration.evidence import MatchEvidence

SHIPPED: Final = "shipped"
"""Stands on a command line in the place of a file."""
RESTS_ON: Final = (
    "this evaluation is of LFW, photographs of the press, and not of your documents, cameras and "
    "customers"
)


def shipped_evidence() -> MatchEvidence:
    """The evaluation of the default pack."""
    content = (files("gateway.calibration") / "lfw.json").read_bytes()
    return MatchEvidence.model_validate_json(content)
