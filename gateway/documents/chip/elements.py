"""Elements of a chip's files: tags, definite lengths, contents (ISO/IEC 7816-4, BER-TLV).

A file is one element. What a reader put behind it must be zeros: it reads whole blocks. Data groups
are hashed without them.
"""

from typing import Final

MAX_BYTES: Final = {"EF.SOD": 64 * 1024, "EF.DG1": 512, "EF.DG2": 4 * 2**20}
"""Of each file. Chips have 4 to 8 KiB, 95 bytes and 15 to 60 KiB."""
_TAGS: Final = {"EF.SOD": 0x77, "EF.DG1": 0x61, "EF.DG2": 0x75}
_ZONE: Final = 0x5F1F


def element(name: str, file: bytes) -> tuple[bytes, bytes]:
    """A file's one element, whole, and its content.

    Raises ``ValueError``: too long, another tag, cut off, or followed by more than zeros. The text
    can be shown.
    """
    if len(file) > MAX_BYTES[name]:
        raise ValueError(f"{name} has more than {MAX_BYTES[name]} bytes")
    if not file:
        raise ValueError(f"{name} is empty")
    try:
        tag, content, end = _next(file, 0)
    except (IndexError, ValueError):
        raise ValueError(f"{name} is malformed or cut off") from None
    if tag != _TAGS[name]:
        raise ValueError(f"this is another file than {name}")
    if any(file[end:]):
        raise ValueError(f"something stands behind {name}")
    return file[:end], content


def zone_of(content: bytes) -> str:
    """The machine-readable zone in the content of EF.DG1 (ICAO 9303-10, 4.7.1), all lines in one.

    Raises ``ValueError``.
    """
    try:
        tag, zone, end = _next(content, 0)
        if tag != _ZONE or end != len(content):
            raise ValueError
        return zone.decode("ascii")
    except (IndexError, ValueError):
        raise ValueError("EF.DG1 holds something else than a machine-readable zone") from None


def first_inside(encoded: bytes) -> bytes:
    """The first element inside another one, whole. Raises ``ValueError``, ``IndexError``."""
    _, content, _ = _next(encoded, 0)
    _, _, end = _next(content, 0)
    return content[:end]


def with_head(tag: int, content: bytes) -> bytes:
    """An element with a tag of one byte and its shortest length."""
    size = len(content)
    octets = (size.bit_length() + 7) // 8 if size >= 0x80 else 0
    head = bytes([0x80 | octets]) + size.to_bytes(octets, "big") if octets else bytes([size])
    return bytes([tag]) + head + content


def _next(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Tag of one or two bytes, content, and where it ends."""
    tag, at = data[at], at + 1
    if tag & 0x1F == 0x1F:
        tag, at = tag << 8 | data[at], at + 1
    size, at = data[at], at + 1
    if size >= 0x80:
        octets = size & 0x7F
        if not 1 <= octets <= 4:
            raise ValueError("no definite length")
        size, at = int.from_bytes(data[at : at + octets], "big"), at + octets
    if at + size > len(data):
        raise ValueError("cut off")
    return tag, data[at : at + size], at + size
