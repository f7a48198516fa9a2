"""A curious authority tries to recover v, rho and the rows from everything that it sees.

It has the secret key, its own encrypted bits (plaintext, words, hence their exact noise), the
masked product, the blinded rows and the policy. Three attacks:

- ``read_the_mask``: the masked value is the score. Works without masking.
- ``divide_first_polynomial``: c1 of the rows is c1 of the bits times the gateway's multiplier W,
  slot by slot in NTT form, exactly. Works without re-randomisation, whatever the flood.
- ``divide_phase``: the exact phase of the rows is W * B + small, B being the exact phase of the
  bits. Division in the complex embedding gives each of W's 8192 coefficients (34 bits) to within a
  few units. Works without flooding. On one lane the last units follow from the slots of W that
  are known to be zero, and v is recovered exactly; on two lanes too few are, and what is shown is
  that W is known but for its last bits.

From W, the ratios within the row of weights 3 (1 - 2 y_j) show y or its complement; R - L, which
the policy fixes, says which; then rho = L - lo and v = m - rho. Each attack succeeds in every
session with its one defence switched off, and all of them fail in every session with all on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product as cartesian

import numpy as np
import pytest

import gateway.he.blinding
from gateway.he.encryption import lane_slots
from gateway.he.engine import Engine
from gateway.he.interval import make_rows
from gateway.he.quantise import quantise
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import DATA_PRIMES, N, T
from tests.support.he import (
    BITS,
    COMPARISON_SLOTS,
    ROWS,
    ScriptedStream,
    Session,
    TestKey,
    at_cosine,
    bit_slots,
    centred,
    coefficients_of,
    default_policy,
    invert_array,
    lane_score,
    multiply_arrays,
    polynomial_of_slots,
    row_sums,
    run_session,
    slots_of_polynomial,
    unit,
)

SESSIONS = 20
"""Per number of lanes."""


# --- what the authority sees, and what it tries to know ------------------------------------------


@dataclass(frozen=True)
class View:
    """Everything that the authority has in one session."""

    key: TestKey
    policy: MatchPolicy
    product: Ciphertext
    bits: Ciphertext
    rows: Ciphertext

    @property
    def masked(self) -> tuple[int, ...]:
        slots = self.key.decrypt(self.product).astype(object)
        return tuple(int(slots[512 * i : 512 * i + 512].sum()) % T for i in range(self.lanes))

    @property
    def lanes(self) -> int:
        return len(self.policy.lanes)


@dataclass(frozen=True)
class Secrets:
    """Per lane: score, mask and both bounds. A guess has None where it says nothing."""

    v: tuple[int | None, ...]
    rho: tuple[int | None, ...]
    bounds: tuple[tuple[int, int] | None, ...]

    def hits(self, truth: Secrets) -> int:
        """How many single values of the truth this guess has right."""
        pairs = zip(
            (*self.v, *self.rho, *self.bounds),
            (*truth.v, *truth.rho, *truth.bounds),
            strict=True,
        )
        return sum(guess == value for guess, value in pairs)

    @property
    def complete(self) -> int:
        return 3 * len(self.v)


Attack = Callable[[View], Iterable[Secrets]]


def read_the_mask(view: View) -> list[Secrets]:
    """Suppose that the mask is zero."""
    bounds = tuple((rule.lo, rule.hi + 1) for rule in view.policy.lanes)
    return [Secrets(view.masked, (0,) * view.lanes, bounds)]


def divide_first_polynomial(view: View) -> list[Secrets]:
    return secrets_from_multiplier(view, multiplier_from_first_polynomial(view))


def divide_phase(view: View) -> list[Secrets]:
    """As it stands, and with the last units corrected."""
    estimate = multiplier_from_phase(view)
    corrected = nearest_with_empty_second_row(view.key.engine, estimate)
    return [
        *secrets_from_multiplier(view, np.rint(estimate).astype(np.int64)),
        *secrets_from_multiplier(view, corrected),
    ]


ATTACKS: dict[str, Attack] = {
    "read the mask": read_the_mask,
    "divide first polynomial": divide_first_polynomial,
    "divide phase": divide_phase,
}


# --- the divisions -------------------------------------------------------------------------------


def multiplier_from_first_polynomial(view: View) -> np.ndarray:
    """c1 of the rows over c1 of the bits: coefficients centred modulo the first prime."""
    prime = DATA_PRIMES[0]
    inverse = invert_array(view.bits.words[1, 0], prime)
    quotient = np.ones((1, 3, N), dtype=np.uint64)
    quotient[0, 0] = multiply_arrays(view.rows.words[1, 0], inverse, prime)
    coefficients = coefficients_of(view.key.engine, quotient)[0, 0]
    return centred(coefficients.astype(np.int64), prime)


def multiplier_from_phase(view: View) -> np.ndarray:
    """Phase of the rows over phase of the bits in the complex embedding: real coefficients.

    Reduced to [-t/2, t/2), where W lies.
    """
    rows, bits = view.key.phase(view.rows, view.bits)
    twist = np.exp(1j * np.pi * np.arange(N) / N)
    embedded = [np.fft.fft(phase.astype(np.float64) * twist) for phase in (rows, bits)]
    quotient: np.ndarray = (np.fft.ifft(embedded[0] / embedded[1]) / twist).real
    return np.mod(quotient + T / 2, T) - T / 2


def nearest_with_empty_second_row(engine: Engine, estimate: np.ndarray) -> np.ndarray:
    """The polynomial nearest to the estimate whose slots 4096 and up are zero modulo t.

    One lane uses slots 0 to 2379. Slots from 4096 are the roots with exponents 5 and 7 modulo 8,
    so W is a multiple of y^2 + alpha y - 1 with y = x^2048: four coefficients 2048 apart lie in a
    lattice of dimension 4 and determinant t^2, whose points are about 2^17 apart.
    """
    alpha = second_row_factor(engine)
    basis = reduced([[-1, alpha, 1, 0], [0, -1, alpha, 1], [0, T, 0, 0], [0, 0, T, 0]])
    quadruples = estimate.reshape(4, N // 4)
    steps = np.rint(np.linalg.solve(basis.T.astype(np.float64), quadruples)).astype(np.int64)
    return (basis.T @ steps).reshape(N)


def second_row_factor(engine: Engine) -> int:
    """alpha, read off the polynomial that is one in slots below 4096 and zero above."""
    indicator = polynomial_of_slots(engine, np.repeat(np.array([1, 0], np.uint64), N // 2))
    a, q1, q2, b = (int(q) for q in indicator[:: N // 4])
    a = -a % T
    alpha = (q1 + b) * pow(a, -1, T) % T
    assert (a + b * alpha - q2) % T == 0
    return alpha


def reduced(basis: list[list[int]]) -> np.ndarray:
    """LLL (delta 3/4) of a tiny basis in exact rationals."""
    from fractions import Fraction

    def dot(u: list, v: list) -> Fraction:
        return sum((Fraction(a) * b for a, b in zip(u, v, strict=True)), Fraction(0))

    def orthogonal() -> list[list[Fraction]]:
        result: list[list[Fraction]] = []
        for row in basis:
            rest = [Fraction(x) for x in row]
            for other in result:
                mu = dot(row, other) / dot(other, other)
                rest = [x - mu * y for x, y in zip(rest, other, strict=True)]
            result.append(rest)
        return result

    k = 1
    while k < len(basis):
        for j in range(k - 1, -1, -1):
            star = orthogonal()
            q = round(dot(basis[k], star[j]) / dot(star[j], star[j]))
            basis[k] = [x - q * y for x, y in zip(basis[k], basis[j], strict=True)]
        star = orthogonal()
        before, here = dot(star[k - 1], star[k - 1]), dot(star[k], star[k])
        mu = dot(basis[k], star[k - 1]) / before
        if here >= (Fraction(3, 4) - mu * mu) * before:
            k += 1
        else:
            basis[k], basis[k - 1] = basis[k - 1], basis[k]
            k = max(k - 1, 1)
    return np.array(basis, dtype=np.int64)


# --- from the multiplier to the score ------------------------------------------------------------


def secrets_from_multiplier(view: View, multiplier: np.ndarray) -> list[Secrets]:
    """Every guess that the multiplier's slots allow; none where they are no comparison."""
    slots = slots_of_polynomial(view.key.engine, np.mod(multiplier, T))
    bounds = [bounds_candidates(slots, k) for k in range(2 * view.lanes)]
    per_lane = []
    for lane, rule in enumerate(view.policy.lanes):
        width = rule.hi + 1 - rule.lo
        pairs = cartesian(bounds[2 * lane], bounds[2 * lane + 1])
        per_lane.append([(left, right) for left, right in pairs if (right - left) % T == width])
    guesses = []
    for chosen in cartesian(*(pairs or [None] for pairs in per_lane)):
        rho = tuple(
            None if pair is None else (pair[0] - rule.lo) % T
            for pair, rule in zip(chosen, view.policy.lanes, strict=True)
        )
        v = tuple(None if r is None else (m - r) % T for m, r in zip(view.masked, rho, strict=True))
        guesses.append(Secrets(v, rho, chosen))
    return guesses


def bounds_candidates(slots: np.ndarray, k: int) -> set[int]:
    """Values of y from the row whose 34 factors are all +-s: signs are 1 - 2 y_j up to one sign."""
    place = slots[k * COMPARISON_SLOTS : (k + 1) * COMPARISON_SLOTS].reshape(ROWS, BITS)
    found = set()
    for row in place:
        first = int(row[0])
        same, opposite = row == first, row == T - first
        if first and (same | opposite).all():
            y = sum(1 << j for j in range(BITS) if opposite[j])
            found |= {y, 2**BITS - 1 - y}
    return found


# --- sessions with defences switched off ---------------------------------------------------------


class WeakStream(ScriptedStream):
    """Randomness with defences switched off."""

    def __init__(self, seed: str, off: str | None) -> None:
        super().__init__(seed)
        self._off = off

    def residues(self, label: str, count: int) -> np.ndarray:
        values = super().residues(label, count)
        return values * np.uint64(not (label == "product/mask" and self._off == "masking"))

    def centred_binomial(self, label: str, count: int) -> np.ndarray:
        return super().centred_binomial(label, count) * (self._off != "re-randomisation")

    def flood(self, label: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        low, high = super().flood(label, count)
        return low * np.uint64(self._off != "flooding"), high * (self._off != "flooding")


DEFENCES = ("masking", "re-randomisation", "flooding")


@dataclass(frozen=True)
class Played:
    """A session, its truth, and what the authority has of it."""

    session: Session
    truth: Secrets
    multiplier: np.ndarray

    @property
    def view(self) -> View:
        s = self.session
        return View(s.key, s.policy, s.product, s.bits, s.rows)


def play(lanes: int, number: int, off: str | None) -> Played:
    """One session with a fresh key and honest face vectors, near the threshold half of the time."""
    name = f"curious {lanes} {number}"
    rng = np.random.default_rng([lanes, number])
    key, policy = TestKey(), default_policy(lanes)
    template = unit(rng)
    probe = at_cosine(rng, template, rng.uniform(0.4, 0.5) if number % 2 else rng.uniform(0, 0.9))
    p, b = (lane_slots(*[quantise(x)] * lanes) for x in (probe, template))
    with pytest.MonkeyPatch.context() as patch:
        if off == "re-randomisation":
            patch.setattr(
                gateway.he.blinding,
                "rerandomiser",
                lambda engine, *_: engine.load(np.zeros((2, 3, N), np.uint64)),
            )
        session = run_session(
            key,
            policy,
            key.encrypt(p),
            key.encrypt(b),
            WeakStream(f"{name} product", off),
            WeakStream(f"{name} rows", off),
        )
    v = tuple(lane_score(rule, p, b, i) for i, rule in enumerate(policy.lanes))
    rho = tuple((m - x) % T for m, x in zip(session.masked, v, strict=True))
    bounds = tuple((bound.left, bound.right) for bound in session.bounds)
    factors = make_rows(session.bounds, WeakStream(f"{name} rows", off)).factors
    coefficients = polynomial_of_slots(key.engine, factors).astype(np.int64)
    return Played(session, Secrets(v, rho, bounds), centred(coefficients, T))


def best_hits(attack: Attack, played: Played) -> int:
    """The most values of the truth that one guess of the attack has right."""
    return max((guess.hits(played.truth) for guess in attack(played.view)), default=0)


def results(off: str | None, lanes: int) -> dict[str, list[int]]:
    """Per attack, the hits in each session."""
    sessions = [play(lanes, number, off) for number in range(SESSIONS)]
    return {name: [best_hits(attack, p) for p in sessions] for name, attack in ATTACKS.items()}


BREAKS = [
    ("masking", 1, "read the mask"),
    ("masking", 2, "read the mask"),
    ("re-randomisation", 1, "divide first polynomial"),
    ("re-randomisation", 2, "divide first polynomial"),
    ("flooding", 1, "divide phase"),
]


@pytest.mark.parametrize(("off", "lanes", "attack"), BREAKS)
def test_without_one_defence_every_session_is_broken(off: str, lanes: int, attack: str) -> None:
    """All of v, rho, L and R of every lane, in 20 of 20 sessions; the other attacks get nothing."""
    found = results(off, lanes)
    assert found.pop(attack) == [3 * lanes] * SESSIONS
    assert found == dict.fromkeys(found, [0] * SESSIONS)


@pytest.mark.parametrize("lanes", [1, 2])
def test_with_all_defences_no_attack_recovers_anything(lanes: int) -> None:
    """Not one value in 20 sessions by any attack."""
    assert results(None, lanes) == dict.fromkeys(ATTACKS, [0] * SESSIONS)


@pytest.mark.parametrize("lanes", [1, 2])
def test_the_multiplier_is_known_without_a_defence_and_unknown_with_all(lanes: int) -> None:
    """Of W's 8192 coefficients of 34 bits, independently of what follows from them.

    Without re-randomisation all are exact. Without flooding all are within 1024 of the truth
    (SD 5; more where a small embedding was divided by). With all defences, the shares that are
    exact or within 1024 are those of guesses: 2^-34 and 2^-23.
    """

    def exact(off: str | None, number: int) -> int:
        played = play(lanes, number, off)
        found = centred(np.mod(multiplier_from_first_polynomial(played.view), T), T)
        return int((found == played.multiplier).sum())

    def near(off: str | None, number: int) -> int:
        played = play(lanes, number, off)
        distance = np.abs(multiplier_from_phase(played.view) - played.multiplier)
        return int((np.minimum(distance, T - distance) <= 1024).sum())

    numbers = range(3)
    assert [exact("re-randomisation", i) for i in numbers] == [N] * 3
    assert [near("flooding", i) for i in numbers] == [N] * 3
    assert sum(exact(None, i) for i in numbers) == 0
    assert sum(near(None, i) for i in numbers) <= 1


# --- with all defences, what is decrypted looks uniform ------------------------------------------


def chi_square(values: np.ndarray, modulus: int, bins: int) -> float:
    """Statistic of equal bins over [0, modulus), in standard deviations from its mean."""
    which = (values.astype(np.float64) / modulus * bins).astype(np.int64)
    counts = np.bincount(which, minlength=bins)
    expected = values.size / bins
    statistic = ((counts - expected) ** 2 / expected).sum()
    return float((statistic - (bins - 1)) / np.sqrt(2 * (bins - 1)))


@pytest.fixture(scope="module")
def decrypted() -> list[tuple[Session, np.ndarray, np.ndarray]]:
    """80 sessions under one key and one pair of faces: product and rows as decrypted.

    Seeds are fixed and decryption is exact, so the values are the same in every run.
    """
    rng, key, policy = np.random.default_rng(8), TestKey(), default_policy(2)
    template = unit(rng)
    faces = quantise(at_cosine(rng, template, 0.6)), quantise(template)
    inputs = [key.encrypt(lane_slots(face, face)) for face in faces]
    sessions = []
    for i in range(80):
        streams = ScriptedStream(f"uniform product {i}"), ScriptedStream(f"uniform rows {i}")
        session = run_session(key, policy, *inputs, *streams)
        assert session.outcome.lanes == (True, True)
        sessions.append((session, key.decrypt(session.product), key.decrypt(session.rows)))
    return sessions


def test_the_masked_product_decrypts_to_uniform_slots(decrypted) -> None:
    """655,360 slots of 80 sessions with the same faces; the control without a mask is far off."""
    slots = np.concatenate([product for _, product, _ in decrypted])
    assert slots.size == 655_360
    assert abs(chi_square(slots, T, 256)) < 5
    per_slot = np.stack([product for _, product, _ in decrypted])[:, :8]
    assert all(chi_square(values, T, 4) < 5 for values in per_slot.T)

    weak = play(2, 0, "masking")
    assert chi_square(weak.session.key.decrypt(weak.session.product), T, 256) > 1000


def test_the_rows_decrypt_to_uniform_slots_with_at_most_one_zero_row(decrypted) -> None:
    """Slots, nonzero row sums, the place of the zero row, and which comparisons have one."""
    slots = np.concatenate([rows for _, _, rows in decrypted])
    assert abs(chi_square(slots, T, 256)) < 5

    sums = np.stack([row_sums(rows, 2) for _, _, rows in decrypted])
    zero = sums == 0
    assert zero.sum(axis=2).max() == 1
    nonzero = sums[~zero]
    assert nonzero.size > 10_000
    assert abs(chi_square(nonzero, T, 64)) < 5

    places = zero.nonzero()[2]
    assert places.size == 160  # an accepted lane has one zero row in one of its two comparisons
    assert abs(chi_square(places, ROWS, ROWS)) < 5
    first = zero.any(axis=2)[:, 0::2]  # in which of the two: a fair coin, whatever m, L and R are
    assert 80 - 32 < first.sum() < 80 + 32  # 160 tosses, five standard deviations


def test_the_bits_that_the_attacks_use_are_the_authoritys_own() -> None:
    """The view has nothing that the authority lacks: it encrypted what it decrypted."""
    played = play(1, 0, None)
    view = played.view
    assert np.array_equal(view.key.decrypt(view.bits), bit_slots(view.masked))
    assert view.masked == played.session.masked
