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
    NUMBER_BYTES,
    PADDED_BYTES,
    PUBLIC_KEY_BYTES,
    CanonicalPolynomials,
    Ciphertext,
    PaddedProduct,
    ProductTail,
    SessionKeyHalf,
)
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, SENT_MODULUS, SENT_PRIMES, N

HEADER = 2
WORD = 7
Kind = type[CanonicalPolynomials]
KINDS: list[Kind] = [Ciphertext, SessionKeyHalf, ProductTail]
each_kind = pytest.mark.parametrize("kind", KINDS)


def random_words(kind: Kind, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    words = np.empty((kind.polynomials, len(kind.primes), N), dtype=np.uint64)
    for k, prime in enumerate(kind.primes):
        words[:, k] = rng.integers(0, prime, (kind.polynomials, N), dtype=np.uint64)
    return words


def slow_read(data: bytes, primes: int) -> list[list[list[int]]]:
    """The encoding read one word at a time, by the protocol's words."""
    words = [int.from_bytes(data[i : i + WORD], "little") for i in range(HEADER, len(data), WORD)]
    rows = [words[i : i + N] for i in range(0, len(words), N)]
    return [rows[i : i + primes] for i in range(0, len(rows), primes)]


def place_of(kind: Kind, p: int, k: int, i: int) -> int:
    return HEADER + ((p * len(kind.primes) + k) * N + i) * WORD


def with_word(data: bytes, place: int, word: int) -> bytes:
    return data[:place] + word.to_bytes(WORD, "little") + data[place + WORD :]


def encoded(kind: Kind, seed: int = 1) -> bytes:
    return kind(random_words(kind, seed)).encoded


def test_sizes_are_the_protocol_s() -> None:
    assert FRESH_BYTES == 344_064 + 2
    assert PUBLIC_KEY_BYTES == 229_376 + 2
    assert PADDED_BYTES == 28 + 229_376 + 2
    assert (Ciphertext.primes, SessionKeyHalf.primes) == (DATA_PRIMES, KEY_PRIMES)
    assert ProductTail.primes == SENT_PRIMES == DATA_PRIMES[:2]
    assert SENT_MODULUS == SENT_PRIMES[0] * SENT_PRIMES[1] < 2 ** (8 * NUMBER_BYTES)
    assert max(KEY_PRIMES) < 2 ** (8 * WORD)


@each_kind
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=5)
def test_round_trip(kind: Kind, seed: int) -> None:
    words = random_words(kind, seed)
    made = kind(words.copy())
    data = made.encoded
    assert data[:2] == bytes((1, kind.polynomials))
    decoded = kind.decode(data)
    assert np.array_equal(decoded.words, words)
    assert decoded.encoded == data
    assert kind(decoded.words).encoded == data  # packed anew, not the bytes that were read
    assert decoded == made
    assert decoded.digest == hashlib.sha256(data).digest()


@each_kind
def test_words_as_a_slow_reader_finds_them(kind: Kind) -> None:
    words = random_words(kind, 3)
    data = kind(words).encoded
    assert slow_read(data, len(kind.primes)) == words.tolist()
    assert kind.decode(data).words.tolist() == words.tolist()


@each_kind
@pytest.mark.parametrize("position", [0, 1, N - 2, N - 1])
def test_each_prime_bounds_its_residues(kind: Kind, position: int) -> None:
    data = encoded(kind)
    for p in range(kind.polynomials):
        for k, prime in enumerate(kind.primes):
            place = place_of(kind, p, k, position)
            largest = with_word(data, place, prime - 1)
            assert int(kind.decode(largest).words[p, k, position]) == prime - 1
            assert kind.decode(largest).encoded == largest
            for word in (prime, prime + 1, 2**56 - 1):
                with pytest.raises(MalformedMessage):
                    kind.decode(with_word(data, place, word))


@each_kind
def test_every_header_but_one_is_refused(kind: Kind) -> None:
    data = encoded(kind)
    for position in (0, 1):
        for byte in set(range(256)) - {data[position]}:
            altered = bytearray(data)
            altered[position] = byte
            with pytest.raises(MalformedMessage):
                kind.decode(bytes(altered))


@each_kind
def test_an_all_zero_polynomial_is_refused(kind: Kind) -> None:
    data = encoded(kind)
    width = len(kind.primes) * N * WORD
    for p in range(kind.polynomials):
        start = HEADER + p * width
        zeroed = data[:start] + bytes(width) + data[start + width :]
        with pytest.raises(MalformedMessage):
            kind.decode(zeroed)
        one = with_word(zeroed, start + width - WORD, 1)
        assert kind.decode(one).encoded == one


@each_kind
def test_every_other_length_is_refused(kind: Kind) -> None:
    data = encoded(kind)
    lengths = [0, 1, 2, 3, 8, 9, len(data) // 2, len(data) - 7, len(data) - 1]
    for length in lengths:
        with pytest.raises(MalformedMessage):
            kind.decode(data[:length])
    for extra in (b"\0", bytes(6), bytes(7), data):
        with pytest.raises(MalformedMessage):
            kind.decode(data + extra)


@each_kind
def test_no_kind_is_read_as_another(kind: Kind) -> None:
    """Key half and tail of a product have one length: the header keeps them apart."""
    assert len(encoded(SessionKeyHalf)) == len(encoded(ProductTail))
    for other in set(KINDS) - {kind}:
        with pytest.raises(MalformedMessage):
            kind.decode(encoded(other))


def test_every_altered_byte_is_another_value_or_refused() -> None:
    """One encoding per value: no byte can change without changing what is read."""
    data = encoded(Ciphertext)
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
    ciphertext = make(random_words(Ciphertext, 9))
    with pytest.raises(ValueError, match="read-only"):
        ciphertext.words[0, 0, 0] = 1
    assert "words" not in repr(ciphertext)
    assert repr(ciphertext) == "Ciphertext()"


def test_checked_words_do_not_change_behind_the_check() -> None:
    """Whoever made the array keeps no way to alter it after it was checked."""
    words = random_words(Ciphertext, 9)
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
    words = random_words(Ciphertext, 11)
    fortran = np.asfortranarray(words)
    assert Ciphertext(fortran).encoded == Ciphertext(words).encoded


def test_polynomials_compare_by_bytes_and_kind() -> None:
    a, b = Ciphertext(random_words(Ciphertext, 1)), Ciphertext(random_words(Ciphertext, 2))
    assert a != b
    assert len({a, b, Ciphertext.decode(a.encoded)}) == 2
    assert a != SessionKeyHalf(random_words(SessionKeyHalf, 1))


# --- padded products -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def padded() -> PaddedProduct:
    return PaddedProduct((1, 2**104 + 3), ProductTail(random_words(ProductTail, 4)))


def with_number(data: bytes, which: int, number: int) -> bytes:
    start = which * NUMBER_BYTES
    return data[:start] + number.to_bytes(NUMBER_BYTES, "little") + data[start + NUMBER_BYTES :]


def test_a_padded_product_comes_back(padded: PaddedProduct) -> None:
    data = padded.encoded
    assert data[:NUMBER_BYTES] == b"\x01" + bytes(13)
    assert data[NUMBER_BYTES : 2 * NUMBER_BYTES] == b"\x03" + bytes(12) + b"\x01"
    assert data[2 * NUMBER_BYTES :] == padded.tail.encoded
    read = PaddedProduct.decode(data)
    assert read == padded
    assert read.encoded == data
    assert read.digest == padded.digest == hashlib.sha256(data).digest()


@pytest.mark.parametrize("which", [0, 1])
def test_numbers_of_a_padded_product_lie_below_the_modulus(
    padded: PaddedProduct, which: int
) -> None:
    for number in (0, SENT_MODULUS - 1):
        read = PaddedProduct.decode(with_number(padded.encoded, which, number))
        assert read.head[which] == number
        assert read.encoded == with_number(padded.encoded, which, number)
    for number in (SENT_MODULUS, SENT_MODULUS + 1, 2**112 - 1):
        with pytest.raises(MalformedMessage):
            PaddedProduct.decode(with_number(padded.encoded, which, number))


def test_every_other_padded_product_is_refused(padded: PaddedProduct) -> None:
    data = padded.encoded
    for altered in (b"", data[:27], data[:-1], data[1:], data + b"\0", data[28:], data * 2):
        with pytest.raises(MalformedMessage):
            PaddedProduct.decode(altered)
    start = 2 * NUMBER_BYTES
    for position, byte in ((start, 2), (start + 1, 1), (start + 1, 3)):
        header = bytearray(data)
        header[position] = byte
        with pytest.raises(MalformedMessage):
            PaddedProduct.decode(bytes(header))
    half = (len(data) - start - HEADER) // 2
    for p in (0, 1):
        place = start + HEADER + p * half
        zeroed = data[:place] + bytes(half) + data[place + half :]
        with pytest.raises(MalformedMessage):
            PaddedProduct.decode(zeroed)
    for prime in SENT_PRIMES:
        k = SENT_PRIMES.index(prime)
        place = start + place_of(ProductTail, 1, k, 77)
        assert PaddedProduct.decode(with_word(data, place, prime - 1))
        with pytest.raises(MalformedMessage):
            PaddedProduct.decode(with_word(data, place, prime))


def test_a_padded_product_shows_nothing(padded: PaddedProduct) -> None:
    assert repr(padded) == "PaddedProduct(tail=ProductTail())"
