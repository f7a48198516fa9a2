"""Deterministic CBOR written from RFC 8949 alone: the independent peer of ``gateway.wire.cbor``.

It uses no CBOR library and shares no code with the product. Reader and writer know unsigned and
negative integers, byte and text strings, arrays, maps, false, true and null; the reader refuses
everything else, every length or integer that is not in its shortest form (4.2.1), indefinite
lengths, and map keys that are not in strictly ascending bytewise order of their encodings.
"""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 8
"""Arrays and maps inside one another (a bound of the product, not of the RFC)."""

_SIMPLE = {0xF4: False, 0xF5: True, 0xF6: None}


class NotDeterministic(Exception):
    """These bytes are not the one encoding of one value of our set."""


def head(major: int, argument: int) -> bytes:
    """Initial byte and argument in the shortest form (RFC 8949, section 3)."""
    if argument < 24:
        return bytes((major << 5 | argument,))
    for extra, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << (8 * width):
            return bytes((major << 5 | extra,)) + argument.to_bytes(width, "big")
    raise NotDeterministic("integer of more than 64 bits")


def encode(value: Any) -> bytes:
    """The one encoding of a value."""
    if value is None or isinstance(value, bool):
        return bytes((next(byte for byte, simple in _SIMPLE.items() if simple is value),))
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return head(3, len(text)) + text
    if isinstance(value, list | tuple):
        return head(4, len(value)) + b"".join(encode(item) for item in value)
    if isinstance(value, dict):
        return encode_map([(encode(key), encode(item)) for key, item in value.items()])
    raise NotDeterministic(f"no encoding for {type(value).__name__}")


def encode_map(entries: list[tuple[bytes, bytes]], *, ordered: bool = True) -> bytes:
    """A map from encoded keys and values; ``ordered=False`` leaves them as they are given."""
    entries = sorted(entries) if ordered else entries
    return head(5, len(entries)) + b"".join(key + item for key, item in entries)


def decode(data: bytes) -> Any:
    """The value of one deterministic encoding.

    Raises:
        NotDeterministic: anything else.
    """
    value, rest = _item(data, 0)
    if rest:
        raise NotDeterministic("trailing bytes")
    return value


def _item(data: bytes, depth: int) -> tuple[Any, bytes]:
    if depth > MAX_DEPTH:
        raise NotDeterministic("too deep")
    if not data:
        raise NotDeterministic("ends early")
    if data[0] in _SIMPLE:
        return _SIMPLE[data[0]], data[1:]
    major, argument, rest = _head(data)
    if major == 0:
        return argument, rest
    if major == 1:
        if argument >= 1 << 63:
            raise NotDeterministic("below the smallest signed 64-bit integer")
        return -1 - argument, rest
    if major in (2, 3):
        if len(rest) < argument:
            raise NotDeterministic("ends early")
        return _string(major, rest[:argument]), rest[argument:]
    if major == 4:
        return _array(argument, rest, depth)
    if major == 5:
        return _map(argument, rest, depth)
    raise NotDeterministic("tag, float or simple value")


def _head(data: bytes) -> tuple[int, int, bytes]:
    major, low = data[0] >> 5, data[0] & 31
    if low < 24:
        return major, low, data[1:]
    if low > 27:
        raise NotDeterministic("indefinite length or reserved")
    width = 1 << (low - 24)
    if len(data) < 1 + width:
        raise NotDeterministic("ends early")
    argument = int.from_bytes(data[1 : 1 + width], "big")
    if major < 6 and head(major, argument) != data[: 1 + width]:
        raise NotDeterministic("not the shortest form")
    return major, argument, data[1 + width :]


def _string(major: int, raw: bytes) -> bytes | str:
    if major == 2:
        return raw
    try:
        return raw.decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise NotDeterministic("text is not UTF-8") from None


def _array(count: int, rest: bytes, depth: int) -> tuple[list[Any], bytes]:
    items = []
    for _ in range(count):
        item, rest = _item(rest, depth + 1)
        items.append(item)
    return items, rest


def _map(count: int, rest: bytes, depth: int) -> tuple[dict[Any, Any], bytes]:
    entries: dict[Any, Any] = {}
    last = b""
    for _ in range(count):
        key, after = _item(rest, depth + 1)
        encoded = rest[: len(rest) - len(after)]
        if isinstance(key, bool) or not isinstance(key, int | str) or encoded[0] >> 5 == 1:
            raise NotDeterministic("a key that is neither text nor an unsigned integer")
        if encoded <= last:
            raise NotDeterministic("keys not in ascending order")
        if last and last[0] >> 5 != encoded[0] >> 5:
            raise NotDeterministic("keys of two kinds")
        last = encoded
        entries[key], rest = _item(after, depth + 1)
    return entries, rest
