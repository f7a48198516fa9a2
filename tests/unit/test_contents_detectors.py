"""What may be kept nowhere is found in every form, and what is kept is not mistaken for it."""

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import uuid
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import zstandard

from gateway.documents import check_digits
from gateway.he.frame import lane_slots, probe_signs, template_values
from gateway.inspection.contents import encodings, entropy, magic, numbers, vectors
from gateway.inspection.contents.scanner import ALWAYS, BLOCK_BYTES, OVERLAP, Scanner
from gateway.inspection.contents.shapes import may_be_signs
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import DATA_PRIMES, N

RANDOM = np.random.default_rng(11)
VECTOR = RANDOM.normal(size=512)
VECTOR /= np.linalg.norm(VECTOR)
SINGLE = VECTOR.astype("<f4").tobytes()
SIGNS, TEMPLATE = probe_signs(VECTOR), template_values(VECTOR)
LINES = b"2026-11-27 06:47:21,118 INFO sealmatch.gateway 7b1d refused: step 4\n" * 6
BGR = (RANDOM.random((48, 64, 3)) * 255).astype(np.uint8)

SCANNER = Scanner()


def found(data: bytes, scanner: Scanner = SCANNER) -> set[tuple[str, str]]:
    return {(one.kind, one.encoding) for one in scanner.data(data, "here").findings}


def kinds(data: bytes) -> set[str]:
    return {kind for kind, _ in found(data)}


# Files by their marks


def encoded(ending: str) -> bytes:
    import cv2

    return cv2.imencode(ending, BGR)[1].tobytes()


def gif() -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", 64, 48, 0xF7, 0, 0) + bytes(768) + b",..."


def mp3() -> bytes:
    head = struct.pack(">I", 0xFFFB9000)  # MPEG 1 layer III, 128 kbit/s, 44100 Hz: 417 bytes
    return b"".join(head + RANDOM.bytes(413) for _ in range(8))


def core_file() -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 4, 62) + bytes(44)


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, VECTOR)
    return buffer.getvalue()


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, VECTOR)
    return buffer.getvalue()


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "JPEG": (magic.PICTURE, lambda: encoded(".jpg")),
    "PNG": (magic.PICTURE, lambda: encoded(".png")),
    "JPEG 2000": (magic.PICTURE, lambda: encoded(".jp2")),
    "WebP": (magic.PICTURE, lambda: encoded(".webp")),
    "BMP": (magic.PICTURE, lambda: encoded(".bmp")),
    "TIFF": (magic.PICTURE, lambda: encoded(".tiff")),
    "GIF": (magic.PICTURE, gif),
    "Netpbm": (magic.PICTURE, lambda: b"P6\n# made\n64 48\n255\n" + BGR.tobytes()),
    "QOI": (magic.PICTURE, lambda: b"qoif" + struct.pack(">IIBB", 64, 48, 3, 0) + bytes(40)),
    "HEIF or AVIF": (magic.PICTURE, lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)),
    "WAV": (magic.SOUND, lambda: b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(40)),
    "MP3": (magic.SOUND, mp3),
    "Ogg": (magic.SOUND, lambda: b"OggS\0\x02" + bytes(20) + b"\x01\x1eOpusHead" + bytes(20)),
    "FLAC": (magic.SOUND, lambda: b"fLaC\0\0\0\x22" + bytes(60)),
    "AMR": (magic.SOUND, lambda: b"#!AMR\n" + bytes(60)),
    "MP4 or QuickTime": (magic.VIDEO, lambda: b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(40)),
    "Matroska or WebM": (magic.VIDEO, lambda: b"\x1a\x45\xdf\xa3\x9fB\x82\x84webm" + bytes(40)),
    "NumPy": (magic.ARRAY, npy),
    "pickle": (magic.ARRAY, lambda: pickle.dumps(VECTOR)),
    "ELF": (magic.CORE, core_file),
    "ISO 19794 face": (magic.BIOMETRIC, lambda: b"FAC\x00010\0" + bytes(60)),
    "PDF": (magic.DOCUMENT, lambda: b"%PDF-1.7\n" + bytes(60)),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_are_told_at_any_place(name: str) -> None:
    kind, make = FILES[name]
    content = make()
    assert (kind, name) in found(content)
    if name not in ("pickle",):
        assert (kind, name) in found(LINES + content + LINES)


def test_models_are_told_where_they_begin() -> None:
    onnx = b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:" + bytes(80)
    assert (magic.MODEL, "ONNX") in found(onnx)
    assert magic.MODEL not in kinds(LINES + onnx)


def test_a_mark_alone_is_no_file() -> None:
    for mark in (b"\xff\xd8\xff", b"BM", b"II*\0", b"GIF89a", b"RIFF", b"ID3", b"\x7fELF", b"OggS"):
        assert kinds(LINES + mark + LINES) == set()


# Vectors


@pytest.mark.parametrize("code", ["<f4", ">f4", "<f8", ">f8", "<f2", ">f2"])
@pytest.mark.parametrize("skew", [0, 1, 3])
def test_floats_of_every_width(code: str, skew: int) -> None:
    data = LINES + bytes(skew) + VECTOR.astype(code).tobytes() + LINES
    assert (vectors.FLOATS, f"float{8 * int(code[2])}") in found(data)


@pytest.mark.parametrize("count", [128, 256])
def test_a_part_of_a_vector_is_enough(count: int) -> None:
    assert vectors.FLOATS in kinds(RANDOM.bytes(3000) + SINGLE[: 4 * count] + RANDOM.bytes(3000))


def test_vectors_that_are_not_of_length_one_and_those_without_negative_values() -> None:
    for values in (30 * VECTOR, np.abs(VECTOR)):
        for code in ("<f4", ">f4", "<f8"):
            assert vectors.FLOATS in kinds(LINES + values.astype(code).tobytes() + LINES)


def test_frequencies_of_a_planner_are_no_vector() -> None:
    """PostgreSQL keeps up to a hundred for each column, the most frequent value's first."""
    falling = np.sort(np.abs(VECTOR[:100]))[::-1]
    for code in ("<f4", "<f8"):
        assert kinds(LINES + falling.astype(code).tobytes() + LINES) == set()


@pytest.mark.parametrize(("mark", "code"), [(0xCA, ">f"), (0xCB, ">d"), (0xF9, ">e"), (0xFB, ">d")])
def test_floats_with_a_byte_before_each(mark: int, code: str) -> None:
    """MessagePack and CBOR."""
    packed = b"".join(bytes((mark,)) + struct.pack(code, value) for value in VECTOR[:80])
    assert vectors.FLOATS in kinds(LINES + packed + LINES)
    same = (bytes((mark,)) + struct.pack(code, VECTOR[0])) * 80
    assert kinds(bytes((mark,)) * 4096 + same) == set()


def test_bfloat16() -> None:
    words = (VECTOR.astype("<f4").view("<u4") >> 16).astype("<u2")
    assert (vectors.FLOATS, "bfloat16") in found(LINES + words.tobytes() + LINES)


@pytest.mark.parametrize("values", [SIGNS, TEMPLATE], ids=["signs", "template"])
@pytest.mark.parametrize("code", ["i1", "<i2", "<i4", "<i8", ">i4", "<f4", "<f8"])
def test_signs_and_small_integers(values: np.ndarray, code: str) -> None:
    assert vectors.INTEGERS in kinds(bytes(301) + values.astype(code).tobytes() + bytes(300))


def test_slots_before_encryption() -> None:
    slots = lane_slots(TEMPLATE, SIGNS).astype("<u8").tobytes()
    assert (vectors.INTEGERS, "slots modulo t") in found(slots)


def test_packed_signs_are_told_where_they_stand_alone() -> None:
    for size in (512, 4096):
        packed = np.packbits(SIGNS[:size] > 0).tobytes()
        for cell in (packed, packed.hex().encode(), base64.b64encode(packed)):
            assert may_be_signs(cell)
    digest = RANDOM.bytes(32)
    for other in (digest, digest.hex().encode(), b"a" * 64, LINES[:64], bytes(64)):
        assert not may_be_signs(other)


PRINTED: dict[str, Callable[[], str]] = {
    "JSON": lambda: json.dumps(VECTOR.tolist()),
    "indented": lambda: json.dumps({"embedding": VECTOR.tolist()}, indent=2),
    "repr": lambda: repr(list(VECTOR.astype(np.float32))),
    "CSV": lambda: ",".join(f"{one:.4f}" for one in VECTOR),
    "exponents": lambda: " ".join(f"{one:.5e}" for one in VECTOR),
    "log lines": lambda: "\n".join(f"DEBUG probe[{n}] = {one:.4f}" for n, one in enumerate(VECTOR)),
    "no zero": lambda: ";".join(f"{one:.4f}".replace("0.", ".") for one in VECTOR),
}


@pytest.mark.parametrize("name", PRINTED)
def test_printed_floats(name: str) -> None:
    assert vectors.FLOATS in kinds(LINES + PRINTED[name]().encode() + b"\n" + LINES)


@pytest.mark.parametrize("values", [SIGNS, TEMPLATE], ids=["signs", "template"])
def test_printed_integers(values: np.ndarray) -> None:
    for text in (
        json.dumps(values.tolist()),
        " ".join(map(str, values)),
        "\n".join(map(str, values)),
    ):
        assert vectors.INTEGERS in kinds(LINES + text.encode())


def test_printed_bits() -> None:
    bits = "".join("01"[int(one > 0)] for one in SIGNS[:512])
    assert (vectors.INTEGERS, "bits") in found(f"signs={bits}\n".encode())
    assert kinds(b"0" * 400 + b"\n" + b"01" * 3) == set()


# Encodings

TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "hex": lambda data: data.hex().encode(),
    "upper-case hex": lambda data: data.hex().upper().encode(),
    "hex with spaces": lambda data: data.hex(" ").encode(),
    "0x": lambda data: ", ".join(map(hex, data)).encode(),
    "bytea": lambda data: b"\\x" + data.hex().encode(),
    "base64": base64.b64encode,
    "base64url": base64.urlsafe_b64encode,
    "base64 in lines": base64.encodebytes,
    "base64 behind a path": lambda data: b"/var/note/" + base64.b64encode(data),
    "Python bytes": lambda data: repr(data).encode(),
    "JSON string": lambda data: json.dumps(data.decode("latin-1")).encode(),
    "Latin-1 as UTF-8": lambda data: data.decode("latin-1").encode(),
    "list of bytes": lambda data: json.dumps(list(data)).encode(),
    "percent": lambda data: "".join(f"%{byte:02X}" for byte in data).encode(),
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "zstd": zstandard.compress,
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_encodings_are_opened(name: str) -> None:
    assert vectors.FLOATS in kinds(LINES + b"note: " + TEXTS[name](SINGLE) + b" end\n" + LINES)
    assert kinds(LINES + b"note: " + TEXTS[name](LINES * 4) + b" end\n") == set()


def test_hexadecimal_before_words_is_hexadecimal() -> None:
    for ending in (b"\nkeyword\n", b"\r\nZZZZ", b"\n=", b"g", b"/"):
        assert vectors.FLOATS in kinds(SINGLE.hex().encode() + ending)
        assert kinds(RANDOM.bytes(90).hex().encode() + ending) == set()


def test_layers_are_named() -> None:
    data = b"x=" + base64.b64encode(zlib.compress(PRINTED["JSON"]().encode()))
    assert (vectors.FLOATS, "base64, zlib, decimals") in found(data)


def test_pictures_in_a_zip_and_cut_off_streams() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", encoded(".bmp"))
    assert magic.PICTURE in kinds(buffer.getvalue())
    assert magic.ARRAY in kinds(npz())
    cut = zlib.compress(SINGLE * 40)[:3000]
    assert vectors.FLOATS in kinds(cut)


def test_utf_16() -> None:
    assert vectors.FLOATS in kinds(PRINTED["CSV"]().encode("utf-16"))


@pytest.mark.parametrize("make", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_bombs_do_not_burst(make: Callable[[bytes], bytes]) -> None:
    """Sixty-six megabytes of zeros are opened in part, and said to be."""
    layers = make(make(bytes(66 << 20)))
    scan = SCANNER.data(layers, "here")
    assert scan.findings == []
    assert scan.unopened == ["here"]
    assert SCANNER.data(make(bytes(1 << 20)), "here").unopened == []


# Ciphertexts


def test_ciphertexts() -> None:
    words = np.stack([
        RANDOM.integers(0, prime, (2, N), dtype=np.uint64) for prime in DATA_PRIMES
    ], axis=1)  # fmt: skip
    ciphertext = Ciphertext(np.ascontiguousarray(words)).encoded
    assert entropy.polynomials(ciphertext) == "Ciphertext"
    assert entropy.polynomials(RANDOM.bytes(len(ciphertext))) is None
    assert entropy.RANDOM in kinds(ciphertext)
    assert (entropy.CIPHERTEXT, "base64") in found(base64.b64encode(ciphertext))
    page = words.reshape(-1).tobytes()[: 5 * 4096]
    assert (entropy.CIPHERTEXT, "64-bit words") in found(page, Scanner(ALWAYS))


def test_short_and_compressed_content_is_no_ciphertext() -> None:
    assert kinds(RANDOM.bytes(8192)) == set()
    text = "\n".join(f"{n} {uuid.UUID(bytes=RANDOM.bytes(16))}" for n in range(2000)).encode()
    assert kinds(gzip.compress(text)) == set()


# Numbers of documents


def with_check(number: str) -> str:
    return number + check_digits.mod_11_2(number)


NUMBER = with_check("11010119900307453")
NUMBERS = {
    "China": f"id {with_check('11010119900307453')} refused",
    "China, before a letter of another script": f"身份证号{with_check('11010119900307453')}。",
    "permanent residence": f"<{with_check('91110219850612004')}>",
    "Hong Kong": f"holder G123456({check_digits.hong_kong('G123456')})",
    "CURP": f"curp=HEGG560427MVZRRL0{check_digits.curp('HEGG560427MVZRRL0')}",
    "DNI": f"'dni': '12345678{check_digits.dni('12345678')}'",
    "NIE": f"X1234567{check_digits.dni('X1234567')}",
    "TD3, second line": "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
    "TD3, first line": "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "TD1, second line": "7408122F1204159UTO<<<<<<<<<<<6",
    "JSON": '{"idNumber": "QZ-482913 112233"}',
    "snake case": "id_number=X1234567",
    "passport": "passport: AB1234567",
    "words": "Document number X 1234 5678",
    "in groups": f"id {NUMBER[:6]} {NUMBER[6:14]} {NUMBER[14:]}",
    "beside letters": f"subject{NUMBER}_x",
    "full width": "".join(chr(ord(one) + 0xFEE0) for one in NUMBER),
    "clave de elector": "GMVLMR80070501M100",
    "TD1, first line": "I<UTOD231458907<<<<<<<<<<<<<<<",
    "Chinese": "证件号码：E12345678",
    "Spanish": "número de pasaporte: 123456789",
    "in short": "doc_no=E12345678",
}  # fmt: skip
HIDDEN = {
    "UTF-16": NUMBER.encode("utf-16-le"),
    "UTF-16, the other order": NUMBER.encode("utf-16-be"),
    "UTF-32": NUMBER.encode("utf-32-le"),
    "percent": b"".join(b"%%%02x" % byte for byte in NUMBER.encode()),
    "base64": base64.b64encode(b"a:" + NUMBER.encode()),
    "base64url": base64.urlsafe_b64encode(NUMBER.encode() + b"??>"),
    "hex": NUMBER.encode().hex().encode(),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_one_number_in_another_form(name: str) -> None:
    assert numbers.NUMBER in kinds(LINES + b"note: " + HIDDEN[name] + b" end\n" + LINES)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_documents(name: str) -> None:
    assert numbers.NUMBER in kinds(LINES + NUMBERS[name].encode() + b"\n" + LINES)
    assert numbers.NUMBER in kinds(base64.b64encode(NUMBERS[name].encode() + b"\n" + LINES))


def test_what_is_no_number() -> None:
    wrong = with_check("11010119900307453")[:-1]
    text = f"""
    {wrong}{(int(wrong[-1]) + 5) % 10}1 0.{with_check("11010119900307453")} {uuid.uuid4()}
    {RANDOM.bytes(32).hex()} {RANDOM.bytes(20).hex().upper()} 20261127T064721Z 20261127Z
    1700000000.123456 1764225641118 document number is missing; passport expired on 2026-11-27
    session 7b1d4c55 consent text 2, card reader reader-17, 0000000100000000000A
    document_digest={RANDOM.bytes(32).hex()} {RANDOM.integers(10**8, 10**9)} ABC<<DEF <<<<<
    """
    assert kinds(text.encode()) == set()


# Blocks


@pytest.mark.parametrize("at", [BLOCK_BYTES - 900, BLOCK_BYTES - OVERLAP - 500])
def test_nothing_is_missed_at_a_border(at: int) -> None:
    parts = [bytes(at), SINGLE, encoded(".jpg"), bytes(BLOCK_BYTES)]
    scan = SCANNER.stream(parts, "here")
    assert {one.kind for one in scan.findings} == {vectors.FLOATS, magic.PICTURE}
    assert min(one.offset for one in scan.findings) in range(at - 64, at + 64)
    assert scan.size == sum(map(len, parts))


def test_hostile_text_takes_no_longer_than_its_length() -> None:
    """Patterns that match in many ways do not multiply; a slow one would not end at all."""
    for unit in (
        b"P<",
        b"<",
        b"P",
        b"1.",
        b"\\x",
        b"%4",
        b"=",
        b"0x1, ",
        b"A1 ",
        b"id no ",
        b"12 ",
        b"a:",
    ):
        SCANNER.data((unit * 60_000)[:100_000], "here")


def test_findings_show_no_value() -> None:
    [one] = SCANNER.data(NUMBERS["China"].encode(), "here").findings
    assert "1101" not in f"{one} {one!r}"
    assert repr(encodings.Piece("hex", 0, 4, b"1234")).find("1234") < 0


def test_a_page_of_an_index_over_times_is_no_vector() -> None:
    """Cells of nine bytes with two numbers, which pass a multiple of 256. With columns that do not
    repeat it would be one."""
    cells = [(8, 4, 8, 2, 2, *divmod(n, 256), *divmod(n + 4, 256)) for n in range(0x180, 0x80, -1)]
    page = b"".join(map(bytes, cells))
    assert Scanner(ALWAYS).data(page, "page").findings == []
    values = np.random.default_rng(5).integers(-8, 9, 512).astype(np.int8).tobytes()
    assert Scanner(ALWAYS).data(values, "template").findings
