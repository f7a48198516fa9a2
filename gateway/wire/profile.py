"""The pinned parameters of the profile ``bgv8192-1`` (protocol, section 3.1).

They are known by name on both sides. A context, modulus or parameter set that arrives over the
wire is never used: there is no code that could read one.
"""

from dataclasses import dataclass
from typing import Final

PROFILE: Final = "bgv8192-1"

N: Final = 8192
"""Ring degree, and the number of slots."""

KEY_PRIMES: Final = (
    18014398507794433,
    18014398507892737,
    18014398508138497,
    18014398508400641,
)
"""SEAL ``CoeffModulus.Create(8192, [54, 54, 54, 54])``: 216 bits; 218 are allowed at 128 bits."""

DATA_PRIMES: Final = KEY_PRIMES[:3]
"""Q, 162 bits. The fourth prime serves key generation only."""

T: Final = 17179754497
"""Plain modulus: 34 bits, prime, 1 modulo 2 N."""

T_BITS: Final = 34

LANE: Final = 512
"""Slots of one vector, hence the largest embedding dimension."""

MAX_LANES: Final = 3

SEED_BYTES: Final = 32
"""Everything random in one evaluation comes from this many bytes."""

NORM_SQUARED: Final = 10_000
"""The squared length that every honest quantised vector aims at."""


@dataclass(frozen=True)
class Comparison:
    """Slot layout of one encrypted comparison (protocol, section 6): 35 rows of 34 bits."""

    rows: int = T_BITS + 1
    bits: int = T_BITS

    @property
    def slots(self) -> int:
        return self.rows * self.bits


COMPARISON: Final = Comparison()
COMPARISONS_PER_LANE: Final = 2
