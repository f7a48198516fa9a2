"""CBOR of mobile documents (RFC 8949), bounded before anything is built of it.

``cbor2`` builds the values. It knows many tags that nobody needs here, and takes whatever fits in
memory. So the heads are walked first: definite lengths and shortest heads alone, as ISO/IEC 18013-5
prescribes them, few levels, few items, and of the tags those of its own structures. A value's
encoding is then the one that stands there, so that what was hashed can be written again.

Map keys keep the order in which they stand; the standard does not sort them. A key that stands
there twice is refused: two readers would see two documents.
"""

from typing import Any, Final

import cbor2

MAX_DEPTH: Final = 16
"""Nesting. The deepest of real documents, driving privileges, has six levels."""
MAX_ITEMS: Final = 8192
"""Values in one piece. An MSO with all elements of two name spaces has some 300."""

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_NUMBERS: Final = (_UNSIGNED, _NEGATIVE)
_STRINGS: Final = (_BYTES, _TEXT)
_CONTAINERS: Final = (_ARRAY, _MAP, _TAG)
_TEXT_TIME, _ENCODED, _FULL_DATE = 0, 24, 1004
_TAGS: Final = frozenset({_TEXT_TIME, _ENCODED, _FULL_DATE})
"""tdate, encoded CBOR, full-date."""
_CONSTANTS: Final = frozenset({20, 21, 22})
"""False, true, null."""
_FLOATS: Final = {25: 2, 26: 4, 27: 8}
_SMALLEST: Final = {24: 24, 25: 2**8, 26: 2**16, 27: 2**32}
"""By the head's low bits: the least argument that needs so many bytes."""


def decode(encoded: bytes) -> Any:
    """The one value in ``encoded``: maps, lists, text, bytes, numbers, constants, dates, tags.

    Raises ``ValueError`` with a text that can be shown.
    """
    try:
        _walk(encoded)
    except IndexError:
        raise ValueError("it is cut off") from None
    try:
        return cbor2.loads(encoded, allow_indefinite=False, allow_duplicate_keys=False)
    except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
        raise ValueError("it is malformed, or states something twice") from None


def embedded(value: Any) -> bytes:
    """What stands encoded inside a value (tag 24). Raises ``ValueError``."""
    if isinstance(value, cbor2.CBORTag) and value.tag == _ENCODED and type(value.value) is bytes:
        return value.value
    raise ValueError("something stands unencoded that must be encoded")


def wrapped(inner: bytes) -> bytes:
    """The encoding of encoded CBOR (tag 24), as it stands in a response."""
    return bytes(cbor2.dumps(cbor2.CBORTag(_ENCODED, inner)))


def encode(value: Any) -> bytes:
    """Of text, bytes and lists of these: what is put together to be verified."""
    return bytes(cbor2.dumps(value))


def member(mapping: Any, name: str, kind: type) -> Any:
    """A map's member. Raises ``ValueError``: no map, no such member, or one of another type."""
    if not isinstance(mapping, dict) or type(mapping.get(name)) is not kind:
        raise ValueError(f"{name} is missing, or of another type")
    return mapping[name]


def _walk(data: bytes) -> None:
    """Every head, without recursion. Raises ``ValueError``, and ``IndexError`` at a cut."""
    at, items, left = 0, 0, [1]
    while left:
        if not left[-1]:
            left.pop()
            continue
        left[-1] -= 1
        items += 1
        kind, size, at = _head(data, at)
        if kind in _STRINGS:
            at += size
        elif kind in _CONTAINERS:
            left.append(size)
        if items > MAX_ITEMS or len(left) > MAX_DEPTH or size > len(data):
            raise ValueError("it is too large, or too deep")
    if at > len(data):
        raise IndexError
    if at < len(data):
        raise ValueError("something stands behind it")


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Kind, size, where the head ends. Of a container the size counts the values in it."""
    kind, low, at = data[at] >> 5, data[at] & 0x1F, at + 1
    if kind == _SIMPLE:
        if low not in _CONSTANTS and low not in _FLOATS:
            raise ValueError("it holds a value of an unknown kind")
        return kind, 0, at + _FLOATS.get(low, 0)
    argument, at = _argument(data, low, at)
    if kind == _TAG and argument not in _TAGS:
        raise ValueError("it holds a value of an unknown kind")
    size = {_TAG: 1, _MAP: 2 * argument, **dict.fromkeys(_NUMBERS, 0)}.get(kind, argument)
    return kind, size, at


def _argument(data: bytes, low: int, at: int) -> tuple[int, int]:
    if low < _SMALLEST[24]:
        return low, at
    if low not in _SMALLEST:
        raise ValueError("it has no definite lengths")
    end = at + (1 << (low - 24))
    if end > len(data):
        raise IndexError
    argument = int.from_bytes(data[at:end], "big")
    if argument < _SMALLEST[low]:
        raise ValueError("a length is written longer than it need be")
    return argument, end
