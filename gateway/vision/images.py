"""Image bytes to a BGR array, bounded before anything is decoded.

Rules:

- The length is checked first, then the pixel count in the header. So a small file that claims a
  huge picture is refused before memory is reserved.
- A truncated file is an error, not a picture whose lower half is grey.
- Nothing touches the disk.

Pillow reads the bytes. OpenCV's decoder fills missing parts with grey, prints to standard error,
and has no bound of its own per call.
"""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

from gateway.vision.errors import UnreadableImage
from gateway.vision.geometry import BgrImage

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 50_000_000  # today's phones take 48 megapixels
_FORMATS = ("JPEG", "PNG")
_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"})  # 8 bits per channel


def decode_image(encoded: bytes) -> BgrImage:
    """The picture in ``encoded`` (JPEG or PNG), upright: shape (height, width, 3), uint8, BGR.

    The EXIF orientation is applied; transparency is dropped.

    Raises UnreadableImage: incomplete, another format, more than 8 bits per channel, over
    ``MAX_BYTES`` or over ``MAX_PIXELS``.
    """
    if not encoded:
        raise UnreadableImage("the image is empty")
    if len(encoded) > MAX_BYTES:
        raise UnreadableImage(f"the image file is larger than {MAX_BYTES} bytes")
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures, which are bounded below, and of the odd metadata
            # that telephones write.
            warnings.simplefilter("ignore")
            return _decode(encoded)
    except UnreadableImage:
        raise
    except Exception:  # noqa: BLE001 - decoders of hostile bytes raise many kinds; none escapes
        raise UnreadableImage("the file is not a complete JPEG or PNG image") from None


def _decode(encoded: bytes) -> BgrImage:
    with Image.open(io.BytesIO(encoded), formats=_FORMATS) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise UnreadableImage(f"the image has more than {MAX_PIXELS} pixels")
        if picture.mode not in _MODES:
            raise UnreadableImage(
                "the image does not have 8 bits per channel", "Save it as an ordinary JPEG file."
            )
        picture.load()
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    return np.ascontiguousarray(np.asarray(upright, np.uint8)[:, :, ::-1])
