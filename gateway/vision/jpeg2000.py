"""Whether a JPEG 2000 file is whole (ISO/IEC 15444-1, annexes A and I).

The decoder fills what a cut file lacks, and says nothing. So the lengths of boxes and tile-parts
are followed first, without decoding anything.
"""

from typing import Final

_BOX_OF_CODESTREAM: Final = b"jp2c"
_SOC, _SOT, _EOC = b"\xff\x4f", b"\xff\x90", b"\xff\xd9"


def completed(data: bytes) -> bytes | None:
    """The file if every part of its codestream is there, in boxes or alone; None if not.

    Some writers leave the end marker out, and the decoder then gives a black picture. So where the
    file ends with the last part, the marker is added.
    """
    start = 0 if data[:2] == _SOC else _codestream(data)
    end = None if start is None else _end(data, start)
    if end is None or end > len(data):
        return None
    return data + _EOC if end == len(data) else data


def _codestream(data: bytes) -> int | None:
    """Where the contiguous codestream begins; None if no such box does."""
    at = 0
    while at + 8 <= len(data):
        length, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if kind == _BOX_OF_CODESTREAM:
            return at + head
        if length < head:  # 0: this box is the last one
            return None
        at += length
    return None


def _end(data: bytes, start: int) -> int | None:
    """Where the last tile-part ends, perhaps behind the data; None if the stream is malformed.

    Follows the main header's segments, then the tile-parts.
    """
    at = start + 2
    while data[at : at + 2] not in (_SOT, b"") and data[at : at + 1] == b"\xff":
        at += 2 + max(int.from_bytes(data[at + 2 : at + 4], "big"), 2)
    if data[start : start + 2] != _SOC or data[at : at + 2] != _SOT:
        return None
    while data[at : at + 2] == _SOT:
        length = int.from_bytes(data[at + 6 : at + 10], "big")
        if length == 0:  # this tile-part goes on to the end marker
            marker = data.find(_EOC, at)
            return None if marker < 0 else marker
        if length < 12:
            return None
        at += length
    return at if at >= len(data) or data[at : at + 2] == _EOC else None
