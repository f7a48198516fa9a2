"""A key authority in the attacker's hands: it follows the protocol and keeps everything it sees.

``python -m gateway.lab.attack.spying_authority DIRECTORY keys.cli serve`` runs the real service.
Only the keeper of session keys is replaced. The new keeper leaves files in DIRECTORY, where the
attacker reads them: each session's secret key when it is made, and everything seen of the session
when it is decided. With ``trapdoored`` before DIRECTORY, the uniform half of each key has a
trapdoor. Of the attacks, only this module and ``lying_authority`` take secret keys out of the
authority; the others read what these two leave.
"""

import importlib
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from gateway.he.engine import Engine, default_engine
from gateway.he.interval import accepts, share
from gateway.he.session_key import SessionKey, UniformHalf
from gateway.host.isolation import WorkerLimits, WorkerPool
from gateway.lab.attack import trapdoor
from gateway.lab.attack.weakened import replace
from gateway.wire import cbor
from gateway.wire.cose import SigningKey
from gateway.wire.dealing import AUTHORITY, Dealing
from gateway.wire.evaluation import PerLane
from gateway.wire.ids import Digest, KeyId, PartyId, SubjectHandle, SubjectInner
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import PaddedProduct, SessionKeyHalf, Words
from gateway.wire.profile import SENT_PRIMES, N
from keys.authority import SessionSecret
from keys.config import AuthoritySettings
from keys.custody import Custody, open_vault
from keys.vault import MemoryMacKey

HandleMaker = Callable[[SubjectInner], tuple[SubjectHandle, ...]]

TRAPDOORED: Final = "trapdoored"


@dataclass(frozen=True)
class View:
    """Everything that the authority has of one decision, besides what it signed."""

    secret: Words = field(repr=False)
    """s modulo the primes of Q', NTT form, shape (2, 8192)."""
    seed: bytes = field(repr=False)
    """Seed of the key's uniform half."""
    product: PaddedProduct
    omega: int
    dealing: Dealing
    """The authority's own."""
    masked: PerLane
    """m' of each lane: what it answered."""
    values: PerLane
    """m of each lane: what came back."""
    shares: PerLane
    bits: tuple[bool, bool]
    """Whether each lane accepts."""

    def encoded(self) -> bytes:
        return cbor.encode(
            [
                self.secret.tobytes(),
                self.seed,
                self.product.encoded,
                self.omega,
                self.dealing.encoded,
                *([int(value) for value in one] for one in self._pairs()),
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> "View":
        secret, seed, product, omega, dealing, masked, values, shares, bits = cbor.decode(data)
        return cls(
            np.frombuffer(secret, np.uint64).reshape(len(SENT_PRIMES), N),
            seed,
            PaddedProduct.decode(product),
            omega,
            Dealing.decode(dealing, AUTHORITY),
            (masked[0], masked[1]),
            (values[0], values[1]),
            (shares[0], shares[1]),
            (bool(bits[0]), bool(bits[1])),
        )

    def _pairs(self) -> tuple[PerLane, PerLane, PerLane, tuple[bool, bool]]:
        return self.masked, self.values, self.shares, self.bits


@dataclass(frozen=True)
class Answered:
    """What the authority keeps of a product until the decision."""

    secret: Words
    seed: bytes
    product: PaddedProduct
    omega: int
    masked: PerLane


class SpyingSecret(SessionSecret):
    """A session's secret key. Its keeper notes what it was used for, under the dealing's digest."""

    __slots__ = ("keeper", "seed")
    keeper: "SpyingWorkers"
    seed: bytes

    def answer(self, product: PaddedProduct, omega: int, dealing: Dealing) -> PerLane:
        assert self._secret is not None
        secret = self._secret.copy()
        masked = self.keeper.altered(super().answer(product, omega, dealing), dealing)
        seen = Answered(secret, self.seed, product, omega, masked)
        self.keeper.answered[dealing.digest] = seen
        return masked


class SpyingWorkers:
    """Takes the place of ``keys.workers.SecretWorkers``; keeps its keys in this process."""

    directory: Path
    running: "SpyingWorkers"

    def __init__(self, *_: object) -> None:
        self._engine: Engine = default_engine()
        self.answered: dict[Digest, Answered] = {}
        SpyingWorkers.running = self

    @property
    def pool(self) -> WorkerPool:
        """No processes: for whoever watches them there is nothing to see."""
        return WorkerPool("", 0, WorkerLimits(0, 0))

    def start(self) -> None:
        """Nothing to start."""

    def make(self, uniform: UniformHalf) -> tuple[SpyingSecret, SessionKeyHalf]:
        secret, half = SpyingSecret.make(self._engine, uniform)
        if not isinstance(secret, SpyingSecret) or secret._secret is None:
            raise TypeError("a spying authority makes spying keys")
        secret.keeper, secret.seed = self, uniform.seed
        self.leave(f"key-{SessionKey(half, uniform).key_id.hex()}", secret._secret.tobytes())
        return secret, half

    def stop(self) -> None:
        """Nothing to stop."""

    def altered(self, masked: PerLane, _: Dealing) -> PerLane:
        """The values to answer. Here the right ones; a subclass may lie."""
        return masked

    def decided(self, honest: bool, view: View) -> bool:
        """Leave the view, and return the decision to sign. Here the right one."""
        self.leave(f"view-{secrets.token_hex(8)}", view.encoded())
        return honest

    def leave(self, name: str, data: bytes) -> None:
        """Put a file where the attacker looks. It appears whole."""
        path = self.directory / f".{name}"
        path.write_bytes(data)
        path.rename(self.directory / name)


def take_view(directory: Path) -> View:
    """The view of the one decision since the last call."""
    (path,) = directory.glob("view-*")
    view = View.decode(path.read_bytes())
    path.unlink()
    return view


def secret_of(directory: Path, key: KeyId) -> Words:
    """s of an open session modulo the primes of Q', NTT form, shape (2, 8192)."""
    held = (directory / f"key-{key.hex()}").read_bytes()
    return np.frombuffer(held, np.uint64).reshape(len(SENT_PRIMES), N)


def handles_with(pepper: bytes, gateway: PartyId) -> HandleMaker:
    """The authority's own way of making handles, with a pepper that the attacker guesses."""
    custody = Custody(SigningKey.generate("nobody"), MemoryMacKey(pepper))

    def handles(inner: SubjectInner) -> tuple[SubjectHandle, ...]:
        return custody.handles(gateway, inner)

    return handles


def authority_secrets(environment: Mapping[str, str]) -> dict[str, bytes]:
    """What the authority's keystore holds, opened with its operator's passphrase."""
    settings = AuthoritySettings.read(None, environment)
    with open_vault(settings) as vault:
        keys = vault.load()
        sealing = vault.sealing(keys.sealing.current)
    return {
        "authority signing": keys.signing.current.held,
        "pepper": keys.peppers.current.held,
        "authority sealing": sealing.raw,
        "authority sealing, secret": keys.sealing.current.held,
    }


def take_over(keeper: type[SpyingWorkers]) -> None:
    """Make this process's service use another keeper of keys."""
    service = importlib.import_module("keys.service")
    honest = service.decide

    def decide(policy: MatchPolicy, dealing: Dealing, values: PerLane, shares: PerLane) -> bool:
        decision = honest(policy, dealing, values, shares)
        running = SpyingWorkers.running
        seen = running.answered.pop(dealing.digest)
        first, second = (
            accepts(rule, m, (theirs, share(AUTHORITY, lane, rule, m)))
            for rule, lane, m, theirs in zip(
                policy.lanes, dealing.lanes, values, shares, strict=True
            )
        )
        view = View(
            seen.secret,
            seen.seed,
            seen.product,
            seen.omega,
            dealing,
            seen.masked,
            values,
            shares,
            (first, second),
        )
        return running.decided(bool(decision), view)

    replace(service, "decide", decide)
    replace(importlib.import_module("keys.composition"), "SecretWorkers", keeper)


def serve(keeper: type[SpyingWorkers], arguments: Sequence[str]) -> int:
    """Replace the keeper of keys, then run the authority's own command."""
    directory, module, *rest = arguments
    keeper.directory = Path(directory)
    keeper.directory.mkdir(exist_ok=True)
    if rest == ["serve"]:
        take_over(keeper)
    return int(importlib.import_module(module).main(rest))


def main(arguments: Sequence[str]) -> int:
    """Serve, with keys that are honest or have a trapdoor."""
    if arguments[0] == TRAPDOORED:
        trapdoor.install()
        arguments = arguments[1:]
    return serve(SpyingWorkers, arguments)


if __name__ == "__main__":
    # Run as a program, this module has two names. The service uses the classes of the other one.
    sys.exit(importlib.import_module("gateway.lab.attack.spying_authority").main(sys.argv[1:]))
