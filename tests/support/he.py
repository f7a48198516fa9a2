"""What the tests of the private decision share: an authority with its secret key in the open.

Written against the protocol, not against ``keys``: it decrypts with raw SEAL, knows the secret
polynomial, and computes noise with exact integers. Three layers:

- ``TestKey``: a key pair that decrypts and measures;
- ``ScriptedStream``: the real randomness with chosen masks, flips or bytes;
- ``plain_decision`` and ``encrypted_decision``: the same decision, once on plaintext values through
  the gateway's real ``make_rows``, once on ciphertexts from end to end.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tenseal.sealapi as seal
import zstandard

import gateway.he.blinding
import gateway.he.engine
import gateway.he.interval
import gateway.he.product
from gateway.he.engine import Engine, default_engine, export_words
from gateway.he.randomness import SeedStream
from gateway.wire.policy import LanePolicy, MatchPolicy
from gateway.wire.polynomials import Ciphertext, SessionPublicKey
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, LANE, N, T

Q = DATA_PRIMES[0] * DATA_PRIMES[1] * DATA_PRIMES[2]
BITS = 34
ROWS = 35
COMPARISON_SLOTS = ROWS * BITS


# --- modular arithmetic, exact -------------------------------------------------------------------


def multiply_arrays(left: np.ndarray, right: np.ndarray, prime: int) -> np.ndarray:
    """Pointwise product modulo a prime below 2^54 (the float quotient is off by a few units)."""
    quotient = (left.astype(np.float64) * (right.astype(np.float64) / prime)).astype(np.uint64)
    with np.errstate(over="ignore"):
        difference = left * right - quotient * np.uint64(prime)
    return np.mod(difference.view(np.int64), np.int64(prime)).astype(np.uint64)


def invert_array(values: np.ndarray, prime: int) -> np.ndarray:
    """Pointwise inverse by Fermat; zero stays zero."""
    result = np.ones_like(values)
    for bit in bin(prime - 2)[2:]:
        result = multiply_arrays(result, result, prime)
        if bit == "1":
            result = multiply_arrays(result, values, prime)
    return result


def centred(values: np.ndarray, modulus: int) -> np.ndarray:
    """Representatives in (-modulus/2, modulus/2]."""
    values = values % modulus
    return np.where(values > modulus // 2, values - modulus, values)


def from_residues(residues: np.ndarray) -> np.ndarray:
    """Chinese remainder over the three data primes: Python integers centred modulo Q."""
    total = np.zeros(residues.shape[-1], dtype=object)
    for i, prime in enumerate(DATA_PRIMES):
        rest = Q // prime
        factor = pow(rest, -1, prime)
        scaled = gateway.he.blinding.multiply_modulo(residues[i], factor, prime)
        total += scaled.astype(object) * rest
    return centred(total, Q)


def to_residues(values: np.ndarray) -> np.ndarray:
    """Small integers (int64) modulo the three data primes."""
    return np.stack([np.mod(values, np.int64(p)).astype(np.uint64) for p in DATA_PRIMES])


# --- SEAL, with the parts that the product leaves out --------------------------------------------


def saved_bytes(sealed: Any) -> bytes:
    """Body of what SEAL saves, decompressed."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = os.path.join(folder, "saved")
        sealed.save(path)
        with open(path, "rb") as file:
            data = file.read()
    return zstandard.ZstdDecompressor().decompressobj().decompress(data[16:])


def coefficients_of(engine: Engine, ntt_words: np.ndarray) -> np.ndarray:
    """Inverse NTT of residues, shape (polynomials, 3, 8192), by SEAL."""
    polynomials = ntt_words.shape[0]
    padded = np.concatenate([ntt_words, np.ones((max(0, 2 - polynomials), 3, N), np.uint64)])
    handle = engine.load(padded)
    evaluator = seal.Evaluator(engine.context)
    evaluator.transform_from_ntt_inplace(handle)
    body = saved_bytes(handle)
    words = np.frombuffer(body, "<u8", offset=len(body) - padded.size * 8)
    return words.reshape(padded.shape)[:polynomials].astype(np.uint64)


def ntt_of(engine: Engine, coefficients: np.ndarray) -> np.ndarray:
    """NTT of coefficient residues, shape (polynomials >= 2, 3, 8192), by SEAL."""
    return engine.words(engine.load(coefficients, ntt=False))


def slots_of_polynomial(engine: Engine, coefficients: np.ndarray) -> np.ndarray:
    """Slots of a plaintext polynomial, coefficients below t."""
    return engine.slots(engine._polynomial(coefficients.astype(np.uint64)))


def polynomial_of_slots(engine: Engine, slots: np.ndarray) -> np.ndarray:
    """Coefficients below t of the plaintext polynomial with these slots."""
    body = saved_bytes(engine.plaintext(slots))
    (count,) = struct.unpack_from("<Q", body, 32)
    found = np.frombuffer(body, "<u8", count=count, offset=len(body) - 8 * count)
    result = np.zeros(N, dtype=np.uint64)
    result[:count] = found
    return result


class TestKey:
    """A session key pair whose secret is in the open."""

    __test__ = False  # not a test class, whatever its name looks like

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine or default_engine()
        generator = seal.KeyGenerator(self.engine.context)
        self._secret = generator.secret_key()
        public = seal.PublicKey()
        generator.create_public_key(public)
        self.public = SessionPublicKey(export_words(public, len(KEY_PRIMES)))

    @property
    def secret_words(self) -> np.ndarray:
        """The secret polynomial modulo the data primes, NTT form, shape (3, 8192)."""
        body = saved_bytes(self._secret)
        words = np.frombuffer(body, "<u8", offset=len(body) - 4 * N * 8)
        return words.reshape(4, N)[:3].astype(np.uint64)

    def encrypt(self, slots: np.ndarray) -> Ciphertext:
        """As a client does: under the public key."""
        return self.engine.ciphertext(self.engine.encrypt(self.public, slots))

    def encrypt_symmetric(self, slots: np.ndarray) -> Ciphertext:
        """As the authority does: under the secret key."""
        result = seal.Ciphertext()
        encryptor = seal.Encryptor(self.engine.context, self._secret)
        encryptor.encrypt_symmetric(self.engine.plaintext(slots), result)
        return self.engine.ciphertext(result)

    def decrypt(self, ciphertext: Ciphertext) -> np.ndarray:
        """Slots."""
        plaintext = seal.Plaintext()
        handle = self.engine.load(ciphertext.words)
        seal.Decryptor(self.engine.context, self._secret).decrypt(handle, plaintext)
        return self.engine.slots(plaintext)

    def noise_budget(self, ciphertext: Ciphertext) -> int:
        """SEAL's own figure, for cross-checks of the exact one only."""
        decryptor = seal.Decryptor(self.engine.context, self._secret)
        return int(decryptor.invariant_noise_budget(self.engine.load(ciphertext.words)))

    def phase_words(self, ciphertext: Ciphertext) -> np.ndarray:
        """c0 + c1 s (+ c2 s^2) in NTT form, shape (3, 8192)."""
        secret, words = self.secret_words, ciphertext.words
        result = np.empty((3, N), dtype=np.uint64)
        for i, prime in enumerate(DATA_PRIMES):
            total = words[-1, i]
            for polynomial in words[-2::-1, i]:
                total = multiply_arrays(total, secret[i], prime) + polynomial
                total %= np.uint64(prime)
            result[i] = total
        return result

    def phase(self, *ciphertexts: Ciphertext) -> list[np.ndarray]:
        """Phases as exact integers centred modulo Q, 8192 coefficients each."""
        stacked = np.stack([self.phase_words(c) for c in ciphertexts])
        return [from_residues(r) for r in coefficients_of(self.engine, stacked)]

    def noise(self, *ciphertexts: Ciphertext) -> list[np.ndarray]:
        """e = (phase - plaintext) / t, exact; the plaintext is the residue centred modulo t."""
        return [(phase - centred(phase, T)) // T for phase in self.phase(*ciphertexts)]


# --- randomness with chosen parts ----------------------------------------------------------------


class ScriptedStream(SeedStream):
    """The real stream, with chosen parts.

    Args:
        seed: any hashable text; becomes the seed by SHA-256.
        rho: per lane, the sum of the mask over the lane. All other randomness of the mask stays.
        flips: per lane, the first flip.
        first_bytes: per label, bytes that replace the beginning of what SHAKE-256 gives.
    """

    def __init__(
        self,
        seed: str,
        *,
        rho: Mapping[int, int] | None = None,
        flips: Mapping[int, int] | None = None,
        first_bytes: Mapping[str, bytes] | None = None,
    ) -> None:
        super().__init__(hashlib.sha256(seed.encode()).digest(), bytes(32))
        self._rho = dict(rho or {})
        self._first_bytes = dict(first_bytes or {})
        for lane, flip in (flips or {}).items():
            self._first_bytes[f"rows/flip/{lane}"] = bytes((flip,))

    def residues(self, label: str, count: int) -> np.ndarray:
        values = super().residues(label, count)
        if label == "product/mask":
            for lane, rho in self._rho.items():
                place = values[lane * LANE : (lane + 1) * LANE]
                place[0] = (rho - int(place[1:].sum())) % T
        return values

    def _bytes(self, label: str, count: int) -> bytes:
        first = self._first_bytes.get(label, b"")[:count]
        return first + super()._bytes(label, count)[len(first) :]


# --- policies and inputs -------------------------------------------------------------------------


def policy_of(*lanes: LanePolicy) -> MatchPolicy:
    """A policy with these lanes."""
    return MatchPolicy(
        policy_id="test",
        assurance="unsigned-default",
        model_id="model",
        model_digest=b"\x01" * 32,
        lanes=lanes,
    )


def default_policy(lanes: int, tau: str = "0.419") -> MatchPolicy:
    return policy_of(*(LanePolicy.for_cosine(tau),) * lanes)


def slots_with_values(
    policy: MatchPolicy, values: Sequence[int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Probe and template slots, all 8192 arbitrary modulo t, whose lane scores are ``values``."""
    probe = rng.integers(0, T, N, dtype=np.uint64)
    template = rng.integers(0, T, N, dtype=np.uint64)
    for lane, (rule, value) in enumerate(zip(policy.lanes, values, strict=True)):
        first = lane * LANE
        probe[first] = 1
        template[first] = 0
        missing = (value - lane_score(rule, probe, template, lane)) % T
        template[first] = missing * pow(rule.ks, -1, T) % T
    return probe, template


def lane_score(rule: LanePolicy, probe: np.ndarray, template: np.ndarray, lane: int) -> int:
    """v of one lane modulo t in Python integers: the plaintext reference."""
    place = slice(lane * LANE, (lane + 1) * LANE)
    p, b = probe[place].astype(object), template[place].astype(object)
    return rule.value(int((p * b).sum()), int((p * p).sum())) % T


def reference_decision(
    policy: MatchPolicy, probe: np.ndarray, template: np.ndarray
) -> tuple[bool, ...]:
    """Lane bits that the protocol promises for these slots, without any masking."""
    return tuple(
        rule.accepts(lane_score(rule, probe, template, lane))
        for lane, rule in enumerate(policy.lanes)
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


# --- the decision, as the authority makes it -----------------------------------------------------


def bit_slots(masked: Sequence[int]) -> np.ndarray:
    """Bit j of row i of comparison k at slot 1190 k + 34 i + j; two comparisons per lane."""
    slots = np.zeros(N, dtype=np.uint64)
    for k in range(2 * len(masked)):
        bits = [(masked[k // 2] >> j) & 1 for j in range(BITS)]
        slots[k * COMPARISON_SLOTS : (k + 1) * COMPARISON_SLOTS] = bits * ROWS
    return slots


def lane_sums(slots: np.ndarray, lanes: int) -> list[int]:
    return [int(slots[LANE * i : LANE * (i + 1)].sum()) % T for i in range(lanes)]


def row_sums(slots: np.ndarray, lanes: int) -> np.ndarray:
    """Shape (comparisons, 35), modulo t."""
    used = slots[: 2 * lanes * COMPARISON_SLOTS].reshape(2 * lanes, ROWS, BITS)
    return used.sum(axis=2) % np.uint64(T)


@dataclass(frozen=True)
class Outcome:
    """What the authority finds: zero rows per comparison, and the lanes' bits."""

    zeros: tuple[int, ...]
    lanes: tuple[bool, ...] = field(init=False)

    def __post_init__(self) -> None:
        z = [zeros > 0 for zeros in self.zeros]
        lanes = tuple(a != b for a, b in zip(z[0::2], z[1::2], strict=True))
        object.__setattr__(self, "lanes", lanes)

    @classmethod
    def of(cls, rows: np.ndarray, lanes: int) -> Outcome:
        sums = row_sums(rows, lanes)
        return cls(tuple(int(n) for n in (sums == 0).sum(axis=1)))


def plain_outcome(
    policy: MatchPolicy,
    values: Sequence[int],
    rho: Sequence[int],
    stream: SeedStream,
    *,
    product: Any = gateway.he.product,
    interval: Any = gateway.he.interval,
) -> Outcome:
    """The decision on plaintext values: the real bounds and rows, evaluated modulo t.

    ``product`` and ``interval`` are the modules under test; a mutant takes their place.
    """
    masked = [(v + r) % T for v, r in zip(values, rho, strict=True)]
    bounds = tuple(
        product.LaneBounds.of(rule, r) for rule, r in zip(policy.lanes, rho, strict=True)
    )
    rows = interval.make_rows(bounds, stream)
    evaluated = np.where(bit_slots(masked) == 1, rows.factors, np.uint64(0)) + rows.addends
    return Outcome.of(evaluated % np.uint64(T), len(masked))


@dataclass(frozen=True)
class Session:
    """One evaluation from end to end.

    The authority saw everything but ``bounds``, ``probe`` and ``template``.
    """

    key: TestKey
    policy: MatchPolicy
    probe: Ciphertext
    template: Ciphertext
    product: Ciphertext
    masked: tuple[int, ...]
    bits: Ciphertext
    rows: Ciphertext
    bounds: tuple[Any, ...]
    outcome: Outcome


def run_session(
    key: TestKey,
    policy: MatchPolicy,
    probe: Ciphertext,
    template: Ciphertext,
    product_stream: SeedStream,
    rows_stream: SeedStream,
    *,
    product: Any = gateway.he.product,
    interval: Any = gateway.he.interval,
) -> Session:
    """Gateway and authority in turn, on ciphertexts in their canonical form."""
    score = product.masked_product(key.engine, key.public, probe, template, policy, product_stream)
    received = Ciphertext.decode(score.ciphertext.encoded, polynomials=3)
    masked = lane_sums(key.decrypt(received), len(policy.lanes))
    bits = key.encrypt_symmetric(bit_slots(masked))
    rows = interval.blinded_rows(key.engine, key.public, bits, score.bounds, rows_stream)
    rows = Ciphertext.decode(rows.encoded, polynomials=2)
    outcome = Outcome.of(key.decrypt(rows), len(policy.lanes))
    return Session(
        key, policy, probe, template, received, tuple(masked), bits, rows, score.bounds, outcome
    )
