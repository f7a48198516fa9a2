"""What a check of a receipt found: done, not performed, or not checked, and what it says of it.

Nobody may take "no witness", "no audit" or "no liveness check" for a check that was passed. So the
three are told apart wherever a receipt is shown: by the command, on the check page, on paper.
"""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What became of a check."""

    DONE = "done"
    NOT_PERFORMED = "not-performed"
    """It did not take place when the decision was made."""
    NOT_CHECKED = "not-checked"
    """It may have taken place; this verifier was given nothing to check it with."""


@dataclass(frozen=True)
class Finding:
    """What a step found."""

    text: str
    state: State = State.DONE

    def __str__(self) -> str:
        return self.text
