"""The attackers and the defences, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from gateway.attack import (
    curious_authority,
    disk_thief,
    enumerator,
    issuer_impostor,
    lying_device,
    malicious_authority,
    malicious_gateway,
    replayer,
)
from gateway.attack.deployment import Site
from gateway.attack.report import Progress, Report

DEFENCES: Final = {
    "masking": "a uniform value is added to every slot of the score",
    "rerandomisation": "what goes to the authority is added to a fresh encryption of zero",
    "flooding": "noise that shows anything is drowned in noise that shows nothing",
    "scale-proof": "the score measures a probe against its own length",
    "replay-bound": "a face more alike than two pictures ever are is refused",
    "sealing": "the template is sealed to the gateway, so the device cannot copy it",
    "caps": "five decisions a day for one document, three mismatches lock it",
    "one-answer": "a session's key answers once and is destroyed",
    "trust": "templates count only when an enrolled issuer signed them",
    "nonces": "a signed request counts once",
    "pepper": "handles need a key that never leaves the authority, and the issuer's site salt",
    "known-answers": "sessions whose answers the carrier knows, and the authority does not",
    "audit": "evaluations are repeated by an auditor before they are decided",
    "openings": "what opens a receipt's commitments goes to the subscriber alone",
}


@dataclass(frozen=True)
class Attacker:
    """One attacker, and the defences that stop it."""

    name: str
    holds: str
    defences: tuple[str, ...]
    run: Callable[[Site, str | None, Progress], Report]


def _of(module: ModuleType) -> Attacker:
    return Attacker(module.NAME, module.HOLDS, module.DEFENCES, module.run)


ATTACKERS: Final = {
    module.NAME: _of(module)
    for module in (
        curious_authority,
        malicious_authority,
        malicious_gateway,
        lying_device,
        issuer_impostor,
        disk_thief,
        replayer,
        enumerator,
    )
}


def attackers_stopped_by(defence: str) -> list[str]:
    """Names of the attackers that succeed without a defence."""
    return [name for name, one in ATTACKERS.items() if defence in one.defences]
