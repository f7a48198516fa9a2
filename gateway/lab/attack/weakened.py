"""Starts a server with one defence missing.

``python -m gateway.lab.attack.weakened DEFENCE gateway.server.cli serve``, or ``keys.cli serve``,
is for ``sealmatch attack`` alone, in processes that it starts and stops. One function of the
server's modules is replaced before the command runs. What runs in a worker process is replaced
there, by naming a workshop of ``gateway.lab.attack.workshops``. If the server no longer has the
name to replace, that is an error; otherwise the attack would silently prove nothing.
"""

import dataclasses
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from gateway.he.interval import deal
from gateway.issuer import issuer
from gateway.wire import cose
from gateway.wire.dealing import Dealing, LaneDealing, Party
from gateway.wire.ids import Nonce
from gateway.wire.policy import KAPPA, MAX_WIDTH, LanePolicy
from gateway.wire.profile import T
from gateway.wire.requests import NonceMemory
from gateway.wire.sealing import Sealed, SealingPrivateKey
from gateway.wire.submission import TemplateAssertion
from keys.vault import MemoryMacKey

OPEN_PEPPER = bytes(32)
"""The pepper of an authority without one."""

KNOWN_NONCE = Nonce(bytes(32))
"""The nonce of an authority that draws none."""

_GATEWAY, _AUTHORITY = "gateway.server.cli", "keys.cli"
_ENCAPSULATION_BYTES, _TAG_BYTES = 1120, 16


def main(arguments: Sequence[str]) -> int:
    """Weaken, then run the server's own command."""
    defence, module, *rest = arguments
    weaken(defence, module)
    return int(importlib.import_module(module).main(rest))


def weaken(defence: str, module: str) -> None:
    """Remove a defence from the server that ``module`` starts, if that server has it."""
    for_gateway, for_authority = _WEAKENINGS[defence]
    weakening = for_gateway if module == _GATEWAY else for_authority
    if weakening is not None:
        weakening()


def replace(owner: object, name: str, value: object) -> None:
    """Replace an attribute. Raises ``RuntimeError`` if there is none of this name."""
    if not hasattr(owner, name):
        raise RuntimeError(f"{owner!r} has no {name}: the demonstration is out of date")
    setattr(owner, name, value)


def _workshop(name: str, module: str = "gateway.server.evaluation") -> Callable[[], None]:
    """The server's worker processes run a workshop of ``gateway.lab.attack.workshops``."""

    def weakening() -> None:
        server = importlib.import_module(module)
        pool = server.WorkerPool

        def weakened_pool(_: str, *given: Any) -> Any:
            return pool(f"gateway.lab.attack.workshops:{name}", *given)

        replace(server, "WorkerPool", weakened_pool)

    return weakening


def _any_replay() -> None:
    """The upper end of the accepted interval lies above an identical face, or as high as allowed.

    An interval has a greatest width. From the action lane's low threshold, it ends lower.
    """
    honest = LanePolicy.for_cosine

    def lenient(_: object, tau: str) -> LanePolicy:
        widest = Fraction(tau) + Fraction(MAX_WIDTH - 1, KAPPA)
        return honest(tau, min(Fraction(101, 100), widest))

    replace(LanePolicy, "for_cosine", classmethod(lenient))


def _known_nonce() -> None:
    """The authority's nonce is the same in every session."""
    replace(importlib.import_module("keys.service"), "new_nonce", lambda: KNOWN_NONCE)


def _no_sealing() -> None:
    """Templates travel in the open, in place of the sealed bytes."""
    honest = SealingPrivateKey.open

    def in_the_open(self: Any, what: Sealed, sealed: bytes, *given: Any) -> bytes:
        if what is not Sealed.TEMPLATE:
            return honest(self, what, sealed, *given)
        return opened_in_the_open(sealed)

    replace(SealingPrivateKey, "open", in_the_open)


def sealed_in_the_open(template: bytes) -> bytes:
    """What an issuer that does not seal hands over; as long as the sealed template."""
    return bytes(_ENCAPSULATION_BYTES) + template + bytes(_TAG_BYTES)


def opened_in_the_open(sealed: bytes) -> bytes:
    """The template in such bytes, which anybody can read."""
    return sealed[_ENCAPSULATION_BYTES:-_TAG_BYTES]


@contextmanager
def recorded_dealings() -> Iterator[list[tuple[Dealing, Dealing]]]:
    """Lists what issuers of this process deal within the block."""
    dealt: list[tuple[Dealing, Dealing]] = []

    def recording(random: Callable[[int], bytes]) -> tuple[Dealing, Dealing]:
        dealt.append(deal(random))
        return dealt[-1]

    replace(issuer, "deal", recording)
    try:
        yield dealt
    finally:
        replace(issuer, "deal", deal)


@contextmanager
def undivided_dealings(knows: Party) -> Iterator[None]:
    """Issuers of this process deal the whole r to one server; the other's half is zero."""

    def whole(random: Callable[[int], bytes]) -> tuple[Dealing, Dealing]:
        dealt = deal(random)
        r = [
            sum(lane.share for lane in lanes) % T
            for lanes in zip(*(d.lanes for d in dealt), strict=True)
        ]
        first, second = (
            Dealing(
                one.party,
                (
                    LaneDealing(one.lanes[0].key, r[0] if one.party == knows else 0),
                    LaneDealing(one.lanes[1].key, r[1] if one.party == knows else 0),
                ),
            )
            for one in dealt
        )
        return first, second

    replace(issuer, "deal", whole)
    try:
        yield
    finally:
        replace(issuer, "deal", deal)


def _anybodys_templates() -> None:
    """Template assertions are read, but their signatures are not checked."""
    honest = cose.verify

    def credulous(encoded: bytes, kind: Any, key: cose.VerifyKey) -> Any:
        if kind is TemplateAssertion:
            return cose.Signed(cose.peek(encoded, kind), encoded)
        return honest(encoded, kind, key)

    replace(cose, "verify", credulous)


def _no_nonces() -> None:
    """A request counts every time it is sent."""
    replace(NonceMemory, "use", lambda *_: None)


def _no_caps() -> None:
    """Attempts are counted, but there are never too many."""
    caps = importlib.import_module("keys.caps").AttemptCaps
    replace(caps, "_check_device", lambda *_: None)
    replace(caps, "_check_subject", lambda *_: None)


def _chosen_a() -> None:
    """The uniform half of a session's key has a trapdoor that the attacker knows."""
    importlib.import_module("gateway.lab.attack.trapdoor").install()


def _chosen_a_at_the_gateway() -> None:
    _chosen_a()
    _workshop("with_a_trapdoor")()


def _many_answers() -> None:
    """Key and dealing are kept after their answer, and answer again, other messages too."""
    session = importlib.import_module("keys.sessions").KeySession
    service = importlib.import_module("keys.service").AuthorityService
    honest = service._fell

    def tossed_again(self: Any, asked: Any, shares: Any) -> Any:
        asked.toss = None
        return honest(self, asked, shares)

    _workshop("keeping_keys", "keys.workers")()
    replace(session, "require", lambda *_: None)
    replace(session, "close", lambda *_: None)
    replace(session, "slim", lambda *_: None)
    replace(service, "_fell", tossed_again)
    # The counters take one outcome of an attempt, which alone would stop a second answer.
    caps = importlib.import_module("keys.caps").AttemptCaps
    replace(caps, "conclude", lambda *_, **__: None)


def _no_audits() -> None:
    """The coin never demands an audit, whatever the operator set."""
    replace(importlib.import_module("keys.composition"), "coin", lambda _: False)


def _no_pepper() -> None:
    """Handles are made with a pepper that everybody knows."""
    custody = importlib.import_module("keys.custody").Custody
    honest = custody.handles

    def guessable(self: Any, *given: Any) -> Any:
        return honest(dataclasses.replace(self, pepper=MemoryMacKey(OPEN_PEPPER)), *given)

    replace(custody, "handles", guessable)


_Weakening = Callable[[], None] | None

OF_THE_POLICY = frozenset({"replay-bound"})
"""Defences without which a gateway states another policy."""

_WEAKENINGS: dict[str, tuple[_Weakening, _Weakening]] = {
    "pad": (_workshop("without_pad"), None),
    "rerandomisation": (_workshop("without_rerandomisation"), None),
    "uniform-a": (_chosen_a_at_the_gateway, _chosen_a),
    "rho": (_workshop("without_rho"), None),
    "beta": (_workshop("without_beta"), None),
    "omega": (_workshop("without_omega"), None),
    "nonce": (None, _known_nonce),
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
