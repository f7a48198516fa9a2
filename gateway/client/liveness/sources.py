"""Where frames come from: a photograph, a video file, an image sequence, a camera.

    --live portrait.jpg      one photograph: no liveness check is possible with it
    --live clip.mp4          a video file
    --live frames/           a directory of images, in the order of their names
    --live 'frames/*.png'    the same with a pattern
    --live camera:0          a camera

Files are read at the pace at which they were recorded, as if a person stood there. Frames exist in
memory, one at a time. Nothing here writes.
"""

import glob
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gateway.vision.errors import UnreadableImage
from gateway.vision.geometry import BgrImage
from gateway.vision.images import MAX_PIXELS, decode_image

CAMERA = "camera:"
SHORTEST_MS = 33
"""Least time between two frames. Closer ones are left out: 30 a second are enough."""
SEQUENCE_RATE = 25.0
"""Default rate of an image sequence, in frames a second."""
MAX_SECONDS = 120
"""Only so much of a recording is read."""
_RATES = (1.0, 240.0)


@dataclass(frozen=True)
class Frame:
    """One picture and when it was taken, in milliseconds after its source began."""

    image: BgrImage = field(repr=False)
    at_ms: int


class FrameSource(Protocol):
    """Frames in order of time. Each call of ``frames`` starts anew if the source can."""

    live: bool
    """Whether another attempt shows something new."""

    def frames(self) -> Iterator[Frame]: ...


def open_source(live: str, rate: float = SEQUENCE_RATE) -> FrameSource | bytes:
    """What ``--live`` names: a source of frames, or the bytes of one photograph.

    Raises:
        UnreadableImage: a malformed camera name, an image sequence without files, or a rate outside
            1 to 240.
        OSError: no such file.
    """
    if live.startswith(CAMERA):
        return Camera(live.removeprefix(CAMERA))
    path = Path(live)
    if path.is_dir():
        return ImageSequence(sorted(one for one in path.iterdir() if one.is_file()), rate)
    if not path.exists() and glob.has_magic(live):
        return ImageSequence([Path(one) for one in sorted(glob.glob(live))], rate)
    with path.open("rb") as file:
        if _is_video(file.read(16)):
            return VideoFile(path)
    return path.read_bytes()


def _is_video(head: bytes) -> bool:
    """Whether a file begins as MP4, QuickTime, Matroska, WebM or AVI does."""
    return (
        head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free")
        or head[:4] == b"\x1a\x45\xdf\xa3"
        or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
    )


@dataclass
class Paced:
    """Plays frames at their own pace: a frame that comes too early is held back."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def play(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        begun = self.clock()
        last = -SHORTEST_MS
        for frame in frames:
            if frame.at_ms - last < SHORTEST_MS:
                continue
            if frame.at_ms > MAX_SECONDS * 1000:
                return
            last = frame.at_ms
            ahead = frame.at_ms / 1000 - (self.clock() - begun)
            if ahead > 0:
                self.sleep(ahead)
            yield frame


class VideoFile:
    """A recorded video, read by OpenCV."""

    live = False

    def __init__(self, path: Path, pace: Paced | None = None) -> None:
        self._path = path
        self._pace = pace or Paced()

    def frames(self) -> Iterator[Frame]:
        """Raises ``UnreadableImage`` for a file that holds no video."""
        return self._pace.play(self._read())

    def _read(self) -> Iterator[Frame]:
        video = _capture(str(self._path))
        try:
            step = 1000 / _rate(video)
            number = 0
            while (image := _next(video)) is not None:
                yield Frame(image, round(number * step))
                number += 1
            if not number:
                raise UnreadableImage("the video has no readable frame")
        finally:
            video.release()


class ImageSequence:
    """Images that were taken one after the other."""

    live = False

    def __init__(self, paths: list[Path], rate: float, pace: Paced | None = None) -> None:
        low, high = _RATES
        if not paths or not low <= rate <= high:
            raise UnreadableImage("the image sequence is empty, or its rate is not 1 to 240")
        self._paths = paths
        self._step = 1000 / rate
        self._pace = pace or Paced()

    def frames(self) -> Iterator[Frame]:
        """Raises ``UnreadableImage`` for a file that is no image."""
        return self._pace.play(
            Frame(decode_image(path.read_bytes()), round(number * self._step))
            for number, path in enumerate(self._paths)
        )


class Camera:
    """A camera of this machine. A frame's time is that of its arrival."""

    live = True

    def __init__(self, number: str) -> None:
        if not number.isdecimal():
            raise UnreadableImage("a camera is named camera:0, camera:1, ...", "Check --live.")
        self._number = int(number)

    def frames(self) -> Iterator[Frame]:
        """Raises ``UnreadableImage`` if the camera cannot be opened."""
        camera = _capture(self._number)
        try:
            begun, last = time.monotonic(), -SHORTEST_MS
            while (image := _next(camera)) is not None:
                at_ms = round((time.monotonic() - begun) * 1000)
                if at_ms - last >= SHORTEST_MS:
                    last = at_ms
                    yield Frame(image, at_ms)
        finally:
            camera.release()


def _capture(source: str | int) -> Any:
    import cv2  # noqa: PLC0415  loads for those who capture

    video = cv2.VideoCapture(source)
    if not video.isOpened():
        video.release()
        what = "camera" if isinstance(source, int) else "video"
        raise UnreadableImage(f"the {what} cannot be opened", "Check --live, or try another one.")
    return video


def _rate(video: Any) -> float:
    """Frames a second as the file states them; 25 if it states an impossible rate."""
    import cv2  # noqa: PLC0415

    low, high = _RATES
    stated = float(video.get(cv2.CAP_PROP_FPS))
    return stated if low <= stated <= high else SEQUENCE_RATE


def _next(video: Any) -> BgrImage | None:
    taken, image = video.read()
    if not taken or image is None:
        return None
    if image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise UnreadableImage(f"a frame has more than {MAX_PIXELS} pixels")
    return image  # type: ignore[no-any-return]
