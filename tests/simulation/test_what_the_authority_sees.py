"""What an authority can read that makes keys as it likes, alone or with a device (protocol, 7).

Of the padded product (h, c1, c2) the first part is two numbers with a uniform pad each. What is
left is shown here at full size, each defence beside the same attack without it:

- c1 is hidden by u a + t e1 alone. A device that hands in P = (-s, 1), whose phase is zero, makes
  c1 + 2 s c2 the phase of omega T + t beta, so every slot of the template.
- That mask is worth what a is worth: if the authority could choose a, it would see through it.
- Second polynomials of encryptions depend on a and the encryptor's draws, not on b or the vector.
- Whatever b is, the gateway's values are uniform and the outcome is one bit of a shifted value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from gateway.he.engine import default_engine, set_profile
from gateway.he.engine_tenseal import _BGV, TensealEngine
from gateway.he.evaluation import Evaluation, Inputs
from gateway.he.interval import accepts, share
from gateway.he.product import padded_score
from gateway.he.ring import multiply_modulo, residues
from gateway.he.session_key import SessionKey, UniformHalf
from gateway.wire.cose import Signed, peek
from gateway.wire.dealing import AUTHORITY
from gateway.wire.polynomials import Ciphertext, SessionKeyHalf
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, SENT_PRIMES, SPECIAL_PRIME, N, T
from gateway.wire.session import SessionGrant
from tests.support.he import (
    ScriptedStream,
    TestKey,
    coefficients_of,
    default_policy,
    from_residues,
    ntt_of,
    polynomial_of_slots,
    random_signs,
    slots_of_polynomial,
)
from tests.support.parties import fixed_bytes, fixed_dealings, signed_grant

BY_CHANCE = 4
"""Of 8192 values modulo t so many are right by chance in less than one run of 10^20."""
MAXIMAL = 10.0**-10
"""How often an honest run may fail a statistical bound here."""


# --- the mask of c1 ------------------------------------------------------------------------------


class WithoutU(ScriptedStream):
    """The real stream, with t e1 as the only mask."""

    def ternary(self, label: str, count: int) -> np.ndarray:
        return super().ternary(label, count) * 0


class Victim:
    """A template under a key that its maker and a device attack together."""

    def __init__(self, key: TestKey) -> None:
        self.key = key
        self.slots = np.random.default_rng(5).integers(0, T, N, dtype=np.uint64)
        self.polynomial = polynomial_of_slots(key.engine, self.slots).astype(np.int64)
        self._template = key.encrypt(self.slots)
        self._probe = key.ciphertext_of(np.zeros(N, dtype=object))

    def product(self, stream: ScriptedStream) -> tuple[np.ndarray, int]:
        """(c1, c2), shape (2, 2, 8192), and omega, with the device's P = (-s, 1)."""
        assert (self._probe.words[1] == 1).all()
        score = padded_score(self.key.engine, self.key.public, self._probe, self._template, stream)
        return score.product.tail.words.copy(), score.omega

    def opened(self, tail: np.ndarray) -> np.ndarray:
        """c1 + 2 s c2 in NTT form, shape (2, 8192)."""
        words = np.empty((len(SENT_PRIMES), N), dtype=np.uint64)
        for i, prime in enumerate(SENT_PRIMES):
            twice = 2 * self.key.key_secret[i] % np.uint64(prime)
            words[i] = (multiply_modulo(tail[1, i], twice, prime) + tail[0, i]) % np.uint64(prime)
        return words

    def read(self, tail: np.ndarray, omega: int) -> int:
        """How many coefficients of the template's polynomial come out right."""
        found = self.integers(self.opened(tail)) * pow(omega, -1, T) % T
        return int((found == self.polynomial).sum())

    def integers(self, words: np.ndarray) -> np.ndarray:
        """Coefficients, centred modulo Q', of words in NTT form, shape (2, 8192)."""
        padded = np.concatenate([words, np.zeros((1, N), np.uint64)])
        both = coefficients_of(self.key.engine, np.stack([padded, padded]))
        return from_residues(both[0, : len(SENT_PRIMES)])


@pytest.fixture(scope="module")
def victim() -> Victim:
    return Victim(TestKey())


def test_the_mask_hides_every_coefficient_of_the_template(victim: Victim) -> None:
    for number in range(3):
        tail, omega = victim.product(ScriptedStream(f"masked {number}"))
        assert victim.read(tail, omega) < BY_CHANCE


def test_without_the_mask_all_of_the_template_is_read(victim: Victim) -> None:
    """The control: no mask at all, or t e1 alone, which is zero modulo t."""
    for stream in (ScriptedStream("bare", rerandomise=False), WithoutU("bare")):
        tail, omega = victim.product(stream)
        assert victim.read(tail, omega) == N


def test_it_is_u_a_that_hides(victim: Victim) -> None:
    """The control of the reading itself: with u known and taken off, everything comes out."""
    tail, omega = victim.product(ScriptedStream("known"))
    stream = ScriptedStream("known")
    u = residues(stream.ternary("u", N), SENT_PRIMES)
    transformed = victim.key.engine.transformed(np.stack([u, u]))[0]
    for i, prime in enumerate(SENT_PRIMES):
        mask = multiply_modulo(transformed[i], victim.key.uniform.sent_words[i], prime)
        tail[0, i] = (tail[0, i] + np.uint64(prime) - mask) % np.uint64(prime)
    assert victim.read(tail, omega) == N


# --- nobody's a ----------------------------------------------------------------------------------


def chosen_half(monkeypatch: pytest.MonkeyPatch, words: list[np.ndarray]) -> None:
    """Everybody expands a to these words, one array for each of the four primes."""
    monkeypatch.setattr(UniformHalf, "_modulo", lambda _, index: words[index].copy())


def test_with_an_a_of_one_everything_but_u_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of the mask is ternary: which of two faces it is shows at once."""
    chosen_half(monkeypatch, [np.ones(N, dtype=np.uint64) for _ in KEY_PRIMES])
    victim = Victim(TestKey())
    assert differences_from(victim, victim.polynomial) <= {0, 1, T - 1}
    other = victim.polynomial.copy()
    other[0] = (other[0] + 5) % T
    assert not differences_from(victim, other) <= {0, 1, T - 1}


def test_with_the_product_s_a_no_face_fits_better(victim: Victim) -> None:
    assert len(differences_from(victim, victim.polynomial)) > N // 2


def differences_from(victim: Victim, candidate: np.ndarray) -> set[int]:
    """What a candidate leaves of c1 + 2 s c2 modulo t: u a, if it is the template."""
    tail, omega = victim.product(ScriptedStream("candidates"))
    rest = victim.integers(victim.opened(tail)) - omega * candidate.astype(object)
    return {int(value) for value in rest % T}


def test_with_a_trapdoor_in_a_all_of_the_template_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """a = t g / f with small f and g looks uniform; times f, the mask is small and 0 modulo t."""
    engine, rng = default_engine(), np.random.default_rng(6)
    f, g = rng.integers(-1, 2, (2, N))
    f_words, g_words = ntt_of(engine, f), ntt_of(engine, g)
    uniform = [
        multiply_modulo(
            multiply_modulo(g_words[i], T, prime),
            np.array([pow(int(w), -1, prime) for w in f_words[i]], dtype=np.uint64),
            prime,
        )
        for i, prime in enumerate(DATA_PRIMES)
    ]
    chosen_half(monkeypatch, [*uniform, UniformHalf(bytes(32)).words[3]])
    trapped = Victim(TestKey())
    assert trapdoor_reads(trapped, f, f_words) == N
    # The same f under an a of nobody's.
    monkeypatch.undo()
    assert trapdoor_reads(Victim(TestKey()), f, f_words) < BY_CHANCE


def trapdoor_reads(victim: Victim, f: np.ndarray, f_words: np.ndarray) -> int:
    """Slots of the template that come out right by multiplying with f."""
    tail, omega = victim.product(ScriptedStream("trapdoor"))
    words = victim.opened(tail)
    for i, prime in enumerate(SENT_PRIMES):
        words[i] = multiply_modulo(words[i], f_words[i], prime)
    engine = victim.key.engine
    found = slots_of_polynomial(engine, victim.integers(words) % T)
    factor = slots_of_polynomial(engine, np.mod(f, T))
    wanted = multiply_modulo(multiply_modulo(victim.slots, factor, T), omega, T)
    return int((found == wanted).sum())


# --- second polynomials are blank ----------------------------------------------------------------


class SeededEngine(TensealEngine):
    """The older SEAL, whose generator can be given a seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        super().__init__()

    def _context(self) -> Any:
        seal = self.library
        parameters = seal.EncryptionParameters(_BGV)
        set_profile(seal, parameters)
        parameters.set_random_generator(seal.Blake2xbPRNGFactory([self._seed] * 8))
        return seal.SEALContext(parameters, True, seal.SEC_LEVEL_TYPE.TC128)


def key_words(rng: np.random.Generator, primes: tuple[int, ...] = KEY_PRIMES) -> np.ndarray:
    return np.stack([rng.integers(0, prime, N, dtype=np.uint64) for prime in primes])


def test_under_one_draw_the_second_polynomial_is_the_same_for_any_key_and_face() -> None:
    """SEAL itself with a seeded generator: four halves b, as many vectors, one P1.

    Fails if an encryption ever adds the vector, or a multiple of b, to its second polynomial.
    """
    rng = np.random.default_rng(7)
    a, engine = key_words(rng), SeededEngine(1)
    zero = np.zeros_like(a)
    zero[3] = 1
    firsts, seconds = set(), set()
    for b in (key_words(rng), np.ones_like(a), zero, a):
        words = engine.encrypt((b, a), rng.integers(0, T, N, dtype=np.uint64))
        firsts.add(words[0].tobytes())
        seconds.add(words[1].tobytes())
    assert (len(firsts), len(seconds)) == (4, 1)
    drawn_otherwise = SeededEngine(2).encrypt((a, a), np.zeros(N, dtype=np.uint64))
    assert drawn_otherwise[1].tobytes() not in seconds


def test_the_second_polynomial_of_the_default_engine_is_a_function_of_u() -> None:
    """This build takes no seed. With a = 1 its P1 is u + t e1, divided by the special prime.

    It is one of four numbers, by u and the sign of e1, whatever b and the vector are.
    """
    rng, engine = np.random.default_rng(8), default_engine()
    a = np.ones((4, N), dtype=np.uint64)
    for b in (key_words(rng), a):
        slots = rng.integers(0, T, N, dtype=np.uint64)
        first, second = (
            from_residues(p) for p in coefficients_of(engine, engine.encrypt((b, a), slots))
        )
        values = second * SPECIAL_PRIME % T
        assert set(values.tolist()) == {0, 1, T - 1}
        assert len(set(second.tolist())) <= 4
        # The controls: the vector is in the first polynomial, and in the second it would be seen.
        plain = polynomial_of_slots(engine, slots).astype(object)
        assert not set(((second + plain) * SPECIAL_PRIME % T).tolist()) <= {0, 1, T - 1}
        if b is a:
            assert set(((first - plain) * SPECIAL_PRIME % T).tolist()) == {0, 1, T - 1}


# --- keys that are none --------------------------------------------------------------------------

Half = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def zero_but(*kept: int) -> Half:
    def make(rng: np.random.Generator, a: np.ndarray) -> np.ndarray:
        words = np.zeros_like(a)
        for i in kept:
            words[i] = rng.integers(1, KEY_PRIMES[i], N, dtype=np.uint64)
        return words

    return make


HALVES: dict[str, Half] = {
    "random": lambda rng, _: key_words(rng),
    "one": lambda _, a: np.ones_like(a),
    "a itself": lambda _, a: a.copy(),
    "zero modulo the data primes": zero_but(3),
    "zero modulo one prime": zero_but(1, 2, 3),
}
POLICY = default_policy()
TRIES = 40


@pytest.mark.parametrize("kind", HALVES)
def test_whatever_b_is_one_shifted_bit_comes_out(kind: str) -> None:
    """m' as the authority likes it: each lane's bit is [m' - r_1 - K in the window], no more.

    K is one number, of values that the authority never sees; m is uniform, so it tells none.
    """
    rng, engine = np.random.default_rng(9), default_engine()
    uniform = UniformHalf(fixed_bytes(f"a {kind}"))
    half = SessionKeyHalf(HALVES[kind](rng, uniform.words)[None])
    key = SessionKey(half, uniform)
    probe, template = (
        Ciphertext(engine.encrypt(key.words, np.mod(values, T).astype(np.uint64)))
        for values in (random_signs(rng), rng.integers(-8, 9, N))
    )
    grant = signed_grant(key)
    values, bits = [], set()
    for number in range(TRIES):
        ours, theirs = fixed_dealings(f"{kind} {number}")
        inputs = Inputs(
            grant=Signed(peek(grant, SessionGrant), grant),
            public_key=key,
            policy=POLICY,
            template_assertion=b"template",
            submission_assertion=b"submission",
            template=template,
            probe=probe,
            dealing=ours,
        )
        evaluation = Evaluation(engine, inputs, bytearray(fixed_bytes(f"seed {kind} {number}")))
        evaluation.padded_product(fixed_bytes(f"nonce {number}"))
        assert evaluation._score is not None
        hidden = evaluation._score.offsets
        # Aimed at the window half of the time, as if K were known; the gateway cannot tell.
        wanted = [
            rule.lo + int(rng.integers(rule.width)) if rng.integers(2) else int(rng.integers(T))
            for rule in POLICY.lanes
        ]
        masked = [
            (w + k + d.share) % T for w, k, d in zip(wanted, hidden, theirs.lanes, strict=True)
        ]
        opened = evaluation.open((masked[0], masked[1]))
        for lane, rule in enumerate(POLICY.lanes):
            m, other = opened.values[lane], theirs.lanes[lane]
            bit = accepts(rule, m, (opened.shares[lane], share(AUTHORITY, other, rule, m)))
            assert bit == rule.accepts((masked[lane] - other.share - hidden[lane]) % T)
            bits.add(bit)
            values.append(m)
            # The control: without the gateway's r_0, m and m' tell K.
            assert (masked[lane] - (m - ours.lanes[lane].share)) % T == hidden[lane]
    assert bits == {True, False}
    assert uniform_enough(values)
    assert not uniform_enough(values[:1] * len(values))


def uniform_enough(values: list[int], bins: int = 8) -> bool:
    """Chi-square of equal bins over [0, t)."""
    counts = np.bincount(np.array(values) * bins // T, minlength=bins)
    expected = len(values) / bins
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return statistic < chi2.isf(MAXIMAL, bins - 1)
