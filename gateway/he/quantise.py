"""Norm-true quantisation: unit vector -> integers of squared length near 10000 (protocol, 4).

The scale-proof score measures a vector against its own length, so the length must be right, not
merely near: the factor is chosen from a fixed list to bring the sum of squares closest to 10000.
"""

import numpy as np
from numpy.typing import NDArray

from gateway.wire.errors import CallerMisuse
from gateway.wire.profile import LANE, NORM_SQUARED

FACTORS: NDArray[np.float64] = 100.0 + np.arange(-200, 201, dtype=np.float64) / 100.0
"""98.00 to 102.00 in steps of 0.01."""

_UNIT_TOLERANCE = 1e-3


def quantise(vector: NDArray[np.floating]) -> NDArray[np.int64]:
    """Quantise an embedding.

    Args:
        vector: shape (d,), d <= 512, Euclidean length 1 within 0.001.

    Returns:
        Integers, shape (d,): round(f * x), ties to even; f from ``FACTORS`` with the sum of
        squares closest to 10000, of several the one nearest 100, of two the lower.

    Raises:
        CallerMisuse: another shape, a length that is not 1, or values that are not finite.
    """
    x = np.asarray(vector, dtype=np.float64)
    if x.ndim != 1 or not 0 < x.size <= LANE:
        raise CallerMisuse("an embedding has one dimension of at most 512 values")
    length = float(np.sqrt(np.dot(x, x)))
    if not abs(length - 1.0) <= _UNIT_TOLERANCE:
        raise CallerMisuse("an embedding has length 1")
    candidates = np.rint(FACTORS[:, None] * x)
    misses = np.abs((candidates * candidates).sum(axis=1) - NORM_SQUARED)
    order = np.lexsort((FACTORS, np.abs(FACTORS - 100.0), misses))
    best: NDArray[np.int64] = candidates[order[0]].astype(np.int64)
    return best
