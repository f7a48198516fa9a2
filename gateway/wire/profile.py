"""The pinned parameters of the profile ``bgv8192-2`` (protocol, section 3.1).

They are known by name and by number on both sides. A context, modulus or parameter set that arrives
over the wire is never used: there is no code that could read one.
"""

from typing import Final

PROFILE: Final = "bgv8192-2"

N: Final = 8192
"""Ring degree, and the number of slots."""

T: Final = 133857281
"""Plain modulus: 27 bits, prime, 1 modulo 2 N."""

T_BITS: Final = 27

DATA_PRIMES: Final = (72037336825970689, 71978122648289281, 71964963942137857)
"""Q: three primes of 56 bits, each 1 modulo 2 N t, so that dropping one leaves the plaintext."""

SPECIAL_PRIME: Final = 70368743669761
"""46 bits; SEAL's encryption uses it. 214 bits in all: 218 are allowed at 128 bits."""

KEY_PRIMES: Final = (*DATA_PRIMES, SPECIAL_PRIME)

SENT_PRIMES: Final = DATA_PRIMES[:2]
"""Q': what a product is switched down to before it is padded and sent."""

SENT_MODULUS: Final = SENT_PRIMES[0] * SENT_PRIMES[1]

LANES: Final = 2
"""The probe's, then the actions'. Each policy, dealing and decision speaks of both."""

LANE: Final = N // LANES
"""Slots of one lane."""

DIMENSION: Final = 512
"""The largest embedding; shorter ones are padded with zeros."""

SEED_BYTES: Final = 32
"""Everything random in one evaluation comes from this many bytes."""

HEADER_BYTES: Final = 2
WORD_BYTES: Final = 7
"""Of the canonical encoding in ``polynomials``: one header, and one word a coefficient."""

FRESH_BYTES: Final = HEADER_BYTES + 2 * len(DATA_PRIMES) * N * WORD_BYTES
"""Of a fresh ciphertext. It stands here for those who need no numpy."""
