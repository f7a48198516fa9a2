"""What a verifier requires of a receipt, beyond that it is valid.

A valid receipt proves an outcome, and the outcome may be ``NO_MATCH``. It proves that what it says
was signed, and it may say that no liveness check took place. So whoever acts on a receipt names
what it must show. A match is required unless somebody says that it is not: the careless caller
activates nothing.

The receipt of a registration without a face is never a match, and shows no chip, no liveness, no
quality and no audit. Whoever accepts one says so by name (``fallback``), and then accepts no other.
"""

from collections.abc import Callable, Collection
from typing import Final, Literal, get_args

from gateway.proofs.fallback import Verified
from gateway.proofs.findings import State
from gateway.proofs.verify import VerifiedReceipt
from gateway.wire.errors import SealmatchError
from gateway.wire.submission import STATE_SIGNED

Requirement = Literal[
    "match",
    "chip",
    "state-signed",
    "liveness",
    "quality",
    "witness",
    "audit",
    "signed-policy",
    "fallback",
]
REQUIREMENTS: Final[tuple[Requirement, ...]] = get_args(Requirement)
DEFAULT: Final[frozenset[Requirement]] = frozenset({"match"})


class RequirementNotMet(SealmatchError):
    """The receipt is valid and does not show what is required. ``unmet`` says why, by name."""

    def __init__(self, unmet: dict[Requirement, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in unmet.items()))
        self.unmet = unmet


def check_requirements(verified: Verified, required: Collection[Requirement]) -> None:
    """Check that a valid receipt shows what is required.

    Raises:
        RequirementNotMet: names everything that it does not show.
    """
    missing = {name: _missing(name, verified) for name in REQUIREMENTS if name in required}
    unmet = {name: why for name, why in missing.items() if why is not None}
    if unmet:
        raise RequirementNotMet(unmet)


def _missing(name: Requirement, verified: Verified) -> str | None:
    if isinstance(verified, VerifiedReceipt):
        return _MISSING[name](verified)
    if name == "witness":
        return _witness(verified)
    return _NOT_OF_A_FALLBACK.get(name)


def _match(verified: VerifiedReceipt) -> str | None:
    outcome = verified.decision.message.outcome
    return None if outcome == "MATCH" else f"the outcome is {outcome}"


def _chip(verified: VerifiedReceipt) -> str | None:
    found = {
        "chip-verified": None,
        "mobile-verified": "the portrait came out of a mobile document, not out of a chip",
        "read": "the portrait was read as data, and no issuing State vouches for it",
        "photographed": "the portrait was photographed",
    }
    return found[verified.statement.message.portrait_source]


def _state_signed(verified: VerifiedReceipt) -> str | None:
    signed = verified.statement.message.portrait_source in STATE_SIGNED
    return None if signed else _chip(verified)


def _liveness(verified: VerifiedReceipt) -> str | None:
    found = {
        "passed": None,
        "not-performed": "no liveness check was performed",
        "not-possible": "a liveness check was not possible",
    }
    return found[verified.statement.message.liveness.outcome]


def _quality(verified: VerifiedReceipt) -> str | None:
    stated = verified.statement.message
    for picture, quality in (
        ("portrait", stated.portrait_quality),
        ("live pictures", stated.live_quality),
    ):
        if quality.outcome != "passed":
            return f"no calibrated quality gate judged the {picture}"
    return None


def _witness(verified: Verified) -> str | None:
    found = {
        State.DONE: None,
        State.NOT_PERFORMED: "no pinned witness cosigned",
        State.NOT_CHECKED: "not checked, because the trust file pins no log",
    }
    return found[verified.witnesses]


def _audit(verified: VerifiedReceipt) -> str | None:
    found = {
        State.DONE: None,
        State.NOT_PERFORMED: "this evaluation was not audited",
        State.NOT_CHECKED: "not checked, because the trust file pins no auditor",
    }
    return found[verified.audit]


def _signed_policy(verified: VerifiedReceipt) -> str | None:
    found = {
        State.DONE: None,
        State.NOT_PERFORMED: "nobody signed the match policy",
        State.NOT_CHECKED: "not checked, because operators' keys or their approval are not at hand",
    }
    return found[verified.policy]


_MISSING: Final[dict[Requirement, Callable[[VerifiedReceipt], str | None]]] = {
    "match": _match,
    "chip": _chip,
    "state-signed": _state_signed,
    "liveness": _liveness,
    "quality": _quality,
    "witness": _witness,
    "audit": _audit,
    "signed-policy": _signed_policy,
    "fallback": lambda _: "it is the receipt of a face check",
}
"""Why the receipt does not show it; None if it does."""
_NOT_OF_A_FALLBACK: Final[dict[Requirement, str]] = {
    "match": "it is the receipt of a registration without a face",
    "chip": "no portrait was compared",
    "state-signed": "no portrait was compared",
    "liveness": "no face was checked",
    "quality": "no picture was taken",
    "audit": "nothing was evaluated",
    "signed-policy": "no face was compared",
}
