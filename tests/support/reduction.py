"""Lattice reduction, exact and small: Lenstra, Lenstra and Lovasz (1982), delta 3/4, on integers.

For a handful of dimensions and numbers of some hundred bits. Gram-Schmidt without fractions, after
de Weger (1987) and Cohen, A Course in Computational Algebraic Number Theory, algorithm 2.6.7.
"""

from __future__ import annotations

from collections.abc import Sequence

Row = list[int]


def reduced(basis: Sequence[Sequence[int]]) -> list[Row]:
    """A reduced basis of the lattice that these independent rows span, the shortest row first."""
    state = _Reduction([list(row) for row in basis])
    k = 1
    while k < len(basis):
        state.shorten(k, k - 1)
        if state.out_of_order(k):
            state.swap(k)
            k = max(k - 1, 1)
        else:
            for j in reversed(range(k - 1)):
                state.shorten(k, j)
            k += 1
    return sorted(state.rows, key=squared_length)


def squared_length(row: Sequence[int]) -> int:
    return _inner(row, row)


class _Reduction:
    """Rows and their Gram-Schmidt coefficients, all of them integers.

    ``d[i]`` is the Gram determinant of the first i rows, and ``scaled[i][j]`` the coefficient of
    row i along row j times ``d[j + 1]``.
    """

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.d = [1]
        self.scaled = [[0] * len(rows) for _ in rows]
        for k, row in enumerate(rows):
            for j in range(k + 1):
                value = _inner(row, rows[j])
                for i in range(j):
                    value = self.d[i + 1] * value - self.scaled[k][i] * self.scaled[j][i]
                    value //= self.d[i]
                self.scaled[k][j] = value
            self.d.append(self.scaled[k][k])

    def shorten(self, k: int, j: int) -> None:
        """Take from row k the multiple of row j that leaves the least along it."""
        divisor = self.d[j + 1]
        step = (2 * self.scaled[k][j] + divisor) // (2 * divisor)
        if step:
            self.rows[k] = [a - step * b for a, b in zip(self.rows[k], self.rows[j], strict=True)]
            self.scaled[k][j] -= step * divisor
            for i in range(j):
                self.scaled[k][i] -= step * self.scaled[j][i]

    def out_of_order(self, k: int) -> bool:
        """Lovasz's condition fails for rows k - 1 and k."""
        along = self.scaled[k][k - 1]
        return 4 * (self.d[k + 1] * self.d[k - 1] + along**2) < 3 * self.d[k] ** 2

    def swap(self, k: int) -> None:
        """Exchange rows k - 1 and k."""
        d, scaled = self.d, self.scaled
        self.rows[k], self.rows[k - 1] = self.rows[k - 1], self.rows[k]
        for j in range(k - 1):
            scaled[k][j], scaled[k - 1][j] = scaled[k - 1][j], scaled[k][j]
        along = scaled[k][k - 1]
        new = (d[k - 1] * d[k + 1] + along**2) // d[k]
        for i in range(k + 1, len(self.rows)):
            old = scaled[i][k]
            scaled[i][k] = (d[k + 1] * scaled[i][k - 1] - along * old) // d[k]
            scaled[i][k - 1] = (new * old + along * scaled[i][k]) // d[k + 1]
        d[k] = new


def _inner(left: Sequence[int], right: Sequence[int]) -> int:
    return sum(a * b for a, b in zip(left, right, strict=True))
