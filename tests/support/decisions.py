"""The edge cases of the private decision, and the checks that every mutant has to fail.

Edges of the value: v in {lo - 1, lo, hi, hi + 1}, and far outside. Edges of the dealt r: 0, 1,
t - 1, and all that make x = m - lo or x' = x - W wrap around t by one less, exactly, or by one
more.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product as cartesian
from pathlib import Path
from types import ModuleType
from typing import Any

import gateway.he.interval
from gateway.he import dcf
from gateway.wire.dealing import AUTHORITY, GATEWAY, Dealing, LaneDealing
from gateway.wire.policy import MAX_WIDTH, LanePolicy, MatchPolicy
from gateway.wire.profile import T
from tests.support.he import policy_of
from tests.support.parties import fixed_bytes

USUAL = LanePolicy.for_cosine("0.419")
NARROW = LanePolicy(lo=2739, hi=2739)
"""One accepted value."""
LOWEST = LanePolicy(lo=1, hi=2)
WIDEST = LanePolicy(lo=2739, hi=2739 + MAX_WIDTH - 1)
HIGHEST = LanePolicy(lo=T // 2 - MAX_WIDTH, hi=T // 2 - 1)
RULES = (USUAL, NARROW, LOWEST, WIDEST, HIGHEST)


class WrongDecision(AssertionError):
    """The private decision is not the plaintext decision, or says more than it may."""


def edge_values(rule: LanePolicy) -> tuple[int, int, int, int]:
    return rule.lo - 1, rule.lo, rule.hi, rule.hi + 1


def far_values(rule: LanePolicy) -> tuple[int, ...]:
    """Values that only a wrap could bring into the window."""
    return 0, T - 1, T // 2, T - rule.lo, T - rule.hi


def edge_randoms(rule: LanePolicy, value: int) -> tuple[int, ...]:
    """r at both ends, and beside each value at which x or x' wraps."""
    z = value - rule.lo
    wraps = [-z, rule.width - z]
    near = [at + step for at in wraps for step in (-1, 0, 1)]
    return (0, 1, T - 1, *(r % T for r in near))


def dealings_with(
    randoms: Sequence[int], label: str = "chosen", shares: Sequence[int] | None = None
) -> tuple[Dealing, Dealing]:
    """What an honest issuer would deal if it had drawn these r, as both servers read it."""
    lanes = []
    for i, r in enumerate(randoms):
        roots = fixed_bytes(f"root/{label}/{i}/0"), fixed_bytes(f"root/{label}/{i}/1")
        keys = dcf.generate(r, roots)
        drawn = int.from_bytes(fixed_bytes(f"share/{label}/{i}", 8), "little") % T
        first = drawn if shares is None else shares[i]
        lanes.append((LaneDealing(keys[0], first), LaneDealing(keys[1], (r - first) % T)))
    (g0, a0), (g1, a1) = lanes
    ours = Dealing(GATEWAY, (g0, g1)).encoded
    theirs = Dealing(AUTHORITY, (a0, a1)).encoded
    return Dealing.decode(ours, GATEWAY), Dealing.decode(theirs, AUTHORITY)


def decided(
    policy: MatchPolicy,
    dealings: tuple[Dealing, Dealing],
    values: Sequence[int],
    interval: Any = gateway.he.interval,
) -> tuple[bool, ...]:
    """Lane bits of both servers for plaintext values, by the module's own code."""
    bits = []
    for rule, ours, theirs, v in zip(
        policy.lanes, dealings[0].lanes, dealings[1].lanes, values, strict=True
    ):
        m = (v + ours.share + theirs.share) % T
        shares = (
            interval.share(GATEWAY, ours, rule, m),
            interval.share(AUTHORITY, theirs, rule, m),
        )
        bits.append(interval.accepts(rule, m, shares))
    return tuple(bits)


def expected(policy: MatchPolicy, values: Sequence[int]) -> tuple[bool, ...]:
    """What the protocol promises for these values."""
    return tuple(rule.lo <= v % T <= rule.hi for rule, v in zip(policy.lanes, values, strict=True))


def check_values(
    policy: MatchPolicy, values: Sequence[int], randoms: Sequence[int], interval: Any
) -> None:
    """Raise ``WrongDecision`` unless both servers decide as the protocol promises."""
    dealings = dealings_with(randoms)
    if decided(policy, dealings, values, interval) != expected(policy, values):
        raise WrongDecision(f"v={values}, r={randoms}, {policy.lanes}")


def edge_cases(
    rules: Sequence[LanePolicy] = RULES,
) -> Iterator[tuple[MatchPolicy, tuple[int, int], tuple[int, int]]]:
    """Policy, values, r. Every edge of every interval in each lane, another one's beside it."""
    for rule, other in cartesian(rules, rules):
        policy = policy_of(rule, other)
        firsts = [
            (v, r) for v in (*edge_values(rule), *far_values(rule)) for r in edge_randoms(rule, v)
        ]
        seconds = [(v, r) for v in edge_values(other) for r in edge_randoms(other, v)]
        for i, (v, r) in enumerate(firsts):
            beside, random = seconds[i % len(seconds)]
            yield policy, (v, beside), (r, random)


def check_edges(interval: Any = gateway.he.interval, rules: Sequence[LanePolicy] = RULES) -> int:
    """Every edge on plaintext values, through the module's own code.

    Returns:
        The number of cases.

    Raises:
        WrongDecision: in the first case that is decided wrongly.
    """
    count = 0
    for policy, values, randoms in edge_cases(rules):
        check_values(policy, values, randoms, interval)
        count += 1
    return count


@contextmanager
def mutated(module: ModuleType, *replacements: tuple[str, str]) -> Iterator[ModuleType]:
    """A copy of the module with texts replaced; each must occur exactly once."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    for old, new in replacements:
        assert source.count(old) == 1, f"{module.__name__} no longer has {old!r} once"
        source = source.replace(old, new)
    spec = importlib.util.spec_from_loader(f"{module.__name__}_mutant", loader=None)
    assert spec is not None
    copy = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = copy  # dataclasses look their module up
    try:
        exec(compile(source, str(module.__file__), "exec"), copy.__dict__)
        yield copy
    finally:
        del sys.modules[spec.name]
