"""The constants of the proof that a probe is signs or noise are what it states.

Stated: a lane of noise accepts at most once in 2^14.34, so a session does (protocol, section 5).
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from gateway.he.randomness import FLOOD_BITS
from gateway.wire.policy import MAX_WIDTH
from gateway.wire.profile import T
from tests.soundness_bounds import (
    LARGE_NORM,
    SIDE_LOBE,
    bounds,
    cell_weight,
    large_mu,
    points,
    rho_in_a_cell,
    small_mu,
    suprema,
    window_factor,
)


@pytest.fixture(scope="module")
def factor() -> float:
    return window_factor()


@pytest.mark.slow
def test_noise_is_accepted_at_most_once_in_2_to_the_14_34(factor: float) -> None:
    """Every constant on the way, as the proof states it; each stated one is an upper bound."""
    found = bounds()
    assert found.log_m == FLOOD_BITS + 1 == 77
    stated = {
        "not_live": -20.26,  # lemma 5
        "few": -18.2,  # lemma 6
        "large": -19.08,  # lemma 8
        "small": -19.79,  # lemma 9
        "noise_sum": -17.92,
    }
    for name, log in stated.items():
        assert log - 0.05 < getattr(found, name) <= log + 0.005, name
    assert 4.355 < factor <= 4.361  # lemma 3
    assert 10.35 < cell_weight(0.5) <= 10.5  # lemma 6
    of_cells = max(rho_in_a_cell(2 ** (x / 8)) for x in range(LARGE_NORM * 4 + 1))
    assert 14.1 < of_cells <= 14.3  # lemma 9
    assert -14.35 < found.accepted(factor) <= -14.335


def test_a_shorter_flood_would_not_be_proven_enough(factor: float) -> None:
    """The control: a flood of 2^75 values does not give 2^-14, wherever it is split."""
    for split in (80, 81, 81.5, 82):
        worst = max(large_mu(75, split), small_mu(75, split, 1), small_mu(75, split, 2**10.5))
        assert MAX_WIDTH / T + factor * worst > 2**-14


def test_the_window_alone_takes_most_of_it() -> None:
    """W / t: below 2^-14.99, and above 2^-15 for windows of more than 4085 values."""
    assert MAX_WIDTH / T < 2**-14.99
    assert 4085 / T < 2**-15 < 4086 / T


def test_the_lattice_of_characters() -> None:
    """No disc holds more points of the lattice 1 x sqrt(2) than counted, wherever it lies."""
    rng = np.random.default_rng(1)
    x, y = np.meshgrid(np.arange(-40, 41), np.arange(-30, 31) * math.sqrt(2))
    for radius in (0.1, 0.7, 1.0, 2.5, 10.0, 20.0):
        for _ in range(200):
            middle = rng.uniform(0, 2, 2)
            inside = np.hypot(x - middle[0], y - middle[1]) <= radius
            assert inside.sum() <= points(radius)


def test_the_suprema_of_the_pads_kernel() -> None:
    """Every value of sinc^2 lies below what its cell is counted with, and so does the tail."""
    for side in (0.03, 0.2, 0.5):
        s, rest = suprema(side, 400)
        u = np.linspace(0, 400 * side, 200_001)[:-1]
        assert (np.sinc(u) ** 2 <= s[(u / side).astype(int)] + 1e-9).all()
        later = np.arange(400, 40_000) * side
        assert (np.sinc(later) ** 2).sum() <= rest
    assert np.max(np.sinc(np.linspace(1, 3, 100_001)) ** 2) <= SIDE_LOBE


def test_the_kernels_of_flood_and_rho_decay_as_lemma_4_says() -> None:
    """D_M(x)^2 <= 1 / (1 + 1.33 M^2 x^2), its finer form near 0, and that of rho."""
    for count in (2, 3, 17, 1024):
        x = np.linspace(1e-6, 0.5, 50_001)
        square = (np.sin(np.pi * count * x) / (count * np.sin(np.pi * x))) ** 2
        assert (square <= 1 / (1 + 1.33 * (count * x) ** 2) + 1e-12).all()
    near = x[x < 2**-9]  # with 2^77 values, a live character is nearer to 0 than 2^-55
    assert (square[: near.size] <= 1 / (1 + 3.289 * (count * near) ** 2) + 1e-12).all()
    t, shift = 257, np.linspace(-0.5, 0.5, 41)
    for d in range(1, t // 2 + 1):
        x = (d - shift) / t
        kernel = np.abs(np.sin(np.pi * t * x) / (t * np.sin(np.pi * x)))
        assert (kernel <= 1 / (2 * d - 1) + 1e-12).all()
