"""Everything random in one evaluation, from one 32-byte seed (protocol, section 7).

stream(label) = SHAKE-256("sealmatch/bgv8192-1" || 0x00 || len(label) || label || transcript ||
seed), one label per draw, so the evaluation is deterministic given inputs and seed and anyone who
is given both can repeat it. ``len`` is one byte. Never numpy's generators.

How bytes become values, always in order, skipping what is rejected:
- modulo t: 5 bytes little-endian, the low 34 bits, rejected at or above t;
- nonzero modulo t: the same, rejecting 0 as well;
- ternary: one byte below 255, modulo 3, minus 1;
- centred binomial: 6 bytes little-endian; ones in bits 0 to 20 minus ones in bits 21 to 41;
- flood: 16 bytes little-endian, the low 125 bits, minus 2^124;
- permutation: Fisher-Yates from the last place down; a byte is rejected at or above the largest
  multiple of the number of candidates, else taken modulo it;
- bit: the low bit of one byte.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import Commitment, SessionId
from gateway.wire.profile import PROFILE, SEED_BYTES, T_BITS, T

_DOMAIN = f"sealmatch/{PROFILE}".encode()
_SEED_LABEL = b"sealmatch/seed/1"

FLOOD_BITS = 124
"""Flooding values are uniform in [-2^124, 2^124)."""

CBD_BITS = 21
"""The centred binomial takes 21 + 21 bits: variance 10.5, as SEAL's own error (SD 3.2)."""

MAX_PERMUTATION = 128
"""At least half of all bytes are accepted then; 16 per place never run out."""

_RESIDUE_BYTES = 5
_LOW_34 = np.uint64(2**T_BITS - 1)
_CBD_BYTES = 6
_FLOOD_BYTES = 16
_TERNARY_BOUND = 255
_LOW_62 = np.uint64(2**62 - 1)
_LOW_61 = np.uint64(2**61 - 1)


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
        return self._residues(label, count, lowest=0)

    def nonzero_residues(self, label: str, count: int) -> NDArray[np.uint64]:
        """``count`` values uniform in [1, t)."""
        return self._residues(label, count, lowest=1)

    def ternary(self, label: str, count: int) -> NDArray[np.int64]:
        """``count`` values uniform in {-1, 0, 1}."""
        raw = self._with_margin(label, count, 1)
        kept = raw[raw < _TERNARY_BOUND][:count]
        values = _complete(kept, count).astype(np.int64)
        return np.asarray(values % 3 - 1, dtype=np.int64)

    def centred_binomial(self, label: str, count: int) -> NDArray[np.int64]:
        """``count`` differences of two binomial values of 21 fair bits."""
        words = self._words(label, count, _CBD_BYTES)
        low = np.bitwise_count(words & np.uint64(2**CBD_BITS - 1))
        high = np.bitwise_count((words >> np.uint64(CBD_BITS)) & np.uint64(2**CBD_BITS - 1))
        difference: NDArray[np.int64] = low.astype(np.int64) - high.astype(np.int64)
        return difference

    def flood(self, label: str, count: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """``count`` values uniform in [-2^124, 2^124), as (low, high): value = low + 2^62 high.

        ``low`` lies in [0, 2^62), ``high`` in [-2^62, 2^62).
        """
        halves = np.frombuffer(self._bytes(label, count * _FLOOD_BYTES), dtype="<u8")
        first, second = halves[0::2], halves[1::2]
        low = first & _LOW_62
        upper = (first >> np.uint64(62)) | ((second & _LOW_61) << np.uint64(2))
        return low, upper.astype(np.int64) - np.int64(2**62)

    def permutation(self, label: str, count: int) -> NDArray[np.int64]:
        """A uniform permutation of ``count`` <= 128 places."""
        if not 0 < count <= MAX_PERMUTATION:
            raise CallerMisuse("a permutation has 1 to 128 places")
        source = iter(self._bytes(label, 16 * count))
        places = list(range(count))
        for last in range(count - 1, 0, -1):
            candidates = last + 1
            bound = 256 - 256 % candidates
            chosen = next(byte for byte in source if byte < bound) % candidates
            places[last], places[chosen] = places[chosen], places[last]
        return np.array(places, dtype=np.int64)

    def bit(self, label: str) -> int:
        """One fair bit."""
        return self._bytes(label, 1)[0] & 1

    def _bytes(self, label: str, count: int) -> bytes:
        if label in self._used:
            raise CallerMisuse(f"label {label} was drawn already")
        self._used.add(label)
        name = label.encode()
        stream = hashlib.shake_256(_DOMAIN + b"\0" + bytes((len(name),)) + name)
        stream.update(self._transcript)
        stream.update(self._seed)
        return stream.digest(count)

    def _words(self, label: str, count: int, width: int) -> NDArray[np.uint64]:
        raw = np.frombuffer(self._bytes(label, count * width), dtype=np.uint8)
        wide = np.zeros((count, 8), dtype=np.uint8)
        wide[:, :width] = raw.reshape(count, width)
        return wide.view("<u8").reshape(count).astype(np.uint64, copy=False)

    def _with_margin(self, label: str, count: int, width: int) -> NDArray[np.uint64]:
        """More draws than asked for: fewer than one in 250 is rejected on average."""
        return self._words(label, count + count // 32 + 64, width)

    def _residues(self, label: str, count: int, lowest: int) -> NDArray[np.uint64]:
        values = self._with_margin(label, count, _RESIDUE_BYTES) & _LOW_34
        kept = values[(values < T) & (values >= lowest)][:count]
        return _complete(kept, count)


def _complete(kept: NDArray[np.uint64], count: int) -> NDArray[np.uint64]:
    if kept.size < count:  # below 2^-100 by the margin; a shorter answer must never pass
        raise RuntimeError("rejection sampling ran out of stream")
    return kept
