"""What is claimed to be uniform looks so, for honest keys and adversarial ones (section 7).

The head of a padded product, m' and m, each by chi-square over fixed streams and dealings; bounds
are passed by uniform values but for one run in 10^9. Each statistic has a control that fails it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest

from gateway.he import ring
from gateway.he.session_key import SessionKey
from gateway.wire.polynomials import SessionKeyHalf
from gateway.wire.profile import SENT_MODULUS, N, T
from tests.support.decisions import USUAL
from tests.support.he import (
    ScriptedStream,
    Session,
    TestKey,
    inputs_with_values,
    policy_of,
    run_session,
)
from tests.support.parties import fixed_dealings

SESSIONS = 128
BINS = 8
BOUND = 58.0
"""Chi-square of 7 degrees of freedom stays below but for 4e-10."""

LONELY = "zero but for the special prime"
KEYS = ("honest", "constant", "a itself", LONELY)


def chi_square(values: Sequence[int], modulus: int) -> float:
    bins = np.bincount([value * BINS // modulus for value in values], minlength=BINS)
    even = len(values) / BINS
    return float(((bins - even) ** 2 / even).sum())


def adversarial(key: TestKey, name: str) -> TestKey:
    """The same secret beside a b that an authority could publish instead."""
    half = key.public.half.words.copy()
    if name == "constant":
        half[:] = 3
    elif name == "one":
        half[:] = 1
    elif name == "a itself":
        half[0] = key.uniform.words
    elif name == LONELY:
        half[0, :3] = 0
        half[0, 3] = 1
    key.public = SessionKey(SessionKeyHalf(half), key.uniform)
    return key


def sessions_of(name: str, count: int = SESSIONS) -> list[Session]:
    """So many evaluations of one pair of ciphertexts, each with a stream and dealing of its own."""
    key = adversarial(TestKey(), name)
    probe, template = (
        key.encrypt_signed(s) for s in inputs_with_values((USUAL.lo, 0), np.random.default_rng(1))
    )
    return [
        run_session(
            key,
            policy_of(USUAL),
            probe,
            template,
            ScriptedStream(f"uniform {i}"),
            dealings=fixed_dealings(f"uniform {i}"),
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("name", KEYS)
def test_head_masked_values_and_m_are_uniform_for_any_key(name: str) -> None:
    found = sessions_of(name)
    for place in (0, 1):
        assert chi_square([one.product.head[place] for one in found], SENT_MODULUS) < BOUND
        assert chi_square([one.masked[place] for one in found], T) < BOUND
        assert chi_square([one.values[place] for one in found], T) < BOUND
    if name == "honest":
        assert {one.scores for one in found} == {(USUAL.lo, 0)}
        assert {one.lanes for one in found} == {(True, False)}


def test_statistics_are_failed_by_what_is_not_uniform() -> None:
    """Scores without r, heads under pads from half of the range, values with a small r."""
    found = sessions_of("honest", 32)
    assert chi_square([one.scores[0] for one in found] * 4, T) > BOUND
    halves = [
        int.from_bytes(hashlib.sha256(f"{i}".encode()).digest(), "big") % (SENT_MODULUS // 2)
        for i in range(SESSIONS)
    ]
    assert chi_square(halves, SENT_MODULUS) > BOUND
    small = [
        (USUAL.lo + int(r)) % T for r in np.random.default_rng(2).integers(0, T // 3, SESSIONS)
    ]
    assert chi_square(small, T) > BOUND


def test_without_a_pad_the_head_is_the_product_s_own() -> None:
    """Why the pad is needed: with b = 1 and no pad, u's own numbers stand in the head."""
    key = adversarial(TestKey(), "one")
    zero = key.ciphertext_of(np.zeros(N, dtype=object))
    found = [
        run_session(
            key,
            policy_of(USUAL),
            zero,
            zero,
            ScriptedStream(f"bare {i}", pads=(0, 0), rerandomise=rerandomise, beta="off"),
        ).product.head
        for i in range(8)
        for rerandomise in (False, True)
    ]
    for bare, masked in zip(found[::2], found[1::2], strict=True):
        shifts = [ring.centred(b - a) for a, b in zip(bare, masked, strict=True)]
        assert shifts[0] in {-1, 0, 1}
        assert shifts[1] in {-2, -1, 0, 1, 2}
