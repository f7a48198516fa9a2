"""The constants in the proof that a probe is signs or noise, as upper bounds at full size.

``python -m tests.soundness_bounds``. Takes some ten seconds. ``test_soundness_bounds`` holds what
the proof states against what is computed here.

The proof (gateway/docs/SOUNDNESS.md, lemmas 2 to 9): for whatever ring element is handed in as a
probe, and for each lane, Pr[v in the window] is at most W/t + F * S_l, where F is ``window_factor``
and

    S_l = (1/t) * sum over n in a, n != 0, of g(n) K_beta(n) K_rho(n).

n runs over the characters that a lane's value looks at, pairs of integers in an ideal of norm t of
Z[sqrt(-2)]. g(n) = sinc^2(n_0/t) sinc^2(n_1/t) comes from the pads, which round at random; K_beta
and K_rho are what the flood and rho leave of a character. phi = mu / B is the one fraction that all
live characters share. Each function bounds S_l, or a part of it, in one case; a lane whose S_l is
below ``noise_sum`` is called noise, and then it accepts at most as often as ``accepted`` says.

Not interval arithmetic: floating point, with a slack of 0.3 bits in the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gateway.he.randomness import FLOOD_BITS
from gateway.wire.policy import MAX_WIDTH
from gateway.wire.profile import DATA_PRIMES, T

Floats = npt.NDArray[np.float64]

Q = math.prod(DATA_PRIMES)
ROOT_T = math.sqrt(T)
DENSITY = math.pi / math.sqrt(2)
"""Points of the lattice 1 x sqrt(2) per squared radius of a disc, in the norm of Z[sqrt(-2)]."""
COVER = math.sqrt(3) / 2
"""Its covering radius."""
DECAY = math.sqrt(math.pi**2 / 3) * 0.9999
"""Lemma 4: K_beta <= (1 + (DECAY M |y| / Q)^2)^(-1/2) for a live character, y = [n phi]."""
LIVE_PHASE = 112
LIVE_CHARACTER = 47
"""A character n is live if |[n phi]| and |n_i| are at most two to these."""
LARGE_NORM = 21
"""log2 of the norm of B from which on a lane is noise for lack of characters."""
SPLIT = 80.0
"""log2 of |mu| between the two cases of phases that are no signs."""
SIDE_LOBE = 0.0473
"""The largest value of sinc^2 from 1 on."""


@dataclass(frozen=True)
class Bounds:
    """log2 of the bound of S_l in each case, for a flood of 2^log_m values."""

    log_m: float
    split: float
    not_live: float
    few: float
    large: float
    small: float

    @property
    def noise_sum(self) -> float:
        """log2 of S_l for a lane that is noise: one of three cases, and what is not live."""
        return math.log2(2**self.not_live + 2 ** max(self.few, self.large, self.small))

    def accepted(self, factor: float) -> float:
        """log2 of the probability at which a lane that is noise accepts, at most."""
        return math.log2(MAX_WIDTH / T + factor * 2**self.noise_sum)


def bounds(log_m: float = FLOOD_BITS + 1, split: float = SPLIT) -> Bounds:
    """All cases. |B| is scanned in steps of 2^(1/8)."""
    sizes = [2 ** (x / 8) for x in range(LARGE_NORM * 4 + 1)]
    cases = {
        "not_live": not_live(log_m),
        "few": few_characters(LARGE_NORM),
        "large": large_mu(log_m, split),
        "small": max(small_mu(log_m, split, b) for b in sizes),
    }
    return Bounds(log_m, split, **{name: math.log2(value) for name, value in cases.items()})


def window_factor(width: int = MAX_WIDTH) -> float:
    """F: mean over h != 0 of |sum over the window of exp(2 pi i h v / t)| (lemma 3)."""
    total, block, half = 0.0, 1 << 16, T // 2
    for start in range(1, half + 1, block):
        x = np.pi * np.arange(start, min(start + block, half + 1), dtype=np.float64) / T
        total += float(np.abs(np.sin(width * x) / np.sin(x)).sum())
    return total / half


def not_live(log_m: float) -> float:
    """Lemma 5: characters with |[n phi]| > 2^112, and those with |n_i| > 2^47."""
    unlike = Q / (1.15 * 2.0 ** (log_m + LIVE_PHASE))
    return unlike + 4 * T / (math.pi**2 * 2.0**LIVE_CHARACTER)


def few_characters(log_norm: float) -> float:
    """Lemma 6: all live characters in an ideal of norm 2^log_norm * t."""
    radius = math.sqrt(3) / 4 * T / math.sqrt(2.0**log_norm * T)  # a cell of side t / 2
    return cell_weight(0.5) * points(radius) / T


def large_mu(log_m: float, log_mu: float) -> float:
    """Lemma 8: |mu| >= 2^log_mu. K_beta alone, summed by rings and strips to |n| = 2^10 t."""
    lam = 2.0 ** (log_m + log_mu) / Q
    size = (DECAY * lam * ROOT_T) ** 2
    reach, top = 2**10 * ROOT_T, 10**5
    log_rest = math.log(reach / top)
    k = np.arange(1, top + 1, dtype=np.float64)
    rings = DENSITY * ((k + 1 + COVER) ** 2 - (k - COVER) ** 2)
    away = float((rings * np.minimum(1, 2 / (size * k * k))).sum())
    away += 2 / size * DENSITY * 2.001 * (1 + 2 * COVER) * log_rest
    harmonic = np.cumsum(1 / k)
    total = float(harmonic[-1]) + log_rest
    inner = (k + 1) / k + total - harmonic
    pairs = float((inner / k).sum()) + log_rest * (1.001 + log_rest)
    axis = 16 * (1 + total / math.sqrt(size)) + 16 * math.sqrt(2) / size * pairs
    b = 2 ** (LARGE_NORM / 2)
    beyond = 4 / (math.pi**2 * 2**9) / (DECAY * lam * 2**10 * T / b)
    return (away + 3 * axis) / T + beyond


def small_mu(log_m: float, log_mu: float, b: float) -> float:
    """Lemma 9: |mu| <= 2^log_mu and no sign: cells, the packing in each, K_beta between them.

    A cell of side t/2 makes no use of K_beta. Otherwise the bound grows with log_mu.
    """
    mu = 2.0**log_mu
    reach = ROOT_T * Q / (4 * math.sqrt(2) * mu * mu)
    side = b * reach / math.sqrt(3)
    if side >= T / 2:
        return cell_weight(0.5) * rho_in_a_cell(b) / T
    count = min(2000, max(100, int(20 * T / side)))
    s, rest = suprema(side / T, count)
    i = np.arange(count)
    apart = np.maximum(np.hypot(i[:, None], math.sqrt(2) * i[None, :]), 1e-9) * side / b
    scale = DECAY * 2.0**log_m * mu / Q
    total = 4 * float((s[:, None] * s[None, :] * np.minimum(1, 1 / (scale * apart))).sum())
    total += 8 * rest * (float(s.sum()) + rest) * min(1, b / (scale * (count - 1) * side))
    return max(total, cell_weight(0.5)) * rho_in_a_cell(b) / T


def rho_in_a_cell(b: float) -> float:
    """Lemma 9: the sum of K_rho over the characters n = B m of one cell, |B| = b."""
    count = points(COVER * T / b / ROOT_T)
    top = int(min(count, 10**6)) + 1
    k = np.arange(1, top + 1, dtype=np.float64)
    distance = (np.sqrt(k / DENSITY) - COVER - 0.25) * ROOT_T / b - 2.45
    weight = 2 * distance / math.sqrt(6) - 1
    total = float(np.where(weight > 1, 1 / np.maximum(weight, 1), 1).sum())
    if count > top:  # weight > 0.99 * sqrt(k / DENSITY) * ROOT_T / b * 2 / sqrt(6) there
        slope = 0.99 * ROOT_T / b * 2 / math.sqrt(6 * DENSITY)
        total += 2 * (math.sqrt(count) - math.sqrt(top)) / slope
    return total


def cell_weight(side: float) -> float:
    """Suprema of g over all square cells, added up; the side in units of t."""
    s, rest = suprema(side, max(200, int(200 / side)))
    return (2 * (float(s.sum()) + rest)) ** 2


def suprema(side: float, count: int) -> tuple[Floats, float]:
    """sup of sinc^2 over [i side, (i + 1) side) for i < count, and a bound of the later ones."""
    u = np.arange(count) * side
    lobes = np.minimum(SIDE_LOBE, 1 / (np.pi * np.maximum(u, 1.0)) ** 2)
    main = np.maximum(np.sinc(np.minimum(u, 1.0)) ** 2, SIDE_LOBE)
    start = (count - 1) * side
    return np.where(u < 1, main, lobes), 1 / (math.pi**2 * start * side)


def points(radius: float) -> float:
    """Points of an ideal of norm t in a disc, at most; the radius in units of sqrt(t)."""
    return DENSITY * (radius + COVER) ** 2


def main() -> None:
    """Print every constant, and what a shorter flood would leave of the bound."""
    factor = window_factor()
    of_cells = max(rho_in_a_cell(2 ** (x / 8)) for x in range(LARGE_NORM * 4 + 1))
    print(f"lemma 3: window factor F at width {MAX_WIDTH}: {factor:.3f}")
    print(f"         W / t: 2^{math.log2(MAX_WIDTH / T):.3f}")
    print(f"lemma 6: suprema of g over cells of side t/2: {cell_weight(0.5):.2f}")
    print(f"lemma 9: K_rho over one cell: {of_cells:.1f}")
    for log_m, split in ((FLOOD_BITS + 1, SPLIT), (76, 81.0), (75, 81.5), (74, 82.0)):
        found = bounds(log_m, split)
        print(f"flood of 2^{log_m} values, |mu| split at 2^{split:g}")
        print(f"  lemma 5, not live:        2^{found.not_live:.2f}")
        print(f"  lemma 6, few characters:  2^{found.few:.2f}")
        print(f"  lemma 8, large mu:        2^{found.large:.2f}")
        print(f"  lemma 9, small mu:        2^{found.small:.2f}")
        print(f"  sum S of a lane of noise: 2^{found.noise_sum:.2f}")
        print(f"  such a lane accepts:      2^{found.accepted(factor):.2f} at most")


if __name__ == "__main__":
    main()
