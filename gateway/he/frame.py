"""Unit embedding -> signs or small integers in a fixed frame (protocol, section 4).

Eight fixed rotations of R^512, each three rounds of (flip signs by a public pattern, Walsh-Hadamard
transform / sqrt(512)); their 4096 outputs, times sqrt(512), are y = R x, each with mean square 1
and R^T R = 4096 I. The probe is the signs of y, the template round(2 y). All sign vectors have the
same length, so a client cannot choose the length of its probe. The signs of so many projections
keep the order of cosines.

The computation is exact, so that any language gives the same integers. x is rounded to multiples of
2^-24 once. From there on everything is sums and differences of integers below 2^42, which floating
point holds exactly in whatever order they are added. In these units y = Y / 2^33, and the template
is Y / 2^32, rounded, ties to even.
"""

import hashlib
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.he.engine import Slots
from gateway.wire.errors import CallerMisuse
from gateway.wire.profile import DIMENSION, LANE, PROFILE, T

ROTATIONS: Final = LANE // DIMENSION
ROUNDS: Final = 3
_LABEL: Final = f"sealmatch/{PROFILE}/frame".encode()
_UNIT: Final = 2.0**24
_TEMPLATE_UNIT: Final = 2.0**32
_UNIT_TOLERANCE: Final = 1e-3


def probe_signs(vector: NDArray[np.floating]) -> NDArray[np.int64]:
    """The probe's 4096 values, each 1 or -1 (1 for zero).

    Args:
        vector: shape (d,), d <= 512, Euclidean length 1 within 0.001.

    Raises:
        CallerMisuse: another shape, a length that is not 1, or values that are not finite.
    """
    return np.where(_rotated(vector) >= 0, np.int64(1), np.int64(-1))


def template_values(vector: NDArray[np.floating]) -> NDArray[np.int64]:
    """The template's 4096 small integers: round(2 y), ties to even.

    Args:
        vector: as for ``probe_signs``.

    Raises:
        CallerMisuse: as ``probe_signs``.
    """
    return np.rint(_rotated(vector) / _TEMPLATE_UNIT).astype(np.int64)


def lane_slots(first: NDArray[np.int64], second: NDArray[np.int64]) -> Slots:
    """Both lanes, 4096 signed values each, as 8192 slots modulo t."""
    # No remainder is negative, so the same bits are the unsigned number: no copy.
    return np.mod(np.concatenate((first, second)), np.int64(T)).view(np.uint64)


@cache
def patterns() -> NDArray[np.float64]:
    """The sign patterns, shape (3 rounds, 8 rotations, 512), each 1 or -1.

    Bit k of SHAKE-256("sealmatch/bgv8192-2/frame"), the lowest bit of each byte first, belongs to
    rotation k // 1536, round (k // 512) % 3, place k % 512; a set bit flips.
    """
    count = ROTATIONS * ROUNDS * DIMENSION
    stream = np.frombuffer(hashlib.shake_256(_LABEL).digest(count // 8), dtype=np.uint8)
    bits = np.unpackbits(stream, bitorder="little")
    signs = (1.0 - 2.0 * bits).reshape(ROTATIONS, ROUNDS, DIMENSION)
    return np.ascontiguousarray(signs.transpose(1, 0, 2))


def _rotated(vector: NDArray[np.floating]) -> NDArray[np.float64]:
    """Y: 4096 integers, 2^33 times the frame's outputs."""
    x = np.asarray(vector, dtype=np.float64)
    if x.ndim != 1 or not 0 < x.size <= DIMENSION:
        raise CallerMisuse("an embedding has one dimension of at most 512 values")
    if not abs(float(np.sqrt(np.dot(x, x))) - 1.0) <= _UNIT_TOLERANCE:
        raise CallerMisuse("an embedding has length 1")
    values = np.zeros((ROTATIONS, DIMENSION))
    values[:, : x.size] = np.rint(x * _UNIT)
    for signs in patterns():
        values = _hadamard(values * signs)
    return values.reshape(LANE)


def _hadamard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Walsh-Hadamard transform of each row of 512, Sylvester's order, without a factor.

    A row is a cube of 8 by 8 by 8, and the transform is that of 8 along each of its edges. So three
    matrix products do the work of nine passes over the array.
    """
    values = np.matmul(_EIGHT, values.reshape(ROTATIONS * 8, 8, 8))
    values = np.matmul(values, _EIGHT)
    values = np.matmul(_EIGHT, values.reshape(ROTATIONS, 8, 64))
    return values.reshape(ROTATIONS, DIMENSION)


_TWO: Final = np.array([[1.0, 1.0], [1.0, -1.0]])
_EIGHT: Final = np.kron(_TWO, np.kron(_TWO, _TWO))
