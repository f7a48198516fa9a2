"""A small model of the test that a probe is signs, exhaustive; and the numbers it rests on.

The product evaluates X = phi * (omega * tau + t * beta + rho * phi) modulo Q, where phi is the
phase of whatever the client sent (protocol, section 5). Two numbers of X reach the lanes, each
lifted to an integer by a pad that is uniform modulo Q, which is rounding at random. The error of
lane l is D_l; D_l = 0 means that the lane shows what the client's slots say.

For a scalar phase the two numbers are independent, so Pr[D_l = 0] is a short exact Fourier sum, and
*all* phases modulo a small Q can be tried. No phase that is not a sign gets more than 1.1 / t. The
controls: without beta, or with a short one, some phase gets more than 10 / t; so the model does
find the break of an earlier protocol. The formula agrees with an exact enumeration and sampling.

Two-dimensional phases a + b * theta are tried in families, and there the claim is about the
session: a denominator of norm t frees one lane, never both (``test_one_lane_alone`` does it at full
size). Everything is exact or drawn from fixed seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from gateway.he.randomness import FLOOD_BITS
from gateway.he.ring import LANE_FACTOR, THETA
from gateway.wire.profile import (
    DATA_PRIMES,
    KEY_PRIMES,
    LANE,
    SENT_MODULUS,
    SPECIAL_PRIME,
    N,
    T,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Phase = tuple[int, int]

BETA_RATIO = (FLOOD_BITS + 1) / math.log2(math.prod(DATA_PRIMES))
"""log of the number of beta's values over log Q, kept in the model."""
TAIL = 6
"""Characters up to TAIL * t are summed."""


# --- the model -----------------------------------------------------------------------------------


def is_prime(n: int) -> bool:
    """Miller-Rabin with the first 13 primes as bases: a proof for n below 3.3e24."""
    bases = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)
    if n < 2 or any(n % p == 0 for p in bases):
        return n in bases
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in bases:
        x = pow(base, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def centred(x: Ints | int, modulus: int) -> Ints:
    """The representative of x in (-modulus / 2, modulus / 2), for an odd modulus."""
    half = modulus // 2
    return (np.asarray(x, dtype=np.int64) + half) % modulus - half


def dirichlet(x: Floats, count: int) -> Floats:
    """Mean of exp(2 pi i x k) over the `count` (odd) integers k that are centred at 0."""
    x = x - np.rint(x)
    below = count * np.sin(np.pi * x)
    safe = np.where(np.abs(x) < 1e-13, 1.0, below)
    return np.where(np.abs(x) < 1e-13, 1.0, np.sin(np.pi * count * x) / safe)


@dataclass(frozen=True)
class Model:
    """One small parameter set; beta is uniform on [-half_beta, half_beta]."""

    t: int
    q: int
    half_beta: int

    @property
    def beta_count(self) -> int:
        return 2 * self.half_beta + 1

    @property
    def root(self) -> int:
        """A square root of -2 modulo t: the eigenvalue of theta in lane 0."""
        return next(r for r in range(1, self.t) if (r * r + 2) % self.t == 0)

    @property
    def weights(self) -> tuple[int, int]:
        """c for each lane: the lane's value is X_0 + c * X_1 modulo t."""
        half_root = self.root * pow(2, -1, self.t) % self.t
        return half_root, self.t - half_root


def small_model(t: int, least_q: int, ratio: float = BETA_RATIO) -> Model:
    """The smallest prime Q = 1 mod t from least_q on, and beta of about Q^ratio values."""
    q = least_q // t * t + 1
    while not is_prime(q):
        q += t
    return Model(t, q, round(q**ratio / 2))


def rho_kernel(model: Model, n: int, product: Ints) -> Floats:
    """Mean over rho of the character n of rho * w minus rho; product is n * w modulo Q."""
    z = centred(product, model.q).astype(np.float64)
    return dirichlet((z - n) / model.t - z / (model.t * model.q), model.t)


def scalar_zero_probability(model: Model, phases: Ints, tail: int = TAIL) -> Floats:
    """Pr[D_l = 0] for each scalar phase; a row per lane.

    Character j of X_0 is the sum over n = j mod t of sinc(n/t)^2 K_beta(n phi) K_rho(n). That of
    X_1, which has two coefficients of beta and of rho, has both kernels squared.
    """
    t, q = model.t, model.q
    table = dirichlet(np.arange(q) / q, model.beta_count)
    first = np.zeros((t, len(phases)))
    second = np.zeros((t, len(phases)))
    first[0] = second[0] = 1.0
    squares = phases * phases % q
    for n in range(1, tail * t):
        if n % t == 0:
            continue  # sinc vanishes
        beta = table[n * phases % q]
        live = np.abs(beta) > 1e-4
        product = n * squares[live] % q
        both = beta[live] * rho_kernel(model, n, product)
        weight = np.sinc(n / t) ** 2
        for j in (n % t, -n % t):  # n and -n give the same real number
            first[j, live] += weight * both
            second[j, live] += weight * both**2
    j = np.arange(t)
    return np.stack([(first * second[c * j % t]).sum(axis=0) / t for c in model.weights])


def exact_zero_probability(model: Model, phase: int) -> Floats:
    """The same two numbers by enumeration of both distributions modulo Q: no sum is cut short."""
    t, q = model.t, model.q
    half = t // 2
    beta = np.zeros(q)
    np.add.at(beta, np.arange(-model.half_beta, model.half_beta + 1) * t * phase % q, 1.0)
    beta_hat = np.fft.fft(beta / model.beta_count)
    rho = np.arange(-half, half + 1)
    counts = (t - np.abs(np.arange(-2 * half, 2 * half + 1))) / t**2
    errors = []
    for spectrum, values, chances in (
        (beta_hat, rho, np.full(t, 1 / t)),
        (beta_hat**2, np.arange(-2 * half, 2 * half + 1), counts),
    ):
        density = np.fft.ifft(spectrum).real
        error = np.zeros(t)
        for value, chance in zip(values, chances, strict=True):
            shift = int(value) * phase * phase % q
            x = centred(np.arange(q) + shift, q)
            wrap = np.abs(x) / q
            for place, weights in ((x, 1 - wrap), (x - np.sign(x) * q, wrap)):
                error += np.bincount((place - value) % t, chance * density * weights, t)
        errors.append(error)
    j = np.arange(t)
    # D = D_0 + c D_1 = 0
    return np.array([sum(errors[1][i] * errors[0][-c * i % t] for i in j) for c in model.weights])


def is_sign(model: Model, phases: Ints) -> npt.NDArray[np.bool_]:
    """phi = mu / b with the smallest b that makes mu short, and mu^2 = b^2 modulo t."""
    undecided = np.ones(len(phases), dtype=bool)
    sign = np.zeros(len(phases), dtype=bool)
    for b in range(1, model.t):
        mu = centred(b * phases % model.q, model.q)
        short = np.abs(mu) * model.beta_count * model.t <= 40 * b * model.q
        sign |= undecided & short & ((mu * mu - b * b) % model.t == 0)
        undecided &= ~short
    return sign


def worst_scalar(model: Model) -> tuple[float, int, float]:
    """The largest Pr[D_l = 0] over all phases that are no signs; where; the largest for signs."""
    worst, where, best_sign = 0.0, 0, 0.0
    for start in range(1, model.q // 2 + 1, 1 << 18):
        phases = np.arange(start, min(start + (1 << 18), model.q // 2 + 1), dtype=np.int64)
        chance = scalar_zero_probability(model, phases).max(axis=0)
        sign = is_sign(model, phases)
        best_sign = max(best_sign, float(chance[sign].max(initial=0.0)))
        chance[sign] = 0.0
        if chance.max() > worst:
            worst, where = float(chance.max()), int(phases[chance.argmax()])
    return worst, where, best_sign


# --- two dimensions: phases a + b * theta --------------------------------------------------------


def act(p: Phase, f: Phase) -> Phase:
    """p = a + b * theta applied to the pair (f_0, f_{N/4} + f_{3N/4})."""
    return p[0] * f[0] - p[1] * f[1], p[0] * f[1] + 2 * p[1] * f[0]


def multiply(p: Phase, r: Phase) -> Phase:
    """The product in Z[theta], theta^2 = -2."""
    return p[0] * r[0] - 2 * p[1] * r[1], p[0] * r[1] + p[1] * r[0]


def divide(model: Model, mu: Phase, b: Phase) -> Phase:
    """The phase mu / b modulo Q."""
    inverse = pow(b[0] ** 2 + 2 * b[1] ** 2, -1, model.q)
    top = multiply(mu, (b[0], -b[1]))
    return top[0] * inverse % model.q, top[1] * inverse % model.q


def slot(model: Model, p: Phase, lane: int) -> int:
    """The value of p in the slots of a lane."""
    root = model.root if lane == 0 else -model.root
    return (p[0] + root * p[1]) % model.t


def plane_zero_probability(model: Model, phases: Ints, tail: int = 4) -> Floats:
    """Pr[D_l = 0] (template 0) for phases given as rows (a, b): the sum over lattice characters."""
    t, q = model.t, model.q
    a, b = phases[:, 0], phases[:, 1]
    w0, w1 = (a * a - 2 * (b * b % q)) % q, 2 * (a * b % q) % q
    table = dirichlet(np.arange(q) / q, model.beta_count)
    result = np.zeros((2, len(phases)))
    for lane, c in enumerate(model.weights):
        for n0 in range(-tail * t, tail * t + 1):
            start = -tail * t + (c * n0 + tail * t) % t
            for n1 in range(start, tail * t + 1, t):
                weight = float(np.sinc(n0 / t) ** 2 * np.sinc(n1 / t) ** 2)
                if weight < 1e-6:
                    continue
                beta = table[(n0 * a + 2 * n1 * b) % q] * table[(n1 * a - n0 * b) % q] ** 2
                live = np.abs(beta) > 1e-4
                if not live.any():
                    continue
                f = (n0 * w0[live] + 2 * n1 * w1[live]) % q
                g = (n1 * w0[live] - n0 * w1[live]) % q
                rho = rho_kernel(model, n0, f) * rho_kernel(model, n1, g) ** 2
                result[lane, live] += weight * beta[live] * rho
    return result / t


def sample_errors(
    model: Model, phase: Phase, template: Phase, trials: int, seed: int
) -> tuple[Ints, Ints]:
    """Lane values and omega from running the arithmetic; with template 0 the values are D_l."""
    t, q = model.t, model.q
    rng = np.random.default_rng(seed)
    reduced = (int(centred(phase[0], q)), int(centred(phase[1], q)))
    square = multiply(reduced, reduced)
    square = (int(centred(square[0], q)), int(centred(square[1], q)))

    def draw(half: int) -> tuple[Ints, Ints]:
        x = rng.integers(-half, half + 1, (3, trials))
        return x[0], x[1] + x[2]

    omega = rng.integers(1, t, trials)
    scale = centred(omega, t)
    beta, rho = draw(model.half_beta), draw(t // 2)
    inner = tuple((scale * template[i] + t * beta[i]) % q for i in range(2))
    first = act(reduced, inner)  # type: ignore[arg-type]
    second = act(square, rho)  # type: ignore[arg-type]
    lifted = []
    for i in range(2):
        x = centred(first[i] + second[i], q)
        wrap = rng.random(trials) * q < np.abs(x)
        lifted.append(x - np.where(wrap, np.sign(x) * q, 0) - rho[i])
    values = np.stack([(lifted[0] + c * lifted[1]) % t for c in model.weights])
    return values, omega


def one_lane_phases(model: Model, reach: int = 2) -> list[tuple[int, Phase]]:
    """(free lane, phase) for the phases mu / e with e of norm t and a square congruent to 1 there.

    e lies in the prime of one lane, so t * beta says nothing modulo e: mu^2 + kappa * Q = e^2 * w
    with a small kappa, w = 1 in the other lane, and slots there that are no signs.
    """
    t, q = model.t, model.q
    e0, e1 = next((x, y) for y in range(1, t) for x in range(1, t) if x * x + 2 * y * y == t)
    found: list[tuple[int, Phase]] = []
    for e in ((e0, e1), (e0, -e1)):
        lane = 0 if slot(model, e, 0) else 1
        free = model.root if lane == 0 else t - model.root
        dead = next(r for r in range(t * t) if (r * r + 2) % (t * t) == 0 and (r + free) % t == 0)
        for k0 in range(-reach, reach + 1):
            for k1 in range(-reach, reach + 1):
                kappa = (k0, k1)
                need = (slot(model, multiply(e, e), lane) - slot(model, kappa, lane)) % t
                value = (k0 + k1 * dead) % (t * t)
                roots = [u for u in range(t * t) if (u * u + value * q) % (t * t) == 0 and u % t]
                for u in roots[:2]:
                    for v in (v for v in range(t) if (v * v - need) % t == 0):
                        m1 = int(centred((u - v) * pow(dead - free, -1, t), t))
                        mu = (int(centred(u - m1 * dead, t * t)), m1)
                        if kappa != (0, 0) and slot(model, kappa, lane):
                            found.append((lane, divide(model, mu, e)))
    return found


# --- the numbers at real size --------------------------------------------------------------------


def test_moduli_are_prime_and_of_the_right_residue() -> None:
    """t, the data primes and the special prime are prime; Q and Q' are 1 modulo t."""
    assert all(is_prime(p) for p in (T, *KEY_PRIMES))
    assert (*DATA_PRIMES, SPECIAL_PRIME) == KEY_PRIMES
    assert T % (2 * N) == 1
    assert all(p % (2 * N * T) == 1 for p in DATA_PRIMES)
    assert math.prod(DATA_PRIMES) % T == SENT_MODULUS % T == 1
    assert math.prod(DATA_PRIMES).bit_length() == 168
    assert math.prod(KEY_PRIMES).bit_length() <= 218  # what 128 bits of security allow at N = 8192


def test_theta_on_the_two_numbers() -> None:
    """theta = x^(N/4) + x^(3N/4) maps (f_0, f_(N/4) + f_(3N/4)) = (u, v) to (-v, 2u).

    Hence theta^2 = -2, and the pair is all that a multiple of theta needs to know.
    """
    n = 16
    rng = np.random.default_rng(1)
    f = rng.integers(-50, 51, n)

    def times_power(g: Ints, k: int) -> Ints:
        return np.concatenate([-g[n - k :], g[: n - k]])

    def pair(g: Ints) -> Phase:
        return int(g[0]), int(g[n // 4] + g[3 * n // 4])

    moved = times_power(f, n // 4) + times_power(f, 3 * n // 4)
    assert pair(moved) == (-pair(f)[1], 2 * pair(f)[0]) == act((0, 1), pair(f))
    twice = times_power(moved, n // 4) + times_power(moved, 3 * n // 4)
    assert np.array_equal(twice, -2 * f)


def test_lane_factor_is_an_eigenvector_of_theta() -> None:
    """4096 f_0 +- g (f_(N/4) + f_(3N/4)) is multiplied by +-r with r^2 = -2 modulo t."""
    assert (LANE**2 + 2 * LANE_FACTOR**2) % T == 0
    assert all((root * root + 2) % p == 0 for root, p in zip(THETA, DATA_PRIMES, strict=True))
    root = 2 * LANE_FACTOR * pow(LANE, -1, T) % T
    assert (root * root + 2) % T == 0
    pair = (12345, 67890)
    for sign in (1, -1):
        before = LANE * pair[0] + sign * LANE_FACTOR * pair[1]
        after = -LANE * pair[1] + sign * LANE_FACTOR * 2 * pair[0]
        assert (after - sign * root * before) % T == 0


def test_lane_functional_is_the_sum_of_a_coset_of_slots() -> None:
    """At N = 16: the slots that <3> reaches sum to (N/2) f_0 +- (N/4) r (f_(N/4) + f_(3N/4))."""
    n, t = 16, 97
    zeta = next(z for z in range(2, t) if pow(z, n, t) == t - 1)
    f = np.random.default_rng(2).integers(0, t, n)
    for start in (1, -1):
        exponents = [start * pow(3, k, 2 * n) % (2 * n) for k in range(n // 2)]
        total = sum(
            int(c) * pow(zeta, e * i, t) for e in exponents for i, c in enumerate(f.tolist())
        )
        y = pow(zeta, start * n // 4 % (2 * n), t)
        root = (y + y**3) % t  # theta in these slots
        assert (root * root + 2) % t == 0
        # theta^-1 = -theta / 2 turns the S-linear pair into the lane's value
        pair = int(f[0]), int(f[n // 4] + f[3 * n // 4])
        assert (total - (n // 2 * pair[0] + n // 4 * root * pair[1])) % t == 0


def test_norm_form_represents_t() -> None:
    """t = 6207^2 + 2 * 6904^2: the primes above t in Z[sqrt(-2)] are known."""
    norm = 6207**2 + 2 * 6904**2
    assert norm == T


# --- the claims ----------------------------------------------------------------------------------

SIZES = ((17, 200_000), (41, 200_000), (17, 1_000_000))


@pytest.mark.slow
@pytest.mark.parametrize(("t", "least_q"), SIZES)
def test_no_scalar_phase_beats_chance_unless_it_is_a_sign(t: int, least_q: int) -> None:
    """Over all scalar phases: non-signs at most 1.1 / t, while signs are exact almost always."""
    model = small_model(t, least_q)
    worst, where, best_sign = worst_scalar(model)
    exact = float(exact_zero_probability(model, where).max())
    assert abs(exact - worst) < 0.01 / t
    assert max(worst, exact) <= 1.1 / t, f"phase {where}: Pr[D = 0] = {worst * t:.2f} / t"
    assert best_sign > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("half_beta", [0, 3])
@pytest.mark.parametrize("t", [17, 41])
def test_control_without_beta_the_model_finds_the_break(t: int, half_beta: int) -> None:
    """With no beta, or 7 values of it, some phase that is no sign is exact ten times too often."""
    model = Model(t, small_model(t, 200_000).q, half_beta)
    worst, where, _ = worst_scalar(model)
    assert worst > 10 / t
    assert not is_sign(model, np.array([where]))[0]


@pytest.mark.slow
@pytest.mark.parametrize("t", [17, 41])
def test_formula_agrees_with_exact_enumeration(t: int) -> None:
    """The Fourier sum, cut late, against both distributions modulo Q enumerated in full."""
    model = small_model(t, 200_000)
    square_root = math.isqrt(3 * model.q)
    phases = [1, 1 + t, 3, square_root, square_root + 7, pow(5, -1, model.q), model.q // 3]
    formula = scalar_zero_probability(model, np.array(phases), tail=200)
    for i, phase in enumerate(phases):
        exact = exact_zero_probability(model, phase)
        assert np.abs(formula[:, i] - exact).max() < 0.002 * exact.max(), phase


@pytest.mark.parametrize("half_beta", [0, 3, 134])
def test_formula_agrees_with_sampling(half_beta: int) -> None:
    """The same numbers from running the arithmetic with wraps and pads drawn, at five sigmas."""
    model = Model(17, small_model(17, 200_000).q, half_beta)
    trials = 200_000
    for seed, phase in enumerate((1, 448, 18, 1 + 17 * 40, 57522, 3)):
        values, _ = sample_errors(model, (phase, 0), (0, 0), trials, seed)
        chance = scalar_zero_probability(model, np.array([phase]), tail=200)[:, 0]
        spread = np.sqrt(chance * (1 - chance) / trials)
        seen = (values == 0).mean(axis=1)
        assert (np.abs(seen - chance) <= 5 * spread + 2e-3 * chance).all(), phase


def test_plane_formula_contains_the_scalar_one() -> None:
    """Two routes to the same number: the lattice sum in two dimensions, and two sums in one."""
    model = small_model(17, 200_000)
    phases = np.array([1, 448, 50004, 57522, 18])
    plane = plane_zero_probability(model, np.stack([phases, 0 * phases], axis=1), tail=6)
    scalar = scalar_zero_probability(model, phases)
    assert np.allclose(plane, scalar, rtol=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(("t", "least_q"), [(17, 200_000), (41, 3_000_000)])
def test_plane_families_leave_one_lane_at_chance(t: int, least_q: int) -> None:
    """Phases mu / b, b and mu in Z[theta]: unless both lanes are signs, one lane is at chance.

    For b coprime to t every lane that is no sign is at chance.
    """
    model = small_model(t, least_q)
    rng = np.random.default_rng(3)
    phases, free = [], []
    for b in [(x, y) for x in range(-7, 8) for y in range(6) if y or x > 0]:
        norm = b[0] ** 2 + 2 * b[1] ** 2
        limit = int(4 * model.q / model.beta_count / t * math.sqrt(norm)) + 1
        for _ in range(60):
            mu = (int(rng.integers(-limit, limit + 1)), int(rng.integers(-limit, limit + 1)))
            odd = [(slot(model, mu, i) ** 2 - slot(model, b, i) ** 2) % t != 0 for i in (0, 1)]
            if norm % t and any(odd):
                phases.append(divide(model, mu, b))
                free.append(odd)
    chance = plane_zero_probability(model, np.array(phases, dtype=np.int64))
    assert len(phases) > 3000
    assert chance[np.array(free).T].max() <= 1.2 / t


@pytest.mark.parametrize(("t", "least_q"), [(17, 200_000), (41, 3_000_000)])
def test_denominator_of_norm_t_frees_one_lane_and_never_both(t: int, least_q: int) -> None:
    """Phases mu / e, e in the prime of one lane: the other lane may be exact, this one is uniform.

    So no claim may be made about a single lane: the decision has to need both.
    """
    model = small_model(t, least_q)
    found = one_lane_phases(model)
    chance = plane_zero_probability(model, np.array([p for _, p in found], dtype=np.int64))
    lanes = np.array([lane for lane, _ in found])
    index = np.arange(len(found))
    assert chance[lanes, index].max() > 5 / t
    assert chance[1 - lanes, index].max() <= 1.01 / t
    best = int(chance[lanes, index].argmax())
    values, _ = sample_errors(model, found[best][1], (0, 0), 200_000, seed=4)
    seen = (values == 0).mean(axis=1)
    assert abs(seen[lanes[best]] - chance[lanes[best], best]) < 0.01
    assert abs(seen[1 - lanes[best]] - 1 / t) < 5 * math.sqrt(1 / t / 200_000)
