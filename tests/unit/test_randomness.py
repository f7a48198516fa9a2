"""The seeded randomness: against a slow second implementation, golden values, one draw per label.

The second implementation is written from the module's docstring (protocol, section 7), with plain
loops over ``hashlib.shake_256`` and Python integers.
"""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.he.engine import default_engine
from gateway.he.interval import blinded_rows
from gateway.he.product import masked_product
from gateway.he.randomness import SeedStream, seed_commitment
from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import SessionId
from gateway.wire.polynomials import Ciphertext, SessionPublicKey
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, N, T
from tests.support.he import default_policy

SEED = bytes(range(32))
TRANSCRIPT = bytes(range(32, 64))


# --- the slow implementation ---------------------------------------------------------------------


class SlowStream:
    """One label's bytes, then values one by one."""

    def __init__(self, seed: bytes, transcript: bytes) -> None:
        self.seed, self.transcript = seed, transcript

    def stream(self, label: str, length: int) -> bytes:
        name = label.encode("utf-8")
        message = b"sealmatch/bgv8192-1" + b"\x00" + len(name).to_bytes(1, "big") + name
        return hashlib.shake_256(message + self.transcript + self.seed).digest(length)

    def chunks(self, label: str, width: int) -> Iterator[bytes]:
        data = self.stream(label, 400_000)
        for start in range(0, len(data) - width + 1, width):
            yield data[start : start + width]

    def residues(self, label: str, count: int, lowest: int = 0) -> list[int]:
        values = []
        for chunk in self.chunks(label, 5):
            value = int.from_bytes(chunk, "little") % 2**34
            if lowest <= value < 17179754497:
                values.append(value)
                if len(values) == count:
                    break
        return values

    def nonzero_residues(self, label: str, count: int) -> list[int]:
        return self.residues(label, count, lowest=1)

    def ternary(self, label: str, count: int) -> list[int]:
        kept = (chunk[0] for chunk in self.chunks(label, 1) if chunk[0] < 255)
        return [byte % 3 - 1 for byte in itertools.islice(kept, count)]

    def centred_binomial(self, label: str, count: int) -> list[int]:
        words = (int.from_bytes(chunk, "little") for chunk in self.chunks(label, 6))
        return [
            sum(word >> i & 1 for i in range(21)) - sum(word >> i & 1 for i in range(21, 42))
            for word in itertools.islice(words, count)
        ]

    def flood(self, label: str, count: int) -> list[int]:
        words = (int.from_bytes(chunk, "little") for chunk in self.chunks(label, 16))
        return [word % 2**125 - 2**124 for word in itertools.islice(words, count)]

    def permutation(self, label: str, count: int) -> list[int]:
        data = iter(self.stream(label, 10_000))
        places = list(range(count))
        for last in reversed(range(1, count)):
            candidates = last + 1
            largest_multiple = max(m for m in range(257) if m % candidates == 0)
            byte = next(data)
            while byte >= largest_multiple:
                byte = next(data)
            chosen = byte % candidates
            places[last], places[chosen] = places[chosen], places[last]
        return places

    def bit(self, label: str) -> int:
        return self.stream(label, 1)[0] % 2


def joined(parts: tuple[np.ndarray, np.ndarray]) -> list[int]:
    low, high = parts
    return [int(a) + (int(b) << 62) for a, b in zip(low, high, strict=True)]


def fast(sampler: str, label: str, count: int, seed: bytes = SEED) -> list[int]:
    values = getattr(SeedStream(seed, TRANSCRIPT), sampler)(label, count)
    return joined(values) if sampler == "flood" else [int(v) for v in values]


SAMPLERS = ["residues", "nonzero_residues", "ternary", "centred_binomial", "flood"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_8192_values_equal_the_slow_implementation(sampler: str) -> None:
    slow = getattr(SlowStream(SEED, TRANSCRIPT), sampler)("product/mask", N)
    assert fast(sampler, "product/mask", N) == slow
    assert len(slow) == N


@settings(max_examples=60)
@given(
    sampler=st.sampled_from([*SAMPLERS, "permutation"]),
    seed=st.binary(min_size=32, max_size=32),
    label=st.text(st.characters(codec="ascii"), max_size=60),
    count=st.integers(1, 128),
)
def test_any_seed_label_and_count(sampler: str, seed: bytes, label: str, count: int) -> None:
    slow = getattr(SlowStream(seed, TRANSCRIPT), sampler)(label, count)
    assert fast(sampler, label, count, seed) == slow


def test_bits_equal_the_slow_implementation() -> None:
    stream, slow = SeedStream(SEED, TRANSCRIPT), SlowStream(SEED, TRANSCRIPT)
    labels = [f"rows/flip/{i}" for i in range(200)]
    assert [stream.bit(x) for x in labels] == [slow.bit(x) for x in labels]


class Bytes(SeedStream):
    """The real samplers over bytes that a test chooses."""

    def __init__(self, data: bytes) -> None:
        super().__init__(SEED, TRANSCRIPT)
        self._data = data

    def _bytes(self, label: str, count: int) -> bytes:
        return self._data[:count].ljust(count, b"\x01")


def test_rejection_at_the_exact_bounds() -> None:
    words = b"".join(v.to_bytes(5, "little") for v in (T, T - 1, 2**34 - 1, 0, 1, 2**34 + 5))
    assert Bytes(words).residues("x", 4).tolist() == [T - 1, 0, 1, 5]
    assert Bytes(words).nonzero_residues("x", 3).tolist() == [T - 1, 1, 5]
    assert Bytes(bytes((255, 254, 0, 1, 2, 255, 253))).ternary("x", 5).tolist() == [1, -1, 0, 1, 0]
    ends = b"".join(v.to_bytes(6, "little") for v in (2**21 - 1, (2**21 - 1) << 21, 2**48 - 1))
    assert Bytes(ends).centred_binomial("x", 3).tolist() == [21, -21, 0]
    ends = b"".join(v.to_bytes(16, "little") for v in (0, 2**125 - 1, 2**128 - 1, 2**62, 2**125))
    expected = [-(2**124), 2**124 - 1, 2**124 - 1, 2**62 - 2**124, -(2**124)]
    assert joined(Bytes(ends).flood("x", 5)) == expected
    # Three places: 255 is at the largest multiple of 3 and rejected; then 254 mod 3 = 2, 1 mod 2.
    assert Bytes(bytes((255, 254, 1))).permutation("x", 3).tolist() == [0, 1, 2]
    assert Bytes(bytes((255, 0, 0))).permutation("x", 3).tolist() == [1, 2, 0]


def test_a_stream_of_rejected_values_is_an_error_and_not_a_short_answer() -> None:
    with pytest.raises(RuntimeError):
        Bytes(b"\xff" * 10_000).residues("x", 100)
    with pytest.raises(RuntimeError):
        Bytes(b"\xff" * 10_000).ternary("x", 100)
    with pytest.raises((RuntimeError, StopIteration)):
        Bytes(b"\xff" * 10_000).permutation("x", 35)


# --- golden --------------------------------------------------------------------------------------

GOLDEN: dict[str, tuple[list[int], str]] = {
    # First three of 8192 values under label "golden"; SHA-256 of all as decimal lines.
    "residues": (
        [768811028, 14847298414, 8002314100],
        "0baee54887d2ce9dc1f527313c69096021a7e83b2f29ddb9e9a2a725b26bca84",
    ),
    "nonzero_residues": (
        [768811028, 14847298414, 8002314100],
        "0baee54887d2ce9dc1f527313c69096021a7e83b2f29ddb9e9a2a725b26bca84",
    ),
    "ternary": ([1, 1, 0], "5baee57537532d90142fbffb7448287d6c5d4bbae95e5b6657e16c865ffd97a6"),
    "centred_binomial": (
        [-3, 1, 0],
        "b4299bcd8d64dc6566cff65470c189f38c856d0c74c961c41ba9d0610a42b7fa",
    ),
    "flood": (
        [
            9812730673046399327702134708216471572,
            -4231425351244717305714124126678579546,
            20717051816569146908667172253500754604,
        ],
        "d720e42b88a044e0d3e1514f32fd9bd64aa296e588392d89d43c553128e7d771",
    ),
}
GOLDEN_PERMUTATION = [
    2,
    3,
    17,
    29,
    1,
    10,
    12,
    11,
    4,
    21,
    5,
    24,
    9,
    30,
    22,
    27,
    18,
    26,
    14,
    7,
    31,
    28,
    19,
    15,
    16,
    25,
    8,
    23,
    0,
    34,
    6,
    33,
    13,
    32,
    20,
]
GOLDEN_BITS = "0001011110100001"
GOLDEN_EVALUATION = (
    "07af563a3b719de721169e02621edf4459df266005c1731bf8f5e390e53d53fb",
    "18b280fbd54568083820393dba53da7a4ed442600ae8bd9e080895b808ac70ba",
)


def digest(values: list[int]) -> str:
    return hashlib.sha256("\n".join(map(str, values)).encode()).hexdigest()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_golden_values(sampler: str) -> None:
    values = fast(sampler, "golden", N)
    assert (values[:3], digest(values)) == GOLDEN[sampler]


def test_golden_permutation_and_bits() -> None:
    assert fast("permutation", "golden", 35) == GOLDEN_PERMUTATION
    stream = SeedStream(SEED, TRANSCRIPT)
    assert "".join(str(stream.bit(f"golden/{i}")) for i in range(16)) == GOLDEN_BITS


def test_seed_commitment() -> None:
    session = SessionId(bytes(range(16)))
    expected = hashlib.sha256(b"sealmatch/seed/1" + bytes(range(16)) + SEED).digest()
    assert seed_commitment(session, SEED) == expected


# --- labels, seeds and transcripts ---------------------------------------------------------------


@pytest.mark.parametrize("second", [*SAMPLERS, "permutation"])
def test_a_label_serves_once_whatever_is_drawn(second: str) -> None:
    stream = SeedStream(SEED, TRANSCRIPT)
    stream.residues("x", 4)
    with pytest.raises(CallerMisuse):
        getattr(stream, second)("x", 4)
    with pytest.raises(CallerMisuse):
        stream.bit("x")
    stream.bit("y")


def test_seed_transcript_and_label_each_change_everything() -> None:
    def draw(seed: bytes, transcript: bytes, label: str) -> set[int]:
        return set(SeedStream(seed, transcript).residues(label, 100).tolist())

    draws = [
        draw(SEED, TRANSCRIPT, "x"),
        draw(TRANSCRIPT, SEED, "x"),
        draw(bytes((1, *SEED[1:])), TRANSCRIPT, "x"),
        draw(SEED, bytes((1, *TRANSCRIPT[1:])), "x"),
        draw(SEED, TRANSCRIPT, "y"),
        draw(SEED, TRANSCRIPT, "xx"),
    ]
    for a, b in itertools.combinations(draws, 2):
        assert not a & b


@pytest.mark.parametrize(("seed", "transcript"), [(31, 32), (33, 32), (32, 31), (32, 0), (0, 32)])
def test_seed_and_transcript_of_another_length_are_refused(seed: int, transcript: int) -> None:
    with pytest.raises(CallerMisuse):
        SeedStream(bytes(seed), bytes(transcript))


# --- distributions (fixed seed: the same in every run) -------------------------------------------


def deviations(counts: np.ndarray, expected: np.ndarray | float) -> float:
    """Chi-square in standard deviations from its mean."""
    statistic = ((counts - expected) ** 2 / expected).sum()
    return abs(float((statistic - counts.size + 1) / np.sqrt(2 * (counts.size - 1))))


def test_distributions() -> None:
    stream, count = SeedStream(SEED, TRANSCRIPT), 100_000
    for draw in (stream.residues, stream.nonzero_residues):
        bins = np.bincount((draw(draw.__name__, count) * np.uint64(64) // np.uint64(T)).astype(int))
        assert deviations(bins, count / 64) < 5
    ternary = np.bincount(stream.ternary("ternary", count) + 1)
    assert deviations(ternary, count / 3) < 5
    binomial = stream.centred_binomial("binomial", count)
    assert abs(binomial.mean()) < 5 * np.sqrt(10.5 / count)
    assert abs(binomial.var() - 10.5) < 0.25
    low, high = stream.flood("flood", count)
    assert deviations(np.bincount((low >> np.uint64(56)).astype(int)), count / 64) < 5
    assert deviations(np.bincount((high + 2**62) >> 57), count / 64) < 5
    assert abs(np.corrcoef(low.astype(float), high.astype(float))[0, 1]) < 5 / np.sqrt(count)
    bits = sum(stream.bit(f"bit {i}") for i in range(10_000))
    assert abs(bits - 5000) < 250


def test_permutations_of_four_are_uniform() -> None:
    stream = SeedStream(SEED, TRANSCRIPT)
    seen = Counter(tuple(stream.permutation(f"{i}", 4).tolist()) for i in range(12_000))
    assert len(seen) == 24
    assert deviations(np.array(list(seen.values())), 500.0) < 5


def test_every_place_of_35_is_equally_likely() -> None:
    stream = SeedStream(SEED, TRANSCRIPT)
    drawn = np.stack([stream.permutation(f"{i}", 35) for i in range(3500)])
    assert (np.sort(drawn, axis=1) == np.arange(35)).all()
    for place in (0, 17, 34):
        assert deviations(np.bincount(drawn[:, place], minlength=35), 100.0) < 5


# --- one seed, one evaluation --------------------------------------------------------------------


def fixed_words(name: str, polynomials: int, primes: tuple[int, ...]) -> np.ndarray:
    """Residues from SHAKE-256: an evaluation needs no valid encryption to be repeatable."""
    count = polynomials * len(primes) * N
    raw = np.frombuffer(hashlib.shake_256(name.encode()).digest(8 * count), dtype="<u8")
    shaped = raw.reshape(polynomials, len(primes), N).astype(np.uint64)
    return shaped % np.array(primes, dtype=np.uint64)[:, None]


def evaluation() -> tuple[str, str]:
    """Digests of masked product and blinded rows for fixed inputs and seed."""
    engine = default_engine()
    key = SessionPublicKey(fixed_words("key", 2, KEY_PRIMES))
    probe, template, bits = (
        Ciphertext(fixed_words(name, 2, DATA_PRIMES)) for name in ("probe", "template", "bits")
    )
    stream = SeedStream(SEED, TRANSCRIPT)
    score = masked_product(engine, key, probe, template, default_policy(2), stream)
    rows = blinded_rows(engine, key, bits, score.bounds, SeedStream(SEED, TRANSCRIPT[::-1]))
    return score.ciphertext.digest.hex(), rows.digest.hex()


def test_golden_evaluation_twice() -> None:
    """Every word of both messages: whoever audits a session relies on this never changing."""
    assert evaluation() == GOLDEN_EVALUATION
    assert evaluation() == GOLDEN_EVALUATION


def test_the_same_words_in_another_process() -> None:
    code = "from tests.unit.test_randomness import evaluation; print(*evaluation())"
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert tuple(run.stdout.split()) == evaluation()
