"""Plain reference implementation of a distributed comparison function (DCF).

Source: E. Boyle, N. Chandran, N. Gilboa, D. Gupta, Y. Ishai, N. Kumar, M. Rathee, "Function
Secret Sharing for Mixed-Mode and Fixed-Point Secure Computation", EUROCRYPT 2021 (ePrint
2020/1392), Figure 1: ``Gen^<_n`` and ``Eval^<_n``.

The shared function is f(x) = beta if x < alpha, else 0, with beta = 1 in the group Z_2. In Z_2
addition and subtraction are both exclusive or, so every factor (-1)^... of the figure is 1, and
the outputs of the two parties satisfy ``y_0 ^ y_1 == int(x < alpha)``.

Format (all of it fixed, so that keys can be exchanged with other implementations):

* the domain has n bits (27 in the project); those of alpha and x are taken from the most
  significant one down;
* G(s) is 65 bytes of SHAKE-256("sealmatch/dcf/1" || s): s^L (32), s^R (32), and one byte whose
  bits 0, 1, 2, 3 are t^L, t^R, v^L, v^R. The v are already in Z_2, so Convert is the identity on
  them; Convert of a final seed is the lowest bit of its first byte;
* CW^(i) is s_CW (32 bytes) and one byte whose bits 0, 1, 2 are t_CW^L, t_CW^R, V_CW (rest zero);
* k_b = s_b^(0) || CW^(1) || ... || CW^(n) || CW^(n+1), the last being one byte, 0 or 1.

Reference code only: it is not constant time, and the secrecy of alpha depends on the two root
seeds being independent, uniformly random, and used once.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

SEED_BYTES = 32
CW_BYTES = SEED_BYTES + 1
PRG_BYTES = 2 * SEED_BYTES + 1
PRG_DOMAIN = b"sealmatch/dcf/1"
BETA = 1

LEFT = 0
RIGHT = 1


class Expansion(NamedTuple):
    """G(s): per direction (index LEFT or RIGHT) a seed s, a control bit t, a value v in Z_2."""

    s: tuple[bytes, bytes]
    t: tuple[int, int]
    v: tuple[int, int]


class CorrectionWord(NamedTuple):
    """CW^(i) = s_CW || V_CW || t_CW^L || t_CW^R; ``t_cw`` is indexed by LEFT or RIGHT."""

    s_cw: bytes
    v_cw: int
    t_cw: tuple[int, int]


def _xor(a: bytes, b: bytes) -> bytes:
    """Exclusive or of two byte strings of equal length."""
    return bytes(p ^ q for p, q in zip(a, b, strict=True))


def _times(t: int, s: bytes) -> bytes:
    """The product t * s of a control bit and a string: s if t = 1, the zero string if t = 0."""
    return s if t else bytes(len(s))


def _prg(s: bytes) -> Expansion:
    """Expand a seed: s^L || v^L || t^L || s^R || v^R || t^R <- G(s)."""
    out = hashlib.shake_256(PRG_DOMAIN + s).digest(PRG_BYTES)
    flags = out[2 * SEED_BYTES]
    return Expansion(
        s=(out[:SEED_BYTES], out[SEED_BYTES : 2 * SEED_BYTES]),
        t=(flags & 1, flags >> 1 & 1),
        v=(flags >> 2 & 1, flags >> 3 & 1),
    )


def _convert(s: bytes) -> int:
    """Convert a final seed s^(n) to an element of Z_2."""
    return s[0] & 1


def _bits_of(value: int, bits: int, name: str) -> list[int]:
    """The n-bit binary representation of ``value``, most significant bit first."""
    if bits < 1:
        raise ValueError("bits must be at least 1")
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{name} must lie in [0, 2^{bits})")
    return [value >> (bits - i) & 1 for i in range(1, bits + 1)]


def _encode_cw(cw: CorrectionWord) -> bytes:
    """Write CW^(i) as 33 bytes."""
    t_l, t_r = cw.t_cw
    return cw.s_cw + bytes([t_l | t_r << 1 | cw.v_cw << 2])


def _decode_cw(data: bytes) -> CorrectionWord:
    """Read CW^(i) from 33 bytes; the unused bits must be zero."""
    flags = data[SEED_BYTES]
    if flags >> 3:
        raise ValueError("unused bits of a correction word must be zero")
    return CorrectionWord(
        s_cw=data[:SEED_BYTES], v_cw=flags >> 2 & 1, t_cw=(flags & 1, flags >> 1 & 1)
    )


def key_length(bits: int) -> int:
    """Length in bytes of one party's key for an n-bit domain."""
    return SEED_BYTES + bits * CW_BYTES + 1


def generate(alpha: int, bits: int, seeds: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """Gen^<_n(1^lambda, alpha, beta = 1, Z_2): the keys (k_0, k_1), fixed by the root seeds.

    ``seeds`` are s_0^(0) and s_1^(0), 32 bytes each. The comments name the steps of Figure 1.
    """
    if len(seeds) != 2 or any(len(seed) != SEED_BYTES for seed in seeds):
        raise ValueError("there must be two root seeds of 32 bytes each")

    # Let alpha = alpha_1, ..., alpha_n be the n-bit binary representation.
    alpha_bits = _bits_of(alpha, bits, "alpha")

    # s_0^(0), s_1^(0) are given; V_alpha = 0, t_0^(0) = 0, t_1^(0) = 1.
    s_0, s_1 = seeds
    t_0, t_1 = 0, 1
    v_alpha = 0

    # for i = 1 to n
    cws = bytearray()
    for alpha_i in alpha_bits:
        # s_b^L || v_b^L || t_b^L || s_b^R || v_b^R || t_b^R <- G(s_b^(i-1)) for b = 0, 1.
        g_0, g_1 = _prg(s_0), _prg(s_1)

        # if alpha_i = 0 then Keep <- L, Lose <- R, else Keep <- R, Lose <- L.
        keep, lose = (LEFT, RIGHT) if alpha_i == 0 else (RIGHT, LEFT)

        # s_CW <- s_0^Lose xor s_1^Lose.
        s_cw = _xor(g_0.s[lose], g_1.s[lose])

        # V_CW <- (-1)^(t_1) * [Convert(v_1^Lose) - Convert(v_0^Lose) - V_alpha].
        v_cw = g_1.v[lose] ^ g_0.v[lose] ^ v_alpha

        # if Lose = L then V_CW <- V_CW + (-1)^(t_1) * beta.
        if lose == LEFT:
            v_cw ^= BETA

        # V_alpha <- V_alpha - Convert(v_1^Keep) + Convert(v_0^Keep) + (-1)^(t_1) * V_CW.
        v_alpha ^= g_1.v[keep] ^ g_0.v[keep] ^ v_cw

        # t_CW^L <- t_0^L xor t_1^L xor alpha_i xor 1; t_CW^R <- t_0^R xor t_1^R xor alpha_i.
        t_cw = (
            g_0.t[LEFT] ^ g_1.t[LEFT] ^ alpha_i ^ 1,
            g_0.t[RIGHT] ^ g_1.t[RIGHT] ^ alpha_i,
        )

        # CW^(i) <- s_CW || V_CW || t_CW^L || t_CW^R.
        cws += _encode_cw(CorrectionWord(s_cw, v_cw, t_cw))

        # s_b^(i) <- s_b^Keep xor t_b^(i-1) * s_CW for b = 0, 1.
        s_0 = _xor(g_0.s[keep], _times(t_0, s_cw))
        s_1 = _xor(g_1.s[keep], _times(t_1, s_cw))

        # t_b^(i) <- t_b^Keep xor t_b^(i-1) * t_CW^Keep for b = 0, 1.
        t_0 = g_0.t[keep] ^ (t_0 & t_cw[keep])
        t_1 = g_1.t[keep] ^ (t_1 & t_cw[keep])

    # CW^(n+1) <- (-1)^(t_1^(n)) * [Convert(s_1^(n)) - Convert(s_0^(n)) - V_alpha].
    cw_last = _convert(s_1) ^ _convert(s_0) ^ v_alpha

    # k_b = s_b^(0) || CW^(1) || ... || CW^(n+1).
    shared = bytes(cws) + bytes([cw_last])
    return seeds[0] + shared, seeds[1] + shared


def evaluate(party: int, key: bytes, x: int, bits: int) -> int:
    """Eval^<_n(b, k_b, x): the share y_b in Z_2 of party b, with y_0 xor y_1 = (x < alpha).

    The comments name the steps of Figure 1.
    """
    if party not in (0, 1):
        raise ValueError("party must be 0 or 1")
    x_bits = _bits_of(x, bits, "x")
    if len(key) != key_length(bits):
        raise ValueError(f"a key for {bits} bits must have {key_length(bits)} bytes")

    # Parse k_b = s^(0) || CW^(1) || ... || CW^(n+1); let x = x_1, ..., x_n; V = 0; t^(0) = b.
    s = key[:SEED_BYTES]
    cw_last = key[-1]
    if cw_last > 1:
        raise ValueError("the final correction word must be 0 or 1")
    v = 0
    t = party

    # for i = 1 to n
    for i, x_i in enumerate(x_bits):
        # Parse CW^(i) = s_CW || V_CW || t_CW^L || t_CW^R.
        start = SEED_BYTES + i * CW_BYTES
        cw = _decode_cw(key[start : start + CW_BYTES])

        # Parse G(s^(i-1)) = s^L || v^L || t^L || s^R || v^R || t^R, and
        # tau^(i) <- (s^L || t^L || s^R || t^R) xor t^(i-1) * [s_CW || t_CW^L || s_CW || t_CW^R];
        # only the half of it on the side of x_i is needed.
        g = _prg(s)
        side = LEFT if x_i == 0 else RIGHT

        # V <- V + (-1)^b * [Convert(v^side) + t^(i-1) * V_CW].
        v ^= g.v[side] ^ (t & cw.v_cw)

        # s^(i) <- s^side, t^(i) <- t^side, both corrected.
        s = _xor(g.s[side], _times(t, cw.s_cw))
        t = g.t[side] ^ (t & cw.t_cw[side])

    # V <- V + (-1)^b * [Convert(s^(n)) + t^(n) * CW^(n+1)]; return V.
    return v ^ _convert(s) ^ (t & cw_last)
