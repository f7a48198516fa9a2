"""Photographs as counters have them: guarded formats, chip records, and what errors say."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, Jpeg2KImagePlugin

from gateway.client import pictures
from gateway.client.pictures import PictureReader, naming, photograph_bytes
from gateway.vision import guarded
from gateway.vision.errors import ModelPackMissing, SeveralFacesFound, UnreadableImage
from gateway.vision.images import MAX_BYTES
from gateway.vision.portrait_record import embedded_picture
from tests.support.portraits import dg2, face_image, facial_record, tlv


@pytest.fixture(scope="module")
def reader() -> Iterator[PictureReader]:
    with PictureReader() as one:
        yield one


def _gradient() -> Image.Image:
    y, x = np.mgrid[0:48, 0:64]
    rgb = np.stack([x * 4, y * 5, np.full_like(x, 40)], axis=-1)
    return Image.fromarray(rgb.astype(np.uint8))


def _encoded(kind: str, picture: Image.Image | None = None, **options: object) -> bytes:
    out = io.BytesIO()
    (picture or _gradient()).save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        ("JPEG", {"quality": 100, "subsampling": 0}, 6),
        ("PNG", {}, 0),
        ("JPEG2000", {}, 0),
        ("JPEG2000", {"no_jp2": True}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("BMP", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("AVIF", {"quality": 100}, 6),
    ],
)
def test_every_format_is_read_in_bgr(
    reader: PictureReader, kind: str, options: dict[str, object], error: int
) -> None:
    image = reader.read(_encoded(kind, **options))
    assert image.dtype == np.uint8
    assert np.abs(image[:, :, ::-1].astype(int) - np.asarray(_gradient())).max() <= error


def test_jpeg_2000_without_its_end_marker_or_with_more_behind_it(reader: PictureReader) -> None:
    for kind in ({}, {"no_jp2": True}):
        encoded = _encoded("JPEG2000", **kind)
        whole = reader.read(encoded)
        np.testing.assert_array_equal(reader.read(encoded[:-2]), whole)
        np.testing.assert_array_equal(reader.read(encoded + bytes(99)), whole)


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_grey_and_transparent_jpeg_2000(reader: PictureReader, mode: str) -> None:
    assert reader.read(_encoded("JPEG2000", _gradient().convert(mode))).shape == (48, 64, 3)


@pytest.mark.parametrize("kind", ["TIFF", "WEBP"])
def test_orientation_is_undone_in_guarded_formats_too(reader: PictureReader, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = _gradient().transpose(Image.Transpose.ROTATE_90)
    image = reader.read(_encoded(kind, stored, exif=exif)).astype(int)
    assert image.shape == (48, 64, 3)
    assert image[24, 60, 2] > image[24, 3, 2] + 150


_PAGES = {"save_all": True, "append_images": [_gradient().transpose(Image.Transpose.ROTATE_180)]}


@pytest.mark.parametrize(
    ("encoded", "said"),
    [
        (_encoded("TIFF", **_PAGES), "TIFF file holds several"),
        (_encoded("TIFF", Image.new("1", (6000, 6000)), compression="group4"), "TIFF .* 24 mega"),
        (_encoded("TIFF", Image.fromarray(np.full((8, 8), 9, np.uint16))), "TIFF .* 8 bits"),
        (_encoded("JPEG2000")[:-20], "JPEG 2000 file is damaged or cut off"),
        (_encoded("JPEG2000", no_jp2=True)[:60], "JPEG 2000 codestream file is damaged"),
        (_encoded("JPEG2000", no_jp2=True)[:-3], "JPEG 2000 codestream file is damaged"),
        (_encoded("WEBP")[:-50], "WebP file is damaged"),
        (_encoded("WEBP", **_PAGES), "moving picture .animated WebP"),
        (_encoded("GIF"), "moving picture .GIF"),
        (_encoded("JPEG") * 2, "moving picture .MJPEG"),
        (_encoded("AVIF").replace(b"ftypavif", b"ftypheic"), "HEIC pictures are not read"),
        (b"\x1aE\xdf\xa3" + bytes(50), "moving picture .Matroska"),
        (b"plain text", "no picture or video of a known kind"),
        (b"", "the file is empty"),
    ],
)
def test_what_is_not_read_is_named_and_the_reader_goes_on(
    reader: PictureReader, encoded: bytes, said: str
) -> None:
    with pytest.raises(UnreadableImage, match=said):
        reader.read(encoded)
    assert reader.read(_encoded("BMP")).shape == (48, 64, 3)


def test_jpeg_2000_is_decoded_in_another_process(
    reader: PictureReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: object) -> None:
        raise AssertionError("decoded here")

    monkeypatch.setattr(Jpeg2KImagePlugin.Jpeg2KImageFile, "_open", never)
    with pytest.raises(AssertionError, match="decoded here"):
        Image.open(io.BytesIO(_encoded("JPEG2000")))
    assert reader.read(_encoded("JPEG2000")).shape == (48, 64, 3)


def test_the_decoders_process_can_open_and_start_nothing(reader: PictureReader) -> None:
    reader.read(_encoded("JPEG2000"))
    assert reader._worker is not None
    process = Path(f"/proc/{reader._worker.pid}")
    limits = (process / "limits").read_text()
    for name in ("Max open files", "Max file size", "Max processes"):
        line = next(line for line in limits.splitlines() if line.startswith(name))
        assert line.split()[-3:-1] == ["0", "0"]
    assert str(guarded.MEMORY_BYTES) in limits
    assert "NoNewPrivs:\t1" in (process / "status").read_text()
    if Path("/proc/sys/kernel/seccomp").exists():  # as on every kernel that we build for
        assert "Seccomp:\t2" in (process / "status").read_text()
        assert reader._worker.call("confined") == 1
    opened = sorted(os.readlink(one).partition(":")[0] for one in (process / "fd").iterdir())
    assert opened == ["/dev/null"] * 3 + ["socket"]


@pytest.mark.parametrize("fault", [0, 1])
def test_a_decoder_that_dies_or_lies_costs_one_picture(
    fault: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_WORKSHOP", "tests.support.faulty_decoder:make_faulty")
    with PictureReader() as reader:
        with pytest.raises(UnreadableImage, match="BMP file ended its decoder"):
            reader.read(_encoded("BMP") + bytes([fault]))
        assert reader._worker is None, "the next picture gets a fresh one"


@pytest.mark.parametrize(
    "answer",
    [None, [], [0, 4], [0, 4, 4.0], [0, True, 4], [0, 0, 4], [0, -4, -4], [4, 1, 1], [99, 0, 0]],
)
def test_what_no_decoder_answers_is_refused(answer: Any) -> None:
    assert pictures._header([guarded.DECODED, 4, 4]) == (guarded.DECODED, 4, 4)
    with pytest.raises(ValueError, match="not"):
        pictures._header(answer)


# --- chip records ----------------------------------------------------------------------------

_WRAPPER = 4  # bytes of A1 and its length
_PORTRAITS = [_encoded("JPEG"), _encoded("JPEG2000"), _encoded("JPEG2000", no_jp2=True)]


@pytest.mark.parametrize("portrait", _PORTRAITS)
@pytest.mark.parametrize(
    "record",
    [
        lambda portrait: dg2(facial_record(portrait)),
        lambda portrait: dg2(facial_record(portrait, points=0)) + bytes(40),  # a reader's filling
        lambda portrait: tlv(0x7F61, b"\x02\x01\x01" + tlv(0x7F60, tlv(0x5F2E, portrait))),
        facial_record,
        lambda portrait: dg2(face_image(portrait), tag=0x7F2E),
        lambda portrait: dg2(face_image(portrait, fields=12), tag=0x7F2E),
        lambda portrait: tlv(0x7F2E, face_image(portrait)[_WRAPPER:]),
    ],
)
def test_the_portrait_is_found_in_a_chips_record(
    reader: PictureReader, record: Any, portrait: bytes
) -> None:
    made = record(portrait)
    assert embedded_picture(made).rstrip(b"\0") == portrait.rstrip(b"\0")
    np.testing.assert_array_equal(reader.read(made), reader.read(portrait))


_EMPTY = tlv(0x5F2E, b"")
_RECORD = dg2(facial_record(_PORTRAITS[0]))


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (dg2(facial_record(_PORTRAITS[0]), facial_record(_PORTRAITS[1])), "several portraits"),
        (dg2(facial_record(*_PORTRAITS[:2])), "several portraits"),
        (facial_record(*_PORTRAITS[:2]), "several portraits"),
        (tlv(0x75, tlv(0x7F61, _EMPTY * 2 + _EMPTY[:-1])), "several portraits"),  # no further
        (dg2(face_image(*_PORTRAITS[:2]), tag=0x7F2E), "several portraits"),
        (dg2(*map(face_image, _PORTRAITS[:2]), tag=0x7F2E), "several portraits"),
        (dg2(face_image(b"\0" + _PORTRAITS[0]), tag=0x7F2E), "no JPEG or JPEG 2000"),
        (dg2(face_image(_PORTRAITS[0], fields=65), tag=0x7F2E), "malformed"),
        (dg2(face_image(_PORTRAITS[0])[:-1], tag=0x7F2E), "cut off"),
        (dg2(tlv(0xA1, tlv(0x65, _PORTRAITS[0])), tag=0x7F2E), "malformed|cut off"),
        (_RECORD[:-1], "cut off"),
        (_RECORD[:9], "cut off"),
        (dg2(), "holds no portrait"),
        (dg2(facial_record(b"\x89PNG\r\n\x1a\n")), "no JPEG or JPEG 2000"),
        (b"\x75\x80\x7f\x61\x02\x02\x00\0\0", "malformed"),
    ],
)
def test_a_record_without_one_portrait_is_named(record: bytes, said: str) -> None:
    with pytest.raises(UnreadableImage, match=said):
        PictureReader().read(record)


# --- files and names -------------------------------------------------------------------------


def test_a_file_that_is_no_photograph_is_named_before_it_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "portrait.jpg"
    for content, said in (
        (b"\0\0\0\x18ftypmp42", "moving picture .MP4"),
        (b"MZ a program", "no picture"),
        (_encoded("JPEG") + bytes(MAX_BYTES), "larger than 20 MiB"),
        (b"", "empty"),
    ):
        path.write_bytes(content)
        with pytest.raises(UnreadableImage, match=said):
            photograph_bytes(path)
    path.write_bytes(_encoded("JPEG"))
    assert photograph_bytes(path) == _encoded("JPEG")


def test_an_error_says_which_file_it_is_about() -> None:
    with (
        pytest.raises(SeveralFacesFound, match=r"^scans/p\.jpg: 2 faces") as caught,
        naming("scans/p.jpg"),
    ):
        raise SeveralFacesFound(2)
    assert caught.value.count == 2
    with pytest.raises(ModelPackMissing, match=r"^no pack$"), naming("scans/p.jpg"):
        raise ModelPackMissing("no pack")
