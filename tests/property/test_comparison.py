"""The distributed comparison: against its definition, and against a peer byte for byte.

The peer (``tests.support.dcf_peer``) was written from the paper by somebody who never saw ours.
"""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.he import dcf
from gateway.wire.dealing import COMPARISON_KEY_BYTES
from gateway.wire.profile import T_BITS, T
from tests.support import dcf_peer

ROOTS = (bytes(range(32)), bytes(range(32, 64)))
roots = st.tuples(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
TOP = 2**T_BITS - 1
edges = st.sampled_from([0, 1, 2, 2**26 - 1, 2**26, T - 1, T, TOP - 1, TOP])
inputs = st.one_of(edges, st.integers(0, TOP))


def drawn_roots(name: str) -> tuple[bytes, bytes]:
    made = hashlib.shake_256(name.encode()).digest(64)
    return made[:32], made[32:]


# --- ours ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(1, 8))
def test_all_pairs_of_a_small_domain(bits: int) -> None:
    """Every alpha and x, three pairs of roots: the shares xor to [x < alpha]."""
    for name in ("a", "b", "c"):
        for alpha in range(1 << bits):
            keys = dcf.generate(alpha, drawn_roots(f"{name}{bits}/{alpha}"), bits)
            for x in range(1 << bits):
                shares = [dcf.evaluate(party, keys[party], x, bits) for party in (0, 1)]
                assert set(shares) <= {0, 1}
                assert shares[0] ^ shares[1] == (x < alpha), (bits, alpha, x)


@settings(max_examples=300)
@given(alpha=inputs, roots=roots, other=inputs, flipped=st.integers(0, T_BITS - 1))
def test_the_whole_domain_at_its_edges(
    alpha: int, roots: tuple[bytes, bytes], other: int, flipped: int
) -> None:
    keys = dcf.generate(alpha, roots)
    assert len(keys[0]) == len(keys[1]) == COMPARISON_KEY_BYTES
    for x in {alpha, max(alpha - 1, 0), min(alpha + 1, TOP), alpha ^ (1 << flipped), other}:
        assert dcf.evaluate(0, keys[0], x) ^ dcf.evaluate(1, keys[1], x) == (x < alpha)


def test_the_parties_share_their_correction_words_and_nothing_else() -> None:
    first, second = dcf.generate(12345, ROOTS)
    assert (first[:32], second[:32]) == ROOTS
    assert first[32:] == second[32:]


# --- against the peer ----------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 2, 3, 5, 7])
def test_keys_of_small_domains_are_the_peer_s(bits: int) -> None:
    for alpha in range(1 << bits):
        made = dcf.generate(alpha, drawn_roots(f"peer{bits}/{alpha}"), bits)
        assert made == dcf_peer.generate(alpha, bits, drawn_roots(f"peer{bits}/{alpha}"))


@settings(max_examples=200)
@given(alpha=inputs, roots=roots)
def test_keys_are_the_peer_s_byte_for_byte(alpha: int, roots: tuple[bytes, bytes]) -> None:
    assert dcf.generate(alpha, roots) == dcf_peer.generate(alpha, T_BITS, roots)


@settings(max_examples=200)
@given(alpha=inputs, roots=roots, x=inputs)
def test_each_evaluates_the_other_s_keys(alpha: int, roots: tuple[bytes, bytes], x: int) -> None:
    ours, theirs = dcf.generate(alpha, roots), dcf_peer.generate(alpha, T_BITS, roots)
    for party in (0, 1):
        share = dcf.evaluate(party, theirs[party], x)
        assert share == dcf_peer.evaluate(party, ours[party], x, T_BITS)


@settings(max_examples=200)
@given(seed=st.binary(min_size=32, max_size=32), bits=st.binary(min_size=28, max_size=28), x=inputs)
def test_both_read_any_key_alike(seed: bytes, bits: bytes, x: int) -> None:
    """Keys that nobody dealt, as a lying issuer may send: every bit of the form counts the same."""
    words = hashlib.shake_256(seed + bits).digest(32 * T_BITS)
    made = bytearray(seed)
    for level in range(T_BITS):
        made += words[32 * level : 32 * level + 32] + bytes((bits[level] & 7,))
    made.append(bits[T_BITS] & 1)
    for party in (0, 1):
        share = dcf.evaluate(party, bytes(made), x)
        assert share == dcf_peer.evaluate(party, bytes(made), x, T_BITS)


def test_every_bit_of_a_key_is_read_alike() -> None:
    """One bit of an honest key flipped after the other, on all of a small domain."""
    bits, alpha = 4, 11
    keys = dcf.generate(alpha, ROOTS, bits)
    noticed = 0
    for party, place in itertools.product((0, 1), range(8 * len(keys[0]))):
        byte, bit = divmod(place, 8)
        level, offset = divmod(byte - 32, 33)
        if (byte == len(keys[0]) - 1 and bit > 0) or (level >= 0 and offset == 32 and bit > 2):
            continue  # not part of the form; ``gateway.wire.dealing`` refuses it
        key = bytearray(keys[party])
        key[byte] ^= 1 << bit
        shares = [dcf.evaluate(party, bytes(key), x, bits) for x in range(16)]
        assert shares == [dcf_peer.evaluate(party, bytes(key), x, bits) for x in range(16)]
        noticed += shares != [dcf.evaluate(party, keys[party], x, bits) for x in range(16)]
    assert noticed > 500


# --- what one key shows --------------------------------------------------------------------------


def deviation(ones: np.ndarray, count: int) -> float:
    """The largest distance of a number of fair coins from half of them, in standard deviations."""
    return float(np.abs(ones - count / 2).max() / np.sqrt(count / 4))


def seen_by(party: int, alpha: int, count: int = 2000) -> np.ndarray:
    """Bits of correction words and shares at chosen x, over so many dealings; fixed roots."""
    points = (0, 1, alpha, alpha ^ 1, 2**26, TOP)
    rows = []
    for i in range(count):
        key = dcf.generate(alpha, drawn_roots(f"one/{party}/{alpha}/{i}"))[party]
        flags = [key[64 + 33 * level] >> bit & 1 for level in range(T_BITS) for bit in range(3)]
        seeds = [key[32 + 33 * level] & 1 for level in range(T_BITS)]
        rows.append([*flags, *seeds, key[-1], *(dcf.evaluate(party, key, x) for x in points)])
    return np.array(rows)


@pytest.mark.parametrize("party", [0, 1])
@pytest.mark.parametrize("alpha", [0, T - 1])
def test_one_key_alone_looks_like_coins(party: int, alpha: int) -> None:
    """For the least and the greatest r alike: each bit is fair, alone and beside the next one."""
    seen = seen_by(party, alpha)
    count = len(seen)
    assert deviation(seen.sum(axis=0), count) < 6.5  # 1e-9 for 120 bits; fixed roots
    assert deviation((seen[:, 1:] ^ seen[:, :-1]).sum(axis=0), count) < 6.5


def test_both_keys_together_tell_r() -> None:
    """The control: the same bits, xored with those of the other party, are no coins at all."""
    made = []
    for i in range(200):
        keys = dcf.generate(5, drawn_roots(f"both/{i}"))
        made.append([dcf.evaluate(0, keys[0], x) ^ dcf.evaluate(1, keys[1], x) for x in (4, 5)])
    assert deviation(np.array(made).sum(axis=0), 200) > 14
