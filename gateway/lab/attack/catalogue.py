"""The attackers and the defences, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from gateway.lab.attack import (
    authority_and_device,
    curious_authority,
    disk_thief,
    enumerator,
    gateway_and_device,
    issuer_impostor,
    lying_device,
    malicious_authority,
    malicious_gateway,
    replayer,
)
from gateway.lab.attack.deployment import Site
from gateway.lab.attack.report import AttackReport, Progress

DEFENCES: Final = {
    "halves": "the number added to a score is dealt in halves, so neither server knows it",
    "pad": "of the product's first polynomial two numbers travel, each under a uniform pad",
    "rerandomisation": "the product's second polynomial is added to a fresh encryption of zero",
    "uniform-a": "half of a session's key follows from nonces: nobody chooses it",
    "rho": "what is no sign in any slot turns the score into noise",
    "beta": "a phase that is not short wraps around",
    "omega": "whatever a wrap adds to a score is divided by a number that nobody knows",
    "nonce": "all draws depend on a number that comes after probe and seed are fixed",
    "replay-bound": "a face more alike than two pictures ever are is refused",
    "sealing": "the template is sealed to the gateway: its carrier cannot show it to the authority",
    "caps": "five decisions a day for one document, three mismatches lock it",
    "one-answer": "a session's key and dealing answer once each and are destroyed",
    "trust": "templates count only when an enrolled issuer signed them",
    "nonces": "a signed request counts once",
    "pepper": "handles need a key that never leaves the authority, and the issuer's site salt",
    "known-answers": "sessions whose answers the carrier knows, and the authority does not",
    "audit": "evaluations are repeated by an auditor before they are decided",
    "openings": "what opens a receipt's commitments goes to the subscriber alone",
}


@dataclass(frozen=True)
class Attacker:
    """One attacker: what it holds, and the defences that stop it."""

    name: str
    holds: str
    defences: tuple[str, ...]
    run: Callable[[Site, str | None, Progress], AttackReport]


def _of(module: ModuleType) -> Attacker:
    return Attacker(module.NAME, module.HOLDS, module.DEFENCES, module.run)


ATTACKERS: Final = {
    module.NAME: _of(module)
    for module in (
        curious_authority,
        malicious_authority,
        authority_and_device,
        malicious_gateway,
        gateway_and_device,
        lying_device,
        issuer_impostor,
        disk_thief,
        replayer,
        enumerator,
    )
}


def attackers_stopped_by(defence: str) -> list[str]:
    """Names of the attackers that succeed without this defence."""
    return [name for name, one in ATTACKERS.items() if defence in one.defences]
