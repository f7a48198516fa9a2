"""Re-randomisation and flooding of every ciphertext that goes to the authority (protocol, 7).

Decryption shows noise, and the authority made the key and, for the rows, the very ciphertext that
was multiplied: without this it divides out the gateway's multiplier and has the score. With

    (c0, c1) += u * PK;   c1 += t * e1;   c0 += t * r

its view is simulatable up to ring-LWE (N = 8192, 162 bits) and a statistical distance of at most
sum|e| / 2^125. PK is the session's public key without the fourth prime; u is ternary, e1 centred
binomial, r uniform in [-2^124, 2^124). A third polynomial stays: it is a product of the
encryptors' own randomness. t * 2^124 = 2^158 stays below Q / 2 = 2^161, so decryption is exact.
"""

import numpy as np
from numpy.typing import NDArray

from gateway.he.engine import Engine, Handle
from gateway.he.randomness import SeedStream
from gateway.wire.polynomials import Ciphertext, SessionPublicKey, Words
from gateway.wire.profile import DATA_PRIMES, N, T


def blind(
    engine: Engine, handle: Handle, key: SessionPublicKey, stream: SeedStream, label: str
) -> Ciphertext:
    """Blind a ciphertext of two or three polynomials with fresh values under ``label``."""
    handle = engine.add(handle, rerandomiser(engine, key, stream, label))
    handle = engine.add(handle, noise(engine, stream, label))
    return engine.ciphertext(handle)


def rerandomiser(engine: Engine, key: SessionPublicKey, stream: SeedStream, label: str) -> Handle:
    """u * PK, from the seed: SEAL's own encryption of zero cannot be repeated by an auditor."""
    public = engine.load(key.words[:, : len(DATA_PRIMES)])
    u = stream.ternary(f"{label}/u", N)
    return engine.multiply_polynomial(public, np.mod(u, T).astype(np.uint64))


def noise(engine: Engine, stream: SeedStream, label: str) -> Handle:
    """(t * r, t * e1): the flood, and the error that makes u * PK an encryption of zero."""
    e1 = stream.centred_binomial(f"{label}/e1", N)
    low, high = stream.flood(f"{label}/r", N)
    coefficients = np.empty((2, len(DATA_PRIMES), N), dtype=np.uint64)
    for i, prime in enumerate(DATA_PRIMES):
        coefficients[0, i] = _times_t(low, high, prime)
        coefficients[1, i] = np.mod(e1 * np.int64(T), np.int64(prime)).astype(np.uint64)
    return engine.load(coefficients, ntt=False)


def _times_t(low: NDArray[np.uint64], high: NDArray[np.int64], prime: int) -> Words:
    """t * (low + 2^62 high) modulo a prime."""
    lower = multiply_modulo(low % np.uint64(prime), T, prime)
    upper = multiply_modulo(np.mod(high, prime).astype(np.uint64), (T << 62) % prime, prime)
    return (lower + upper) % np.uint64(prime)


def multiply_modulo(values: NDArray[np.uint64], factor: int, prime: int) -> NDArray[np.uint64]:
    """values * factor modulo a prime below 2^54; values and factor are below the prime.

    The quotient is estimated in floating point and off by at most a few units; product and
    estimate are subtracted modulo 2^64, where the small difference is exact whatever was rounded.
    """
    quotient = (values.astype(np.float64) * (factor / prime)).astype(np.uint64)
    with np.errstate(over="ignore"):
        difference = values * np.uint64(factor) - quotient * np.uint64(prime)
    return np.mod(difference.view(np.int64), np.int64(prime)).astype(np.uint64)
