"""A public key as two people compare it by voice: 32 hexadecimal digits in groups of four.

It is the beginning of the key's id, SHA-256 of the 32 bytes. Another key with the same 128 bits
cannot be found.
"""

from typing import Final

from gateway.wire.ids import digest_of

_BYTES: Final = 16
_GROUP: Final = 4


def fingerprint(public_key: bytes) -> str:
    """The fingerprint of a raw Ed25519 public key, 32 bytes."""
    digits = digest_of(public_key)[:_BYTES].hex()
    return " ".join(digits[at : at + _GROUP] for at in range(0, len(digits), _GROUP))
