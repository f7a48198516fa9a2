"""What a file is, told by its first bytes and never by its name.

Rule: a moving picture is not taken for a photograph, nor the other way round. A file that is none
of the kinds below is foreign, and no decoder sees it.

Signatures: JPEG (ITU-T T.81), PNG with APNG's acTL, ISO 14496-12 (brands of MP4, HEIF and AVIF),
ISO 15444-1 (JPEG 2000), RIFF (AVI, WebP), EBML (Matroska, WebM), ISO 13818-1 (MPEG-TS and -PS),
ICAO 9303-10 (DG2) and ISO/IEC 19794-5 (a chip's portrait).
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["plain", "guarded", "record", "unsupported", "moving", "video", "frames", "foreign"]
"""How a file is treated:

``plain``        a photograph that is decoded here: JPEG, PNG
``guarded``      a photograph that is decoded in a process of its own
``record``       a chip's record with a photograph inside
``unsupported``  a photograph of a kind that is not read
``moving``       moving pictures of a kind that is not read
``video``        moving pictures with times, for a video reader
``frames``       JPEG pictures one behind the other, without times
``foreign``      nothing of these
"""


@dataclass(frozen=True)
class Format:
    """A kind of file: its name, and how it is treated."""

    name: str
    kind: Kind


JPEG: Final = Format("JPEG", "plain")
PNG: Final = Format("PNG", "plain")
JP2: Final = Format("JPEG 2000", "guarded")
J2K: Final = Format("JPEG 2000 codestream", "guarded")
TIFF: Final = Format("TIFF", "guarded")
BMP: Final = Format("BMP", "guarded")
WEBP: Final = Format("WebP", "guarded")
AVIF: Final = Format("AVIF", "guarded")
RECORD: Final = Format("chip record (DG2)", "record")
MJPEG: Final = Format("MJPEG", "frames")
FOREIGN: Final = Format("unknown", "foreign")

HEAD_BYTES: Final = 4096
"""How much of a file ``recognise`` needs. JPEG files need ``is_mjpeg`` besides."""

_JP2_BOX = b"\0\0\0\x0cjP  \r\n\x87\n"
_HEIC = Format("HEIC", "unsupported")
_MOVING_AVIF = Format("AVIF sequence", "moving")
_MOVING_HEIC = Format("HEIC sequence", "moving")
_MP4 = Format("MP4 or QuickTime", "video")
_BRANDS: Final = {
    b"avif": AVIF, b"avis": _MOVING_AVIF,
    b"heic": _HEIC, b"heix": _HEIC, b"heim": _HEIC, b"heis": _HEIC,
    b"hevc": _MOVING_HEIC, b"hevx": _MOVING_HEIC, b"msf1": _MOVING_HEIC,
    b"crx ": Format("Canon raw", "unsupported"),
}  # fmt: skip
_STARTS: Final = (
    (b"\xff\xd8\xff", JPEG),
    (_JP2_BOX, JP2),
    (b"\xff\x4f\xff\x51", J2K),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0", Format("BigTIFF", "unsupported")),
    (b"MM\0+", Format("BigTIFF", "unsupported")),
    (b"GIF87a", Format("GIF", "moving")),
    (b"GIF89a", Format("GIF", "moving")),
    (b"FAC\0", RECORD),
    (b"\x7f\x61", RECORD),
    (b"\x7f\x60", RECORD),
    (b"\x5f\x2e", RECORD),
    (b"\x7f\x2e", RECORD),
    (b"\xff\x0a", Format("JPEG XL", "unsupported")),
    (b"\0\0\0\x0cJXL \r\n\x87\n", Format("JPEG XL", "unsupported")),
    (b"8BPS", Format("Photoshop", "unsupported")),
    (b"%PDF-", Format("PDF", "unsupported")),
    (b"\x1a\x45\xdf\xa3", Format("Matroska or WebM", "video")),
    (b"FLV\x01", Format("Flash video", "video")),
    (b"OggS", Format("Ogg", "video")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Format("Windows Media", "video")),
    (b"\0\0\x01\xba", Format("MPEG", "video")),
    (b"\0\0\x01\xb3", Format("MPEG", "video")),
    (b"\0\0\0\x01\x67", Format("raw H.264", "video")),
    (b"\0\0\x01\x67", Format("raw H.264", "video")),
    (b"\0\0\0\x01\x40\x01", Format("raw H.265", "video")),
)  # fmt: skip
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"moof", b"styp")
_TS_PACKETS: Final = ((0, 188), (4, 192))
"""Offset of the first synchronisation byte 0x47 and the packet's length: plain, and with times."""
_BMP_HEADERS: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_PNG_START = b"\x89PNG\r\n\x1a\n"


def recognise(head: bytes) -> Format:
    """The format of a file that begins with ``head``: ``HEAD_BYTES`` of it, or all of it."""
    tests = (_of_start, _of_png, _of_boxes, _of_riff, _of_record, _of_bmp, _of_transport_stream)
    return next((found for test in tests if (found := test(head))), FOREIGN)


def _of_start(head: bytes) -> Format | None:
    return next((found for start, found in _STARTS if head.startswith(start)), None)


def _of_png(head: bytes) -> Format | None:
    """PNG, or APNG: that has a chunk acTL before the first IDAT."""
    at = len(_PNG_START)
    if head[:at] != _PNG_START:
        return None
    while at + 8 <= len(head) and head[at + 4 : at + 8] != b"IDAT":
        if head[at + 4 : at + 8] == b"acTL":
            return Format("animated PNG", "moving")
        at += 12 + int.from_bytes(head[at : at + 4], "big")
    return PNG


def _of_boxes(head: bytes) -> Format | None:
    """MP4, HEIF and AVIF share one container; the brands tell them apart."""
    if head[4:8] not in _MP4_BOXES:
        return None
    size = min(int.from_bytes(head[:4], "big"), 256)
    brands = [head[8:12]] + [head[at : at + 4] for at in range(16, size, 4)]
    if head[4:8] == b"ftyp" and brands[0] in _BRANDS:
        return _BRANDS[brands[0]]
    if head[4:8] == b"ftyp" and brands[0] in (b"mif1", b"mif2", b"miaf"):
        # A picture, whose coding the other brands tell.
        return next((_BRANDS[one] for one in (b"avif", b"avis") if one in brands), _HEIC)
    return _MP4


def _of_riff(head: bytes) -> Format | None:
    if head[:4] != b"RIFF" or head[8:12] not in (b"AVI ", b"WEBP"):
        return None
    if head[8:12] == b"AVI ":
        return Format("AVI", "video")
    animated = head[12:16] == b"VP8X" and len(head) > 20 and head[20] & 0x02
    return Format("animated WebP", "moving") if animated else WEBP


def _of_record(head: bytes) -> Format | None:
    return RECORD if head[:1] == b"\x75" and b"\x7f\x61" in head[2:8] else None


def _of_bmp(head: bytes) -> Format | None:
    header = int.from_bytes(head[14:18], "little")
    return BMP if head[:2] == b"BM" and header in _BMP_HEADERS else None


def _of_transport_stream(head: bytes) -> Format | None:
    for first, step in _TS_PACKETS:
        places = range(first, min(len(head), first + 4 * step + 1), step)
        if len(places) >= 3 and all(head[place] == 0x47 for place in places):
            return Format("MPEG-TS", "video")
    return None


_MARKER: Final = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")
"""Markers; those without a length (TEM, restarts) are part of what lies between."""
_PADDING: Final = re.compile(rb"[\0\r\n]*")
_FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOI, _EOI, _APP2 = 0xD8, 0xD9, 0xE2


@dataclass(frozen=True)
class JpegSpan:
    """One JPEG picture within bytes."""

    end: int | None
    """Where it ends, behind its end marker; None if that is missing."""
    size: bytes
    """Height and width as its frame header states them, four bytes; empty if it has none."""
    broken_at: int | None
    """Where another picture begins before this one has ended."""
    announces_more: bool
    """Whether it says that pictures of the same moment follow (MPF, CIPA DC-007)."""


def jpeg_at(data: bytes, start: int) -> JpegSpan | None:
    """The JPEG picture that begins at ``start``; None if none does."""
    if data[start : start + 3] != b"\xff\xd8\xff":
        return None
    at, size, announces = start + 2, b"", False
    while found := _MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker == _EOI:
            return JpegSpan(at, size, None, announces)
        if marker == _SOI:  # the next picture begins before this one ended
            return JpegSpan(None, size, found.start(), announces)
        if marker in _FRAME_HEADERS:
            size = data[at + 3 : at + 7]
        announces = announces or (marker == _APP2 and data[at + 2 : at + 6] == b"MPF\0")
        at += max(int.from_bytes(data[at : at + 2], "big"), 2)
    return JpegSpan(None, size, None, announces)


def next_jpeg(data: bytes, end: int) -> int:
    """Where a picture may begin behind one that ended at ``end``."""
    padding = _PADDING.match(data, end)
    return padding.end() if padding else end


def is_mjpeg(data: bytes) -> bool:
    """Whether a file that begins as JPEG is a row of pictures: a second one of the same size.

    A telephone's photograph with a gain map or a preview behind it is none: it announces them, or
    they are smaller.
    """
    first = jpeg_at(data, 0)
    if first is None or first.end is None or first.announces_more:
        return False
    second = jpeg_at(data, next_jpeg(data, first.end))
    return second is not None and second.size == first.size
