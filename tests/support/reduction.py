"""Lattice reduction, exact and small: Lenstra, Lenstra and Lovasz (1982), delta 3/4, on integers.

For a handful of dimensions and numbers of some hundred bits; Gram-Schmidt in fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

_DELTA = Fraction(3, 4)

Row = list[int]


def reduced(basis: Sequence[Sequence[int]]) -> list[Row]:
    """A reduced basis of the lattice that these independent rows span, the shortest row first."""
    rows = [list(row) for row in basis]
    mu, norms = _orthogonalised(rows)
    k = 1
    while k < len(rows):
        for j in reversed(range(k)):
            step = round(mu[k][j])
            if step:
                rows[k] = [a - step * b for a, b in zip(rows[k], rows[j], strict=True)]
                mu[k][j] -= step
                for i in range(j):
                    mu[k][i] -= step * mu[j][i]
        if norms[k] >= (_DELTA - mu[k][k - 1] ** 2) * norms[k - 1]:
            k += 1
        else:
            rows[k], rows[k - 1] = rows[k - 1], rows[k]
            mu, norms = _orthogonalised(rows)
            k = max(k - 1, 1)
    return sorted(rows, key=squared_length)


def squared_length(row: Sequence[int]) -> int:
    return sum(value * value for value in row)


def _orthogonalised(rows: list[Row]) -> tuple[list[list[Fraction]], list[Fraction]]:
    """Gram-Schmidt: the coefficients, and the squared lengths of what is left of each row."""
    star: list[list[Fraction]] = []
    mu = [[Fraction(0)] * len(rows) for _ in rows]
    norms: list[Fraction] = []
    for i, row in enumerate(rows):
        left = [Fraction(value) for value in row]
        for j in range(i):
            dot = sum((v * s for v, s in zip(row, star[j], strict=True)), Fraction(0))
            mu[i][j] = dot / norms[j]
            left = [a - mu[i][j] * b for a, b in zip(left, star[j], strict=True)]
        star.append(left)
        norms.append(sum((value * value for value in left), Fraction(0)))
    return mu, norms
