"""A key authority in the attacker's hands: it follows the protocol and keeps everything it sees.

``python -m gateway.attack.spying_authority DIRECTORY keys.cli serve`` runs the real service; only
the keeper of session keys is replaced by one that leaves, per decision, the secret key and all
ciphertexts in DIRECTORY, where the attacker reads them. Nothing here but this module and
``lying_authority`` has secret keys.
"""

import importlib
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from gateway.attack.division import coefficients_of, from_residues, multiply
from gateway.attack.weakened import replace
from gateway.he import layout
from gateway.he.engine import Engine, default_engine
from gateway.wire.cose import SigningKey
from gateway.wire.ids import PartyId, SubjectHandle, SubjectInner
from gateway.wire.polynomials import Ciphertext, SessionPublicKey, Words
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, N
from keys.authority import SessionSecret, lane_sums
from keys.config import AuthoritySettings
from keys.custody import Custody, open_vault

HandleMaker = Callable[[SubjectInner], tuple[SubjectHandle, ...]]


@dataclass(frozen=True)
class View:
    """Everything that the authority has of one decision."""

    secret: Words = field(repr=False)
    """The secret polynomial modulo the data primes, NTT form, shape (3, 8192)."""
    masked: tuple[int, ...] = field(repr=False)
    """m of each lane."""
    bits: Ciphertext
    rows: Ciphertext

    @property
    def lanes(self) -> int:
        return len(self.masked)

    def phases(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Phases of rows and bits as exact integers centred modulo Q."""
        stacked = np.stack([self._phase_words(c) for c in (self.rows, self.bits)])
        rows, bits = (from_residues(r) for r in coefficients_of(default_engine(), stacked))
        return rows, bits

    def _phase_words(self, ciphertext: Ciphertext) -> Words:
        """c0 + c1 s in NTT form."""
        words = ciphertext.words
        result: Words = np.empty((len(DATA_PRIMES), N), dtype=np.uint64)
        for i, prime in enumerate(DATA_PRIMES):
            product = multiply(words[1, i], self.secret[i], prime)
            result[i] = (words[0, i] + product) % np.uint64(prime)
        return result


class SpyingSecret(SessionSecret):
    """A session's key that writes down what it is used for."""

    __slots__ = ("_seen", "directory")
    _seen: tuple[list[int], Words]
    directory: Path

    def encrypt_bits(self, masked_product: Ciphertext, lanes: int) -> Ciphertext:
        bits = super().encrypt_bits(masked_product, lanes)
        self._seen = (lane_sums(self._decrypt(masked_product), lanes), bits.words)
        return bits

    def decide(self, blinded_rows: Ciphertext, lanes: int) -> bool:
        decision = super().decide(blinded_rows, lanes)
        masked, bits = self._seen
        path = self.directory / f".{secrets.token_hex(8)}.npz"
        np.savez(
            path,
            secret=_secret_words(self._secret),
            masked=np.array(masked, dtype=np.uint64),
            bits=bits,
            rows=blinded_rows.words,
        )
        path.rename(path.with_name(path.name.removeprefix(".")))
        return decision


class SpyingWorkers:
    """Takes the place of ``keys.workers.SecretWorkers``; keeps its keys in this process."""

    directory: Path

    def __init__(self, *_: object) -> None:
        self._engine: Engine = default_engine()

    def start(self) -> None:
        """Nothing to start."""

    def make(self) -> tuple[SpyingSecret, SessionPublicKey]:
        secret, public = SpyingSecret.make(self._engine)
        if not isinstance(secret, SpyingSecret):
            raise TypeError("a spying authority makes spying keys")
        secret.directory = self.directory
        return secret, public

    def stop(self) -> None:
        """Nothing to stop."""


def take_view(directory: Path) -> View:
    """The one decision that the authority has seen since the last call."""
    (path,) = directory.glob("[0-9a-f]*.npz")
    with np.load(path) as seen:
        view = View(
            seen["secret"],
            tuple(int(m) for m in seen["masked"]),
            Ciphertext(seen["bits"]),
            Ciphertext(seen["rows"]),
        )
    path.unlink()
    return view


def handles_with(pepper: bytes, gateway: PartyId) -> HandleMaker:
    """The authority's own way of making handles, with a pepper that the attacker supposes."""
    custody = Custody(SigningKey.generate("nobody"), pepper)

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


def _secret_words(secret: Any) -> Words:
    body = zstandard.ZstdDecompressor().decompressobj().decompress(layout.save(secret)[16:])
    words = np.frombuffer(body, "<u8", offset=len(body) - len(KEY_PRIMES) * N * 8)
    return words.reshape(len(KEY_PRIMES), N)[: len(DATA_PRIMES)].astype(np.uint64)


def main(arguments: Sequence[str]) -> int:
    """Replace the keeper of keys, then run the authority's own command."""
    directory, module, *rest = arguments
    SpyingWorkers.directory = Path(directory)
    SpyingWorkers.directory.mkdir(exist_ok=True)
    if rest == ["serve"]:
        replace(importlib.import_module("keys.app"), "SecretWorkers", SpyingWorkers)
    return int(importlib.import_module(module).main(rest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
