"""Deterministic CBOR (RFC 8949, section 4.2): one value, one encoding.

``cbor2`` does the work. Its canonical mode orders map keys by the older rule (shorter first),
which for maps whose keys are all texts, or all unsigned integers, is the same order as the
bytewise one of RFC 8949; our maps are of these two kinds and ``decode`` admits no other.
Decoding re-encodes and compares, so every second encoding of a value is refused.
"""

from typing import Any

import cbor2

from gateway.wire.errors import CallerMisuse, MalformedMessage

MAX_DEPTH = 8
"""Nesting that our deepest message needs, with room."""

_SCALARS = (bytes, str, int, bool, type(None))


def encode(value: Any) -> bytes:
    """Encode maps, lists, tuples, bytes, text, integers, booleans and null.

    Raises:
        CallerMisuse: the value contains something else, for example a float.
    """
    _check(value, 0)
    return dump(value)


def dump(value: Any) -> bytes:
    """Encode what is known to consist of encodable types: a validated message."""
    return bytes(cbor2.dumps(value, canonical=True))


def decode(data: bytes) -> Any:
    """Decode the one valid encoding of a value.

    Raises:
        MalformedMessage: not CBOR, not deterministic, trailing bytes, or a type outside our set.
    """
    value = parse(data)
    if encode(value) != data:
        raise MalformedMessage("not deterministic CBOR")
    return value


def parse(data: bytes) -> Any:
    """Decode without the comparison, for callers that re-encode and compare by themselves.

    Raises:
        MalformedMessage: not CBOR, trailing bytes, or a type outside our set.
    """
    try:
        value = cbor2.loads(
            data, max_depth=MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False
        )
        _check(value, 0)
    except (cbor2.CBORError, CallerMisuse, ValueError, TypeError, OverflowError):
        raise MalformedMessage("not deterministic CBOR") from None
    return value


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
