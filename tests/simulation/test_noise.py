"""The noise that the flood has to cover, measured with the secret key over more than 200 keys.

e is the noise divided by t in what would go to the authority without the flood r (re-randomised,
e1 included). The authority's view is within sum|e| / 2^125 of one that does not depend on e, so
sum|e| below 2^82 keeps that distance below 2^-43. Exact integers throughout: never SEAL's budget.
"""

import math
from collections.abc import Iterator

import numpy as np
import pytest

from gateway.he.encryption import lane_slots
from gateway.he.quantise import quantise
from gateway.he.randomness import FLOOD_BITS
from gateway.wire.policy import LanePolicy, MatchPolicy
from gateway.wire.profile import N, T
from tests.support.he import (
    Q,
    ScriptedStream,
    TestKey,
    at_cosine,
    centred,
    default_policy,
    policy_of,
    polynomial_of_slots,
    reference_decision,
    run_session,
    unit,
)

HONEST_KEYS = 200
HEAVIEST_KEYS = 40
LIMIT = 82
"""log2 of the largest admissible sum|e|."""

HEAVIEST = policy_of(LanePolicy(ks=512, kn=64, lo=1, hi=1_000_000))
"""The largest weights that a policy may have."""


class NoFlood(ScriptedStream):
    def flood(self, label: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        low, high = super().flood(label, count)
        return np.zeros_like(low), np.zeros_like(high)


def noise_before_the_flood(
    policy: MatchPolicy, p: np.ndarray, b: np.ndarray, name: str
) -> list[float]:
    """log2 of sum|e| of masked product and rows, under a fresh key."""
    key = TestKey()
    streams = NoFlood(f"product {name}"), NoFlood(f"rows {name}")
    session = run_session(key, policy, key.encrypt(p), key.encrypt(b), *streams)
    assert session.outcome.lanes == reference_decision(policy, p, b)
    return [math.log2(np.abs(e).sum()) for e in key.noise(session.product, session.rows)]


def honest_slots(seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    while True:
        template = unit(rng)
        probe = at_cosine(rng, template, rng.uniform(-0.1, 0.98))
        p, b = quantise(probe), quantise(template)
        yield lane_slots(p, p), lane_slots(b, b)


@pytest.mark.slow
def test_noise_of_honest_sessions_over_200_keys(record_property) -> None:
    inputs = honest_slots(seed=1)
    policy = default_policy(2)
    measured = np.array(
        [noise_before_the_flood(policy, *next(inputs), f"{i}") for i in range(HONEST_KEYS)]
    )
    product, rows = measured.max(axis=0)
    record_property("worst log2 sum|e|, product", float(product))
    record_property("worst log2 sum|e|, rows", float(rows))
    print(f"\nworst log2 sum|e| over {HONEST_KEYS} keys: product {product:.2f}, rows {rows:.2f}")
    assert product < LIMIT
    assert rows < LIMIT
    # What was measured is the evaluation's noise and not an empty or fresh ciphertext's.
    assert measured[:, 0].min() > 60
    assert measured[:, 1].min() > 45


@pytest.mark.slow
def test_noise_under_the_heaviest_policy_and_arbitrary_slots_over_40_keys(record_property) -> None:
    """A client may fill all 8192 slots with anything; a policy may have ks = 512 and kn = 64."""
    rng = np.random.default_rng(2)
    measured = np.array(
        [
            noise_before_the_flood(HEAVIEST, *rng.integers(0, T, (2, N), np.uint64), f"h{i}")  # type: ignore[call-arg]
            for i in range(HEAVIEST_KEYS)
        ]
    )
    product, rows = measured.max(axis=0)
    record_property("worst log2 sum|e|, product, heaviest", float(product))
    print(f"\nworst log2 sum|e| over {HEAVIEST_KEYS} keys: product {product:.2f}, rows {rows:.2f}")
    assert product < LIMIT
    assert rows < LIMIT


def test_with_the_flood_decryption_is_exact_and_the_flood_covers_the_noise() -> None:
    """Phase = plaintext + t (e + r), |e + r| near 2^124, below Q / 2 by two bits."""
    inputs = honest_slots(seed=3)
    policy = default_policy(2)
    for i in range(10):
        key, (p, b) = TestKey(), next(inputs)
        streams = ScriptedStream(f"product {i}"), ScriptedStream(f"rows {i}")
        session = run_session(key, policy, key.encrypt(p), key.encrypt(b), *streams)
        assert session.outcome.lanes == reference_decision(policy, p, b)
        for ciphertext in (session.product, session.rows):
            phase, noise = key.phase(ciphertext)[0], key.noise(ciphertext)[0]
            assert 2 ** (FLOOD_BITS - 1) < np.abs(noise).max() <= 2**FLOOD_BITS + 2**LIMIT
            assert np.abs(phase).max() < Q // 4
            # SEAL's decryption agrees with the exact one, slot for slot.
            exact = polynomial_of_slots(key.engine, key.decrypt(ciphertext))
            assert (phase % T == exact.astype(object)).all()


def test_the_measurement_against_a_noise_that_is_known() -> None:
    """The same e comes out that a test puts in, and SEAL's budget agrees within two bits."""
    key, rng = TestKey(), np.random.default_rng(4)
    slots = rng.integers(0, T, N, np.uint64)
    fresh = key.encrypt_symmetric(slots)
    (before,) = key.noise(fresh)
    assert np.abs(before).max() < 2**8  # SD 3.2, and half a unit of the lift

    stream = ScriptedStream("known")
    from gateway.he.blinding import noise as blinding_noise

    engine = key.engine
    flooded = engine.ciphertext(
        engine.add(engine.load(fresh.words), blinding_noise(engine, stream, "x"))
    )
    low, high = ScriptedStream("known").flood("x/r", N)
    r = low.astype(object) + (high.astype(object) << 62)
    (after,) = key.noise(flooded)
    # What remains is e1 * s: 8192 terms of variance 10.5 * 2/3.
    rest = after - before - r
    assert 0 < np.abs(rest).max() < 2**12
    (phase,) = key.phase(flooded)
    budget = math.log2(Q) - math.log2(np.abs(centred(phase, Q)).max()) - 1
    assert abs(budget - key.noise_budget(flooded)) < 2
