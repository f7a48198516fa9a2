"""Frames of a video file with their times. Nothing is written."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from gateway.vision.errors import UnreadableImage
from gateway.vision.geometry import BgrImage

_MAX_FPS = 240.0


@dataclass(frozen=True, slots=True)
class Video:
    """A readable video file: frames a second, and the number of frames that its header states."""

    path: Path
    fps: float
    frames: int

    @classmethod
    def open(cls, path: Path) -> "Video":
        """Read the header. Raises UnreadableImage if this is no readable video."""
        capture = cv2.VideoCapture(str(path))
        fps, frames = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        opened = capture.isOpened()
        capture.release()
        if not opened or not 1 <= fps <= _MAX_FPS or frames < 1:
            raise UnreadableImage(f"{path.name} is not a readable video")
        return cls(path, float(fps), int(frames))

    def __iter__(self) -> Iterator[tuple[int, BgrImage]]:
        """(milliseconds after the first frame, picture of shape (height, width, 3), uint8, BGR)."""
        capture = cv2.VideoCapture(str(self.path))
        try:
            index = 0
            while True:
                more, image = capture.read()
                if not more:
                    return
                yield round(1000 * index / self.fps), np.asarray(image, np.uint8)
                index += 1
        finally:
            capture.release()
