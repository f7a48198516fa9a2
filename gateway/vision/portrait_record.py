"""The photograph inside a chip's record: EF.DG2 of ICAO 9303-10, or its inner blocks.

Layout: 75 (DG2) > 7F61 (group) > 02 (count), 7F60 (one portrait) > A1 (header), and 5F2E or 7F2E
(the biometric block). The block of ISO/IEC 19794-5 begins with "FAC"; that of ISO/IEC 39794-5 is
DER: A1 > 65 (face image data) > A1 > 30 (one representation) > A1 > A0 > A0 > 80 (the picture).
Either holds one JPEG or JPEG 2000 picture.

Rules:

- Exactly one portrait, or a refusal. None is chosen silently: in a travel document there is one
  representation (ICAO's application profile of ISO/IEC 39794-5).
- In the older block the picture is found by its own first bytes: issuers fill in its many optional
  fields, and its lengths, in their own ways. In the newer one it is where the standard puts it.
- Nothing is decoded here.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from gateway.vision.errors import UnreadableImage

_GROUPS: Final = frozenset({0x75, 0x7F61, 0x7F60})
_BLOCKS: Final = frozenset({0x5F2E, 0x7F2E})
_MAX_DEPTH: Final = 8
_PICTURE: Final = re.compile(
    rb"\xff\xd8\xff[\xc0-\xfe]|\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51\0"
)
"""JPEG, JPEG 2000 in a file of boxes, and its bare codestream."""
_ISO_39794: Final = (b"\xa1", b"\x65")
_FACE_IMAGE: Final = (0x65, 0xA1)
"""To the representations, within the wrapper of standardised data (A1, ISO/IEC 7816-11)."""
_REPRESENTATION: Final = 0x30
_IMAGE: Final = (0xA1, 0xA0, 0xA0, 0x80)
"""From a representation to the picture: image, base, two dimensions, data."""
_MAX_FIELDS: Final = 64
"""Of one element. The standard knows 14 at most."""
_FACES = slice(12, 14)
"""Where an ISO/IEC 19794-5 record counts its faces: both editions have it there."""


def embedded_picture(record: bytes) -> bytes:
    """The encoded photograph in a chip's record.

    Raises UnreadableImage: cut off, malformed, without a picture that is JPEG or JPEG 2000, or with
    several portraits.
    """
    if record[:4] == b"FAC\0":
        return _of_block(record)
    blocks = list(islice(_blocks(memoryview(record), 0), 2))  # a file of empty ones has a million
    if len(blocks) > 1:
        raise _several()
    if not blocks:
        raise UnreadableImage("the chip record (DG2) holds no portrait", _READ_AGAIN)
    return _of_block(blocks[0].tobytes())


_READ_AGAIN: Final = "Read the chip again, or use the portrait as a JPEG file."


def _of_block(block: bytes) -> bytes:
    if block[:1] in _ISO_39794:
        return _of_39794(memoryview(block))
    if block[:4] == b"FAC\0" and int.from_bytes(block[_FACES], "big") > 1:
        raise _several()
    found = _PICTURE.search(block)
    if found is None:
        raise _no_picture()
    return block[found.start() :]


def _of_39794(block: memoryview) -> bytes:
    found = block if block[0] != 0xA1 else _only(block, 0xA1)
    for tag in (*_FACE_IMAGE, _REPRESENTATION, *_IMAGE):
        found = _only(found, tag)
    picture = found.tobytes()
    if _PICTURE.match(picture) is None:
        raise _no_picture()
    return picture


def _only(data: memoryview, tag: int) -> memoryview:
    """The content of the one element with a tag."""
    fields = list(islice(_elements(data), _MAX_FIELDS + 1))
    found = [content for each, content in fields if each == tag]
    if len(found) > 1 and tag == _REPRESENTATION:
        raise _several()
    if len(found) != 1 or len(fields) > _MAX_FIELDS:
        raise _malformed()
    return found[0]


def _blocks(data: memoryview, depth: int) -> Iterator[memoryview]:
    """Every biometric block, in order."""
    if depth > _MAX_DEPTH:
        raise _malformed()
    for tag, content in _elements(data):
        if tag in _BLOCKS:
            yield content
        elif tag in _GROUPS:
            yield from _blocks(content, depth + 1)


def _elements(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Tags and contents (BER with definite lengths). Zeros behind them are a reader's filling."""
    at = 0
    while at < len(data) and data[at]:
        try:
            tag, at = _tag(data, at)
            length, at = _length(data, at)
        except IndexError:
            raise _cut() from None
        if at + length > len(data):
            raise _cut()
        yield tag, data[at : at + length]
        at += length


def _tag(data: memoryview, at: int) -> tuple[int, int]:
    """Tags of one or two bytes: a DG2 has no longer one."""
    first = data[at]
    if first & 0x1F != 0x1F:
        return first, at + 1
    if data[at + 1] & 0x80:
        raise _malformed()
    return first << 8 | data[at + 1], at + 2


def _length(data: memoryview, at: int) -> tuple[int, int]:
    first = data[at]
    if first < 0x80:
        return first, at + 1
    octets = first & 0x7F
    if not 1 <= octets <= 4:
        raise _malformed()
    end = at + 1 + octets
    if end > len(data):
        raise IndexError
    return int.from_bytes(data[at + 1 : end], "big"), end


def _no_picture() -> UnreadableImage:
    return UnreadableImage("the portrait in the chip record is no JPEG or JPEG 2000", _READ_AGAIN)


def _several() -> UnreadableImage:
    return UnreadableImage(
        "the chip record holds several portraits", "Use the document holder's portrait alone."
    )


def _cut() -> UnreadableImage:
    return UnreadableImage("the chip record (DG2) is cut off: its end is missing", _READ_AGAIN)


def _malformed() -> UnreadableImage:
    return UnreadableImage("the chip record (DG2) is malformed", _READ_AGAIN)
