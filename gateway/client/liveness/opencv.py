"""OpenCV's video readers, in one place: opened by number or file, one frame at a time, in silence.

FFmpeg, libjpeg and V4L2 print what they think of a stream on the process's standard error. The
person reads the prompts there, so what they print is dropped.
"""

import contextlib
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.client.liveness.frames import RATES, SEQUENCE_RATE
from gateway.vision.errors import UnreadableImage
from gateway.vision.geometry import BgrImage
from gateway.vision.images import MAX_PIXELS


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Nothing that is written to the process's standard error within the block is seen."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError):  # there is none
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class Capture:
    """An open video file or camera."""

    def __init__(self, source: Path | int) -> None:
        """Raises ``UnreadableImage`` if it cannot be opened, OSError if there is no such file."""
        import cv2  # noqa: PLC0415  loads for those who capture

        self._cv2 = cv2
        self._file = None if isinstance(source, int) else source.open("rb")
        with silent():
            if self._file is None:
                self._video: Any = cv2.VideoCapture(source)
            else:
                # By number: for FFmpeg a name may be an address, a pattern, or a kind of file.
                name = f"file:/dev/fd/{self._file.fileno()}"
                self._video = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
            opened = self._video.isOpened()
        if not opened:
            self.close()
            what = "camera" if isinstance(source, int) else "video"
            raise UnreadableImage(f"the {what} cannot be opened", "Check --live, or try another.")

    def next(self) -> BgrImage | None:
        """The next frame; None if none could be read.

        Raises ``UnreadableImage`` for a frame of more than ``MAX_PIXELS``.
        """
        with silent():
            try:
                taken, image = self._video.read()
            except self._cv2.error:
                return None
        if not taken or image is None:
            return None
        if image.shape[0] * image.shape[1] > MAX_PIXELS:
            raise UnreadableImage(f"a frame has more than {MAX_PIXELS // 10**6} megapixels")
        return image  # type: ignore[no-any-return]

    @property
    def at_ms(self) -> float:
        """When the last frame was taken, as the container says; NaN if it does not."""
        at = float(self._video.get(self._cv2.CAP_PROP_POS_MSEC))
        return at if math.isfinite(at) else math.nan

    @property
    def rate(self) -> float:
        """Frames a second as the file states them; 25 if it states an impossible rate."""
        low, high = RATES
        stated = float(self._video.get(self._cv2.CAP_PROP_FPS))
        return stated if low <= stated <= high else SEQUENCE_RATE

    def close(self) -> None:
        with silent():
            self._video.release()
        if self._file is not None:
            self._file.close()
