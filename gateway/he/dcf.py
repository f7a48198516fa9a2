"""Distributed comparison: [x < alpha] as the exclusive or of two parties' outputs.

Gen and Eval of figure 1 in Boyle, Chandran, Gilboa, Gupta, Ishai, Kumar and Rathee, "Function
Secret Sharing for Mixed-Mode and Fixed-Point Secure Computation" (EUROCRYPT 2021), with output
group Z_2 and beta = 1, where all signs vanish. The names are the paper's: s seeds, t control bits,
v values, CW correction words, V_alpha what a party on alpha's path has gathered.

Each key hides alpha from its holder as long as the generator is pseudorandom (theorem 1 there). The
generator is G(s) = SHAKE-256("sealmatch/dcf/1" || s), 65 bytes: left seed, right seed, and a byte
with the bits t_L, t_R, v_L, v_R from the lowest up. A key is the party's root seed, then per bit of
x, the highest first, a correction word (seed, and a byte with the bits t_L, t_R, v), then one byte
with the last correction. Pure: the root seeds are passed in.
"""

import hashlib
from typing import Final

from gateway.wire.dealing import COMPARISON_SEED_BYTES as SEED_BYTES
from gateway.wire.dealing import CORRECTION_BYTES
from gateway.wire.profile import T_BITS

_LABEL: Final = b"sealmatch/dcf/1"
_T_L, _T_R, _V_L, _V_R = 1, 2, 4, 8
_V: Final = 4


def generate(alpha: int, roots: tuple[bytes, bytes], bits: int = T_BITS) -> tuple[bytes, bytes]:
    """Gen: keys of party 0 and party 1 for f(x) = [x < alpha], 0 <= alpha < 2^bits.

    Args:
        roots: two independent uniform seeds of 32 bytes.
    """
    # Seeds are integers here, because Python has an exclusive or for them and none for bytes.
    s0, s1 = (int.from_bytes(root, "little") for root in roots)
    t0, t1, v_alpha = 0, 1, 0
    words = bytearray()
    for level in reversed(range(bits)):
        right = alpha >> level & 1
        (l0, r0, b0), (l1, r1, b1) = _expand(s0), _expand(s1)
        both = b0 ^ b1
        kept_v, lost_v = (both & _V_R, both & _V_L) if right else (both & _V_L, both & _V_R)
        s_cw = l0 ^ l1 if right else r0 ^ r1
        v_cw = v_alpha ^ (lost_v > 0) ^ right  # x that leaves to the left is below alpha
        v_alpha ^= (kept_v > 0) ^ v_cw
        t_l = (both & _T_L > 0) ^ right ^ 1
        t_r = (both & _T_R > 0) ^ right
        words += s_cw.to_bytes(SEED_BYTES, "little")
        words.append(t_l * _T_L | t_r * _T_R | v_cw * _V)
        t_cw, t_bit = (t_r, _T_R) if right else (t_l, _T_L)
        s0, s1 = (r0, r1) if right else (l0, l1)
        if t0:
            s0 ^= s_cw
        if t1:
            s1 ^= s_cw
        t0, t1 = (b0 & t_bit > 0) ^ (t0 & t_cw), (b1 & t_bit > 0) ^ (t1 & t_cw)
    words.append((s0 ^ s1 ^ v_alpha) & 1)
    return roots[0] + words, roots[1] + words


def evaluate(party: int, key: bytes | memoryview, x: int, bits: int = T_BITS) -> int:
    """Eval: this party's share of [x < alpha]. Its own two outputs say nothing about alpha."""
    s, t, v = int.from_bytes(key[:SEED_BYTES], "little"), party, 0
    for level in reversed(range(bits)):
        start = SEED_BYTES + (bits - 1 - level) * CORRECTION_BYTES
        left, right, b = _expand(s)
        cw = key[start + SEED_BYTES] if t else 0
        s_cw = int.from_bytes(key[start : start + SEED_BYTES], "little") if t else 0
        if x >> level & 1:
            s, t, v = right ^ s_cw, (b & _T_R > 0) ^ (cw & _T_R > 0), v ^ (b & _V_R > 0)
        else:
            s, t, v = left ^ s_cw, (b & _T_L > 0) ^ (cw & _T_L > 0), v ^ (b & _V_L > 0)
        v ^= cw & _V > 0
    return v ^ (s & 1) ^ (t & key[-1])


def _expand(seed: int) -> tuple[int, int, int]:
    """G: left seed, right seed, bits."""
    stream = hashlib.shake_256(_LABEL + seed.to_bytes(SEED_BYTES, "little")).digest(65)
    left = int.from_bytes(stream[:SEED_BYTES], "little")
    return left, int.from_bytes(stream[SEED_BYTES : 2 * SEED_BYTES], "little"), stream[64]
