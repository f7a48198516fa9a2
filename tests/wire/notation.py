"""How the vectors write values in JSON, read without any code of the product.

JSON maps, lists, texts, integers, booleans and null stand for themselves. Byte strings are

    {"$hex": "00ff"}
    {"$shake256": "label", "length": 344066}
        SHAKE-256 of the label in UTF-8
    {"$polynomials": 2, "primes": [...], "A": a, "B": b, "C": c}
        bytes 01 and the number of polynomials, then for each polynomial p and prime number k
        8192 words w_i = (i A + p B + k C) mod primes[k], each 7 bytes, little-endian. With
        "start": i begins there instead of at 0. With "head": [n, m], these two numbers of 14
        bytes each, little-endian, stand before everything

A rule carries ``bytes``, ``sha256``, ``first32`` and ``last32`` of its result. Encodings of more
than 2048 bytes are described by these four as well.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

DEGREE = 8192
LONG = 2048


def to_python(value: Any) -> Any:
    """The value that a vector describes; rules are checked against what they say of themselves."""
    if isinstance(value, list):
        return [to_python(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$hex" in value:
        return bytes.fromhex(value["$hex"])
    if "$shake256" in value:
        return checked(value, shake256(value["$shake256"], value["length"]))
    if "$polynomials" in value:
        constants = value["A"], value["B"], value["C"], value.get("start", 0)
        made = polynomials(value["$polynomials"], tuple(value["primes"]), *constants)
        head = b"".join(number.to_bytes(14, "little") for number in value.get("head", ()))
        return checked(value, head + made)
    return {key: to_python(item) for key, item in value.items()}


def shake256(label: str, length: int) -> bytes:
    return hashlib.shake_256(label.encode()).digest(length)


@cache
def polynomials(
    count: int, primes: tuple[int, ...], a: int, b: int, c: int, start: int = 0
) -> bytes:
    body = b"".join(
        ((i * a + p * b + k * c) % prime).to_bytes(7, "little")
        for p in range(count)
        for k, prime in enumerate(primes)
        for i in range(start, start + DEGREE)
    )
    return bytes((1, count)) + body


def summary(data: bytes) -> dict[str, Any]:
    """What a vector says of a long byte string."""
    return {
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "first32": data[:32].hex(),
        "last32": data[-32:].hex(),
    }


def encoding(data: bytes) -> dict[str, Any]:
    """An encoding: in full if short, else by its summary."""
    full = {"$hex": data.hex()} if len(data) <= LONG else {}
    return full | summary(data)


def checked(rule: dict[str, Any], made: bytes) -> bytes:
    said = {key: rule[key] for key in summary(b"")}
    if said != summary(made):
        raise AssertionError(f"the rule gives other bytes than it says: {rule}")
    return made
