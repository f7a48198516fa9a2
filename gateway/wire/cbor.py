"""Deterministic CBOR (RFC 8949, section 4.2): one value, one encoding.

``cbor2`` writes. Its canonical mode orders map keys by the older rule (shorter first). For maps
whose keys are all texts, or all unsigned integers, this is the same order as the bytewise one of
RFC 8949. Our maps are of these two kinds and ``decode`` admits no other.

Our own code reads, in one pass. The library would read every encoding of a value; to find out
whether it was the one valid encoding, the value had to be written again. Here each head must be the
shortest, each key greater than the one before, each type one of our set. Messages of some hundred
kilobytes are read without a second copy.
"""

from collections.abc import Callable
from typing import Any, Final

import cbor2

from gateway.wire.errors import CallerMisuse, MalformedMessage

MAX_DEPTH = 8
"""Nesting that our deepest message needs, with room."""

_SCALARS = (bytes, str, int, bool, type(None))
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_KEYS: Final = (_UNSIGNED, _TEXT)
_CONSTANTS: Final = {0xF4: False, 0xF5: True, 0xF6: None}
_IN_HEAD: Final = 24
"""Arguments below this stand in the head itself."""
_TEXTS: Final = 0x60
_LONG_TEXTS: Final = 0x78
"""From the one to below the other: heads of texts that hold the length themselves."""
_BYTES_OF_ONE: Final = 0x58
"""Head of bytes whose length is one byte."""
_SMALLEST: Final = {24: _IN_HEAD, 25: 2**8, 26: 2**16, 27: 2**32}
"""By the head's low bits: the least argument that needs so many bytes."""


def encode(value: Any) -> bytes:
    """Encode maps, lists, tuples, bytes, text, integers, booleans and null.

    Raises:
        CallerMisuse: the value contains something else, for example a float.
    """
    _check(value, 0)
    return dump(value)


def dump(value: Any) -> bytes:
    """Encode a value that is known to consist of encodable types: a validated message."""
    return bytes(cbor2.dumps(value, canonical=True))


def decode(data: bytes) -> Any:
    """Decode the one valid encoding of a value.

    Raises:
        MalformedMessage: not CBOR, not deterministic, trailing bytes, or a type outside our set.
    """
    try:
        value, end = _value(data, 0, 0)
    except (IndexError, UnicodeDecodeError):
        raise _malformed() from None
    if end != len(data):
        raise _malformed()
    return value


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """The value that begins at ``at``, and where it ends."""
    if depth > MAX_DEPTH:
        raise _malformed()
    head = data[at]
    if head in _CONSTANTS:
        return _CONSTANTS[head], at + 1
    kind = head >> 5
    if kind >= _TAG:
        raise _malformed()
    argument, at = _argument(data, head & 0x1F, at + 1)
    return _READERS[kind](data, argument, at, depth)


def _argument(data: bytes, low: int, at: int) -> tuple[int, int]:
    """What a head says, in its shortest form, and where it ends."""
    if low < _IN_HEAD:
        return low, at
    if low not in _SMALLEST:
        raise _malformed()
    end = at + (1 << (low - _IN_HEAD))
    argument = int.from_bytes(data[at:end])
    if argument < _SMALLEST[low] or end > len(data):
        raise _malformed()
    return argument, end


def _unsigned(_: bytes, argument: int, at: int, __: int) -> tuple[int, int]:
    return argument, at


def _negative(_: bytes, argument: int, at: int, __: int) -> tuple[int, int]:
    if argument >= 2**63:
        raise _malformed()
    return -1 - argument, at


def _bytes(data: bytes, length: int, at: int, _: int) -> tuple[bytes, int]:
    end = at + length
    if end > len(data):
        raise _malformed()
    return bytes(data[at:end]), end  # ``data`` may be a bytearray that will be wiped


def _text(data: bytes, length: int, at: int, depth: int) -> tuple[str, int]:
    raw, end = _bytes(data, length, at, depth)
    return raw.decode(), end


def _array(data: bytes, count: int, at: int, depth: int) -> tuple[list[Any], int]:
    if count > len(data) - at:
        raise _malformed()
    items = []
    for _ in range(count):
        item, at = _value(data, at, depth + 1)
        items.append(item)
    return items, at


def _map(data: bytes, count: int, at: int, depth: int) -> tuple[dict[Any, Any], int]:
    """Keys are all texts or all unsigned integers, in the order of their encodings.

    Short texts and short bytes are read in place: most of every message is made of them.
    """
    if 2 * count > len(data) - at:
        raise _malformed()
    items: dict[Any, Any] = {}
    if not count:
        return items, at
    before, kind = b"", data[at] >> 5
    if kind not in _KEYS or depth >= MAX_DEPTH:
        raise _malformed()
    for _ in range(count):
        begin, head = at, data[at]
        if _TEXTS <= head < _LONG_TEXTS:
            at += 1 + head - _TEXTS
            encoded = data[begin:at]
            key: Any = encoded[1:].decode()
        else:
            key, at = _value(data, at, depth + 1)
            encoded = data[begin:at]
        if encoded <= before or head >> 5 != kind:
            raise _malformed()
        before, head = encoded, data[at]
        if head == _BYTES_OF_ONE and data[at + 1] >= _IN_HEAD:
            begin = at + 2
            at = begin + data[at + 1]
            items[key] = bytes(data[begin:at])
        elif _TEXTS <= head < _LONG_TEXTS:
            begin = at + 1
            at = begin + head - _TEXTS
            items[key] = data[begin:at].decode()
        else:
            items[key], at = _value(data, at, depth + 1)
    if at > len(data):  # a slice beyond the end is short, and says nothing
        raise _malformed()
    return items, at


_Reader = Callable[[bytes, int, int, int], tuple[Any, int]]
_READERS: Final[tuple[_Reader, ...]] = (_unsigned, _negative, _bytes, _text, _array, _map)


def _malformed() -> MalformedMessage:
    return MalformedMessage("not deterministic CBOR")


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise CallerMisuse("nested too deeply")
    if isinstance(value, dict):
        kinds = {type(key) for key in value}
        if kinds - {str} and kinds - {int}:
            raise CallerMisuse("map keys must be all text or all unsigned integers")
        if any(isinstance(key, int) and not 0 <= key < 2**64 for key in value):
            raise CallerMisuse("integer keys must be unsigned and fit in 64 bits")
        for item in value.values():
            _check(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item, depth + 1)
    elif not isinstance(value, _SCALARS) or (type(value) is int and not _fits(value)):
        raise CallerMisuse("a value of this type is not part of any message")


def _fits(value: int) -> bool:
    return -(2**63) <= value < 2**64
