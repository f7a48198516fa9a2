"""Dealing and comparing in shares: what is drawn, what is accepted, what a share is of.

That the decision is the protocol's is shown in ``tests/property/test_decision_equivalence.py``.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from gateway.he import dcf
from gateway.he.interval import accepts, deal, share
from gateway.wire.dealing import AUTHORITY, GATEWAY, Dealing
from gateway.wire.policy import LanePolicy
from gateway.wire.profile import T
from tests.support.decisions import USUAL, dealings_with, decided
from tests.support.he import policy_of
from tests.support.parties import fixed_bytes, fixed_dealings


def scripted(*drawn: bytes) -> Callable[[int], bytes]:
    """A source that gives these, and fails when another length is asked for."""
    rest = iter(drawn)

    def source(count: int) -> bytes:
        made = next(rest)
        assert len(made) == count
        return made

    return source


def number(value: int) -> bytes:
    return value.to_bytes(4, "little")


# --- dealing -------------------------------------------------------------------------------------


def test_shares_sum_to_the_r_that_the_keys_compare_with() -> None:
    for i in range(40):
        ours, theirs = fixed_dealings(f"sum {i}")
        assert (ours.party, theirs.party) == (GATEWAY, AUTHORITY)
        for mine, other in zip(ours.lanes, theirs.lanes, strict=True):
            r = (mine.share + other.share) % T
            for x in {max(r - 1, 0), r, min(r + 1, T - 1), 0, T - 1}:
                bit = dcf.evaluate(GATEWAY, mine.key, x) ^ dcf.evaluate(AUTHORITY, other.key, x)
                assert bit == (x < r)


def test_what_is_drawn_and_in_which_order() -> None:
    """Per lane r, the gateway's half, then a root seed for each; nothing else is drawn."""
    roots = [fixed_bytes(f"root {i}") for i in range(4)]
    source = scripted(
        number(7), number(9), roots[0], roots[1], number(T - 1), number(0), *roots[2:]
    )
    ours, theirs = deal(source)
    assert [lane.share for lane in ours.lanes] == [9, 0]
    assert [lane.share for lane in theirs.lanes] == [T - 2, T - 1]
    for i, r in enumerate((7, T - 1)):
        keys = dcf.generate(r, (roots[2 * i], roots[2 * i + 1]))
        assert (ours.lanes[i].key, theirs.lanes[i].key) == keys


def test_numbers_from_t_up_are_drawn_again() -> None:
    """No value is more likely than another: 27 bits, rejected at or above t."""
    roots = [fixed_bytes(f"root {i}") for i in range(4)]
    refused = number(T), number(2**27 - 1), number(T + 2**27)
    high = number(5 + 2**27)  # the five bits above are not used
    source = scripted(*refused, high, number(T - 1), *roots[:2], number(1), number(1), *roots[2:])
    ours, theirs = deal(source)
    assert ours.lanes[0].share == T - 1
    assert (ours.lanes[0].share + theirs.lanes[0].share) % T == 5


def test_each_half_of_r_is_uniform_and_says_nothing_of_r() -> None:
    """Over 4,096 dealings from fixed bytes: r, both halves, and each half where r is small."""
    stream = np.random.default_rng(3)
    drawn = [deal(stream.bytes) for _ in range(2048)]
    lanes = [pair for d in drawn for pair in zip(d[0].lanes, d[1].lanes, strict=True)]
    halves = np.array([[mine.share, other.share] for mine, other in lanes])
    r = halves.sum(axis=1) % T
    small = halves[r < T // 4]
    for values in (*halves.T, r, *small.T):
        bins = np.bincount(values * 16 // T, minlength=16)
        statistic = ((bins - values.size / 16) ** 2 / (values.size / 16)).sum()
        assert statistic < 15 + 6 * np.sqrt(30)


def test_dealings_of_two_sessions_share_nothing() -> None:
    parts = [
        part
        for _ in range(4)
        for dealing in deal(os.urandom)
        for lane in dealing.lanes
        for part in (lane.key[:32], lane.key[64:96])
    ]
    # Root seeds are the party's own; correction words are those of both parties of a lane.
    assert len(set(parts)) == 4 * (4 + 2)


# --- deciding ------------------------------------------------------------------------------------


def test_accepts_is_an_exclusive_or_of_three_bits() -> None:
    rule = LanePolicy(lo=100, hi=109)
    for m, below in ((100, 1), (109, 1), (110, 0), (99, 0), (0, 0), (T - 1, 0)):
        for first in (0, 1):
            for second in (0, 1):
                result = accepts(rule, m, (first, second))
                assert isinstance(result, bool)
                assert result == bool(below ^ first ^ second)


def test_a_share_is_of_both_comparisons() -> None:
    (ours, _), rule = fixed_dealings("share"), LanePolicy(lo=100, hi=109)
    for m in (0, 99, 100, 105, 109, 110, T - 1, *range(1000, T, T // 97)):
        x, shifted = (m - 100) % T, (m - 110) % T
        both = [dcf.evaluate(GATEWAY, ours.lanes[0].key, at) for at in (x, shifted)]
        assert share(GATEWAY, ours.lanes[0], rule, m) == both[0] ^ both[1]


def test_a_share_alone_is_a_coin() -> None:
    """For an accepted and for a refused value: the gateway's bit is 1 in half of the dealings."""
    for v in (USUAL.lo, USUAL.lo - 1):
        for party in (GATEWAY, AUTHORITY):
            bits = []
            for i in range(1000):
                dealings = fixed_dealings(f"coin {i}")
                pair = [d.lanes[0] for d in dealings]
                m = (v + pair[0].share + pair[1].share) % T
                bits.append(share(party, pair[party], USUAL, m))
            assert abs(sum(bits) - 500) < 100  # six standard deviations; fixed dealings


def test_lanes_are_decided_with_their_own_rule_and_dealing() -> None:
    """Four combinations of lane bits under one pair of dealings of different r."""
    policy = policy_of(USUAL, LanePolicy(lo=10, hi=11))
    dealings = dealings_with((12345, T - 3))
    for first in (USUAL.hi, USUAL.hi + 1):
        for second in (11, 12):
            bits = decided(policy, dealings, (first, second))
            assert bits == (first == USUAL.hi, second == 11)


def test_the_other_party_s_key_makes_no_share() -> None:
    """Each key serves its own party: with roles swapped, decisions are wrong."""
    ours, theirs = dealings_with((T // 2, T // 2), "swapped")
    swapped = Dealing(GATEWAY, theirs.lanes), Dealing(AUTHORITY, ours.lanes)
    policy, wrong = policy_of(USUAL), 0
    for v in range(USUAL.lo - 40, USUAL.lo + 40):
        wrong += decided(policy, swapped, (v, v)) != decided(policy, (ours, theirs), (v, v))
    assert wrong > 20
