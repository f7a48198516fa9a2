"""The only code in the product that touches a homomorphic secret key.

What it does with one, completely:

1. ``SessionSecret.make``       draws a key pair and returns the public half.
2. ``SessionSecret.encrypt_bits`` decrypts the masked product, adds up each lane, and encrypts the
   bits of the sums. The gateway added a uniform value to every slot, so the sums say nothing.
3. ``SessionSecret.decide``     decrypts the blinded rows and looks, per comparison, whether one of
   the 35 rows is zero. The lane's bit is the exclusive or of its two comparisons; the decision
   is their conjunction. Only the decision leaves this module.
4. ``SessionSecret.destroy``    drops the key; SEAL overwrites its memory when it is released.

No noise budget is ever computed, let alone told: it is an oracle. Nothing here is logged.
Protocol, sections 3.3 and 6.
"""

from typing import Any

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from gateway.he.engine import Engine, Slots, export_words, overwrite_pool
from gateway.wire.errors import CallerMisuse
from gateway.wire.polynomials import Ciphertext, SessionPublicKey
from gateway.wire.profile import COMPARISON, COMPARISONS_PER_LANE, KEY_PRIMES, LANE, T_BITS, N, T


class SessionSecret:
    """The secret key of one session. Not thread-safe; ``keys.sessions`` gives it to one thread."""

    __slots__ = ("_engine", "_secret")

    def __init__(self, engine: Engine, secret: Any) -> None:
        self._engine = engine
        self._secret: Any = secret

    @classmethod
    def make(cls, engine: Engine) -> tuple["SessionSecret", SessionPublicKey]:
        """Draw a key pair from the operating system's randomness."""
        generator = seal.KeyGenerator(engine.context)
        public = seal.PublicKey()
        generator.create_public_key(public)
        words = export_words(public, len(KEY_PRIMES))
        return cls(engine, generator.secret_key()), SessionPublicKey(words)

    def encrypt_bits(self, masked_product: Ciphertext, lanes: int) -> Ciphertext:
        """Encrypt the bits of each lane's masked value, laid out for the comparisons."""
        slots = self._decrypt(masked_product)
        sums = lane_sums(slots, lanes)
        slots.fill(0)
        encryptor = seal.Encryptor(self._engine.context, self._key())
        result = seal.Ciphertext()
        encryptor.encrypt_symmetric(self._engine.plaintext(bit_slots(sums)), result)
        return self._engine.ciphertext(result)

    def decide(self, blinded_rows: Ciphertext, lanes: int) -> bool:
        """Whether every lane accepts. Lane bits and comparisons do not leave this function."""
        slots = self._decrypt(blinded_rows)
        try:
            return bool(lane_bits(slots, lanes).all())
        finally:
            slots.fill(0)

    def destroy(self) -> None:
        """Drop the key, which SEAL overwrites. Later calls raise ``CallerMisuse``."""
        self._secret = None
        overwrite_pool()

    def _decrypt(self, ciphertext: Ciphertext) -> Slots:
        decryptor = seal.Decryptor(self._engine.context, self._key())
        plaintext = seal.Plaintext()
        decryptor.decrypt(self._engine.load(ciphertext.words), plaintext)
        return self._engine.slots(plaintext)

    def _key(self) -> Any:
        if self._secret is None:
            raise CallerMisuse("this session's key is destroyed")
        return self._secret

    def __repr__(self) -> str:
        return f"SessionSecret({'destroyed' if self._secret is None else 'held'})"


def lane_sums(slots: Slots, lanes: int) -> list[int]:
    """m of each lane: the sum of its 512 slots modulo t (512 values of 34 bits fit in 64)."""
    per_lane = slots[: lanes * LANE].reshape(lanes, LANE).sum(axis=1)
    return [int(value) % T for value in per_lane]


def bit_slots(sums: list[int]) -> Slots:
    """Bit j of m in slot 1190 k + 34 i + j, for both comparisons k of a lane and every row i."""
    slots = np.zeros(N, dtype=np.uint64)
    for lane, value in enumerate(sums):
        bits = (np.uint64(value) >> np.arange(T_BITS, dtype=np.uint64)) & np.uint64(1)
        width = COMPARISONS_PER_LANE * COMPARISON.slots
        slots[lane * width : (lane + 1) * width] = np.tile(
            bits, COMPARISONS_PER_LANE * COMPARISON.rows
        )
    return slots


def lane_bits(slots: Slots, lanes: int) -> NDArray[np.bool_]:
    """z1 xor z2 of each lane, shape (lanes,); z = this comparison has a row that sums to zero."""
    comparisons = lanes * COMPARISONS_PER_LANE
    used = slots[: comparisons * COMPARISON.slots]
    rows = used.reshape(comparisons, COMPARISON.rows, COMPARISON.bits).sum(axis=2) % np.uint64(T)
    has_zero = (rows == 0).any(axis=1).reshape(lanes, COMPARISONS_PER_LANE)
    bits: NDArray[np.bool_] = np.logical_xor(has_zero[:, 0], has_zero[:, 1])
    return bits
