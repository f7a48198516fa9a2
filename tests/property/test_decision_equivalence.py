"""The encrypted decision is the plaintext decision of the same integers, exactly.

Three layers: the identity of section 6 over small moduli, all of it; both servers' real code on
plaintext values modulo t with dealings of chosen r; and ciphertexts from end to end, on both
engines. Edges are listed in ``tests.support.decisions``.

A pad near half of Q' makes one session in 2^26 wrap. Here pads follow from fixed names, none of
which lies there.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gateway.he.interval
from gateway.he import dcf
from gateway.he.engines import make_engine
from gateway.he.frame import lane_slots, probe_signs, template_values
from gateway.wire.policy import MAX_WIDTH, LanePolicy, MatchPolicy
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import T
from tests.support.decisions import (
    HIGHEST,
    LOWEST,
    NARROW,
    RULES,
    USUAL,
    WIDEST,
    check_edges,
    check_values,
    dealings_with,
    edge_randoms,
    edge_values,
    expected,
    mutated,
)
from tests.support.he import (
    ScriptedStream,
    TestKey,
    at_cosine,
    inputs_with_values,
    policy_of,
    reference_decision,
    run_session,
    unit,
)

Case = tuple[MatchPolicy, tuple[int, int], tuple[int, int]]
"""Policy, v of each lane, r of each lane."""


@pytest.fixture(scope="module")
def key() -> TestKey:
    return TestKey()


# --- the identity, over small moduli -------------------------------------------------------------


def small_interval(t: int, bits: int) -> ModuleType:
    """The module's own code modulo a small t, with comparison keys of so many bits."""
    pinned = "from gateway.wire.profile import LANES, T_BITS, T"
    with mutated(gateway.he.interval, (pinned, f"LANES, T_BITS, T = 2, {bits}, {t}")) as copy:

        @cache
        def evaluate(party: int, comparison: bytes, x: int) -> int:
            assert 0 <= x < t
            return dcf.evaluate(party, comparison, x, bits)

        copy.dcf = SimpleNamespace(evaluate=evaluate)  # type: ignore[attr-defined]
        return copy


@pytest.mark.parametrize(("t", "bits"), [(5, 3), (17, 5), (31, 5)])
def test_every_value_random_and_interval_of_a_small_modulus(t: int, bits: int) -> None:
    """All r, v, lo and W: both servers' own code against lo <= v < lo + W modulo t."""
    interval, roots = small_interval(t, bits), (bytes(range(32)), bytes(range(32, 64)))
    count = 0
    for r in range(t):
        keys = dcf.generate(r, roots, bits)
        lanes = [SimpleNamespace(key=comparison) for comparison in keys]
        for lo in range(t) if t < 20 else (0, 1, t // 2, t - 1):
            for width in range(1, t):
                rule = SimpleNamespace(lo=lo, width=width)
                for v in range(t):
                    m = (v + r) % t
                    shares = tuple(interval.share(i, lanes[i], rule, m) for i in (0, 1))
                    accepted = interval.accepts(rule, m, shares)
                    assert accepted is ((v - lo) % t < width), (t, r, v, lo, width)
                    count += 1
    assert count >= t**2 * (t - 1) * 4


def test_without_the_carry_the_identity_is_wrong() -> None:
    """The control: [x < W] alone is right only where nothing wraps."""
    t, wrong = 17, 0
    cases = [(r, v, width) for r in range(t) for v in range(t) for width in range(1, t)]
    for r, v, width in cases:
        wrong += ((v + r) % t < width) != (v < width)
    assert wrong > len(cases) // 4


# --- both servers' code on plaintext values ------------------------------------------------------


def test_every_edge_on_plaintext_values() -> None:
    cases_of_a_rule = (4 + 5) * 9  # values * r
    assert check_edges() == len(RULES) ** 2 * cases_of_a_rule


@st.composite
def lane_policies(draw: st.DrawFn) -> LanePolicy:
    width = draw(st.one_of(st.integers(1, 3), st.integers(1, MAX_WIDTH)))
    highest = T // 2 - width
    lo = draw(st.one_of(st.integers(1, 3), st.integers(1, highest), st.just(highest)))
    return LanePolicy(lo=lo, hi=lo + width - 1)


@st.composite
def plain_cases(draw: st.DrawFn) -> Case:
    """Values near an end of the interval, near zero, near t, or anywhere; r likewise."""
    rules, values, randoms = [draw(lane_policies()) for _ in range(2)], [], []
    anywhere = st.integers(0, T - 1)
    for rule in rules:
        ends = st.sampled_from([0, rule.lo, rule.hi, rule.hi + 1, T // 2])
        near = st.tuples(ends, st.integers(-3, 3)).map(sum).map(lambda v: v % T)
        v = draw(st.one_of(near, anywhere))
        # r that puts m or a bound beside a power of two, zero or t
        of = draw(st.sampled_from([v, v - rule.lo, v - rule.hi - 1]))
        power = st.one_of(st.integers(0, 27).map(lambda i: 1 << i), st.just(0))
        beside = st.tuples(power, st.integers(-1, 1)).map(sum)
        values.append(v)
        randoms.append(draw(st.one_of(anywhere, beside.map(lambda x, of=of: (x - of) % T))))
    return policy_of(*rules), (values[0], values[1]), (randoms[0], randoms[1])


@settings(max_examples=800)
@given(plain_cases())
def test_any_value_random_and_interval_on_plaintext_values(case: Case) -> None:
    policy, values, randoms = case
    check_values(policy, values, randoms, gateway.he.interval)


# --- on ciphertexts ------------------------------------------------------------------------------


class EncryptedValues:
    """Ciphertext pairs whose lane scores are given values; each pair is encrypted once."""

    def __init__(self, key: TestKey, seed: int) -> None:
        self._key = key
        self._rng = np.random.default_rng(seed)
        self._made: dict[tuple[int, ...], tuple[Ciphertext, Ciphertext]] = {}

    def check(self, case: Case, name: str) -> tuple[bool, ...]:
        """Decide on ciphertexts and compare: scores, what both servers see, lane bits."""
        policy, values, randoms = case
        if values not in self._made:
            slots = inputs_with_values(values, self._rng)
            assert reference_decision(policy, *slots) == expected(policy, values)
            probe, template = (self._key.encrypt_signed(s) for s in slots)
            self._made[values] = probe, template
        session = run_session(
            self._key,
            policy,
            *self._made[values],
            ScriptedStream(name),
            dealings=dealings_with(randoms, name),
        )
        assert session.scores == tuple(v % T for v in values)
        assert session.values == tuple((v + r) % T for v, r in zip(values, randoms, strict=True))
        assert session.lanes == expected(policy, values)
        return session.lanes


def crossed(rules: tuple[LanePolicy, LanePolicy]) -> list[Case]:
    """Every edge value of one lane with every one of the other, each r of the list in turn."""
    policy = policy_of(*rules)
    cases: list[Case] = []
    for i, first in enumerate(edge_values(rules[0])):
        for j, second in enumerate(edge_values(rules[1])):
            randoms = edge_randoms(rules[0], first), edge_randoms(rules[1], second)
            for k in range(len(randoms[0])):
                pair = randoms[0][k], randoms[1][(k + i + j) % len(randoms[1])]
                cases.append((policy, (first, second), pair))
    return cases


@pytest.mark.slow
@pytest.mark.parametrize(
    "rules", [(USUAL, NARROW), (LOWEST, HIGHEST)], ids=["usual-narrow", "lowest-highest"]
)
def test_every_edge_encrypted(key: TestKey, rules: tuple[LanePolicy, LanePolicy]) -> None:
    encrypted, cases = EncryptedValues(key, seed=1), crossed(rules)
    assert len(cases) == 4 * 4 * 9
    lanes = {encrypted.check(case, f"{i}") for i, case in enumerate(cases)}
    assert len(lanes) == 4  # every combination of lane bits


def test_edges_encrypted_on_the_other_engine() -> None:
    """The older SEAL: the same key material never meets the default engine here."""
    encrypted = EncryptedValues(TestKey(make_engine("tenseal")), seed=2)
    cases = crossed((USUAL, WIDEST))
    lanes = {encrypted.check(case, f"{i}") for i, case in enumerate(cases[::7])}
    assert len(lanes) == 4


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(case=plain_cases(), seed=st.integers(0, 2**32))
def test_any_value_random_and_interval_encrypted(key: TestKey, case: Case, seed: int) -> None:
    EncryptedValues(key, seed).check(case, f"any {seed % 60}")


@pytest.mark.slow
def test_face_vectors_at_every_cosine_encrypted(key: TestKey) -> None:
    """Signs and integers of unit vectors, probe and action lane of their own, -0.2 to 1."""
    rng, policy, decisions = np.random.default_rng(4), policy_of(USUAL), []
    for i in range(150):
        template = unit(rng)
        near = rng.uniform(0.38, 0.46) if i % 2 else rng.uniform(-0.2, 1.0)
        probe, action = (
            at_cosine(rng, template, near),
            at_cosine(rng, template, rng.uniform(0.4, 1)),
        )
        t, p, a = template_values(template), probe_signs(probe), probe_signs(action)
        slots = lane_slots(p, a), lane_slots(t, t)
        session = run_session(
            key, policy, *(key.encrypt(s) for s in slots), ScriptedStream(f"face {i}")
        )
        plain = tuple(USUAL.lo <= int(x @ t) <= USUAL.hi for x in (p, a))
        assert session.scores == tuple(int(x @ t) % T for x in (p, a))
        assert session.lanes == plain
        decisions.append(plain)
    assert len(set(decisions)) == 4
