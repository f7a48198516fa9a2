"""The edge cases of the private decision, and the check that every mutant has to fail.

Edges: v in {lo-1, lo, hi, hi+1}; masks that force L or R to 0, 1 or t-1 (so both L < R and the
wrap L > R); both flips. v = lo makes m = L and v = hi + 1 makes m = R: equal bits.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product as cartesian
from pathlib import Path
from types import ModuleType
from typing import Any

import gateway.he.interval
import gateway.he.product
from gateway.wire.policy import LanePolicy, MatchPolicy
from gateway.wire.profile import T
from tests.support.he import Outcome, ScriptedStream, default_policy, plain_outcome, policy_of

FORCED = (0, 1, T - 1)
NARROW = LanePolicy(ks=76, kn=16, lo=160_000, hi=160_000)
"""One accepted value: L and R are neighbours."""
LOWEST = LanePolicy(ks=1, kn=1, lo=1, hi=2)
HIGHEST = LanePolicy(ks=512, kn=64, lo=T // 2 - 2**19, hi=T // 2 - 1)


class WrongDecision(AssertionError):
    """The private decision is not the plaintext decision, or not well formed."""


@dataclass(frozen=True)
class Case:
    """Values and masks per lane, and flips per lane."""

    policy: MatchPolicy
    values: tuple[int, ...]
    rho: tuple[int, ...]
    flips: tuple[int, ...]

    @property
    def expected(self) -> tuple[bool, ...]:
        return tuple(
            rule.lo <= v <= rule.hi for rule, v in zip(self.policy.lanes, self.values, strict=True)
        )


def edge_values(rule: LanePolicy) -> tuple[int, int, int, int]:
    return rule.lo - 1, rule.lo, rule.hi, rule.hi + 1


def forcing_masks(rule: LanePolicy) -> tuple[int, ...]:
    """Masks that make L, then R, each of 0, 1 and t-1."""
    left = [(bound - rule.lo) % T for bound in FORCED]
    right = [(bound - rule.hi - 1) % T for bound in FORCED]
    return (*left, *right)


def wraps(rule: LanePolicy, rho: int) -> bool:
    """L > R, from the protocol."""
    return (rule.lo + rho) % T > (rule.hi + 1 + rho) % T


def edge_cases(policy: MatchPolicy, extra: Sequence[int] = ()) -> Iterator[Case]:
    """All edge values of each lane with all others, masks rotating through the lanes, all flips.

    Args:
        policy: one to three lanes.
        extra: further masks, the same for every lane.
    """
    lanes = policy.lanes
    masks = [(*forcing_masks(rule), *extra) for rule in lanes]
    for values in cartesian(*(edge_values(rule) for rule in lanes)):
        for i in range(len(masks[0])):
            rho = tuple(own[(i + 2 * lane) % len(own)] for lane, own in enumerate(masks))
            for flips in cartesian((0, 1), repeat=len(lanes)):
                yield Case(policy, values, rho, flips)


def check_outcome(case: Case, outcome: Outcome) -> None:
    """Raise WrongDecision unless the bits are right and no comparison has two zero rows."""
    if outcome.lanes != case.expected:
        raise WrongDecision(f"{outcome.lanes} for {case}")
    if max(outcome.zeros) > 1:
        raise WrongDecision(f"several zero rows in one comparison for {case}")


def check_case(
    case: Case, name: str, *, product: Any, interval: Any, first_bytes: dict[str, bytes] | None
) -> None:
    stream = ScriptedStream(name, flips=dict(enumerate(case.flips)), first_bytes=first_bytes)
    check_outcome(
        case,
        plain_outcome(
            case.policy, case.values, case.rho, stream, product=product, interval=interval
        ),
    )


def check_edges(
    *,
    product: Any = gateway.he.product,
    interval: Any = gateway.he.interval,
    first_bytes: dict[str, bytes] | None = None,
) -> int:
    """Every edge on one lane, four policies, and on two lanes with different intervals.

    Runs the real bounds and rows (or a mutant's) on plaintext values modulo t.

    Returns:
        The number of cases.

    Raises:
        WrongDecision: in the first case that is decided wrongly.
    """
    single = [*default_policy(1).lanes, NARROW, LOWEST, HIGHEST]
    policies = [policy_of(rule) for rule in single]
    policies.append(policy_of(LanePolicy.for_cosine("0.419"), NARROW))
    count = 0
    for policy in policies:
        for case in edge_cases(policy, extra=(0, T // 3)):
            check_case(
                case, str(count), product=product, interval=interval, first_bytes=first_bytes
            )
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
