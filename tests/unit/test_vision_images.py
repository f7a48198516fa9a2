"""Decoding hostile and ordinary image bytes."""

import contextlib
import io
import random
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from gateway.vision import images
from gateway.vision.errors import UnreadableImage
from gateway.vision.images import decode_image


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def _gradient(width: int = 64, height: int = 48) -> Image.Image:
    """Red grows to the right, green downwards, blue is constant: turns and swaps show."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 40)], axis=-1)
    return Image.fromarray(rgb.astype(np.uint8))


def _png_claiming(width: int, height: int) -> bytes:
    """A well-formed PNG header for a picture of any size, with a little data behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def test_png_pixels_arrive_exactly_in_bgr() -> None:
    picture = _gradient()
    image = decode_image(_encoded(picture, "PNG"))
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image[:, :, ::-1], np.asarray(picture))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_grey_and_colour_are_read(kind: str, mode: str) -> None:
    assert decode_image(_encoded(_gradient().convert(mode), kind)).shape == (48, 64, 3)


def test_a_telephones_two_picture_jpeg_gives_the_first() -> None:
    """Telephones append a depth or gain map in the MPO form of JPEG."""
    both = _encoded(_gradient(), "MPO", save_all=True, append_images=[Image.new("RGB", (64, 48))])
    image = decode_image(both)
    assert image.shape == (48, 64, 3)
    assert image.mean() > 60
    # Cut behind the first picture, its directory points nowhere: still a photograph.
    assert decode_image(both[: both.rindex(b"\xff\xd8\xff")]).shape == (48, 64, 3)


def test_palette_transparency_and_cmyk_are_read() -> None:
    picture = _gradient()
    assert decode_image(_encoded(picture.convert("RGBA"), "PNG")).shape == (48, 64, 3)
    assert decode_image(_encoded(picture.quantize(16), "PNG")).shape == (48, 64, 3)
    assert decode_image(_encoded(picture.convert("CMYK"), "JPEG")).shape == (48, 64, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_orientation_is_undone(orientation: int, kind: str) -> None:
    """Whatever way the sensor was held, red grows to the right and green downwards."""
    store = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = _gradient()
    for step in store.get(orientation, []):
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = decode_image(_encoded(stored, kind, exif=exif)).astype(int)
    assert image.shape == (48, 64, 3)
    assert image[24, 60, 2] > image[24, 3, 2] + 150
    assert image[45, 32, 1] > image[3, 32, 1] + 150


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_no_truncation_passes_for_a_whole_picture(
    kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Cut anywhere, what is read is the whole picture's, less some rows; else it is named.

    A PNG may lack its trailer, a JPEG the last twentieth of its rows.
    """
    encoded = _encoded(_gradient(), kind)
    whole = decode_image(encoded)
    accepted = 0
    for length in range(1, len(encoded)):
        with contextlib.suppress(UnreadableImage):
            image = decode_image(encoded[:length])
            assert len(image) >= {"JPEG": 46, "PNG": 48}[kind]
            np.testing.assert_array_equal(image, whole[: len(image)])
            accepted += 1
    assert 0 < accepted <= 20
    assert capfd.readouterr() == ("", "")


def _scene(**options: object) -> bytes:
    """A picture whose lower rows need many bytes."""
    rough = np.random.default_rng(4).integers(0, 256, (480, 320, 3), np.uint8)
    return _encoded(Image.fromarray(rough), "JPEG", **options)


def test_a_jpeg_without_its_last_bytes_is_read_and_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    encoded = _scene(exif=exif)
    whole = decode_image(encoded)
    np.testing.assert_array_equal(decode_image(encoded[:-2]), whole)  # no end marker
    some = decode_image(encoded[:-3000])
    lost = whole.shape[1] - some.shape[1]
    assert 0 < lost <= 24, "the stored picture's bottom is on the left"
    np.testing.assert_array_equal(some, whole[:, lost:])


@pytest.mark.parametrize(("options", "share"), [({}, 0.9), ({"progressive": True}, 0.99)])
def test_a_jpeg_that_lacks_more_is_named(options: dict[str, object], share: float) -> None:
    encoded = _scene(**options)
    assert decode_image(encoded).shape == (480, 320, 3)
    with pytest.raises(UnreadableImage, match="JPEG file is cut off"):
        decode_image(encoded[: int(share * len(encoded))])


def test_a_damaged_exif_directory_costs_no_photograph() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for exif in (b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12", b"Exif\0\0II*\0\x08\0\0\0\x01"):
            assert decode_image(_encoded(_gradient(), "JPEG", exif=exif)).shape == (48, 64, 3)
    encoded = _encoded(_gradient(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")
    assert decode_image(encoded).shape == (48, 64, 3)


def test_damaged_bytes_raise_nothing_else_and_print_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    draw = random.Random(5)
    for kind in ("JPEG", "PNG"):
        whole = _encoded(_gradient(), kind)
        for _ in range(200):
            damaged = bytearray(whole)
            for _ in range(draw.randint(1, 8)):
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            with contextlib.suppress(UnreadableImage):
                decode_image(bytes(damaged))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("kind", "name"),
    [("GIF", "GIF"), ("BMP", "BMP"), ("TIFF", "TIFF"), ("WEBP", "WebP"), ("AVIF", "AVIF"),
     ("JPEG2000", "JPEG 2000")],
)  # fmt: skip
def test_other_formats_are_named_and_never_decoded_here(kind: str, name: str) -> None:
    """Not even when Pillow has their decoders loaded, as here."""
    with pytest.raises(UnreadableImage, match=name):
        decode_image(_encoded(_gradient(), kind))


def test_deep_colour_is_refused_with_advice() -> None:
    deep = Image.fromarray(np.full((8, 8), 40000, np.uint16))
    with pytest.raises(UnreadableImage, match="8 bits") as caught:
        decode_image(_encoded(deep, "PNG"))
    assert "JPEG" in caught.value.advice


def spied(monkeypatch: pytest.MonkeyPatch) -> list[Image.Image]:
    """The pictures that are decoded from now on; none of them is."""
    decoded: list[Image.Image] = []

    def load(picture: Image.Image) -> None:
        decoded.append(picture)

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    return decoded


@pytest.mark.parametrize(
    "side",
    [
        8_000,  # over our bound
        12_000,  # over the size at which Pillow warns
        60_000,  # over the size at which Pillow refuses
    ],
)
def test_a_huge_picture_is_refused_by_its_header(
    side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = spied(monkeypatch)
    with pytest.raises(UnreadableImage):
        decode_image(_png_claiming(side, side))
    assert decoded == []


def test_a_small_picture_is_decoded_by_the_same_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above."""
    decoded = spied(monkeypatch)
    with pytest.raises(UnreadableImage):
        decode_image(_png_claiming(80, 80))
    assert decoded


def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    with pytest.raises(UnreadableImage, match="larger than"):
        decode_image(_encoded(_gradient(), "PNG"))


def test_error_text_repeats_no_content() -> None:
    with pytest.raises(UnreadableImage) as caught:
        decode_image(b"SECRET-CONTENT" * 10)
    assert "SECRET" not in f"{caught.value!r} {caught.value.advice}"
    assert caught.value.__cause__ is None
