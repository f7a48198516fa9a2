"""Phases of two numbers, first + second * theta, and how a device finds those that are small."""

from __future__ import annotations

from math import isqrt

import numpy as np

from gateway.lab.attack import forging
from gateway.wire.profile import N, T
from tests.support.he import Q


def scalar(first: int, second: int = 0) -> np.ndarray:
    """The phase first + second * theta, theta = x^(N/4) + x^(3N/4)."""
    phase = np.zeros(N, dtype=object)
    phase[0], phase[[N // 4, 3 * N // 4]] = first, second
    return phase


def square_root_of_one(scale: int) -> int:
    """A number congruent to ``scale`` modulo t with a small square modulo Q, 1 modulo t."""
    root = isqrt((scale * scale - 1) * Q)
    return root - root % T + scale


def small_phases() -> dict[str, tuple[int, int]]:
    """Phases a + b theta that a device which knows s may choose exactly; none is of signs."""
    found = {f"square root {s}": (square_root_of_one(s), 0) for s in forging.SCALES}
    for s in (2, 3):
        root = square_root_of_one(s)
        found[f"square root {s}, negative"] = (-root, 0)
    for n in (*range(2, 65), 1 << 10, 11587):
        found[f"3 nu / {n}"] = (pow(n, -1, Q) * (3 * n) % Q, 0)
        found[f"nu / {n}, no slots"] = (pow(n, -1, Q) * (3 * n % T + n - 1) % Q, 0)
    for bits in range(33, 56, 2):
        found[f"3 and noise t 2^{bits}"] = (3 + (T << bits), 0)
        found[f"3 and noise t 2^{bits} theta"] = (3, T << bits)
    for bound in (100, 200, 500, 1000, 3000, 8000, 11000, 20000):
        for k in (1, -1, 2):
            mu, b, _ = forging.small_square(bound, k)
            found[f"mu / {b}, k {k}"] = (mu * pow(b, -1, Q) % Q, 0)
    return found
