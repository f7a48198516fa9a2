"""What the tests of the private decision share: an authority with its secret key in the open.

Written against the protocol, not against ``keys``: it decrypts with raw SEAL or with exact
integers, and knows the secret polynomial. Three layers:

- ``TestKey``: a key pair that decrypts and measures;
- ``ScriptedStream``: the real randomness with chosen parts;
- ``run_session``: the decision on ciphertexts from end to end, authority included, and
  ``reference_decision``, the same on plaintext values.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import gateway.he.interval
import gateway.he.product
from gateway.he import layout, ring
from gateway.he.engine import Engine, default_engine
from gateway.he.randomness import FLOOD_BITS, FLOOD_LOW_BITS, SeedStream
from gateway.he.session_key import SessionKey, UniformHalf
from gateway.wire.dealing import Dealing
from gateway.wire.policy import LanePolicy, MatchPolicy
from gateway.wire.polynomials import Ciphertext, PaddedProduct, SessionKeyHalf
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, LANE, N, T
from tests.support.parties import fixed_dealings

Q = DATA_PRIMES[0] * DATA_PRIMES[1] * DATA_PRIMES[2]


# --- modular arithmetic, exact -------------------------------------------------------------------


def multiply_exact(left: np.ndarray, right: np.ndarray, prime: int) -> np.ndarray:
    """Pointwise product modulo a prime in Python's integers: slow, and certain."""
    product = left.astype(object) * right.astype(object) % prime
    return product.astype(np.uint64)


def centred(values: np.ndarray, modulus: int) -> np.ndarray:
    """Representatives in (-modulus/2, modulus/2]."""
    values = values % modulus
    return np.where(values > modulus // 2, values - modulus, values)


def from_residues(residues: np.ndarray) -> np.ndarray:
    """Chinese remainder, shape (primes, ...): Python integers centred modulo their product."""
    primes = DATA_PRIMES[: residues.shape[0]]
    modulus = int(np.prod([int(prime) for prime in primes], dtype=object))
    total = np.zeros(residues.shape[1:], dtype=object)
    for i, prime in enumerate(primes):
        rest = modulus // prime
        total += residues[i].astype(object) * pow(rest, -1, prime) % prime * rest
    return centred(total, modulus)


def to_residues(values: np.ndarray) -> np.ndarray:
    """Integers of any size modulo the three data primes, shape (3, ...)."""
    wide = np.asarray(values, dtype=object)
    return np.stack([(wide % prime).astype(np.uint64) for prime in DATA_PRIMES])


# --- SEAL, with the parts that the product leaves out --------------------------------------------


def coefficients_of(engine: Engine, ntt_words: np.ndarray) -> np.ndarray:
    """Inverse NTT of residues, shape (polynomials, 3, 8192), by SEAL."""
    polynomials = ntt_words.shape[0]
    padded = np.concatenate([ntt_words, np.ones((max(0, 2 - polynomials), 3, N), np.uint64)])
    handle = engine._load(padded)
    engine._evaluator.transform_from_ntt_inplace(handle)
    saved = layout._body(layout.saved_to_file(handle))
    words = np.frombuffer(saved, "<u8", offset=len(saved) - padded.size * 8)
    return words.reshape(padded.shape)[:polynomials].astype(np.uint64)


def ntt_of(engine: Engine, coefficients: np.ndarray) -> np.ndarray:
    """NTT of one polynomial's integer coefficients, any size, shape (3, 8192), by SEAL."""
    residues = to_residues(coefficients)
    return engine.transformed(np.stack([residues, residues]))[0].copy()


def polynomial_of_slots(engine: Engine, slots: np.ndarray) -> np.ndarray:
    """Coefficients below t of the plaintext polynomial with these slots."""
    plaintext = engine.plaintext(slots)
    saved = layout._body(_saved_plaintext(engine, plaintext))
    (count,) = struct.unpack_from("<Q", saved, 32)
    found = np.frombuffer(saved, "<u8", count=count, offset=len(saved) - 8 * count)
    result = np.zeros(N, dtype=np.uint64)
    result[:count] = found
    return result


def slots_of_polynomial(engine: Engine, coefficients: np.ndarray) -> np.ndarray:
    """Slots of a plaintext polynomial, coefficients below t, by SEAL's own decoder."""
    saved = layout.plaintext_layout(coefficients.astype(np.uint64), engine._version)
    plaintext = engine._read(engine.library.Plaintext(), saved)
    return np.asarray(engine._encoder.decode_uint64(plaintext), dtype=np.uint64)


def _saved_plaintext(engine: Engine, plaintext: Any) -> layout.Saved:
    return layout.saved_to_file(plaintext)


class TestKey:
    """A session key pair whose secret is in the open."""

    __test__ = False  # not a test class, whatever its name looks like

    def __init__(self, engine: Engine | None = None, seed: bytes | None = None) -> None:
        self.engine = engine or default_engine()
        self.uniform = UniformHalf(seed or np.random.bytes(32))
        generator = self.engine.key_generator()
        public = self.engine.library.PublicKey()
        generator.create_public_key(public)
        self._secret = generator.secret_key()
        exported = self.engine.exported(self._secret)
        self.key_secret = layout.read_coefficients(exported, 4 * N).reshape(4, N).copy()
        """s modulo all four primes, NTT form."""
        drawn = layout.read_words(self.engine.exported(public), 4)
        half = np.empty((1, 4, N), dtype=np.uint64)
        for i, prime in enumerate(KEY_PRIMES):
            shift = (drawn[1, i].astype(object) - self.uniform.words[i].astype(object)) % prime
            moved = shift * self.key_secret[i].astype(object) + drawn[0, i].astype(object)
            half[0, i] = (moved % prime).astype(np.uint64)
        self.public = SessionKey(SessionKeyHalf(half), self.uniform)

    @property
    def secret_words(self) -> np.ndarray:
        """The secret polynomial modulo the data primes, NTT form, shape (3, 8192)."""
        return self.key_secret[:3]

    def encrypt(self, slots: np.ndarray) -> Ciphertext:
        """As a client does: under the public key."""
        return Ciphertext(self.engine.encrypt(self.public.words, slots))

    def encrypt_signed(self, values: np.ndarray) -> Ciphertext:
        """8192 signed values, as slots modulo t."""
        return self.encrypt(np.mod(values.astype(np.int64), T).astype(np.uint64))

    def decrypt(self, ciphertext: Ciphertext) -> np.ndarray:
        """Slots, by SEAL."""
        plaintext = self.engine.library.Plaintext()
        handle = self.engine._load(ciphertext.words)
        decryptor = self.engine.library.Decryptor(self.engine.context, self._secret)
        decryptor.decrypt(handle, plaintext)
        return np.asarray(self.engine._encoder.decode_uint64(plaintext), dtype=np.uint64)

    def phase_words(self, words: np.ndarray) -> np.ndarray:
        """c0 + c1 s (+ c2 s^2) in NTT form, shape (primes, 8192)."""
        result = np.empty(words.shape[1:], dtype=np.uint64)
        for i in range(words.shape[1]):
            prime = DATA_PRIMES[i]
            total = words[-1, i]
            for polynomial in words[-2::-1, i]:
                total = ring.multiply_modulo(total, self.key_secret[i], prime) + polynomial
                total %= np.uint64(prime)
            result[i] = total
        return result

    def phase(self, *ciphertexts: Ciphertext) -> list[np.ndarray]:
        """Phases as exact integers centred modulo Q, 8192 coefficients each."""
        stacked = np.stack([self.phase_words(c.words) for c in ciphertexts])
        return [from_residues(r) for r in coefficients_of(self.engine, stacked)]

    def ciphertext_of(self, phase: np.ndarray, noisy: bool = False) -> Ciphertext:
        """A canonical ciphertext whose phase is exactly this, as its owner can make one.

        Args:
            phase: integer coefficients of any size.
            noisy: put it on an honest encryption of zero, as a client without s must.
        """
        words = ntt_of(self.engine, phase)
        if noisy:
            zero = self.encrypt(np.zeros(N, dtype=np.uint64)).words.copy()
        else:
            zero = np.ones((2, 3, N), dtype=np.uint64)
            for i, prime in enumerate(DATA_PRIMES):
                zero[0, i] = (np.uint64(prime) - self.key_secret[i]) % np.uint64(prime)
        for i, prime in enumerate(DATA_PRIMES):
            zero[0, i] = (zero[0, i] + words[i]) % np.uint64(prime)
        return Ciphertext(zero)

    def answer(self, product: PaddedProduct, omega: int, dealing: Dealing) -> tuple[int, int]:
        """As the authority answers, with an independent reading of the product."""
        words = np.concatenate([np.zeros((1, 2, N), np.uint64), product.tail.words])
        phase = self.phase_words(words)
        third = np.zeros((1, N), dtype=np.uint64)
        coefficients = coefficients_of(self.engine, np.concatenate([phase, third])[None])[0]
        exact = from_residues(coefficients[:2])
        first = int(exact[0]) + product.head[0]
        second = int(exact[N // 4] + exact[3 * N // 4]) + product.head[1]
        numbers = [ring.centred(number) for number in (first, second)]
        slots = slots_of_polynomial(self.engine, _plain(numbers))
        inverse = pow(omega, -1, T)
        sums = [int(slots[LANE * i : LANE * (i + 1)].sum()) for i in range(2)]
        masked = [
            (value * inverse + lane.share) % T
            for value, lane in zip(sums, dealing.lanes, strict=True)
        ]
        return masked[0], masked[1]


def _plain(numbers: Sequence[int]) -> np.ndarray:
    """A polynomial modulo t with these two numbers: f_0, and all of the other in f_(N/4)."""
    polynomial = np.zeros(N, dtype=np.uint64)
    polynomial[0], polynomial[N // 4] = numbers[0] % T, numbers[1] % T
    return polynomial


# --- randomness with chosen parts ----------------------------------------------------------------


class ScriptedStream(SeedStream):
    """The real stream, with chosen parts.

    Args:
        seed: any hashable text; becomes the seed by SHA-256.
        omega, rho, pads: instead of what is drawn; ``rho`` all 8192 values or one for all.
        beta: "off" for no flood, or its number of bits, all values not negative.
        first_bytes: per label, bytes that replace the beginning of the stream.
    """

    def __init__(
        self,
        seed: str,
        *,
        omega: int | None = None,
        rho: np.ndarray | int | None = None,
        pads: tuple[int, int] | None = None,
        beta: int | str | None = None,
        rerandomise: bool = True,
        first_bytes: Mapping[str, bytes] | None = None,
    ) -> None:
        super().__init__(hashlib.sha256(seed.encode()).digest(), bytes(32))
        self._omega, self._rho, self._pads, self._beta = omega, rho, pads, beta
        self._rerandomise = rerandomise
        self._first_bytes = dict(first_bytes or {})

    def residues(self, label: str, count: int) -> np.ndarray:
        values = super().residues(label, count)
        if label == "rho" and self._rho is not None:
            values[:] = self._rho
        return values

    def unit(self, label: str) -> int:
        drawn = super().unit(label)
        return drawn if self._omega is None else self._omega

    def numbers(self, label: str, count: int) -> list[int]:
        drawn = super().numbers(label, count)
        return drawn if self._pads is None else list(self._pads)

    def ternary(self, label: str, count: int) -> np.ndarray:
        return super().ternary(label, count) * int(self._rerandomise)

    def centred_binomial(self, label: str, count: int) -> np.ndarray:
        return super().centred_binomial(label, count) * int(self._rerandomise)

    def flood(self, label: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        low, high = super().flood(label, count)
        if self._beta is None:
            return low, high
        bits = 0 if self._beta == "off" else int(self._beta)
        kept = min(bits, FLOOD_LOW_BITS)
        zero = np.uint64(2 ** (FLOOD_BITS - FLOOD_LOW_BITS))
        upper = (high & np.uint64(2 ** (bits - kept) - 1)) + zero
        return low & np.uint64(2**kept - 1), upper

    def _bytes(self, label: str, count: int) -> bytes:
        first = self._first_bytes.get(label, b"")[:count]
        return first + super()._bytes(label, count)[len(first) :]


# --- policies and inputs -------------------------------------------------------------------------


def policy_of(*lanes: LanePolicy) -> MatchPolicy:
    """A policy with these lanes; one serves both."""
    return MatchPolicy(
        policy_id="test",
        assurance="unsigned-default",
        model_id="model",
        model_digest=b"\x01" * 32,
        lanes=lanes * (2 // len(lanes)),
    )


def default_policy(tau: str = "0.419") -> MatchPolicy:
    return policy_of(LanePolicy.for_cosine(tau))


def random_signs(rng: np.random.Generator) -> np.ndarray:
    """8192 values, each 1 or -1."""
    return rng.integers(0, 2, N).astype(np.int64) * 2 - 1


def inputs_with_values(
    values: Sequence[int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A probe of signs and a template, all 8192 arbitrary modulo t, whose scores are ``values``."""
    probe = random_signs(rng)
    template = rng.integers(0, T, N, dtype=np.int64)
    for lane, value in enumerate(values):
        first = lane * LANE
        template[first] = 0
        missing = value - lane_score(probe, template, lane)
        template[first] = missing * int(probe[first]) % T
    return probe, template


def lane_score(probe: np.ndarray, template: np.ndarray, lane: int) -> int:
    """v of one lane modulo t in Python's integers: the plaintext reference."""
    place = slice(lane * LANE, (lane + 1) * LANE)
    return int((probe[place].astype(object) * template[place].astype(object)).sum()) % T


def reference_decision(
    policy: MatchPolicy, probe: np.ndarray, template: np.ndarray
) -> tuple[bool, ...]:
    """Lane bits that the protocol promises for these values, without any masking."""
    return tuple(
        rule.accepts(lane_score(probe, template, lane)) for lane, rule in enumerate(policy.lanes)
    )


def unit(rng: np.random.Generator, d: int = 512) -> np.ndarray:
    x = rng.normal(size=d)
    return x / np.linalg.norm(x)


def at_cosine(rng: np.random.Generator, x: np.ndarray, cosine: float) -> np.ndarray:
    """A unit vector at this cosine to the unit vector x."""
    y = unit(rng, x.size)
    y -= (x @ y) * x
    y /= np.linalg.norm(y)
    return cosine * x + np.sqrt(1 - cosine * cosine) * y


# --- the decision, from end to end ---------------------------------------------------------------


@dataclass(frozen=True)
class Session:
    """One evaluation from end to end, with all that any party saw, and the values in the open."""

    product: PaddedProduct
    omega: int
    masked: tuple[int, int]
    """What the authority answers."""
    values: tuple[int, int]
    """m of each lane."""
    scores: tuple[int, int]
    """v of each lane modulo t, which nobody sees."""
    lanes: tuple[bool, bool]
    """Lane bits."""

    @property
    def accepted(self) -> bool:
        return all(self.lanes)


def run_session(
    key: TestKey,
    policy: MatchPolicy,
    probe: Ciphertext,
    template: Ciphertext,
    stream: SeedStream,
    *,
    dealings: tuple[Dealing, Dealing] | None = None,
    product: Any = gateway.he.product,
    interval: Any = gateway.he.interval,
) -> Session:
    """Gateway and authority in turn, on ciphertexts in their canonical form.

    ``product`` and ``interval`` are the modules under test; a mutant takes their place.
    """
    ours, theirs = dealings or fixed_dealings("session")
    score = product.padded_score(key.engine, key.public, probe, template, stream)
    sent = PaddedProduct.decode(score.product.encoded)
    masked = key.answer(sent, score.omega, theirs)
    values, scores, bits = [], [], []
    for lane, rule in enumerate(policy.lanes):
        mine, other = ours.lanes[lane], theirs.lanes[lane]
        m = (masked[lane] - score.offsets[lane] + mine.share) % T
        shares = interval.share(0, mine, rule, m), interval.share(1, other, rule, m)
        values.append(m)
        scores.append((m - mine.share - other.share) % T)
        bits.append(interval.accepts(rule, m, shares))
    return Session(
        sent,
        score.omega,
        masked,
        (values[0], values[1]),
        (scores[0], scores[1]),
        (bits[0], bits[1]),
    )
