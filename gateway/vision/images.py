"""Image bytes to a BGR array, bounded before anything is decoded.

Rules:

- What the bytes are is told by their content (``formats``), and said by name.
- JPEG and PNG are decoded here. The decoders of the other kinds have a history of faults; they run
  in a process of their own (``guarded``), and never here.
- The length is checked first, then the pixel count in the header. So a small file that claims a
  huge picture is refused before memory is reserved.
- A truncated file is an error, not a picture whose lower half is grey. A JPEG file that lacks no
  more than its last bytes is read, without the rows that they would have decided.
- Nothing touches the disk.

Pillow reads the bytes. OpenCV's decoder fills missing parts with grey, prints to standard error,
and has no bound of its own per call.
"""

import io
import warnings
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from gateway.vision import formats
from gateway.vision.errors import UnreadableImage
from gateway.vision.formats import Format
from gateway.vision.geometry import BgrImage

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 50_000_000  # today's phones take 48 megapixels
MODES: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"})  # 8 bits a channel

LOST_ROWS = 0.05
"""Share of a picture's height that a cut JPEG file may lack at the bottom."""
_ENDINGS: Final = (b"\xff\xd9", b"\x5a\xa5" * 512 + b"\xff\xd9")
"""Two endings for a cut file. What both decode alike is in the file itself."""
_SEQUENTIAL: Final = (b"\xff\xc0", b"\xff\xc1")
_SAVE_AS_JPEG = "Save it as an ordinary JPEG file, or set the camera to JPEG."


def decode_image(encoded: bytes) -> BgrImage:
    """The picture in ``encoded`` (JPEG or PNG), upright: shape (height, width, 3), uint8, BGR.

    The EXIF orientation is applied; transparency is dropped.

    Raises UnreadableImage: incomplete, another format, more than 8 bits per channel, over
    ``MAX_BYTES`` or over ``MAX_PIXELS``.
    """
    check_length(encoded)
    found = formats.recognise(encoded[: formats.HEAD_BYTES])
    if found.kind != "plain" or (found is formats.JPEG and formats.is_mjpeg(encoded)):
        raise wrong_format(found)
    try:
        return _decode(encoded)
    except UnreadableImage:
        raise
    except Exception:  # noqa: BLE001 - decoders of hostile bytes raise many kinds; none escapes
        image = _of_cut_jpeg(encoded) if found is formats.JPEG else None
    if image is None:
        raise _damaged(encoded, found)
    return image


def check_length(encoded: bytes) -> None:
    """Raises UnreadableImage for no bytes, or more than ``MAX_BYTES``."""
    if not encoded:
        raise UnreadableImage("the file is empty", "Save or send the photograph again.")
    if len(encoded) > MAX_BYTES:
        raise UnreadableImage(f"the image file is larger than {MAX_BYTES // 2**20} MiB")


def wrong_format(found: Format) -> UnreadableImage:
    """Names a file that is no JPEG or PNG photograph, with advice."""
    match found.kind:
        case "plain" | "frames" | "video" | "moving":
            name = formats.MJPEG.name if found.kind == "plain" else found.name
            return UnreadableImage(
                f"this is a moving picture ({name}), not a photograph", "Use a photograph here."
            )
        case "foreign":
            return UnreadableImage("the file is no picture or video of a known kind")
        case _:
            return UnreadableImage(f"{found.name} pictures are not read here", _SAVE_AS_JPEG)


def upright(picture: Image.Image) -> Image.Image:
    """The picture turned as its EXIF orientation says; as it is where EXIF is damaged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ImageOps.exif_transpose(picture)
    except Exception:  # noqa: BLE001 - of a directory of hostile bytes; the picture itself is whole
        return picture


def require_readable(picture: Image.Image, max_pixels: int = MAX_PIXELS) -> None:
    """Look at the header, before anything is decoded.

    Raises UnreadableImage: too many pixels, or more than 8 bits per channel.
    """
    if picture.width * picture.height > max_pixels:
        raise UnreadableImage(
            f"the image has more than {max_pixels // 10**6} megapixels", "Save it smaller."
        )
    if picture.mode not in MODES:
        raise UnreadableImage("the image does not have 8 bits per channel", _SAVE_AS_JPEG)


def _decode(encoded: bytes) -> BgrImage:
    return _bgr(upright(_load(encoded)))


def _load(encoded: bytes) -> Image.Image:
    """The picture as it is stored, with its EXIF directory."""
    with warnings.catch_warnings():
        # Pillow warns of large pictures, which are bounded below, and of the odd metadata
        # that telephones write.
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(encoded), formats=("JPEG", "PNG")) as picture:
            require_readable(picture)
            picture.load()
            return picture


def _bgr(picture: Image.Image) -> BgrImage:
    return np.ascontiguousarray(np.asarray(picture.convert("RGB"), np.uint8)[:, :, ::-1])


def _of_cut_jpeg(encoded: bytes) -> BgrImage | None:
    """The rows of a JPEG file without its end that the file itself decides; None if too few.

    A file in several passes has no whole rows before its end, and is not tried.
    """
    span = formats.jpeg_at(encoded, 0)
    if span is None or span.end is not None or not any(one in encoded for one in _SEQUENTIAL):
        return None
    try:
        first, second = (_load(encoded + ending) for ending in _ENDINGS)
    except Exception:  # noqa: BLE001 - as in decode_image
        return None
    rows = _equal_rows(np.asarray(first), np.asarray(second))
    if rows < (1 - LOST_ROWS) * first.height:
        return None
    return _bgr(upright(first.crop((0, 0, first.width, rows))))


def _equal_rows(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> int:
    """How many rows, from the top, are the same in both."""
    pairs = zip(first, second, strict=True)
    return next((n for n, (a, b) in enumerate(pairs) if not np.array_equal(a, b)), len(first))


def _damaged(encoded: bytes, found: Format) -> UnreadableImage:
    """Says whether the end is missing or something else is wrong."""
    if found is formats.JPEG:
        span = formats.jpeg_at(encoded, 0)
        cut = span is None or span.end is None
    else:
        cut = b"IEND" not in encoded[-16:]
    if cut:
        return UnreadableImage(
            f"the {found.name} file is cut off: its end is missing",
            "Copy or send the whole file again.",
        )
    return UnreadableImage(
        f"the {found.name} file is damaged", "Copy or save the photograph again."
    )
