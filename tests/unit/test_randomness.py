"""The seeded randomness: against a slow second implementation, golden values, one draw per label.

The second implementation (``tests.support.slow``) is written from the module's docstring
(protocol, section 7), with plain loops over Python integers. Golden values stand in
``tests/vectors``: ``randomness.json`` and ``evaluation.json``.
"""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.he.randomness import (
    FLOOD_BITS,
    FLOOD_LOW_BITS,
    SeedStream,
    keystream,
    new_seed,
    seed_commitment,
    uniform_words,
)
from gateway.he.session_key import UniformHalf
from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import SessionId
from gateway.wire.profile import KEY_PRIMES, SENT_MODULUS, N, T
from tests.support import slow
from tests.vectors import evaluation

SEED = bytes(range(32))
TRANSCRIPT = bytes(range(32, 64))


def joined(parts: tuple[np.ndarray, np.ndarray]) -> list[int]:
    low, high = parts
    pairs = zip(low, high, strict=True)
    return [int(a) + (int(b) << FLOOD_LOW_BITS) - 2**FLOOD_BITS for a, b in pairs]


def fast(sampler: str, label: str, count: int, seed: bytes = SEED) -> list[int]:
    values = getattr(SeedStream(seed, TRANSCRIPT), sampler)(label, count)
    return joined(values) if sampler == "flood" else [int(v) for v in values]


SAMPLERS = ["residues", "numbers", "ternary", "centred_binomial", "flood"]


# --- against the slow implementation -------------------------------------------------------------


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_8192_values_equal_the_slow_implementation(sampler: str) -> None:
    slowly = getattr(slow.SlowStream(SEED, TRANSCRIPT), sampler)("label", N)
    assert fast(sampler, "label", N) == slowly
    assert len(slowly) == N


@settings(max_examples=60)
@given(
    sampler=st.sampled_from(SAMPLERS),
    seed=st.binary(min_size=32, max_size=32),
    label=st.text(st.characters(codec="ascii"), max_size=60),
    count=st.integers(1, 128),
)
def test_any_seed_label_and_count(sampler: str, seed: bytes, label: str, count: int) -> None:
    slowly = getattr(slow.SlowStream(seed, TRANSCRIPT), sampler)(label, count)
    assert fast(sampler, label, count, seed) == slowly


def test_units_equal_the_slow_implementation() -> None:
    stream, slowly = SeedStream(SEED, TRANSCRIPT), slow.SlowStream(SEED, TRANSCRIPT)
    labels = [f"omega/{i}" for i in range(200)]
    assert [stream.unit(x) for x in labels] == [slowly.unit(x) for x in labels]


@pytest.mark.parametrize("prime_number", range(4))
def test_words_of_a_key_s_half_equal_the_slow_implementation(prime_number: int) -> None:
    half = UniformHalf(SEED)
    assert half.words[prime_number].tolist() == slow.uniform_words(SEED, prime_number)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 4096])
def test_the_keystream_counts_blocks(count: int) -> None:
    assert keystream(SEED, count) == slow.counter_mode(SEED, count)


class Bytes(SeedStream):
    """The real samplers over bytes that a test chooses."""

    def __init__(self, data: bytes) -> None:
        super().__init__(SEED, TRANSCRIPT)
        self._data = data

    def _bytes(self, label: str, count: int) -> bytes:
        return self._data[:count].ljust(count, b"\x01")


def little(width: int, *values: int) -> bytes:
    return b"".join(value.to_bytes(width, "little") for value in values)


def test_rejection_at_the_exact_bounds() -> None:
    words = little(4, T, T - 1, 2**27 - 1, 0, 1, 2**27 + 5)
    assert Bytes(words).residues("x", 4).tolist() == [T - 1, 0, 1, 5]
    assert Bytes(little(4, 0, T, 2**27, T - 1)).unit("x") == T - 1
    assert Bytes(little(4, T, 0, 1)).unit("x") == 1
    assert Bytes(bytes((255, 254, 0, 1, 2, 255, 253))).ternary("x", 5).tolist() == [1, -1, 0, 1, 0]
    ends = little(8, 2**21 - 1, (2**21 - 1) << 21, 2**42 - 1, 2**64 - 2**42)
    assert Bytes(ends).centred_binomial("x", 4).tolist() == [21, -21, 0, 0]
    lows, highs = little(8, 0, 2**64 - 1, 2**36, 0), little(8, 0, 2**64 - 1, 0, 2**41)
    expected = [-(2**76), 2**76 - 1, -(2**76), -(2**76)]
    assert joined(Bytes(lows + highs).flood("x", 4)) == expected
    numbers = little(14, SENT_MODULUS, SENT_MODULUS - 1, 2**112 - 1, 0)
    assert Bytes(numbers).numbers("x", 2) == [SENT_MODULUS - 1, 0]


@pytest.mark.parametrize("prime", KEY_PRIMES)
def test_rejection_of_words_at_a_prime(prime: int, monkeypatch) -> None:
    beyond = 1 << prime.bit_length()
    data = little(8, prime, prime - 1, beyond - 1, 0, beyond + 7)
    monkeypatch.setattr(
        "gateway.he.randomness.keystream", lambda key, count: data[:count].ljust(count, b"\1")
    )
    assert uniform_words(SEED, prime, 3).tolist() == [prime - 1, 0, 7]


def test_a_stream_of_rejected_values_is_an_error_and_not_a_short_answer(monkeypatch) -> None:
    refused = b"\xff" * 1_000_000
    for sampler in ("residues", "ternary", "numbers"):
        with pytest.raises(RuntimeError):
            getattr(Bytes(refused), sampler)("x", 100)
    with pytest.raises(RuntimeError):
        Bytes(refused).unit("x")
    with pytest.raises(RuntimeError):
        Bytes(bytes(1000)).unit("x")  # zeros only: the stream ends in ones otherwise
    monkeypatch.setattr("gateway.he.randomness.keystream", lambda key, count: b"\xff" * count)
    with pytest.raises(RuntimeError):
        uniform_words(SEED, KEY_PRIMES[0], 100)


# --- seeds ---------------------------------------------------------------------------------------


def test_seed_commitment() -> None:
    session = SessionId(bytes(range(16)))
    expected = hashlib.sha256(b"sealmatch/seed/1" + bytes(range(16)) + SEED).digest()
    assert seed_commitment(session, SEED) == expected
    assert seed_commitment(session, bytearray(SEED)) == expected


def test_seeds_are_fresh_and_can_be_wiped() -> None:
    seeds = [new_seed() for _ in range(50)]
    assert {type(seed) for seed in seeds} == {bytearray}
    assert {len(seed) for seed in seeds} == {32}
    assert len({bytes(seed) for seed in seeds}) == 50


def test_a_stream_does_not_copy_its_seed() -> None:
    """Its owner overwrites it when the evaluation is over."""
    seed = bytearray(SEED)
    stream = SeedStream(seed, TRANSCRIPT)
    before = stream.residues("x", 8).tolist()
    seed[:] = bytes(32)
    assert stream.residues("y", 8).tolist() != fast("residues", "y", 8)
    assert before == fast("residues", "x", 8)


# --- labels, seeds and transcripts ---------------------------------------------------------------


@pytest.mark.parametrize("second", SAMPLERS)
def test_a_label_serves_once_whatever_is_drawn(second: str) -> None:
    stream = SeedStream(SEED, TRANSCRIPT)
    stream.residues("x", 4)
    with pytest.raises(CallerMisuse):
        getattr(stream, second)("x", 4)
    with pytest.raises(CallerMisuse):
        stream.unit("x")
    stream.unit("y")


def test_seed_transcript_and_label_each_change_everything() -> None:
    def draw(seed: bytes, transcript: bytes, label: str) -> set[int]:
        return set(SeedStream(seed, transcript).numbers(label, 100))

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


def test_label_and_transcript_do_not_run_into_each_other() -> None:
    """A length stands before the label, so no byte of one can pass for one of the other."""
    first = SeedStream(SEED, b"b" + TRANSCRIPT[1:]).numbers("a", 10)
    second = SeedStream(SEED, TRANSCRIPT).numbers("ab", 10)
    assert not set(first) & set(second)


@pytest.mark.parametrize(("seed", "transcript"), [(31, 32), (33, 32), (32, 31), (32, 0), (0, 32)])
def test_seed_and_transcript_of_another_length_are_refused(seed: int, transcript: int) -> None:
    with pytest.raises(CallerMisuse):
        SeedStream(bytes(seed), bytes(transcript))


# --- distributions (fixed seed: the same in every run) -------------------------------------------


def deviations(counts: np.ndarray, expected: np.ndarray | float) -> float:
    """Chi-square in standard deviations from its mean."""
    statistic = ((counts - expected) ** 2 / expected).sum()
    return abs(float((statistic - counts.size + 1) / np.sqrt(2 * (counts.size - 1))))


def bins_of(values: list[int] | np.ndarray, modulus: int, count: int = 64) -> np.ndarray:
    return np.bincount([int(v) * count // modulus for v in values], minlength=count)


def test_distributions() -> None:
    stream, count = SeedStream(SEED, TRANSCRIPT), 100_000
    assert deviations(bins_of(stream.residues("residues", count), T), count / 64) < 5
    assert deviations(bins_of(stream.numbers("numbers", count), SENT_MODULUS), count / 64) < 5
    units = [stream.unit(f"unit {i}") for i in range(6400)]
    assert deviations(bins_of(units, T), 100.0) < 5
    ternary = np.bincount(stream.ternary("ternary", count) + 1)
    assert deviations(ternary, count / 3) < 5
    binomial = stream.centred_binomial("binomial", count)
    assert abs(binomial.mean()) < 5 * np.sqrt(10.5 / count)
    assert abs(binomial.var() - 10.5) < 0.25
    low, high = stream.flood("flood", count)
    assert deviations(np.bincount((low >> np.uint64(30)).astype(int)), count / 64) < 5
    assert deviations(np.bincount((high >> np.uint64(35)).astype(int)), count / 64) < 5
    assert abs(np.corrcoef(low.astype(float), high.astype(float))[0, 1]) < 5 / np.sqrt(count)


def test_the_half_of_a_key_is_uniform_modulo_each_prime() -> None:
    """In bins, and in the lowest bits, where a biased reduction would show."""
    words = np.concatenate([UniformHalf(bytes((i,)) * 32).words for i in range(8)], axis=1)
    for i, prime in enumerate(KEY_PRIMES):
        count = words[i].size
        assert deviations(bins_of(words[i], prime), count / 64) < 5
        low = np.bincount((words[i] & np.uint64(63)).astype(int), minlength=64)
        assert deviations(low, count / 64) < 5


# --- one seed, one evaluation --------------------------------------------------------------------


def test_golden_evaluation_twice_and_in_another_process() -> None:
    """Every word of the product: whoever audits a session relies on this never changing."""
    first = evaluation.evaluation_document()
    assert evaluation.evaluation_document() == first
    code = "from tests.vectors.evaluation import evaluation_document; print(evaluation_document())"
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == str(first)
