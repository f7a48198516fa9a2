"""The textual pieces that all formats of the log share, each with exactly one encoding.

Base64 is that of RFC 4648, section 4, with padding and zero trailing bits; decimals have no
leading zeroes. What other parsers let pass (line breaks inside base64, ``+1``, ``01``) is refused.
"""

import base64
import binascii
import re
from typing import Final

from gateway.translog.tree import HASH_BYTES, MAX_SIZE
from gateway.wire.errors import BodyTooLarge, MalformedMessage

_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DECIMAL: Final = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z", re.ASCII)


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str, what: str) -> bytes:
    """Decode the one encoding of some bytes. Raises ``MalformedMessage`` naming ``what``."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise MalformedMessage(f"{what} is not base64") from None
    if to_base64(data) != text:
        raise MalformedMessage(f"{what} is not base64 in its one form")
    return data


def parse_hash(text: str, what: str) -> bytes:
    """A SHA-256 hash in base64. Raises ``MalformedMessage``."""
    data = from_base64(text, what)
    if len(data) != HASH_BYTES:
        raise MalformedMessage(f"{what} is not {HASH_BYTES} bytes long")
    return data


def parse_decimal(text: str, what: str) -> int:
    """A number from 0 to 2**63 - 1. Raises ``MalformedMessage``."""
    if not _DECIMAL.match(text) or int(text) > MAX_SIZE:
        raise MalformedMessage(f"{what} is not a decimal number without leading zeroes")
    return int(text)


def decode_text(data: bytes, limit: int, what: str) -> str:
    """UTF-8 text without control characters except newlines; the last character is a newline.

    Raises:
        BodyTooLarge: more than ``limit`` bytes.
        MalformedMessage: not such a text.
    """
    if len(data) > limit:
        raise BodyTooLarge(f"{what} is longer than {limit} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedMessage(f"{what} is not UTF-8") from None
    if _CONTROL.search(text):
        raise MalformedMessage(f"{what} contains control characters")
    if not text.endswith("\n"):
        raise MalformedMessage(f"{what} does not end in a newline")
    return text
