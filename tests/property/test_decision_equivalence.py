"""The encrypted decision is the plaintext decision of the same integers, exactly.

On plaintext values modulo t the gateway's real bounds and rows are evaluated over thousands of
cases; on ciphertexts, from end to end, every edge of one and two lanes and some of three. Edges are
listed in ``tests.support.decisions``.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gateway.he.interval
import gateway.he.product
from gateway.he.encryption import lane_slots
from gateway.he.quantise import quantise
from gateway.wire.policy import LanePolicy
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import T
from tests.support.decisions import (
    FORCED,
    NARROW,
    Case,
    check_case,
    check_edges,
    check_outcome,
    edge_cases,
    forcing_masks,
    wraps,
)
from tests.support.he import (
    ScriptedStream,
    TestKey,
    at_cosine,
    default_policy,
    policy_of,
    reference_decision,
    run_session,
    slots_with_values,
    unit,
)

TWO_INTERVALS = policy_of(LanePolicy.for_cosine("0.419"), NARROW)


@pytest.fixture(scope="module")
def key() -> TestKey:
    return TestKey()


# --- on plaintext values, through the real bounds and rows ---------------------------------------


def test_every_edge_on_plaintext_values() -> None:
    one_lane = 4 * (4 * 8 * 2)  # policies * (values * masks * flips)
    two_lanes = 16 * 8 * 4
    assert check_edges() == one_lane + two_lanes


def test_forcing_masks_reach_both_orders_of_the_bounds() -> None:
    rule = default_policy(1).lanes[0]
    masks = forcing_masks(rule)
    bounds = [gateway.he.product.LaneBounds.of(rule, rho) for rho in masks]
    assert [b.left for b in bounds[:3]] == list(FORCED)
    assert [b.right for b in bounds[3:]] == list(FORCED)
    assert [b.wraps for b in bounds] == [wraps(rule, rho) for rho in masks]
    assert {b.wraps for b in bounds} == {False, True}


@st.composite
def lane_policies(draw: st.DrawFn) -> LanePolicy:
    width = draw(st.one_of(st.integers(0, 3), st.integers(0, T // 2**14 - 2)))
    lo = draw(st.one_of(st.integers(1, 3), st.integers(1, T // 2 - 1 - width)))
    return LanePolicy(ks=76, kn=16, lo=lo, hi=lo + width)


@st.composite
def plain_cases(draw: st.DrawFn) -> Case:
    """Values near an end of the interval, near zero, near t, or anywhere; masks likewise."""
    lanes = draw(st.lists(lane_policies(), min_size=1, max_size=3))
    anywhere, values, rho = st.integers(0, T - 1), [], []
    for rule in lanes:
        ends = st.sampled_from([0, rule.lo, rule.hi, rule.hi + 1, T // 2, 2**33])
        near = st.tuples(ends, st.integers(-3, 3)).map(sum).map(lambda v: v % T)
        v = draw(st.one_of(near, anywhere))
        # A mask that puts the masked value or a bound beside a power of two, zero or t.
        of = draw(st.sampled_from([v, rule.lo, rule.hi + 1]))
        power = st.integers(0, 33).map(lambda i: 1 << i)
        target = st.tuples(st.one_of(power, st.just(0)), st.integers(-1, 1)).map(sum)
        values.append(v)
        rho.append(draw(st.one_of(anywhere, target.map(lambda x, of=of: (x - of) % T))))
    flips = draw(st.tuples(*[st.integers(0, 1)] * len(lanes)))
    return Case(policy_of(*lanes), tuple(values), tuple(rho), flips)


@settings(max_examples=800)
@given(case=plain_cases(), name=st.text(max_size=4))
def test_any_value_mask_and_interval_on_plaintext_values(case: Case, name: str) -> None:
    check_case(
        case, name, product=gateway.he.product, interval=gateway.he.interval, first_bytes=None
    )


def test_ten_thousand_cases_beside_powers_of_two() -> None:
    """Masked values and bounds that differ in high, low, all or no bits."""
    rng, accepted, wrapped = np.random.default_rng(5), 0, 0
    for i in range(10_000):
        lo = int(rng.integers(1, T // 2 - 3000))
        rule = LanePolicy(ks=76, kn=16, lo=lo, hi=lo + int(rng.choice([0, 1, 2, 3000])))
        v = int(rng.choice([lo, rule.hi]) + rng.integers(-2, 3)) % T
        of = int(rng.choice([v, rule.lo, rule.hi + 1]))
        rho = ((1 << int(rng.integers(0, 35))) + int(rng.integers(-1, 2)) - of) % T
        case = Case(policy_of(rule), (v,), (rho,), (i & 1,))
        check_case(
            case,
            f"{i}",
            product=gateway.he.product,
            interval=gateway.he.interval,
            first_bytes=None,
        )
        accepted += case.expected[0]
        wrapped += wraps(rule, rho)
    assert min(accepted, 10_000 - accepted) > 2_000
    assert wrapped > 200


# --- on ciphertexts ------------------------------------------------------------------------------


class EncryptedValues:
    """Ciphertext pairs whose lane scores are given values; each pair is encrypted once."""

    def __init__(self, key: TestKey, seed: int) -> None:
        self._key = key
        self._rng = np.random.default_rng(seed)
        self._made: dict[tuple[int, ...], tuple[Ciphertext, Ciphertext]] = {}

    def check(self, case: Case, name: str) -> None:
        """Decide the case on ciphertexts and compare.

        Raises:
            WrongDecision: not the plaintext decision.
        """
        if case.values not in self._made:
            slots = slots_with_values(case.policy, case.values, self._rng)
            assert reference_decision(case.policy, *slots) == case.expected
            self._made[case.values] = tuple(self._key.encrypt(s) for s in slots)
        session = run_session(
            self._key,
            case.policy,
            *self._made[case.values],
            ScriptedStream(f"product {name}", rho=dict(enumerate(case.rho))),
            ScriptedStream(f"rows {name}", flips=dict(enumerate(case.flips))),
        )
        masked = tuple((v + r) % T for v, r in zip(case.values, case.rho, strict=True))
        assert session.masked == masked
        check_outcome(case, session.outcome)


def test_every_edge_encrypted_on_one_lane(key: TestKey) -> None:
    policy, count = default_policy(1), 0
    encrypted = EncryptedValues(key, seed=1)
    for case in edge_cases(policy):
        encrypted.check(case, f"one {count}")
        count += 1
    assert count == 4 * 6 * 2


@pytest.mark.slow
def test_every_edge_encrypted_on_two_lanes_of_different_intervals(key: TestKey) -> None:
    count = 0
    encrypted = EncryptedValues(key, seed=2)
    for case in edge_cases(TWO_INTERVALS):
        encrypted.check(case, f"two {count}")
        count += 1
    assert count == 4**2 * 6 * 2**2


def test_edges_encrypted_on_three_lanes(key: TestKey) -> None:
    policy = default_policy(3)
    encrypted = EncryptedValues(key, seed=3)
    cases = list(edge_cases(policy))
    chosen = cases[::37]
    assert len(cases) == 4**3 * 6 * 2**3
    assert len(chosen) == 84
    decisions = {all(case.expected) for case in chosen}
    assert decisions == {True, False}
    for i, case in enumerate(chosen):
        encrypted.check(case, f"three {i}")


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(case=plain_cases(), seed=st.integers(0, 2**32))
def test_any_value_mask_and_interval_encrypted(key: TestKey, case: Case, seed: int) -> None:
    EncryptedValues(key, seed).check(case, str(seed))


@pytest.mark.slow
def test_face_vectors_at_every_cosine_encrypted(key: TestKey) -> None:
    """Quantised unit vectors, probe and action lane of their own, cosines from -0.2 to 1."""
    rng, policy, decisions = np.random.default_rng(4), default_policy(2), []
    for i in range(150):
        template = unit(rng)
        near = rng.uniform(0.38, 0.46) if i % 2 else rng.uniform(-0.2, 1.0)
        probe = at_cosine(rng, template, near)
        action = at_cosine(rng, template, rng.uniform(0.40, 1.0))
        b, p, a = quantise(template), quantise(probe), quantise(action)
        slots = lane_slots(p, a), lane_slots(b, b)
        session = run_session(
            key,
            policy,
            *(key.encrypt(s) for s in slots),
            ScriptedStream(f"p{i}"),
            ScriptedStream(f"r{i}"),
        )
        rule = policy.lanes[0]
        plain = tuple(
            rule.lo <= rule.ks * int(x @ b) - rule.kn * int(x @ x) <= rule.hi for x in (p, a)
        )
        assert session.outcome.lanes == plain == reference_decision(policy, *slots)
        decisions.append(plain)
    assert len(set(decisions)) == 4  # every combination of lane bits occurred
