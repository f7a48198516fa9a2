"""Starts a server with one defence missing.

``python -m gateway.attack.weakened DEFENCE gateway.cli.serve serve``, or ``keys.cli serve``: for
``sealmatch attack`` alone, in processes that it starts and stops. The server's modules are
loaded and one function of them is replaced before the command runs; what evaluates in a worker
process is replaced there, by naming a workshop of ``gateway.attack.workshops``. A name that the
server no longer has is an error, never an attack that silently proves nothing.
"""

import dataclasses
import importlib
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from gateway.wire import cose
from gateway.wire.policy import LanePolicy
from gateway.wire.polynomials import FRESH_BYTES
from gateway.wire.requests import NonceMemory
from gateway.wire.sealing import SealingPrivateKey
from gateway.wire.submission import TemplateAssertion

OPEN_PEPPER = bytes(32)
"""The pepper of an authority without one."""

_GATEWAY, _AUTHORITY = "gateway.cli.serve", "keys.cli"
_ENCAPSULATION_BYTES = 1120


def main(arguments: Sequence[str]) -> int:
    """Weaken, then run the server's own command."""
    defence, module, *rest = arguments
    weaken(defence, module)
    return int(importlib.import_module(module).main(rest))


def weaken(defence: str, module: str) -> None:
    """Remove a defence from the server that ``module`` starts, if it has that defence."""
    for_gateway, for_authority = _WEAKENINGS[defence]
    weakening = for_gateway if module == _GATEWAY else for_authority
    if weakening is not None:
        weakening()


def replace(owner: object, name: str, value: object) -> None:
    """Put ``value`` in the place of an attribute that must exist."""
    if not hasattr(owner, name):
        raise RuntimeError(f"{owner!r} has no {name}: the demonstration is out of date")
    setattr(owner, name, value)


def _workshop(name: str) -> Callable[[], None]:
    def weakening() -> None:
        evaluation = importlib.import_module("gateway.server.evaluation")
        pool = evaluation.WorkerPool

        def weakened_pool(_: str, *given: Any) -> Any:
            return pool(f"gateway.attack.workshops:{name}", *given)

        replace(evaluation, "WorkerPool", weakened_pool)

    return weakening


def _any_replay() -> None:
    """The upper end of the accepted interval lies above an identical face."""
    honest = LanePolicy.for_cosine

    def lenient(_: object, tau: str) -> LanePolicy:
        return honest(tau, Fraction(101, 100))

    replace(LanePolicy, "for_cosine", classmethod(lenient))


def _no_sealing() -> None:
    """Templates travel in the open, in the place of the sealed bytes."""

    def in_the_open(_: object, sealed: bytes, *__: object) -> bytes:
        return sealed[_ENCAPSULATION_BYTES:][:FRESH_BYTES]

    replace(SealingPrivateKey, "open", in_the_open)


def sealed_in_the_open(template: bytes, length: int) -> bytes:
    """What an issuer hands over that does not seal."""
    return bytes(_ENCAPSULATION_BYTES) + template.ljust(length - _ENCAPSULATION_BYTES, b"\0")


def _anybodys_templates() -> None:
    """Template assertions are read; who signed them is not looked at."""
    honest = cose.verify

    def credulous(encoded: bytes, kind: Any, key: cose.VerifyKey) -> Any:
        if kind is TemplateAssertion:
            return cose.Signed(cose.peek(encoded, kind), encoded)
        return honest(encoded, kind, key)

    replace(cose, "verify", credulous)


def _no_nonces() -> None:
    """A request counts as often as it is sent."""
    replace(NonceMemory, "use", lambda *_: None)


def _no_caps() -> None:
    """Attempts are counted, and never too many."""
    caps = importlib.import_module("keys.caps").AttemptCaps
    replace(caps, "_check_device", lambda *_: None)
    replace(caps, "_check_subject", lambda *_: None)


def _many_answers() -> None:
    """A session's key outlives its decision and answers again, to other rows as well."""
    session = importlib.import_module("keys.sessions").Session
    service = importlib.import_module("keys.service").AuthorityService
    honest = service._fell

    def tossed_again(self: Any, asked: Any, rows: Any) -> Any:
        asked.toss = None
        return honest(self, asked, rows)

    replace(session, "require", lambda *_: None)
    replace(session, "close", lambda *_: None)
    replace(service, "_fell", tossed_again)


def _no_audits() -> None:
    """Whatever the operator set, the coin never falls."""
    replace(importlib.import_module("keys.app"), "coin", lambda _: False)


def _no_pepper() -> None:
    """Handles are made with a pepper that everybody knows."""
    custody = importlib.import_module("keys.custody").Custody
    honest = custody.handles

    def guessable(self: Any, *given: Any) -> Any:
        return honest(dataclasses.replace(self, pepper=OPEN_PEPPER), *given)

    replace(custody, "handles", guessable)


_Weakening = Callable[[], None] | None

_WEAKENINGS: dict[str, tuple[_Weakening, _Weakening]] = {
    "masking": (_workshop("without_masking"), None),
    "rerandomisation": (_workshop("without_rerandomisation"), None),
    "flooding": (_workshop("without_flooding"), None),
    "scale-proof": (_workshop("without_scale_proof"), None),
    "replay-bound": (_any_replay, None),
    "sealing": (_no_sealing, None),
    "trust": (_anybodys_templates, _anybodys_templates),
    "nonces": (_no_nonces, _no_nonces),
    "caps": (None, _no_caps),
    "one-answer": (None, _many_answers),
    "pepper": (None, _no_pepper),
    "audit": (None, _no_audits),
}
"""Per defence: what the gateway loses, what the authority loses."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
