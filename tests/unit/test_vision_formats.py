"""What a file is, told by its first bytes."""

import io

import numpy as np
import pytest
from PIL import Image

from gateway.vision import formats
from gateway.vision.formats import Format, is_mjpeg, recognise


def _picture(level: int = 0, size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.fromarray(np.full((size[1], size[0], 3), level, np.uint8))


def _encoded(kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    _picture().save(out, kind, **options)
    return out.getvalue()


MORE = {"save_all": True, "append_images": [_picture(200)]}


@pytest.mark.parametrize(
    ("kind", "options", "treated"),
    [
        ("JPEG", {}, "plain"),
        ("PNG", {}, "plain"),
        ("PNG", MORE, "moving"),
        ("GIF", {}, "moving"),
        ("GIF", MORE, "moving"),
        ("WEBP", {}, "guarded"),
        ("WEBP", {"exif": b"Exif\0\0II*\0"}, "guarded"),  # the extended form, without motion
        ("WEBP", MORE, "moving"),
        ("AVIF", {}, "guarded"),
        ("AVIF", MORE, "moving"),
        ("TIFF", {}, "guarded"),
        ("TIFF", {"big_tiff": True}, "unsupported"),
        ("BMP", {}, "guarded"),
        ("JPEG2000", {}, "guarded"),
        ("JPEG2000", {"no_jp2": True}, "guarded"),
        ("PDF", {}, "unsupported"),
        ("PPM", {}, "foreign"),
    ],
)
def test_pictures_that_pillow_writes(kind: str, options: dict[str, object], treated: str) -> None:
    encoded = _encoded(kind, **options)
    assert recognise(encoded).kind == treated
    assert recognise(encoded[: formats.HEAD_BYTES]) == recognise(encoded)


def _brands(*brands: bytes) -> bytes:
    head = b"ftyp" + brands[0] + bytes(4) + b"".join(brands)
    return (len(head) + 4).to_bytes(4, "big") + head


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (_brands(b"heic", b"mif1"), Format("HEIC", "unsupported")),
        (_brands(b"mif1", b"heic"), Format("HEIC", "unsupported")),
        (_brands(b"mif1", b"miaf", b"avif"), formats.AVIF),
        (_brands(b"hevc", b"heic"), Format("HEIC sequence", "moving")),
        (_brands(b"isom", b"avc1"), Format("MP4 or QuickTime", "video")),
        (_brands(b"qt  "), Format("MP4 or QuickTime", "video")),
        (bytes(4) + b"mdat", Format("MP4 or QuickTime", "video")),
        (b"\x1aE\xdf\xa3", Format("Matroska or WebM", "video")),
        (b"RIFF\0\0\0\0AVI LIST", Format("AVI", "video")),
        (b"RIFF\0\0\0\0WAVEfmt ", formats.FOREIGN),
        ((b"G" + bytes(187)) * 5, Format("MPEG-TS", "video")),
        ((bytes(4) + b"G" + bytes(187)) * 5, Format("MPEG-TS", "video")),
        (b"G" + bytes(187) + b"GG" + bytes(600), formats.FOREIGN),
        (b"\0\0\x01\xba", Format("MPEG", "video")),
        (b"\x75\x82\x10\0\x7f\x61\x82\x0f\xfb", formats.RECORD),
        (b"utterly ordinary text", formats.FOREIGN),
        (b"BMW is no bitmap, whatever its first letters", formats.FOREIGN),
        (b"#EXTM3U\nhttp://stranger.example/clip", formats.FOREIGN),
        (b"", formats.FOREIGN),
    ],
)
def test_heads_of_other_files(head: bytes, expected: Format) -> None:
    assert recognise(head) == expected


def _jpeg(level: int = 0, size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    out = io.BytesIO()
    _picture(level, size).save(out, "JPEG", **options)
    return out.getvalue()


def test_a_row_of_jpegs_is_no_photograph() -> None:
    assert is_mjpeg(_jpeg() + _jpeg(90))
    assert is_mjpeg(_jpeg() + b"\0\r\n" + _jpeg(90)[:400]), "the recording is cut off"


def test_a_photograph_with_something_behind_it_is_none() -> None:
    whole = io.BytesIO()
    _picture().save(whole, "MPO", **MORE)
    for photograph in (
        _jpeg(),
        _jpeg() + _jpeg(90, (16, 16)),  # a preview
        whole.getvalue(),  # announced: a gain map, a second view
        _jpeg() + b"\0\0\0\x18ftypmp42" + bytes(500),  # a telephone's moment before the picture
        _jpeg()[:-2],
        _jpeg()[:-2] + b"\xff\xd8\xff",
    ):
        assert not is_mjpeg(photograph)
    thumbnail = Image.Exif()
    thumbnail[0x010E] = "\xff\xd8\xff"
    assert not is_mjpeg(_jpeg(exif=thumbnail.tobytes() + _jpeg()))
