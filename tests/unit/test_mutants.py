"""Mutants of the private decision: each step left out or off by one, and the check that sees it.

A mutant is the module's own source with one place replaced; the replaced text must occur exactly
once, so these tests fail when the source changes. The unmutated copies survive all checks.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

import gateway.he.interval
import gateway.he.product
import gateway.he.randomness
from gateway.he.product import LaneBounds
from gateway.wire.profile import T_BITS, T
from tests.support.decisions import NARROW, WrongDecision, check_edges, mutated
from tests.support.he import (
    ROWS,
    ScriptedStream,
    TestKey,
    default_policy,
    plain_outcome,
    policy_of,
    reference_decision,
    run_session,
    slots_with_values,
)

PRODUCT = gateway.he.product
INTERVAL = gateway.he.interval


# --- the checks ----------------------------------------------------------------------------------


def edges(product: ModuleType, interval: ModuleType) -> None:
    """Decision equivalence at every edge, on plaintext values through the module's own code."""
    check_edges(product=product, interval=interval)


def edges_with_a_zero_draw(product: ModuleType, interval: ModuleType) -> None:
    """The same, where the stream of row factors begins with a zero for every row."""
    zeros = {f"rows/scale/{k}": bytes(5 * ROWS) for k in range(6)}
    check_edges(product=product, interval=interval, first_bytes=zeros)


def forms(product: ModuleType, interval: ModuleType) -> None:
    """The affine forms of a comparison are the protocol's, number for number."""
    rng = np.random.default_rng(1)
    for y in (0, 1, T - 1, *(int(x) for x in rng.integers(0, T, 20))):
        for flip in (0, 1):
            weights, constants = interval.comparison(y, flip)
            for m in (0, T - 1, y, *(int(x) for x in rng.integers(0, T, 5))):
                bits = np.array([(m >> j) & 1 for j in range(T_BITS)])
                if (weights @ bits + constants).tolist() != protocol_rows(m, y, flip):
                    raise WrongDecision(f"rows of m={m}, y={y}, flip={flip}")


def protocol_rows(m: int, y: int, flip: int) -> list[int]:
    """Section 6 in plain Python."""
    sign = -1 if flip else 1
    mb, yb = ([(x >> j) & 1 for j in range(34)] for x in (m, y))
    rows = [
        1 + sign * (mb[i] - yb[i]) + 3 * sum(mb[j] ^ yb[j] for j in range(i + 1, 34))
        for i in range(34)
    ]
    return [*rows, 3 * sum(a ^ b for a, b in zip(mb, yb, strict=True)) + (0 if flip else 2)]


def coin(product: ModuleType, interval: ModuleType) -> None:
    """Which comparison of an accepted lane has the zero row is a fair coin, over 400 seeds."""
    policy = default_policy(1)
    value, rho = policy.lanes[0].lo + 7, 12345  # L <= m < R, so [m < L] = 0 and [m < R] = 1
    first = [
        plain_outcome(
            policy, [value], [rho], ScriptedStream(f"c{i}"), product=product, interval=interval
        ).zeros[0]
        for i in range(400)
    ]
    if not 150 < sum(first) < 250:  # five standard deviations
        raise WrongDecision(f"{sum(first)} of 400")


def places(product: ModuleType, interval: ModuleType) -> None:
    """The zero row is found in at least 30 of the 35 places, for one m and y, over 400 seeds."""
    found = set()
    for i in range(400):
        stream = ScriptedStream(f"p{i}", flips={0: 0})
        rows = interval.make_rows((LaneBounds(5, 9),), stream)
        addends = rows.addends[: 34 * ROWS].reshape(ROWS, 34)
        factors = rows.factors[: 34 * ROWS].reshape(ROWS, 34)
        bits = np.array([(3 >> j) & 1 for j in range(34)], dtype=np.uint64)
        sums = ((factors * bits) + addends).sum(axis=1) % np.uint64(T)
        found |= set(np.flatnonzero(sums == 0).tolist())
    if len(found) < 30:
        raise WrongDecision(f"only {len(found)} places")


def encrypted(product: ModuleType, interval: ModuleType) -> None:
    """Decision equivalence on ciphertexts: two lanes of different intervals."""
    key, rng = TestKey(), np.random.default_rng(2)
    policy = policy_of(*default_policy(1).lanes, NARROW)
    wide, narrow = policy.lanes
    for i, values in enumerate(
        [(wide.lo, narrow.lo), (wide.hi, narrow.lo - 1), (wide.lo - 1, narrow.lo)]
    ):
        slots = slots_with_values(policy, values, rng)
        session = run_session(
            key,
            policy,
            *(key.encrypt(s) for s in slots),
            ScriptedStream(f"product {i}"),
            ScriptedStream(f"rows {i}"),
            product=product,
            interval=interval,
        )
        if session.outcome.lanes != reference_decision(policy, *slots):
            raise WrongDecision(str(values))


Check = Callable[[ModuleType, ModuleType], None]
CHECKS: tuple[Check, ...] = (edges, edges_with_a_zero_draw, forms, coin, places, encrypted)

LEFT = "(policy.lo + rho) % T"
RIGHT = "(policy.hi + 1 + rho) % T"
FLIPS = "flips = (flip, flip ^ bound.wraps)"
EQUALITY = "(0 if flip else 2)"

MUTANTS: dict[str, tuple[ModuleType, tuple[tuple[str, str], ...], Check]] = {
    "L one too high": (PRODUCT, ((LEFT, "(policy.lo + 1 + rho) % T"),), edges),
    "L one too low": (PRODUCT, ((LEFT, "(policy.lo - 1 + rho) % T"),), edges),
    "R one too high": (PRODUCT, ((RIGHT, "(policy.hi + 2 + rho) % T"),), edges),
    "R one too low": (PRODUCT, ((RIGHT, "(policy.hi + rho) % T"),), edges),
    "L not reduced": (PRODUCT, ((LEFT, "policy.lo + rho"),), edges),
    "R not reduced": (PRODUCT, ((RIGHT, "policy.hi + 1 + rho"),), edges),
    "lo and hi change roles": (
        PRODUCT,
        ((LEFT, "(policy.hi + rho) % T"), (RIGHT, "(policy.lo + 1 + rho) % T")),
        edges,
    ),
    "lo for hi": (PRODUCT, ((RIGHT, "(policy.lo + 1 + rho) % T"),), edges),
    "wrap the wrong way round": (
        PRODUCT,
        (("self.left > self.right", "self.left < self.right"),),
        edges,
    ),
    "wrap never": (PRODUCT, (("return self.left > self.right", "return False"),), edges),
    "wrap ignored": (INTERVAL, ((FLIPS, "flips = (flip, flip)"),), edges),
    "first flip ignored": (INTERVAL, ((FLIPS, "flips = (0, flip ^ bound.wraps)"),), edges),
    "second flip ignored": (INTERVAL, ((FLIPS, "flips = (flip, bound.wraps)"),), edges),
    "both flips ignored": (INTERVAL, ((FLIPS, "flips = (0, bound.wraps)"),), coin),
    "flip ignored in the rows": (INTERVAL, (("sign = -1 if flip else 1", "sign = 1"),), edges),
    "flip ignored in the equality row": (INTERVAL, ((EQUALITY, "0"),), edges),
    "equality row dropped": (INTERVAL, ((EQUALITY, "2"),), edges),
    "equality row never weighted": (
        INTERVAL,
        (("    weights[T_BITS] = differs\n", ""),),
        edges,
    ),
    "second lane has the first one's mask": (
        PRODUCT,
        (("mask[i * LANE : (i + 1) * LANE].sum()", "mask[:LANE].sum()"),),
        encrypted,
    ),
    "higher bits not weighted": (INTERVAL, (("WEIGHT = 3", "WEIGHT = 0"),), edges),
    "higher bits can cancel": (INTERVAL, (("WEIGHT = 3", "WEIGHT = -1"),), edges),
    # Decides the same: 1 +- (m_i - y_i) is never negative here, so any positive weight does. The
    # protocol says 3, and whoever audits a session re-executes it to the bit.
    "weight 1": (INTERVAL, (("WEIGHT = 3", "WEIGHT = 1"),), forms),
    "lower bits weighted": (
        INTERVAL,
        (("np.triu(np.broadcast_to(differs, (T_BITS, T_BITS)), 1)",
          "np.tril(np.broadcast_to(differs, (T_BITS, T_BITS)), -1)"),),
        edges,
    ),
    "factor zero allowed": (
        INTERVAL,
        (("stream.nonzero_residues(", "stream.residues("),),
        edges_with_a_zero_draw,
    ),
    "constants not scaled": (
        INTERVAL,
        (("np.mod(scale * constants - rest, T)", "np.mod(constants - rest, T)"),),
        edges,
    ),
    "rows not permuted": (
        INTERVAL,
        (("weights, constants = forms[0][order], forms[1][order]", "weights, constants = forms"),),
        places,
    ),
    "Kn dropped": (PRODUCT, (("np.uint64(kn) * (_PRIMES - probe)", "np.uint64(0)"),), encrypted),
    "Kn added": (
        PRODUCT,
        (("np.uint64(kn) * (_PRIMES - probe)", "np.uint64(kn) * probe"),),
        encrypted,
    ),
    "Ks dropped": (PRODUCT, (("np.uint64(ks) * template", "template"),), encrypted),
}  # fmt: skip


def test_unmutated_copies_survive_every_check() -> None:
    with mutated(PRODUCT) as product, mutated(INTERVAL) as interval:
        assert product is not PRODUCT
        for check in CHECKS:
            check(product, interval)


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_killed(name: str) -> None:
    module, replacements, check = MUTANTS[name]
    with mutated(module, *replacements) as mutant:
        product = mutant if module is PRODUCT else PRODUCT
        interval = mutant if module is INTERVAL else INTERVAL
        with pytest.raises(WrongDecision):
            check(product, interval)


@pytest.mark.parametrize("name", ["weight 1", "both flips ignored", "rows not permuted"])
def test_mutants_that_decide_correctly_need_their_own_check(name: str) -> None:
    """The decision alone does not show these; a check of its own does."""
    module, replacements, _ = MUTANTS[name]
    with mutated(module, *replacements) as mutant:
        edges(PRODUCT, mutant)


def test_a_zero_in_the_sampler_is_killed() -> None:
    """The other half of "factor zero allowed": the sampler itself lets a zero pass."""
    randomness = gateway.he.randomness
    lowest = "return self._residues(label, count, lowest=1)"
    with mutated(randomness, (lowest, lowest.replace("1", "0"))) as mutant:

        class ZeroFirst(mutant.SeedStream):  # type: ignore[name-defined]
            def _bytes(self, label: str, count: int) -> bytes:
                first = bytes(5) if label.startswith("rows/scale/") else b""
                return first + super()._bytes(label, count)[len(first) :]

        policy = default_policy(1)

        def check() -> None:
            for i in range(20):
                stream = ZeroFirst(bytes([i]) * 32, bytes(32))
                if plain_outcome(policy, [policy.lanes[0].lo], [i], stream).lanes != (True,):
                    raise WrongDecision(str(i))

        with pytest.raises(WrongDecision):
            check()
