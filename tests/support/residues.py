"""Ciphertexts altered below their encoding."""

from gateway.wire.profile import DATA_PRIMES


def residue(encoded: bytes, prime: int = 0, value: int = DATA_PRIMES[0]) -> bytes:
    """The first residue of one of the three primes, replaced."""
    at = 2 + 7 * 8192 * prime
    return encoded[:at] + value.to_bytes(7, "little") + encoded[at + 7 :]


def zero(encoded: bytes, polynomial: int) -> bytes:
    half = (len(encoded) - 2) // 2
    start = 2 + polynomial * half
    return encoded[:start] + bytes(half) + encoded[start + half :]
