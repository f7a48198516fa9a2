"""Everything random in one evaluation, from one 32-byte seed (protocol, section 7).

key(label) = SHAKE-256("sealmatch/bgv8192-2" || 0x00 || len(label) || label || transcript || seed),
32 bytes; stream(label) = AES-256 in counter mode under that key, from counter 0, over zeros. One
label per draw. So the evaluation is deterministic given inputs and seed, and whoever is given both
can repeat it. ``len`` is one byte. numpy's generators are never used.

How bytes become values, always in order, skipping what is rejected (integers little-endian):
- modulo t: 4 bytes, the low 27 bits, rejected at or above t;
- unit modulo t: the same, rejecting 0 as well;
- ternary: one byte below 255, modulo 3, minus 1;
- centred binomial: 8 bytes; ones in bits 0 to 20 minus ones in bits 21 to 41;
- flood: per value 8 bytes, the low 36 bits; then, after all of these, per value 8 bytes, the low 41
  bits; low + 2^36 high - 2^76;
- modulo Q': 14 bytes, rejected at or above Q';
- modulo a prime of a key: 8 bytes, the low bits that the prime has, rejected at or above it.
"""

import hashlib
from itertools import islice

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import Commitment, SessionId
from gateway.wire.polynomials import NUMBER_BYTES
from gateway.wire.profile import PROFILE, SEED_BYTES, SENT_MODULUS, T_BITS, T

_DOMAIN = f"sealmatch/{PROFILE}".encode()
_SEED_LABEL = b"sealmatch/seed/1"

FLOOD_BITS = 76
"""Flooding values are uniform in [-2^76, 2^76)."""

CBD_BITS = 21
"""The centred binomial takes 21 + 21 bits: variance 10.5, as SEAL's own error (SD 3.2)."""

FLOOD_LOW_BITS = 36
"""As many as keep t times the low part within a word."""

_TERNARY_BOUND = 255
_KEY_BYTES = 32
_LONG = 2048
"""Objects this long are overwritten when they are freed; Python keeps shorter ones as they are."""
_COUNTER = bytes(16)


def seed_commitment(session: SessionId, seed: bytes | bytearray) -> Commitment:
    """SHA-256("sealmatch/seed/1" || session || seed)."""
    commitment = hashlib.sha256(_SEED_LABEL + session)
    commitment.update(seed)
    return Commitment(commitment.digest())


def new_seed() -> bytearray:
    """32 bytes from the operating system, in a buffer that can be wiped.

    Read straight into it: a ``bytes`` object would leave an immutable copy.
    """
    seed = bytearray(SEED_BYTES)
    with open("/dev/urandom", "rb", buffering=0) as source:
        if source.readinto(seed) != SEED_BYTES:
            raise RuntimeError("the system gave no randomness")
    return seed


def keystream(key: bytes | memoryview, count: int) -> bytes:
    """AES-256 in counter mode, from counter 0, over zeros."""
    return Cipher(algorithms.AES(key), modes.CTR(_COUNTER)).encryptor().update(bytes(count))


def uniform_words(key: bytes, prime: int, count: int) -> NDArray[np.uint64]:
    """``count`` words uniform modulo a prime, by rejection."""
    raw = np.frombuffer(keystream(key, 8 * with_margin(count)), dtype="<u8")
    values = raw & np.uint64((1 << prime.bit_length()) - 1)
    return _complete(values[values < prime], count)


def with_margin(count: int) -> int:
    """More draws than asked for: at most one in 200 is rejected on average."""
    return count + count // 32 + 64


class SeedStream:
    """Labelled draws from one seed and one transcript. Each label serves once."""

    def __init__(self, seed: bytes | bytearray, transcript: bytes) -> None:
        """The seed is not copied: its owner overwrites it when the evaluation is over."""
        if len(seed) != SEED_BYTES or len(transcript) != hashlib.sha256().digest_size:
            raise CallerMisuse("seed and transcript have 32 bytes each")
        self._seed = seed
        self._transcript = transcript
        self._used: set[str] = set()

    def residues(self, label: str, count: int) -> NDArray[np.uint64]:
        """``count`` values uniform in [0, t)."""
        raw = np.frombuffer(self._bytes(label, 4 * with_margin(count)), dtype="<u4")
        values = raw & np.uint32(2**T_BITS - 1)
        return _complete(values[values < T], count).astype(np.uint64)

    def unit(self, label: str) -> int:
        """One value uniform in [1, t)."""
        raw = np.frombuffer(self._bytes(label, 4 * with_margin(1)), dtype="<u4")
        values = raw & np.uint32(2**T_BITS - 1)
        return int(_complete(values[(values < T) & (values > 0)], 1)[0])

    def ternary(self, label: str, count: int) -> NDArray[np.int64]:
        """``count`` values uniform in {-1, 0, 1}."""
        raw = np.frombuffer(self._bytes(label, with_margin(count)), dtype=np.uint8)
        kept = _complete(raw[raw < _TERNARY_BOUND], count)
        return (kept % np.uint8(3)).astype(np.int64) - 1

    def centred_binomial(self, label: str, count: int) -> NDArray[np.int64]:
        """``count`` differences of two binomial values of 21 fair bits."""
        words = np.frombuffer(self._bytes(label, 8 * count), dtype="<u8", count=count)
        low = np.bitwise_count(words & np.uint64(2**CBD_BITS - 1))
        high = np.bitwise_count((words >> np.uint64(CBD_BITS)) & np.uint64(2**CBD_BITS - 1))
        difference: NDArray[np.int64] = low.astype(np.int64) - high.astype(np.int64)
        return difference

    def flood(self, label: str, count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """``count`` values uniform in [-2^76, 2^76), as (low, high).

        The value is low + 2^36 high - 2^76; ``low`` lies in [0, 2^36), ``high`` in [0, 2^41).
        """
        raw = np.frombuffer(self._bytes(label, 16 * count), dtype="<u8", count=2 * count)
        low = raw[:count] & np.uint64(2**FLOOD_LOW_BITS - 1)
        high = raw[count:] & np.uint64(2 ** (FLOOD_BITS + 1 - FLOOD_LOW_BITS) - 1)
        return low, high

    def numbers(self, label: str, count: int) -> list[int]:
        """``count`` values uniform modulo Q'."""
        raw = memoryview(self._bytes(label, NUMBER_BYTES * with_margin(count)))
        starts = range(0, len(raw) - NUMBER_BYTES + 1, NUMBER_BYTES)
        parts = (raw[i : i + NUMBER_BYTES] for i in starts)
        read = (n for part in parts if (n := int.from_bytes(part, "little")) < SENT_MODULUS)
        kept = list(islice(read, count))
        if len(kept) < count:
            raise RuntimeError("rejection sampling ran out of stream")
        return kept

    def _bytes(self, label: str, count: int) -> bytes:
        """The first ``count`` bytes of a stream, or more."""
        if label in self._used:
            raise CallerMisuse(f"label {label} was drawn already")
        self._used.add(label)
        name = label.encode()
        key = hashlib.shake_256(_DOMAIN + b"\0" + bytes((len(name),)) + name)
        key.update(self._transcript)
        key.update(self._seed)
        return keystream(memoryview(key.digest(_LONG))[:_KEY_BYTES], max(count, _LONG))


def _complete(kept: NDArray, count: int) -> NDArray:  # type: ignore[type-arg]
    if kept.size < count:  # below 2^-100 by the margin; a shorter answer must never pass
        raise RuntimeError("rejection sampling ran out of stream")
    return kept[:count]
