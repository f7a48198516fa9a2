"""The masked, scale-proof score (protocol, sections 5 and 6).

C = P * (Ks T - Kn P), one ciphertext product; a uniform mask in all 8192 slots; blinding. The
authority decrypts uniform values. Its sum over lane l is m = v + rho (mod t), and the gateway
keeps the bounds between which m means "accept": L = lo + rho and R = hi + 1 + rho.
"""

from dataclasses import dataclass, field

import numpy as np

from gateway.he.blinding import blind
from gateway.he.engine import Engine
from gateway.he.randomness import SeedStream
from gateway.wire.errors import MalformedMessage, Refused
from gateway.wire.policy import LanePolicy, MatchPolicy
from gateway.wire.polynomials import Ciphertext, SessionPublicKey, Words
from gateway.wire.profile import DATA_PRIMES, LANE, N, T

_PRIMES = np.array(DATA_PRIMES, dtype=np.uint64)[:, None]


@dataclass(frozen=True)
class LaneBounds:
    """Where the masked value of an accepted lane lies: [left, right) modulo t."""

    left: int = field(repr=False)
    right: int = field(repr=False)

    @classmethod
    def of(cls, policy: LanePolicy, rho: int) -> "LaneBounds":
        return cls((policy.lo + rho) % T, (policy.hi + 1 + rho) % T)

    @property
    def wraps(self) -> bool:
        return self.left > self.right


@dataclass(frozen=True)
class MaskedScore:
    """The ciphertext for the authority and the bounds that stay with the gateway."""

    ciphertext: Ciphertext
    bounds: tuple[LaneBounds, ...] = field(repr=False)


def masked_product(
    engine: Engine,
    key: SessionPublicKey,
    probe: Ciphertext,
    template: Ciphertext,
    policy: MatchPolicy,
    stream: SeedStream,
) -> MaskedScore:
    """Evaluate the score of each lane and mask it.

    The lanes of a policy share their weights, so one scalar combination serves them all; each
    has its own interval.

    Raises:
        Refused: the inputs cancel each other; no honest pair of fresh ciphertexts does.
    """
    left = engine.load(probe.words)
    right = engine.load(_weigh(probe.words, template.words, policy.lanes))
    mask = stream.residues("product/mask", N)
    try:
        masked = engine.add_slots(engine.multiply(left, right), mask)
    except RuntimeError:  # SEAL refuses a product without its second and third polynomial
        raise Refused("probe and template ciphertext cancel each other") from None
    bounds = tuple(
        LaneBounds.of(lane, int(mask[i * LANE : (i + 1) * LANE].sum()) % T)
        for i, lane in enumerate(policy.lanes)
    )
    try:
        return MaskedScore(blind(engine, masked, key, stream, "product"), bounds)
    except MalformedMessage:  # the third polynomial vanished
        raise Refused("probe and template ciphertext cancel each other") from None


def _weigh(probe: Words, template: Words, lanes: tuple[LanePolicy, ...]) -> Words:
    """Ks T - Kn P on residues: below 512 * 2^54 + 64 * 2^54 < 2^64 before reduction."""
    ks, kn = lanes[0].ks, lanes[0].kn
    words = (np.uint64(ks) * template + np.uint64(kn) * (_PRIMES - probe)) % _PRIMES
    if not words.any(axis=(1, 2)).all():
        raise Refused("probe and template ciphertext cancel each other")
    return words
