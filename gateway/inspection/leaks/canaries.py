"""Planted secrets, and the forms in which a leak would write them (protocol, section 12).

A canary is looked for raw and as base64 (three alignments, two alphabets), hexadecimal (both
cases), JSON and Python text. A short secret counts only as a whole. Of a long one (an image, a
vector, a ciphertext) any run of ``fragment`` bytes counts, because freed memory and database pages
keep pieces. In an encoded form the run must cover a piece four times as long.

Not covered: compressed, encrypted or rounded copies, indented JSON of numbers, and a single number
below 2^60, because so few bytes turn up by chance.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import cbor2
import numpy as np
from numpy.typing import NDArray

from gateway.wire.errors import CallerMisuse
from gateway.wire.polynomials import CanonicalPolynomials, Words
from gateway.wire.profile import T
from gateway.wire.subject import Subject

SHORTEST: Final = 9
"""Bytes. A shorter pattern turns up by chance, and the matcher's steps assume this length."""

SHORTEST_DULL: Final = 31
"""Bytes. The matcher finds dull forms by windows of half a fragment, which need 16 bytes."""

IMAGE_FRAGMENT: Final = 24
BODY_FRAGMENT: Final = 32
FLOATS: Final = 6
"""How many consecutive values of an embedding count as a leak."""
INTEGERS: Final = 64
"""The same for signs and small integers, because each of them says less."""

_ENCODED_FACTOR: Final = 4
_START_OF_SCAN: Final = b"\xff\xda"

_DIGIT_BITS: Final = 30
"""Bits of a digit of a Python integer, which takes four bytes."""

Integers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Form:
    """A canary in one encoding. A run of ``fragment`` bytes of it is a finding."""

    encoding: str
    data: bytes = field(repr=False)
    fragment: int
    dull: bool = False
    """Whether eight bytes of it say nothing, because it consists of few different values."""

    def __post_init__(self) -> None:
        if self.fragment < (SHORTEST_DULL if self.dull else SHORTEST):
            raise CallerMisuse("a canary this short turns up by chance")


@dataclass(frozen=True)
class Canary:
    """A planted secret: its kind and its forms. No ``repr`` shows its value."""

    kind: str
    forms: tuple[Form, ...] = field(repr=False)


def text(kind: str, value: str) -> Canary:
    """A number, reference or file name: UTF-8 in all encodings, UTF-16, lower and upper case."""
    raw = value.encode()
    forms = list(_all_encodings("", raw, len(raw)))
    forms.append(_whole("JSON", json.dumps(value)[1:-1].encode()))
    for order in ("utf-16-le", "utf-16-be"):
        forms.append(_whole(order.upper(), value.encode(order)))
    for varied in {value.lower(), value.upper()} - {value}:
        forms.append(_whole("raw, other case", varied.encode()))
    return _canary(kind, forms)


def document_number(kind: str, document_type: str, number: str) -> list[Canary]:
    """A document number as written, normalised, and as the encoded subject."""
    subject = Subject.of(document_type, number)
    found = [text(kind, number), text(f"{kind}, normalised", subject.number)]
    return [*found, secret(f"{kind}, encoded subject", subject.encode())]


def secret(kind: str, value: bytes) -> Canary:
    """A key, seed, salt or pepper: only the whole value counts."""
    return _canary(kind, _all_encodings("", value, len(value)))


def body(kind: str, value: bytes, fragment: int = BODY_FRAGMENT) -> Canary:
    """A long value of which any ``fragment`` bytes count."""
    return _canary(kind, _all_encodings("", value, fragment))


def image(kind: str, jpeg: bytes) -> Canary:
    """A photograph: any 24 bytes of its scan data. Other photographs share the bytes before it.

    Raises:
        CallerMisuse: not a JPEG image.
    """
    start = jpeg.find(_START_OF_SCAN)
    if start < 0:
        raise CallerMisuse("not a JPEG image")
    return body(kind, jpeg[start + 2 :], IMAGE_FRAGMENT)


def embedding(kind: str, vector: NDArray[np.floating]) -> Canary:
    """A face vector as floats of either width and byte order, and as text."""
    forms: list[Form] = []
    for code, width in (("<f4", 4), ("<f8", 8), (">f4", 4), (">f8", 8)):
        forms += _all_encodings(_NAMES[code], vector.astype(code).tobytes(), FLOATS * width)
    double, single = vector.astype(np.float64), vector.astype(np.float32)
    texts = {
        "JSON": [repr(float(x)) for x in double],
        "JSON of float32": [repr(float(x)) for x in single],
        "short float32": [str(x) for x in single],
    }
    for name, values in texts.items():
        forms += _lists(name, values, 10 * FLOATS)
    return _canary(kind, forms)


def integers(kind: str, values: Integers) -> Canary:
    """Signs or small integers: as integers or floats of any width, packed, modulo t, as text."""
    forms: list[Form] = []
    slots = np.mod(values, T).astype("<u8")
    codes = ("<i1", "<i2", "<i4", "<i8", "<f4", "<f8")
    for array in [*(values.astype(code) for code in codes), slots]:
        name = _NAMES[array.dtype.str]
        forms += _all_encodings(name, array.tobytes(), INTEGERS * array.itemsize)
    forms.append(Form("CBOR", cbor2.dumps(values.tolist())[3:], INTEGERS))
    forms += _lists("JSON", [str(x) for x in values.tolist()], 3 * INTEGERS)
    dull = [replace(form, dull=True) for form in forms]
    if set(np.unique(values)) == {-1, 1}:
        for order in ("little", "big"):
            packed = np.packbits(values > 0, bitorder=order)
            dull += _all_encodings(f"bits, {order}", packed.tobytes(), BODY_FRAGMENT)
    return _canary(kind, dull)


def numbers(kind: str, *values: int) -> Canary:
    """Numbers that stand together: as CBOR, text and words, and each as Python stores it."""
    listed = list(values)
    forms = [
        _whole("CBOR", cbor2.dumps(listed)),
        _whole("JSON", json.dumps(listed)[1:-1].encode()),
        _whole("compact JSON", json.dumps(listed, separators=(",", ":"))[1:-1].encode()),
    ]
    if max(listed) < 2**64:
        words = np.array(listed, dtype="<u8").tobytes()
        forms += [_whole("64-bit words", words)]
    for value in listed:
        digits = range(0, value.bit_length(), _DIGIT_BITS)
        python = b"".join(
            (value >> at & (1 << _DIGIT_BITS) - 1).to_bytes(4, "little") for at in digits
        )
        little = value.to_bytes((value.bit_length() + 7) // 8, "little")
        forms += [
            _whole(name, data)
            for name, data in (("Python integer", python), ("little-endian", little))
            if len(data) >= SHORTEST
        ]
    return _canary(kind, [form for form in forms if len(form.data) >= SHORTEST])


def words(kind: str, residues: Words) -> Canary:
    """64-bit words as they lie in memory: HE keys, masks, SEAL's form of a ciphertext."""
    flat = np.ascontiguousarray(residues, dtype="<u8").reshape(-1)
    forms = list(_all_encodings("64-bit words", flat.tobytes(), BODY_FRAGMENT))
    forms += _lists("JSON", [str(x) for x in flat.tolist()], _ENCODED_FACTOR * BODY_FRAGMENT)
    return _canary(kind, forms)


def polynomials(kind: str, value: CanonicalPolynomials) -> list[Canary]:
    """A ciphertext or public key: canonical 7-byte words, and 8-byte words."""
    return [body(f"{kind}, canonical", value.encoded), words(f"{kind}, words", value.words)]


_NAMES: Final = {
    "<f4": "float32",
    "<f8": "float64",
    ">f4": "big-endian float32",
    ">f8": "big-endian float64",
    "|i1": "int8",
    "<i2": "int16",
    "<i4": "int32",
    "<i8": "int64",
    "<u8": "slots modulo t",
}


def _canary(kind: str, forms: Sequence[Form] | Iterator[Form]) -> Canary:
    """A canary of these forms. Forms with equal bytes (ASCII text and its JSON) are one."""
    unique: dict[bytes, Form] = {}
    for form in forms:
        unique.setdefault(form.data, form)
    return Canary(kind, tuple(unique.values()))


def _whole(encoding: str, data: bytes) -> Form:
    return Form(encoding, data, len(data))


def _all_encodings(name: str, data: bytes, fragment: int) -> Iterator[Form]:
    """Bytes, raw and in each encoding. ``name`` says what they are, if not the value itself."""
    prefix = f"{name}, " if name else ""
    yield Form(name or "raw", data, min(fragment, len(data)))
    piece = len(data) if fragment >= len(data) else min(len(data), _ENCODED_FACTOR * fragment)
    for encoding, encoded, per_piece in _encoded(data, piece):
        shortest = len(encoded) if piece == len(data) else per_piece
        yield Form(prefix + encoding, encoded, shortest)


def _encoded(data: bytes, piece: int) -> Iterator[tuple[str, bytes, int]]:
    """Encoding, encoded bytes, and the least length that ``piece`` bytes of data take in it."""
    for skew in range(3):
        # Within a longer base64 text, a character is certain only if all its six bits are ours.
        standard = base64.b64encode(bytes(skew) + data)
        own = slice(-(-8 * skew // 6), 8 * (skew + len(data)) // 6)
        yield "base64", standard[own], (8 * piece - 4) // 6
        safe = standard.replace(b"+", b"-").replace(b"/", b"_")
        yield "base64url", safe[own], (8 * piece - 4) // 6
    lower = data.hex().encode()
    yield "hex", lower, 2 * piece
    yield "upper-case hex", lower.upper(), 2 * piece
    yield "JSON list", b", ".join(_DECIMAL[b] for b in data), 3 * piece - 2
    yield "compact JSON list", b",".join(_DECIMAL[b] for b in data), 2 * piece - 1
    yield "Latin-1 as UTF-8", data.decode("latin-1").encode(), piece
    if piece == len(data):  # a piece of a long value would consist mostly of escapes
        yield "JSON string", json.dumps(data.decode("latin-1"))[1:-1].encode(), piece
    yield "Python bytes", repr(data)[2:-1].encode(), piece


_DECIMAL: Final = [str(value).encode() for value in range(256)]


def _lists(name: str, values: Sequence[str], fragment: int) -> Iterator[Form]:
    for separator, how in ((", ", ""), (",", "compact "), ("\n", "lines of "), (" ", "plain ")):
        data = separator.join(values).encode()
        yield Form(how + name, data, min(fragment, len(data)))
