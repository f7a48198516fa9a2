"""The gateway's half of the private interval test (protocol, section 6).

Per lane, accept = [m < L] xor [m < R] xor [L > R]. Each comparison is that of Damgard, Geisler
and Kroigaard (2007) on the encrypted bits of m: for a public-to-the-gateway bound y and a flip f,
35 rows of which exactly one is zero iff [m < y] xor f. Rows are multiplied by random nonzero
factors and permuted, so the authority sees zero or uniform nonzero values at random places, and
the flips of a lane satisfy f1 xor f2 = [L > R], so it sees the lane's bit and not which
comparison made it.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.he.blinding import blind
from gateway.he.engine import Engine, Slots
from gateway.he.product import LaneBounds
from gateway.he.randomness import SeedStream
from gateway.wire.polynomials import Ciphertext, SessionPublicKey
from gateway.wire.profile import COMPARISON, T_BITS, N, T

WEIGHT = 3
"""Weight of a differing higher bit: more than 1 + |m_i - y_i| can make up for."""


@dataclass(frozen=True)
class Rows:
    """What multiplies the encrypted bits, and what is added: 8192 slots each, below t."""

    factors: Slots = field(repr=False)
    addends: Slots = field(repr=False)


def blinded_rows(
    engine: Engine,
    key: SessionPublicKey,
    bits: Ciphertext,
    bounds: tuple[LaneBounds, ...],
    stream: SeedStream,
) -> Ciphertext:
    """Evaluate all comparisons on the authority's encrypted bits: one product, one sum."""
    rows = make_rows(bounds, stream)
    handle = engine.multiply_slots(engine.load(bits.words), rows.factors)
    return blind(engine, engine.add_slots(handle, rows.addends), key, stream, "rows")


def make_rows(bounds: tuple[LaneBounds, ...], stream: SeedStream) -> Rows:
    """Randomised rows of two comparisons per lane; every unused slot is random."""
    factors = np.zeros(N, dtype=np.uint64)
    addends = stream.residues("rows/fill", N)
    for lane, bound in enumerate(bounds):
        flip = stream.bit(f"rows/flip/{lane}")
        flips = (flip, flip ^ bound.wraps)
        for side, (y, f) in enumerate(zip((bound.left, bound.right), flips, strict=True)):
            k = 2 * lane + side
            place = slice(k * COMPARISON.slots, (k + 1) * COMPARISON.slots)
            _randomise(factors[place], addends[place], comparison(y, f), k, stream)
    return Rows(factors, addends)


def comparison(y: int, flip: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The 35 affine forms c_i(m) of one comparison, before randomisation.

    With + for flip 0 and - for flip 1,
        c_i  = 1 +- (m_i - y_i) + 3 sum_{j>i} (m_j xor y_j)      i = 0..33
        c_34 = 3 sum_j (m_j xor y_j) + (2 if flip is 0)
    and m_j xor y_j = y_j + (1 - 2 y_j) m_j. All values lie in [0, 104].

    Returns:
        Weights of the bits, shape (35, 34), and constants, shape (35,).
    """
    sign = -1 if flip else 1
    bits = (y >> np.arange(T_BITS)) & 1
    differs = WEIGHT * (1 - 2 * bits)
    weights = np.zeros((COMPARISON.rows, COMPARISON.bits), dtype=np.int64)
    weights[:T_BITS] = np.triu(np.broadcast_to(differs, (T_BITS, T_BITS)), 1)
    weights[np.arange(T_BITS), np.arange(T_BITS)] = sign
    weights[T_BITS] = differs
    higher = WEIGHT * (bits.sum() - np.cumsum(bits))
    constants = np.append(1 - sign * bits + higher, WEIGHT * bits.sum() + (0 if flip else 2))
    return weights, constants.astype(np.int64)


def _randomise(
    factors: Slots,
    addends: Slots,
    forms: tuple[NDArray[np.int64], NDArray[np.int64]],
    k: int,
    stream: SeedStream,
) -> None:
    """Write one comparison: rows permuted, scaled, the constant shared over the row's 34 slots."""
    order = stream.permutation(f"rows/permutation/{k}", COMPARISON.rows)
    scale = stream.nonzero_residues(f"rows/scale/{k}", COMPARISON.rows).astype(np.int64)
    weights, constants = forms[0][order], forms[1][order]
    shape = (COMPARISON.rows, COMPARISON.bits)
    factors.reshape(shape)[:] = np.mod(scale[:, None] * weights, T).astype(np.uint64)
    shares = addends.reshape(shape)
    rest = shares[:, 1:].sum(axis=1).astype(np.int64)
    shares[:, 0] = np.mod(scale * constants - rest, T).astype(np.uint64)
