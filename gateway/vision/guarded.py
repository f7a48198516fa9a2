"""Decoders with a history, in a process that can do nothing else.

JPEG 2000, TIFF, WebP and AVIF are large formats, and their decoders (OpenJPEG, libtiff, libwebp,
libavif) have had faults that a hostile file could use. So a file of these kinds, and BMP with them,
and every portrait out of a chip, is decoded by a worker: a process that has loaded Pillow and holds
nothing of the counter's. It has limits on memory, processor time and pixels. It can open no file,
no socket and no pipe, start no program, and print nothing: limits see to it, and a filter of calls
to the kernel where there is one (``confinement``). What it answers is read strictly: an
outcome from a table, two numbers, and bytes of exactly the length that follows from them.

``make_workshop`` runs inside the worker (``gateway.client.pictures`` starts it). This module
decodes nothing where it is merely imported.
"""

import contextlib
import io
import os
import resource
import stat
import warnings
from typing import Final

from PIL import Image

from gateway.vision import formats
from gateway.vision.confinement import confine, forbid_new_privileges
from gateway.vision.errors import UnreadableImage
from gateway.vision.images import check_length, require_readable, upright
from gateway.vision.jpeg2000 import completed

MAX_PIXELS: Final = 24_000_000
"""JPEG 2000 takes some 20 bytes of memory for a pixel. An A4 page at 300 dpi has 8.7 million."""
MEMORY_BYTES: Final = 3 * 2**29
"""Address space of the worker. The largest JPEG 2000 picture takes 0.7 GiB of it."""
CPU_SECONDS: Final = 60
SECONDS: Final = 60.0
"""For one picture, whatever else runs on the machine. The largest takes 2 s of processor time."""
PART_BYTES: Final = 2 * 2**20
"""How much of a picture one answer carries."""

DECODED, NOT_SUPPORTED, SEVERAL, TOO_LARGE, TOO_DEEP, DAMAGED = range(6)
"""Outcomes of ``open``."""

_JPEG_2000: Final = "JPEG2000"
_PLUGINS: Final = {
    formats.JPEG: "JPEG",
    formats.JP2: _JPEG_2000,
    formats.J2K: _JPEG_2000,
    formats.TIFF: "TIFF",
    formats.WEBP: "WEBP",
    formats.AVIF: "AVIF",
    formats.BMP: "BMP",
}


class PictureWorkshop:
    """One picture at a time: ``open`` decodes it, ``part`` hands it over."""

    def __init__(self) -> None:
        self._pixels = b""
        self._confined = 0

    def confine(self) -> None:
        """Let the kernel answer nothing more than decoding needs."""
        self._confined = int(confine())

    def confined(self) -> int:
        """1 if the kernel's filter is on, otherwise 0."""
        return self._confined

    def open(self, encoded: bytes) -> list[int]:
        """Decode: [outcome, height, width], with zeros where there is no picture."""
        self._pixels = b""
        found = formats.recognise(encoded[: formats.HEAD_BYTES])
        if found not in _PLUGINS:
            return [NOT_SUPPORTED, 0, 0]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._open(encoded, _PLUGINS[found])
        except UnreadableImage:
            return [DAMAGED, 0, 0]
        except Exception:  # noqa: BLE001 - decoders of hostile bytes raise many kinds
            return [DAMAGED, 0, 0]

    def part(self, number: int) -> bytes:
        """``PART_BYTES`` of the picture, rows of blue, green, red; fewer at the end."""
        return self._pixels[number * PART_BYTES : (number + 1) * PART_BYTES]

    def _open(self, encoded: bytes, plugin: str) -> list[int]:
        check_length(encoded)
        if plugin not in Image.ID:
            return [NOT_SUPPORTED, 0, 0]
        whole = completed(encoded) if plugin == _JPEG_2000 else encoded
        if whole is None:
            return [DAMAGED, 0, 0]
        with Image.open(io.BytesIO(whole), formats=(plugin,)) as picture:
            if getattr(picture, "n_frames", 1) != 1:
                return [SEVERAL, 0, 0]
            if picture.width * picture.height > MAX_PIXELS:
                return [TOO_LARGE, 0, 0]
            with contextlib.suppress(UnreadableImage):
                require_readable(picture)
                rgb = upright(picture).convert("RGB")
                self._pixels = rgb.tobytes("raw", "BGR")
                return [DECODED, rgb.height, rgb.width]
        return [TOO_DEEP, 0, 0]


def make_workshop() -> PictureWorkshop:
    """Load the decoders, try each once so that nothing is left to be loaded, and shut the doors."""
    from PIL import AvifImagePlugin  # noqa: PLC0415

    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a thread counts as a process below
    Image.init()
    shop = PictureWorkshop()
    for plugin in sorted(set(_PLUGINS.values())):
        sample = io.BytesIO()
        with contextlib.suppress(Exception):  # not in this build of Pillow
            Image.new("RGB", (8, 8)).save(sample, plugin)
            shop.open(sample.getvalue())
    _shut()
    shop.confine()
    return shop


def _shut() -> None:
    """Nothing can be opened, started, written to a file or printed from here on."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that listed them
            if int(name) > 2 and not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                os.close(int(name))  # all but the connection to the counter
    forbid_new_privileges()
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        resource.setrlimit(limit, (0, 0))
