"""Whole transactions: a person passes the liveness check and matches, or tries again.

One attempt succeeds if the liveness check is passed and the live face matches. How often a living
person passes the check is measured on the labelled clips (``sealmatch evaluate liveness``), or at a
counter (``sealmatch attempts``). In the clips nobody follows a prompt: a challenge is passed there
if all three of its actions would be found, each independently of the others.

How failures of one person depend on each other is not known from pairs. So two figures are given,
and the truth lies between them: attempts are independent; or who fails the match once always fails.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any, Final

from gateway.calibration.evidence import Transactions
from gateway.wire.errors import SealmatchError
from gateway.wire.liveness import MOVEMENTS, Movement

ATTEMPTS: Final = 3
"""Mismatches of one document that the authority takes by default before it locks the subject."""
FOUND: Final[Mapping[Movement, float]] = {
    "blink": 43 / 46,
    "open-mouth": 46 / 50,
    "turn-left": 5 / 5,
    "turn-right": 5 / 5,
}
"""Of labelled actions in twelve clips (EVALUATION, Actions found); left and right are one rule."""
CHALLENGE: Final = 3
"""Actions of a challenge, none of which follows itself."""
_MAX_BYTES: Final = 64 * 1024


class AttemptsUnreadable(SealmatchError):
    """The file is no output of ``sealmatch attempts --json``."""


@dataclass(frozen=True)
class Liveness:
    """How often an attempt passes the liveness check, and by whom that was measured."""

    rate: float
    customers: int | None = None
    """Of a counter; None: clips."""


def of_clips() -> Liveness:
    """The mean over all challenges, drawn as the gateway draws them."""
    challenges = [
        kinds
        for kinds in product(MOVEMENTS, repeat=CHALLENGE)
        if all(a != b for a, b in pairwise(kinds))
    ]
    return Liveness(sum(_all_found(kinds) for kinds in challenges) / len(challenges))


def of_counter(file: Path) -> Liveness:
    """From ``sealmatch attempts --json``: checks that were passed, of all attempts.

    Raises AttemptsUnreadable.
    """
    try:
        with file.open("rb") as opened:
            figures: Any = json.loads(opened.read(_MAX_BYTES))
        succeeded, attempts, customers = (
            figures[name] for name in ("succeeded", "attempts", "customers")
        )
    except OSError as error:
        raise AttemptsUnreadable(f"cannot read {file.name}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise AttemptsUnreadable(
            f"{file.name} is no output of `sealmatch attempts --json`"
        ) from None
    counts = (succeeded, attempts, customers)
    if not all(type(count) is int and count >= 0 for count in counts) or succeeded > attempts:
        raise AttemptsUnreadable(f"{file.name} has counts that cannot be")
    if not attempts:
        raise AttemptsUnreadable(f"{file.name} counts no attempt")
    return Liveness(succeeded / attempts, customers)


def transactions(
    liveness: Liveness, frr: float, far_bound: float, attempts: int = ATTEMPTS
) -> Transactions:
    """Success of genuine people after each number of attempts, and a bound for strangers.

    Args:
        frr: rejected of genuine pairs, failures to enrol and to acquire included.
        far_bound: upper bound of the rate at which one attempt of a stranger matches.
    """
    matching = 1 - frr
    each = liveness.rate * matching
    passed = [1 - (1 - liveness.rate) ** k for k in range(1, attempts + 1)]
    return Transactions(
        liveness=liveness.rate,
        liveness_from="clips" if liveness.customers is None else "counter",
        frr=frr,
        attempts=attempts,
        independent=tuple(1 - (1 - each) ** k for k in range(1, attempts + 1)),
        dependent=tuple(matching * one for one in passed),
        false_acceptance=min(1.0, attempts * far_bound),
        customers=liveness.customers,
    )


def _all_found(kinds: Sequence[Movement]) -> float:
    rate = 1.0
    for kind in kinds:
        rate *= FOUND[kind]
    return rate
