"""Canonical ciphertexts and public keys: one valid encoding, everything else refused."""

import hashlib
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.errors import CallerMisuse, MalformedMessage
from gateway.wire.polynomials import (
    FRESH_BYTES,
    PRODUCT_BYTES,
    PUBLIC_KEY_BYTES,
    CanonicalPolynomials,
    Ciphertext,
    SessionPublicKey,
)
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, N

HEADER = 2
WORD = 7
SHAPES = [(Ciphertext, 2), (Ciphertext, 3), (SessionPublicKey, 2)]


def random_words(kind: type[CanonicalPolynomials], polynomials: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    words = np.empty((polynomials, len(kind.primes), N), dtype=np.uint64)
    for k, prime in enumerate(kind.primes):
        words[:, k] = rng.integers(0, prime, (polynomials, N), dtype=np.uint64)
    return words


def slow_read(data: bytes, primes: int) -> list[list[list[int]]]:
    """The encoding read one word at a time, by the protocol's words."""
    words = [int.from_bytes(data[i : i + WORD], "little") for i in range(HEADER, len(data), WORD)]
    rows = [words[i : i + N] for i in range(0, len(words), N)]
    return [rows[i : i + primes] for i in range(0, len(rows), primes)]


def place_of(kind: type[CanonicalPolynomials], p: int, k: int, i: int) -> int:
    return HEADER + ((p * len(kind.primes) + k) * N + i) * WORD


def with_word(data: bytes, place: int, word: int) -> bytes:
    return data[:place] + word.to_bytes(WORD, "little") + data[place + WORD :]


def encoded(kind: type[CanonicalPolynomials], polynomials: int, seed: int = 1) -> bytes:
    return kind(random_words(kind, polynomials, seed)).encoded


def test_sizes_are_the_protocol_s() -> None:
    assert FRESH_BYTES == 344_064 + 2
    assert PRODUCT_BYTES == 516_096 + 2
    assert PUBLIC_KEY_BYTES == 458_752 + 2
    assert (Ciphertext.primes, SessionPublicKey.primes) == (DATA_PRIMES, KEY_PRIMES)


@pytest.mark.parametrize(("kind", "polynomials"), SHAPES)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=5)
def test_round_trip(kind: type[CanonicalPolynomials], polynomials: int, seed: int) -> None:
    words = random_words(kind, polynomials, seed)
    made = kind(words.copy())
    data = made.encoded
    assert data[:2] == bytes((1, polynomials))
    decoded = kind.decode(data)
    assert np.array_equal(decoded.words, words)
    assert decoded.encoded == data
    assert kind(decoded.words).encoded == data  # packed anew, not the bytes that were read
    assert decoded == made
    assert decoded.digest == hashlib.sha256(data).digest()


@pytest.mark.parametrize(("kind", "polynomials"), SHAPES)
def test_words_as_a_slow_reader_finds_them(
    kind: type[CanonicalPolynomials], polynomials: int
) -> None:
    words = random_words(kind, polynomials, 3)
    data = kind(words).encoded
    assert slow_read(data, len(kind.primes)) == words.tolist()
    assert kind.decode(data).words.tolist() == words.tolist()


@pytest.mark.parametrize(("kind", "polynomials"), SHAPES)
@pytest.mark.parametrize("position", [0, 1, N - 2, N - 1])
def test_each_prime_bounds_its_residues(
    kind: type[CanonicalPolynomials], polynomials: int, position: int
) -> None:
    data = encoded(kind, polynomials)
    for p in range(polynomials):
        for k, prime in enumerate(kind.primes):
            place = place_of(kind, p, k, position)
            largest = with_word(data, place, prime - 1)
            assert int(kind.decode(largest).words[p, k, position]) == prime - 1
            assert kind.decode(largest).encoded == largest
            for word in (prime, prime + 1, 2**54, 2**56 - 1):
                with pytest.raises(MalformedMessage):
                    kind.decode(with_word(data, place, word))


@pytest.mark.parametrize(("kind", "polynomials"), SHAPES)
def test_every_header_but_one_is_refused(
    kind: type[CanonicalPolynomials], polynomials: int
) -> None:
    data = encoded(kind, polynomials)
    for position in (0, 1):
        for byte in set(range(256)) - {data[position]}:
            altered = bytearray(data)
            altered[position] = byte
            with pytest.raises(MalformedMessage):
                kind.decode(bytes(altered))


@pytest.mark.parametrize(("kind", "polynomials"), SHAPES)
def test_an_all_zero_polynomial_is_refused(
    kind: type[CanonicalPolynomials], polynomials: int
) -> None:
    data = encoded(kind, polynomials)
    width = len(kind.primes) * N * WORD
    for p in range(polynomials):
        start = HEADER + p * width
        zeroed = data[:start] + bytes(width) + data[start + width :]
        with pytest.raises(MalformedMessage):
            kind.decode(zeroed)
        one = with_word(zeroed, start + width - WORD, 1)
        assert kind.decode(one).encoded == one


@pytest.mark.parametrize(("kind", "polynomials"), SHAPES)
def test_every_other_length_is_refused(kind: type[CanonicalPolynomials], polynomials: int) -> None:
    data = encoded(kind, polynomials)
    lengths = [0, 1, 2, 3, 8, 9, len(data) // 2, len(data) - 7, len(data) - 1]
    for length in lengths:
        with pytest.raises(MalformedMessage):
            kind.decode(data[:length])
    for extra in (b"\0", bytes(6), bytes(7), data):
        with pytest.raises(MalformedMessage):
            kind.decode(data + extra)


def test_the_number_of_polynomials_can_be_demanded() -> None:
    fresh, product = encoded(Ciphertext, 2), encoded(Ciphertext, 3)
    assert Ciphertext.decode(fresh, polynomials=2).polynomials == 2
    assert Ciphertext.decode(product, polynomials=3).polynomials == 3
    for data, wanted in ((fresh, 3), (product, 2)):
        with pytest.raises(MalformedMessage):
            Ciphertext.decode(data, polynomials=wanted)


def test_a_public_key_is_no_ciphertext_nor_the_other_way_round() -> None:
    with pytest.raises(MalformedMessage):
        Ciphertext.decode(encoded(SessionPublicKey, 2))
    with pytest.raises(MalformedMessage):
        SessionPublicKey.decode(encoded(Ciphertext, 2))
    with pytest.raises(MalformedMessage):
        SessionPublicKey.decode(b"\x01\x03" + bytes(3 * 4 * N * WORD - 1) + b"\x01")


def test_every_altered_byte_is_another_value_or_refused() -> None:
    """One encoding per value: no byte can change without changing what is read."""
    data = encoded(Ciphertext, 2)
    honest = Ciphertext.decode(data)
    rng = random.Random(5)
    for _ in range(60):
        altered = bytearray(data)
        altered[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            read = Ciphertext.decode(bytes(altered))
        except MalformedMessage:
            continue
        assert read != honest
        assert read.encoded == bytes(altered)
        assert read.digest != honest.digest


@pytest.mark.parametrize("make", [Ciphertext, lambda w: Ciphertext.decode(Ciphertext(w).encoded)])
def test_words_are_read_only(make: type[Ciphertext]) -> None:
    ciphertext = make(random_words(Ciphertext, 2, 9))
    with pytest.raises(ValueError, match="read-only"):
        ciphertext.words[0, 0, 0] = 1
    assert "words" not in repr(ciphertext)
    assert repr(ciphertext) == "Ciphertext(polynomials=2)"


def test_checked_words_do_not_change_behind_the_check() -> None:
    """Whoever made the array keeps no way to alter it after it was checked."""
    words = random_words(Ciphertext, 2, 9)
    ciphertext = Ciphertext(words)
    before = ciphertext.encoded
    with pytest.raises(ValueError, match="read-only"):
        words[0, 0, 0] = np.uint64(DATA_PRIMES[0])
    assert Ciphertext(ciphertext.words).encoded == before


@pytest.mark.parametrize(
    "words",
    [
        np.ones((2, 3, N), dtype=np.int64),
        np.ones((2, 3 * N), dtype=np.uint64),
        np.ones((2, 4, N), dtype=np.uint64),
        np.ones((1, 3, N), dtype=np.uint64),
        np.ones((4, 3, N), dtype=np.uint64),
        np.ones((2, 3, N // 2), dtype=np.uint64),
    ],
    ids=["signed", "flat", "four-primes", "one", "four", "half"],
)
def test_other_shapes_are_the_caller_s_fault(words: np.ndarray) -> None:
    with pytest.raises(CallerMisuse):
        Ciphertext(words)


def test_words_that_are_not_contiguous_are_packed_in_order() -> None:
    words = random_words(Ciphertext, 2, 11)
    fortran = np.asfortranarray(words)
    assert Ciphertext(fortran).encoded == Ciphertext(words).encoded


def test_ciphertexts_and_keys_compare_by_bytes_and_kind() -> None:
    a, b = Ciphertext(random_words(Ciphertext, 2, 1)), Ciphertext(random_words(Ciphertext, 2, 2))
    assert a != b
    assert len({a, b, Ciphertext.decode(a.encoded)}) == 2
    assert a != SessionPublicKey(random_words(SessionPublicKey, 2, 1))
