"""The padded product, which says nothing unless the probe is well-formed (protocol, 5 and 7).

    C = P * (omega T + t beta + rho * P),  switched down to Q'

with rho uniform modulo t, one per slot; beta uniform in [-2^76, 2^76), one per coefficient, added
to the first polynomial; omega a uniform unit modulo t. If every slot of P holds 1 or -1, then rho *
P * P is rho, and the lane's sum is omega v plus the sum of rho, which the gateway takes off again.

Then an encryption of zero is added: u (b, a) + (0, t e1). Of the first polynomial the authority
needs two numbers, and each gets a uniform pad modulo Q'. The second polynomial is c1 + u a + t e1,
a ring-LWE sample in an a that nobody chose. The third depends on what the encryptors drew, and not
on what they encrypted.
"""

from dataclasses import dataclass, field

import numpy as np

from gateway.he import ring
from gateway.he.engine import Engine
from gateway.he.randomness import FLOOD_BITS, FLOOD_LOW_BITS, SeedStream
from gateway.he.session_key import SessionKey
from gateway.wire.errors import MalformedMessage, Refused
from gateway.wire.polynomials import Ciphertext, PaddedProduct, ProductTail, Words
from gateway.wire.profile import DATA_PRIMES, SENT_MODULUS, SENT_PRIMES, N, T


@dataclass(frozen=True)
class PaddedScore:
    """What goes to the authority, and what the gateway takes off its answer."""

    product: PaddedProduct
    omega: int = field(repr=False)
    offsets: tuple[int, int] = field(repr=False)
    """Per lane, what pad and rho put on the authority's value, after division by omega."""


def padded_score(
    engine: Engine, key: SessionKey, probe: Ciphertext, template: Ciphertext, stream: SeedStream
) -> PaddedScore:
    """Evaluate both lanes' scores and pad them.

    Raises:
        Refused: the inputs cancel each other; no honest pair of fresh ciphertexts does.
    """
    rho, omega = stream.residues("rho", N), stream.unit("omega")
    first, second = stream.numbers("pad", 2)
    flood, u, error = _small(engine, stream)
    addend = np.empty_like(template.words)
    for i, prime in enumerate(DATA_PRIMES):
        addend[:, i] = ring.multiply_modulo(template.words[:, i], omega, prime)
        addend[0, i] = ring.reduced(addend[0, i] + flood[i], prime)
    try:
        # A copy, because what SEAL saved may be read-only, and the sums below are made in place.
        switched = engine.folded_square(probe.words, rho, addend).copy()
        for i, prime in enumerate(SENT_PRIMES):
            # Up to three residues below 2^56 are added before they are reduced: no word overflows.
            switched[0, i] += ring.multiply_modulo(u[i], key.half.words[0, i], prime)
            switched[1, i] += ring.multiply_modulo(u[i], key.uniform.sent_words[i], prime)
            switched[1, i] += error[i]
            switched[:2, i] = ring.reduced(switched[:2, i], prime)
        tail = ProductTail(switched[1:])
    except (RuntimeError, MalformedMessage):  # a polynomial vanished
        raise Refused("probe and template ciphertext cancel each other") from None
    numbers = ring.pair(switched[0])
    padded = (numbers[0] + first) % SENT_MODULUS, (numbers[1] + second) % SENT_MODULUS
    pads = ring.lanes((ring.centred(first), ring.centred(second)))
    inverse = pow(omega, -1, T)
    offsets = [
        (pad + mask) * inverse % T for pad, mask in zip(pads, ring.lane_sums(rho), strict=True)
    ]
    return PaddedScore(PaddedProduct(padded, tail), omega, (offsets[0], offsets[1]))


def _flood(stream: SeedStream) -> Words:
    """t beta, coefficients modulo the data primes, shape (3, 8192)."""
    low, high = stream.flood("beta", N)
    coefficients = np.empty((len(DATA_PRIMES), N), dtype=np.uint64)
    for i, prime in enumerate(DATA_PRIMES):
        upper = ring.multiply_modulo(high, (T << FLOOD_LOW_BITS) % prime, prime)
        shift = np.uint64(prime - (T << FLOOD_BITS) % prime)
        # t * low is below 2^63, the sum below 2^64
        coefficients[i] = ring.reduced(low * np.uint64(T) + upper + shift, prime)
    return coefficients


def _small(engine: Engine, stream: SeedStream) -> Words:
    """t beta, u and t e1 in NTT form modulo the data primes, shape (3, 3, 8192)."""
    flood = _flood(stream)
    error = stream.centred_binomial("e1", N) * np.int64(T)
    u = stream.ternary("u", N)
    return engine.transformed(np.stack((flood, ring.residues(u), ring.residues(error))))
