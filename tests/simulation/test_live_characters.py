"""Lattices that find whether a lane could say anything of the template, whatever the phase.

By the Fourier formula (soundness, L1) a phase that is no vector of signs makes noise of a session
unless one of its characters stays short through flood and rho. The cheapest one is a shortest
vector: it is found where it is known to be alive, and shown to be dead elsewhere.
``test_lying_device`` asks the same by simulation.
"""

from __future__ import annotations

from itertools import product
from math import isqrt

import pytest

from gateway.he.ring import LANE_FACTOR
from gateway.lab.attack import forging
from gateway.wire.profile import LANE, T
from tests.support.counts import at_most
from tests.support.he import Q, default_policy
from tests.support.phases import PhaseModel, accepted
from tests.support.reduction import reduced
from tests.support.small_phases import scalar, small_phases, square_root_of_one

RULE = default_policy().lanes[0]
CLAIMED = 2**-14
"""Noise is accepted at most so often."""


def cheapest_character(first: int, second: int, flood_bits: int, lane: int) -> float:
    """How costly the cheapest character is that would see the template; below 1 it is alive.

    By the Fourier formula (soundness, L1) a lane says something of T only through n in a lattice of
    index t in Z^2 for which n itself (below t), n^ phi (below Q / 2^(bits + 1)) and n^ (phi^2 - 1)
    / t (below Q / t) are all short modulo Q. One lattice of six dimensions has them all.
    """
    square = (first * first - 2 * second * second - 1), 2 * first * second
    w = [value * pow(T, -1, Q) % Q for value in square]
    unit = 1 << 80
    own, flood, rho = unit // T, (unit << flood_bits + 1), unit * T

    def row(n: tuple[int, int], wraps: tuple[int, ...]) -> list[int]:
        by_flood = n[0] * first + 2 * n[1] * second, n[1] * first - n[0] * second
        by_rho = n[0] * w[0] + 2 * n[1] * w[1], n[1] * w[0] - n[0] * w[1]
        moved = [value + k * Q for value, k in zip((*by_flood, *by_rho), wraps, strict=True)]
        return [
            *(own * value for value in n),
            *(value * flood // Q for value in moved[:2]),
            *(value * rho // Q for value in moved[2:]),
        ]

    factor = (1, -1)[lane] * LANE_FACTOR * pow(LANE, -1, T) % T
    none = (0, 0, 0, 0)
    rows = [row((1, factor), none), row((0, T), none)]
    rows += [row((0, 0), tuple(int(i == j) for j in range(4))) for i in range(4)]
    shortest = reduced(rows)[0]
    return max(abs(value) for value in shortest) / unit


def test_lattice_reduction_finds_what_is_alive() -> None:
    """Signs, their fractions, square roots under a short flood: as simulation says."""
    for lane in (0, 1):
        assert cheapest_character(1, 0, 76, lane) < 0.01
        assert cheapest_character((3 + T) * pow(3, -1, Q), 0, 76, lane) < 0.02
        assert cheapest_character(square_root_of_one(2), 0, 50, lane) < 0.01
        assert cheapest_character(square_root_of_one(2), 0, 60, lane) < 0.1
        assert cheapest_character(square_root_of_one(2), 0, 76, lane) > 10


@pytest.mark.slow
def test_lattice_reduction_finds_nothing_alive_in_what_is_no_sign_vector() -> None:
    """Every phase of the list, and the denominators of near sqrt(t) whose squares are smallest."""
    phases = small_phases()
    costs = {
        name: min(cheapest_character(*phase, 76, lane) for lane in (0, 1))
        for name, phase in phases.items()
    }
    worst = sorted(costs, key=costs.__getitem__)[:5]
    print({name: round(costs[name], 2) for name in worst})
    assert min(costs.values()) >= 0.5


def two_dimensional_fractions() -> dict[str, tuple[int, int]]:
    """mu / B with B in Z[theta] of prime norm d: the square is short and 1 in both lanes.

    mu^2 = -k Q modulo B^2, and mu^2 = B^2 - k modulo t in each lane; mu is then as short as B^2 t.
    """
    root = 2 * LANE_FACTOR * pow(LANE, -1, T) % T  # theta in lane 0; its opposite in lane 1
    found: dict[str, tuple[int, int]] = {}
    for size in (3, 9, 31, 101, 401, 1501, 5001, 8001):
        for b in product(range(size, size + 30, 2), range(1, 5)):
            d = b[0] * b[0] + 2 * b[1] * b[1]
            if any(d % q == 0 for q in range(2, isqrt(d) + 1)):
                continue
            theta = -b[0] * pow(b[1], -1, d) % d
            theta = (theta - (theta * theta + 2) * pow(2 * theta, -1, d * d)) % (d * d)
            for k in (1, -1):
                mu = _numerator(b, d, theta, root, k)
                if mu is not None:
                    top, inverse = _times(mu, (b[0], -b[1])), pow(d, -1, Q)
                    found[f"mu / {b}, k {k}"] = top[0] * inverse % Q, top[1] * inverse % Q
    return found


def _numerator(b: tuple[int, int], d: int, theta: int, root: int, k: int) -> tuple[int, int] | None:
    modulo_b = forging.root_modulo(-k * Q % d, d)
    lanes = [forging.root_modulo((b[0] + sign * root * b[1]) ** 2 - k, T) for sign in (1, -1)]
    if not modulo_b or None in lanes:
        return None
    square = d * d
    lifted = (modulo_b - (modulo_b**2 + k * Q) * pow(2 * modulo_b, -1, square)) % square
    first, second = (int(value or 0) for value in lanes)
    y = (first - second) * pow(2 * root, -1, T) % T
    x = (first + second) * pow(2, -1, T) % T
    x += T * ((lifted - y * theta - x) * pow(T, -1, square) % square)
    modulus = _times(_times(b, b), (T, 0))  # taken off as often as it fits
    norm = modulus[0] ** 2 + 2 * modulus[1] ** 2
    quotient = _times((x, y), (modulus[0], -modulus[1]))
    whole = (2 * quotient[0] + norm) // (2 * norm), (2 * quotient[1] + norm) // (2 * norm)
    taken = _times(whole, modulus)
    return x - taken[0], y - taken[1]


def _times(p: tuple[int, int], q: tuple[int, int]) -> tuple[int, int]:
    """The product in Z[theta]."""
    return p[0] * q[0] - 2 * p[1] * q[1], p[0] * q[1] + p[1] * q[0]


@pytest.mark.slow
def test_no_fraction_with_a_short_square_is_alive_in_both_lanes() -> None:
    """Solved for the square, by size of the denominator; lattices and simulation agree."""
    fractions = two_dimensional_fractions()
    assert len(fractions) >= 12
    sessions, both, exact = 20_000, 0, 0
    for number, (name, phase) in enumerate(fractions.items()):
        square = _times(phase, phase)
        short = [(value + Q // 2) % Q - Q // 2 for value in square]
        assert (short[0] % T, short[1] % T) == (1, 0), "the square is not 1 in both lanes"
        costs = [cheapest_character(*phase, 76, lane) for lane in (0, 1)]
        scores = PhaseModel(scalar(*phase)).scores(sessions, number)
        both += int(accepted(scores, RULE).all(axis=1).sum())
        exact += int((scores == 0).all(axis=1).sum())
        print(name, [round(cost, 2) for cost in costs], max(map(abs, short)) / Q)
        assert max(costs) > 0.5
    everything = sessions * len(fractions)
    assert both <= at_most(CLAIMED, everything)
    assert exact <= at_most(2**-20, everything)
