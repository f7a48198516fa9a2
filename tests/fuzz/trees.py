"""Hostile CBOR and JSON: the tree of a valid message with single things wrong in it.

A tree is what the format decodes to; ``Raw`` stands for an encoding that no honest writer makes,
``Pairs`` for a map in a given order, in which keys may repeat. Byte strings that hold a signed
object are opened, altered and signed again with the right key, so that what lies behind a
signature is reached as well.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fuzz.mutations import scramble
from tests.support import parties
from tests.support.fuzzing import CANARY
from tests.wire import reference_cbor as reference
from tests.wire.reference_cbor import NotDeterministic, head


@dataclass(frozen=True)
class Raw:
    """Written as it stands."""

    encoded: bytes


@dataclass(frozen=True)
class Pairs:
    """A map written in this order."""

    entries: tuple[tuple[Any, Any], ...]


_KEYS: Final[dict[bytes, Ed25519PrivateKey]] = {
    key.public.key_id: key.private
    for key in (parties.AUTHORITY, parties.DEVICE, parties.GATEWAY, parties.ISSUER)
}

_TEXTS: Final = (
    "", "a", "\0", "a\n", "A", "é", "\u202e", "\U0001f600", "-", ".", "a" * 63, "a" * 64, "a" * 128,
    "é" * 128, " ", "1", "passport", "MATCH", "9" * 5000, CANARY, "version", "\ufeff", "e\u0301",
)  # fmt: skip
_INTEGERS: Final = (
    -(2**63), -(2**31), -1, 0, 1, 2, 3, 23, 24, 59, 60, 255, 256, 2**16, 2**31 - 1, 2**31, 2**32,
    2**40 - 1, 2**40, 2**53, 2**63 - 1, 2**63, 2**64 - 1,
)  # fmt: skip
_PLAIN: Final[tuple[Any, ...]] = (None, True, False, [], {}, [[]], {"version": 1}, {1: 2}, b"")


def _nested(opening: bytes, depth: int) -> Raw:
    return Raw(opening * depth + b"\0")


_WEIRD_CBOR: Final[tuple[Raw, ...]] = (
    *(Raw(bytes((major << 5 | 27,)) + length)
      for major in range(8)
      for length in (b"\xff" * 8, b"\x7f" + b"\xff" * 7, bytes(4) + b"\xff" * 4, bytes(7) + b"\1")),
    *(Raw(bytes((major << 5 | extra,)) + b"\xff" * width)
      for major in range(8)
      for extra, width in ((24, 1), (25, 2), (26, 4))),
    *(Raw(bytes((major << 5 | 31,)) + b"\xff") for major in range(8)),
    *(Raw(bytes((major << 5 | extra,))) for major in range(8) for extra in (28, 29, 30)),
    *(_nested(opening, depth)
      for opening in (b"\x81", b"\xa1\0", b"\xa1\x61a", b"\xc1", b"\xd8\x1c", b"\x9f", b"\xd8\x18")
      for depth in (7, 8, 9, 10, 400, 5000)),
    Raw(b"\xf9\x7e\x00"), Raw(b"\xf9\x7c\x00"), Raw(b"\xf9\x3c\x00"), Raw(b"\xfa\x7f\xc0\0\0"),
    Raw(b"\xfb" + struct.pack(">d", 1.5)), Raw(b"\xfb" + struct.pack(">d", float("nan"))),
    Raw(b"\xf7"), Raw(b"\xf8\x20"), Raw(b"\xf8\xff"), Raw(b"\xf8\x14"), Raw(b"\xe0"),
    Raw(b"\xc2\x41\1"), Raw(b"\xc2\x49\1" + bytes(8)), Raw(b"\xc3\x49\1" + bytes(8)),
    Raw(b"\xc2\x40"), Raw(b"\xc2\x59\x10\0" + b"\xff" * 4096),
    Raw(b"\xc4\x82\x1b" + b"\x7f" * 8 + b"\1"),
    Raw(b"\xc0\x74" + b"2013-03-21T20:04:00Z"), Raw(b"\xc1\xfb\x7f\xf0" + bytes(6)),
    Raw(b"\xd8\x1e\x82\1\0"),
    Raw(b"\xd8\x1c\x81\xd8\x1d\0"), Raw(b"\xd8\x1d\0"), Raw(b"\xd8\x23\x61("),
    Raw(b"\xd8\x25\x61a"),
    Raw(b"\xd9\1\0\x83\1\2\3"), Raw(b"\xd9\1\2\x81\xd9\1\2\x80"), Raw(b"\xd9\1\4\x61a"),
    Raw(b"\xd9\xd9\xf7\0"), Raw(b"\xd8\x18\x41\0"), Raw(b"\x63a\xffb"), Raw(b"\x62\xc0\x80"),
    Raw(b"\x63\xed\xa0\x80"), Raw(b"\x5f\x41a\xff"), Raw(b"\x7f\x61a\xff"), Raw(b"\x18\1"),
    Raw(b"\x38\0"),
    Raw(b"\x98\0"), Raw(b"\x58\0"), Raw(b"\xb8\0"), Raw(b"\x99\xff\xff"), Raw(b"\xba\0\x10\0\0"),
)  # fmt: skip


# --- CBOR ------------------------------------------------------------------------------------


def write_cbor(value: Any) -> bytes:
    """Deterministic where the tree is honest; else what the tree says."""
    if isinstance(value, Raw):
        return value.encoded
    if isinstance(value, Pairs):
        pairs = [(write_cbor(key), write_cbor(item)) for key, item in value.entries]
        return reference.encode_map(pairs, ordered=False)
    if isinstance(value, dict):
        return reference.encode_map([(write_cbor(k), write_cbor(v)) for k, v in value.items()])
    if isinstance(value, list | tuple):
        return head(4, len(value)) + b"".join(map(write_cbor, value))
    return reference.encode(value)


def cbor(rng: Random, data: bytes) -> bytes:
    """A CBOR message with one to three things wrong."""
    try:
        tree = reference.decode(data)
    except NotDeterministic:
        return scramble(rng, data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        tree = _vary(rng, tree, _odd_cbor)
    return write_cbor(tree)


def signed(rng: Random, data: bytes) -> bytes:
    """A COSE_Sign1 object: another payload, signed again, or other parts around it."""
    try:
        protected, _, payload, _ = parts = reference.decode(data[1:])
        key = _KEYS[reference.decode(protected)[4]]
    except (NotDeterministic, ValueError, TypeError, KeyError):
        return scramble(rng, data)  # altered before, or never a signed object
    if not isinstance(payload, bytes):
        return scramble(rng, data)
    if rng.random() < 0.25:
        return rng.choice((data[:1], b"\xd8\x12", b"\xd8\x62", b"")) + write_cbor(
            _vary(rng, parts, _odd_cbor)
        )
    if rng.random() < 0.1:
        protected = cbor(rng, protected)
    payload = cbor(rng, payload)
    signature = key.sign(reference.encode(["Signature1", protected, b"", payload]))
    return data[:1] + reference.encode([protected, {}, payload, signature])


def _odd_cbor(rng: Random, value: Any) -> Any:
    """Something else in the place of a leaf."""
    if isinstance(value, bytes) and rng.random() < 0.75:
        if value[:1] == b"\xd2":
            return signed(rng, value)
        if value[:1] >= b"\xa1" and value[:1] <= b"\xb7" and rng.random() < 0.8:
            return cbor(rng, value)
        return scramble(rng, value)
    draw = rng.random()
    if draw < 0.4:
        return rng.choice(_WEIRD_CBOR)
    return _other_value(rng, value)


# --- JSON ------------------------------------------------------------------------------------

_LONG: Final = 4096
"""Bytes of an item that is not repeated hundreds of times."""

_WEIRD_JSON: Final[tuple[Raw, ...]] = (
    *map(Raw, (
        b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-0", b"-0.0", b"1.0", b"01", b"1e2", b".5",
        b"9" * 5000, b"0." + b"1" * 5000, b'"\\ud800"', b'"\\u0000"', b'"\\ud83d\\ude00"', b'"\\x"',
        b"[" * 100, b"[" * 5000, b'{"a":' * 5000, b"[" * 2000 + b"]" * 2000, b"nul", b"'a'", b"//",
        b'"\xff"', b'"\x00"', b'"\n"', b'{"a":1,"a":2}', b"[1,]", b"{,}", b"\xef\xbb\xbf1", b"",
        b"1e-400", b"18446744073709551616", b"true", b'"' + b"00" * 32 + b'"',
        b'"' + b"A" * 64 + b'"',
    )),
)  # fmt: skip


def write_json(value: Any) -> bytes:
    """JSON of a tree, ``Raw`` as it stands."""
    if isinstance(value, Raw):
        return value.encoded
    if isinstance(value, dict):
        return _object(tuple(value.items()))
    if isinstance(value, Pairs):
        return _object(value.entries)
    if isinstance(value, list | tuple):
        return b"[" + b",".join(map(write_json, value)) + b"]"
    return json.dumps(value.hex() if isinstance(value, bytes) else value).encode()


def _object(entries: tuple[tuple[Any, Any], ...]) -> bytes:
    written = (
        (key.encoded if isinstance(key, Raw) else json.dumps(str(key)).encode())
        + b":"
        + write_json(item)
        for key, item in entries
    )
    return b"{" + b",".join(written) + b"}"


def json_text(rng: Random, data: bytes) -> bytes:
    """A JSON document with one to three things wrong, sometimes in another encoding."""
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return scramble(rng, data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        tree = _vary(rng, tree, _odd_json)
    written = write_json(tree)
    if rng.random() < 0.05:
        text = written.decode("utf-8", "replace")
        return text.encode(rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig")))
    return written


def _odd_json(rng: Random, value: Any) -> Any:
    if isinstance(value, str) and rng.random() < 0.4:
        return scramble(rng, value.encode("utf-8", "replace")).decode("utf-8", "replace")
    return rng.choice(_WEIRD_JSON) if rng.random() < 0.5 else _other_value(rng, value)


# --- both ------------------------------------------------------------------------------------


def _vary(rng: Random, value: Any, odd: Any) -> Any:
    """One thing wrong at a random place of the tree."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        return value | {key: _vary(rng, value[key], odd)}
    if isinstance(value, dict) and value:
        return _other_map(rng, value, odd)
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        return [*value[:at], _vary(rng, value[at], odd), *value[at + 1 :]]
    if isinstance(value, list) and value:
        at = rng.randrange(len(value))
        many = 5 if any(map(_is_long, value)) else 500
        return rng.choice(
            (value[:at], value[at:], [*value, value[at]], value[::-1], value * 5, value * many)
        )
    if isinstance(value, Pairs):
        return value
    return odd(rng, value)


def _is_long(item: Any) -> bool:
    if isinstance(item, list):
        return any(map(_is_long, item))
    return isinstance(item, bytes) and len(item) > _LONG


def _other_map(  # noqa: PLR0911 - a table of eight alterations
    rng: Random, value: dict[Any, Any], odd: Any
) -> Any:
    """Without, with other, with repeated or with reordered keys."""
    entries = list(value.items())
    at = rng.randrange(len(entries))
    key, item = entries[at]
    rest = [entry for entry in entries if entry[0] != key]
    match rng.randrange(8):
        case 0:
            return dict(rest)
        case 1:
            return value | {rng.choice(("", "note", CANARY, str(key) + "\0", "Version")): item}
        case 2:
            return Pairs((*entries, (key, item)))
        case 3:
            return Pairs((*entries, (key, odd(rng, item))))
        case 4:
            rng.shuffle(entries)
            return Pairs(tuple(entries))
        case 5:
            return dict(enumerate(value.values()))
        case 6:
            return Pairs((*rest, (odd(rng, key), item)))
        case _:
            return dict(rest) | {str(key).swapcase(): item}


def _other_value(rng: Random, value: Any) -> Any:
    """A value of the same type at its bounds, or of another type."""
    draw = rng.random()
    if isinstance(value, str) and draw < 0.5:
        return rng.choice(_TEXTS)
    if isinstance(value, int) and draw < 0.7:
        return rng.choice((min(value + 1, 2**64 - 1), abs(value - 1), *_INTEGERS))
    match rng.randrange(4):
        case 0:
            return rng.choice(_INTEGERS)
        case 1:
            return rng.choice(_TEXTS)
        case 2:
            return rng.choice(_PLAIN)
        case _:
            return rng.randbytes(rng.choice((0, 1, 15, 16, 31, 32, 33, 64)))
