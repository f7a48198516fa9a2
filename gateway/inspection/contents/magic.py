"""Pictures, sound, video, models and other files, by the marks that their formats prescribe.

A short mark alone turns up by chance, so what follows it is checked as well: the fields that the
format prescribes, or the next mark at the place that the first one names. Together that leaves less
than one chance in 2^40 for each byte of anything else.

Sources: ITU-T T.81 (JPEG), ISO/IEC 10918-5 (JFIF), 15444-1 (JPEG 2000), 15948 (PNG), 14496-12
(MP4, HEIF), 11172-3 and 13818-3 (MP3), RFC 3533 (Ogg), 3867 and 9043 (Matroska), 9639 (FLAC), 4867
(AMR), TIFF 6.0, GIF89a, the documents of RIFF (WAV, WebP), NumPy NEP 1, Python's ``pickle``, ONNX,
ISO/IEC 19794 (faces, fingers, irises).
"""

import re
import struct
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from gateway.inspection.contents.blocks import Block, Found, register

PICTURE, SOUND, VIDEO, MODEL, ARRAY = "picture", "sound", "video", "model", "stored array"
BIOMETRIC, DOCUMENT = "biometric record", "document"

_FOUND_LENGTH: Final = 16
"""Bytes that are named as the length of a mark: where the object ends is not known."""
_MOST_PIXELS: Final = 65_535
_FRAMES: Final = 4
"""Frames of sound that must follow each other."""

Check = Callable[[bytes, int], bool]
"""Bytes, and where the mark begins."""


def _always(_data: bytes, _at: int) -> bool:
    return True


def _box(data: bytes, at: int) -> bool:
    """A box of twelve bytes: its size stands before the mark."""
    return data[max(0, at - 4) : at] == b"\0\0\0\x0c"


def _jpeg(data: bytes, at: int) -> bool:
    """Start of image, then segments that follow each other: at least two whole ones."""
    at += 2
    for _ in range(2):
        if len(data) < at + 4 or data[at] != 0xFF or not 0xC0 <= data[at + 1] <= 0xFE:
            return False
        (size,) = struct.unpack_from(">H", data, at + 2)
        if not 2 < size < 0xFFFF or data[at + 1] in (0xD8, 0xD9):
            return False
        if data[at + 4 : at + 9] in (b"JFIF\0", b"Exif\0"):
            return True
        at += 2 + size
    return len(data) > at + 1 and data[at] == 0xFF and data[at + 1] >= 0xC0


def _j2k(data: bytes, at: int) -> bool:
    """Start of codestream, then SIZ: sizes, then at most 16384 components of 38 + 3 bytes each."""
    if len(data) < at + 42:
        return False
    size, _, wide, high = struct.unpack_from(">HHII", data, at + 4)
    (components,) = struct.unpack_from(">H", data, at + 40)
    fits = 0 < wide <= _MOST_PIXELS and 0 < high <= _MOST_PIXELS
    return bool(fits and 0 < components < 5 and size == 38 + 3 * components)


def _gif(data: bytes, at: int) -> bool:
    wide, high = struct.unpack("<HH", data[at + 6 : at + 10].ljust(4, b"\0"))
    return bool(wide and high) and data[at + 12 : at + 13] == b"\0"


def _bmp(data: bytes, at: int) -> bool:
    if len(data) < at + 30:
        return False
    size, nothing, start, header, wide, high, planes, bits = struct.unpack_from(
        "<IIIIiiHH", data, at + 2
    )
    return (
        nothing == 0
        and header in (40, 52, 56, 108, 124)
        and 14 + header <= start < size
        and 0 < wide <= _MOST_PIXELS
        and 0 < abs(high) <= _MOST_PIXELS
        and planes == 1
        and bits in (1, 4, 8, 16, 24, 32)
    )


def _tiff(order: str) -> Check:
    def check(data: bytes, at: int) -> bool:
        if len(data) < at + 8:
            return False
        (first,) = struct.unpack_from(f"{order}I", data, at + 4)
        entry = at + first
        if first < 8 or first % 2:
            return False
        if len(data) < entry + 14:  # the directory comes after the pixels
            return at == 0 and first < 2**31
        count, tag, kind, values = struct.unpack_from(f"{order}HHHI", data, entry)
        return 3 <= count < 200 and 254 <= tag < 350 and kind in (3, 4) and values == 1

    return check


_NETPBM: Final = re.compile(
    rb"P[56](?:\s{1,4}#[^\n]{0,80}(?=\n))?\s{1,4}[1-9]\d{0,4}\s{1,4}[1-9]\d{0,4}\s{1,4}[1-9]\d{0,4}\s"
)


def _netpbm(data: bytes, at: int) -> bool:
    return _NETPBM.match(data, at) is not None


def _qoi(data: bytes, at: int) -> bool:
    wide, high = struct.unpack(">II", data[at + 4 : at + 12].ljust(8, b"\0"))
    shaped = data[at + 12 : at + 13] in (b"\3", b"\4") and data[at + 13 : at + 14] in (b"\0", b"\1")
    return shaped and 0 < wide <= _MOST_PIXELS and 0 < high <= _MOST_PIXELS


def _png(data: bytes, at: int) -> bool:
    return data[at + 12 : at + 16] in (b"IHDR", b"CgBI", b"")


_BRANDS: Final = {
    b"heic": PICTURE, b"heix": PICTURE, b"heim": PICTURE, b"heis": PICTURE, b"mif1": PICTURE,
    b"msf1": PICTURE, b"avif": PICTURE, b"avis": PICTURE, b"hevc": PICTURE, b"jxl ": PICTURE,
    b"M4A ": SOUND, b"M4B ": SOUND,
}  # fmt: skip
_BRAND: Final = re.compile(
    rb"(?:isom|iso[2-9]|mp4[12]|avc1|M4[ABPV] |M4V |qt  |3g[2p][0-9a-z]|dash|heic|heix|heim|heis"
    rb"|hevc|mif1|msf1|avif|avis|MSNV|f4v |mmp4)"
)


def _ftyp(data: bytes, at: int) -> bool:
    return at >= 4 and bool(_BRAND.match(data, at + 4))


def _riff(form: bytes) -> Check:
    return lambda data, at: data[at + 8 : at + 12] == form


def _ogg(data: bytes, at: int) -> bool:
    return len(data) > at + 26 and data[at + 4] == 0 and data[at + 5] < 8 and data[at + 26] > 0


def _matroska(data: bytes, at: int) -> bool:
    return re.search(rb"\x42\x82.(?:webm|matroska)", data[at : at + 64], re.DOTALL) is not None


def _flac(data: bytes, at: int) -> bool:
    return data[at + 4 : at + 8] in (b"\0\0\0\x22", b"\x80\0\0\x22")


def _id3(data: bytes, at: int) -> bool:
    head = data[at + 3 : at + 10]
    return len(head) == 7 and head[0] in (2, 3, 4) and head[1] < 16 and max(head[3:]) < 0x80


def _npy(data: bytes, at: int) -> bool:
    return data[at + 6 : at + 7] in (b"\1", b"\2", b"\3") and b"descr" in data[at : at + 64]


def _pickle(data: bytes, at: int) -> bool:
    """Protocol 4 and 5 begin with a frame and its length; nobody pickles a gigabyte."""
    return data[at + 7 : at + 11] == b"\0\0\0\0"


def _old_pickle(data: bytes, at: int) -> bool:
    """Protocol 2 and 3: the mark, and the name of a module with a dot or a known one."""
    known = rb"c(?:numpy|torch|collections|builtins|__builtin__|_codecs|copy_reg)[.\w]*\n\w+\n"
    return re.match(known, data[at + 2 : at + 100]) is not None


def _elf_core(data: bytes, at: int) -> bool:
    order = {1: "<", 2: ">"}.get(data[at + 5] if len(data) > at + 18 else 0)
    return order is not None and struct.unpack_from(f"{order}H", data, at + 16)[0] == 4


def is_core(data: bytes) -> bool:
    """Whether a file that begins so is the memory of a process."""
    return data.startswith(b"\x7fELF") and _elf_core(data, 0)


def _iso_record(data: bytes, at: int) -> bool:
    return re.match(rb"0[0-9]0\0|\x20[1-9]0\0", data[at + 4 : at + 8]) is not None


CORE: Final = "memory of a process (core file)"

_MARKS: Final[tuple[tuple[str, str, bytes, Check], ...]] = (
    (PICTURE, "JPEG", b"\xff\xd8\xff", _jpeg),
    (PICTURE, "PNG", b"\x89PNG\r\n\x1a\n", _png),
    (PICTURE, "JPEG 2000", b"jP  \r\n\x87\n", _box),
    (PICTURE, "JPEG 2000", b"\xff\x4f\xff\x51", _j2k),
    (PICTURE, "JPEG XL", b"JXL \r\n\x87\n", _box),
    (PICTURE, "GIF", b"GIF89a", _gif),
    (PICTURE, "GIF", b"GIF87a", _gif),
    (PICTURE, "WebP", b"RIFF", _riff(b"WEBP")),
    (SOUND, "WAV", b"RIFF", _riff(b"WAVE")),
    (VIDEO, "AVI", b"RIFF", _riff(b"AVI ")),
    (PICTURE, "BMP", b"BM", _bmp),
    (PICTURE, "TIFF", b"II*\0", _tiff("<")),
    (PICTURE, "TIFF", b"MM\0*", _tiff(">")),
    (PICTURE, "Netpbm", b"P5", _netpbm),
    (PICTURE, "Netpbm", b"P6", _netpbm),
    (PICTURE, "QOI", b"qoif", _qoi),
    (SOUND, "Ogg", b"OggS", _ogg),
    (SOUND, "FLAC", b"fLaC", _flac),
    (SOUND, "MP3", b"ID3", _id3),
    (SOUND, "AMR", b"#!AMR", _always),
    (VIDEO, "Matroska or WebM", b"\x1a\x45\xdf\xa3", _matroska),
    (ARRAY, "NumPy", b"\x93NUMPY", _npy),
    (ARRAY, "pickle", b"\x80\x04\x95", _pickle),
    (ARRAY, "pickle", b"\x80\x05\x95", _pickle),
    (ARRAY, "pickle", b"\x80\x02c", _old_pickle),
    (ARRAY, "pickle", b"\x80\x03c", _old_pickle),
    (BIOMETRIC, "ISO 19794 face", b"FAC\0", _iso_record),
    (BIOMETRIC, "ISO 19794 finger", b"FMR\0", _iso_record),
    (BIOMETRIC, "ISO 19794 iris", b"IIR\0", _iso_record),
    (DOCUMENT, "PDF", b"%PDF-1.", _always),
    (DOCUMENT, "PDF", b"%PDF-2.", _always),
    (CORE, "ELF", b"\x7fELF", _elf_core),
)


def marks(block: Block) -> Iterator[Found]:
    """Files of every kind, at any place of a block."""
    data = block.data
    for kind, name, mark, check in _MARKS:
        for at in block.at(mark):
            if check(data, at):
                yield Found(kind, name, at, _FOUND_LENGTH)
    for at in block.at(b"ftyp"):
        if _ftyp(data, at):
            brand = _BRANDS.get(data[at + 4 : at + 8], VIDEO)
            name = "HEIF or AVIF" if brand is PICTURE else "MP4 or QuickTime"
            yield Found(brand, name, at - 4, _FOUND_LENGTH)


register(b"ftyp", *(mark for _, _, mark, _ in _MARKS))


_RATES: Final = np.zeros((16, 16, 4), np.int64)
"""Bytes of a frame by second and third byte of its header; 0: no header."""


def _frame_bytes() -> None:
    rates = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
    halves = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
    hertz = (44100, 48000, 32000, 0)
    for version, (table, samples, divisor) in {
        3: (rates, 144, 1),
        2: (halves, 72, 2),
        0: (halves, 72, 4),
    }.items():
        second = version << 2 | 1  # layer III in the lower bits, without the last one (CRC)
        for rate, kilobits in enumerate(table):
            for frequency, hz in enumerate(hertz):
                if kilobits and hz:
                    _RATES[second, rate, frequency] = samples * kilobits * 1000 // (hz // divisor)


_frame_bytes()


def frames(block: Block) -> Iterator[Found]:
    """MP3 without a mark: headers of frames, each at the place that the one before it names."""
    array = block.array
    if array.size < 1024:
        return
    at = np.flatnonzero((array[:-3] == 0xFF) & (array[1:-2] & 0xE2 == 0xE2))
    second, third = array[at + 1].astype(np.int64), array[at + 2].astype(np.int64)
    size = _RATES[second >> 1 & 15, third >> 4, third >> 2 & 3] + (third >> 1 & 1)
    kept = size > 24
    at, size, head = at[kept], size[kept], second[kept] << 2 | third[kept] >> 2 & 3
    if not at.size:
        return
    following = np.searchsorted(at, at + size)
    inside = following < at.size
    next_one = np.where(inside, following, 0)
    linked = inside & (at[next_one] == at + size) & (head[next_one] == head)
    chain = linked.copy()
    reached = next_one
    for _ in range(_FRAMES - 1):
        chain &= linked[reached]
        reached = next_one[reached]
    if chain.any():
        yield Found(SOUND, "MP3", int(at[np.argmax(chain)]), _FOUND_LENGTH)


_PRODUCER: Final = re.compile(rb"\x08[\x03-\x10]\x12[\x01-\x40][ -~]{3}")
_SAFETENSORS: Final = re.compile(rb'.{3}\0\0\0\0\0\{"', re.DOTALL)


def beginnings(block: Block) -> Iterator[Found]:
    """Formats that can be told only where an object begins."""
    if not block.begins:
        return
    data = block.data
    if _PRODUCER.match(data):
        size = data[3]
        if data[4 : 4 + size].isascii() and data[4 + size : 5 + size] in (
            b"\x1a",
            b":",
            b'"',
            b"2",
        ):
            yield Found(MODEL, "ONNX", 0, _FOUND_LENGTH)
    if _SAFETENSORS.match(data):
        yield Found(MODEL, "safetensors", 0, _FOUND_LENGTH)
    if data[:2] in (b"\xff\xf1", b"\xff\xf9") and len(data) > 7:
        size = (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
        if data[size : size + 2] == data[:2]:
            yield Found(SOUND, "AAC", 0, _FOUND_LENGTH)
