"""Sessions at the level of phases: what a lane becomes of any phase of P, thousands of times.

Of the product phi (omega tau + t beta) + rho phi^2 modulo Q, a lane depends on two numbers only:
f_0 and f_(N/4) + f_(3N/4). Both are inner products of the draws with rows that follow from phi.
Here they are computed exactly and without any encryption; ``test_lying_device`` checks that the
scores are those of the product's own code, session by session, on the same draws.

A device that knows s chooses phi freely, so this is also its view.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gateway.he import ring
from gateway.he.engine import Engine, default_engine
from gateway.he.randomness import FLOOD_BITS, FLOOD_LOW_BITS, SeedStream
from gateway.wire.policy import LanePolicy
from gateway.wire.profile import DATA_PRIMES, LANE, N, T
from tests.support.he import Q, centred, coefficients_of, from_residues, ntt_of, polynomial_of_slots

_LIMB = 12
_LIMBS = -(-Q.bit_length() // _LIMB)
"""Rows are cut into limbs of 12 bits, draws into pieces of at most 27 bits: sums of 8192 products
stay below 2^53, where floating point is exact."""
_PIECES = ((0, 26), (26, 26), (52, 25))
"""Of a value of the flood: lowest bit, and number of bits."""
_BATCH = 256
_ALWAYS = (0, N // 4, 3 * N // 4)
_QUARTERS = (N // 4, 3 * N // 4)


@dataclass(frozen=True)
class Draws:
    """What the gateway draws for a number of sessions."""

    rho: np.ndarray
    """Centred coefficients of its polynomial, shape (sessions, places), float64."""
    beta: np.ndarray
    """beta + its bound in ``_PIECES``, shape (3, sessions, places), float64."""
    bound: int
    omega: np.ndarray
    """Shape (sessions,), objects."""
    pads: np.ndarray
    """Uniform modulo Q, shape (sessions, 2), objects."""


class PhaseModel:
    """Sessions of one phase of P with one phase of T."""

    def __init__(
        self, phi: np.ndarray, tau: np.ndarray | None = None, engine: Engine | None = None
    ) -> None:
        """``phi`` and ``tau``: integer coefficients of any size, shape (8192,); no tau is zero."""
        self._engine = engine or default_engine()
        self._phi = np.asarray(phi, dtype=object) % Q
        words = ntt_of(self._engine, self._phi)
        flood_rows, rho_rows = _rows(self._phi), _rows(self._product(words, words))
        used = (flood_rows != 0).any(axis=0) | (rho_rows != 0).any(axis=0)
        used[list(_ALWAYS)] = True
        self._places = np.flatnonzero(used)
        self._sums = [int(total) for total in flood_rows.sum(axis=1)]
        self._flood = _limbs(flood_rows[:, self._places])
        self._rho = _limbs(rho_rows[:, self._places])
        self._template = (0, 0)
        if tau is not None:
            linear = self._product(words, ntt_of(self._engine, np.asarray(tau, dtype=object)))
            self._template = int(linear[0]), int(sum(linear[place] for place in _QUARTERS))

    def scores(
        self,
        sessions: int,
        seed: int,
        *,
        omega: int | None = None,
        flood_bits: int | None = FLOOD_BITS,
        rho: int | None = None,
    ) -> np.ndarray:
        """v of both lanes modulo t, shape (sessions, 2).

        Args:
            omega: the same for all sessions, instead of drawn.
            flood_bits: of beta, which is uniform in [-2^bits, 2^bits); None for no beta.
            rho: in every slot, instead of drawn.
        """
        rng, pads = np.random.default_rng(seed), random.Random(seed)
        found = np.empty((sessions, 2), dtype=np.int64)
        for start in range(0, sessions, self._batch):
            count = min(self._batch, sessions - start)
            drawn = self._draw(rng, pads, count, omega, flood_bits, rho)
            found[start : start + count] = self.evaluate(drawn)
        return found

    def scores_of(self, stream: SeedStream) -> tuple[int, int]:
        """v of both lanes modulo t with the product's own draws."""
        slots, omega = stream.residues("rho", N), stream.unit("omega")
        pads = stream.numbers("pad", 2)
        low, high = stream.flood("beta", N)
        polynomial = polynomial_of_slots(self._engine, slots).astype(np.int64)
        pieces = _cut(low[self._places].astype(np.int64), high[self._places].astype(np.int64))
        drawn = Draws(
            rho=centred(polynomial, T)[self._places].astype(np.float64)[None],
            beta=pieces.astype(np.float64)[:, None],
            bound=2**FLOOD_BITS,
            omega=np.array([omega], dtype=object),
            pads=np.array([[pad * DATA_PRIMES[2] for pad in pads]], dtype=object),
        )
        first, second = self.evaluate(drawn)[0]
        return int(first), int(second)

    def evaluate(self, drawn: Draws) -> np.ndarray:
        """v of both lanes modulo t, shape (sessions, 2)."""
        numbers = _joined(drawn.rho, self._rho)
        for (start, _), piece in zip(_PIECES, drawn.beta, strict=True):
            numbers = numbers + (T << start) * _joined(piece, self._flood)
        shift = np.array([T * drawn.bound * total for total in self._sums], dtype=object)
        numbers = numbers - shift + drawn.omega[:, None] * np.array(self._template, dtype=object)
        lifted = centred(numbers + drawn.pads, Q) - centred(drawn.pads, Q)
        at = np.searchsorted(self._places, _ALWAYS)
        rho = drawn.rho[:, at].astype(np.int64).astype(object)
        own = np.stack([rho[:, 0], rho[:, 1] + rho[:, 2]], axis=1)
        middle, side = (lifted - own).T
        inverse = np.array([pow(int(value), -1, T) for value in drawn.omega], dtype=object)
        lanes = [(LANE * middle + sign * ring.LANE_FACTOR * side) * inverse % T for sign in (1, -1)]
        return np.stack(lanes, axis=1).astype(np.int64)

    @cached_property
    def _batch(self) -> int:
        return _BATCH if len(self._places) > _BATCH else 32 * _BATCH

    def _draw(
        self,
        rng: np.random.Generator,
        pads: random.Random,
        count: int,
        omega: int | None,
        flood_bits: int | None,
        rho: int | None,
    ) -> Draws:
        shape = count, len(self._places)
        if rho is None:
            polynomial = rng.integers(-(T // 2), T // 2 + 1, shape)
        else:
            polynomial = np.where(self._places == 0, centred(np.array(rho), T), 0)
            polynomial = np.broadcast_to(polynomial, shape)
        bits = 0 if flood_bits is None else flood_bits + 1
        pieces = np.zeros((len(_PIECES), *shape))
        for i, (start, width) in enumerate(_PIECES):
            pieces[i] = rng.integers(0, 1 << max(0, min(width, bits - start)), shape)
        units = rng.integers(1, T, count).astype(object)
        return Draws(
            rho=polynomial.astype(np.float64),
            beta=pieces,
            bound=0 if flood_bits is None else 2**flood_bits,
            omega=units if omega is None else np.full(count, omega, dtype=object),
            pads=np.array([[pads.randrange(Q) for _ in (0, 1)] for _ in range(count)], object),
        )

    def _product(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Coefficients of a product modulo Q, given both in NTT form."""
        words = np.stack(
            [ring.multiply_modulo(left[i], right[i], p) for i, p in enumerate(DATA_PRIMES)]
        )
        return from_residues(coefficients_of(self._engine, words[None])[0]) % Q


def coefficients(words: np.ndarray, engine: Engine | None = None) -> np.ndarray:
    """Integer coefficients, centred modulo Q, of a phase in NTT form."""
    return from_residues(coefficients_of(engine or default_engine(), words[None])[0])


def accepted(scores: np.ndarray, rule: LanePolicy) -> np.ndarray:
    """Which scores a lane accepts."""
    found: np.ndarray = (scores >= rule.lo) & (scores <= rule.hi)
    return found


def _cut(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """``_PIECES`` of low + 2^36 high, shape (3, ...): each fits a machine word."""
    (_, width), _, (last, _) = _PIECES
    lowest = low | (high << FLOOD_LOW_BITS & (1 << last) - 1)
    return np.stack([lowest & (1 << width) - 1, lowest >> width, high >> last - FLOOD_LOW_BITS])


def _rows(phase: np.ndarray) -> np.ndarray:
    """Rows by which f_0 and f_(N/4) + f_(3N/4) of phase * y follow from y, modulo Q, (2, 8192)."""
    first, second = (_row(phase, place) for place in _QUARTERS)
    return np.stack([_row(phase, 0), first + second]) % Q


def _row(phase: np.ndarray, place: int) -> np.ndarray:
    """Row of coefficient ``place``: y_i counts phase_(place - i), with a sign where x^N = -1."""
    turned = np.roll(phase[::-1], place + 1)
    turned = turned.copy()
    turned[place + 1 :] *= -1
    return turned


def _limbs(rows: np.ndarray) -> np.ndarray:
    """Shape (places, 2 * limbs), float64."""
    limbs = [(rows >> (_LIMB * k)) & (2**_LIMB - 1) for k in range(_LIMBS)]
    return np.concatenate([limb.astype(np.float64) for limb in limbs]).T.copy()


def _joined(draws: np.ndarray, limbs: np.ndarray) -> np.ndarray:
    """Both numbers of each session as exact integers, shape (sessions, 2)."""
    sums = (draws @ limbs).astype(np.int64).reshape(len(draws), _LIMBS, 2)
    total = np.zeros((len(draws), 2), dtype=object)
    for k in reversed(range(_LIMBS)):
        total = (total << _LIMB) + sums[:, k].astype(object)
    return total
