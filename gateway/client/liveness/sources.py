"""Where frames come from: a photograph, a video file, an image sequence, a camera.

    --live portrait.jpg      one photograph: no liveness check is possible with it
    --live clip.mp4          a video file
    --live clip.mjpeg        JPEG pictures one behind the other
    --live frames/           a directory of images, in the order of their numbers
    --live 'frames/*.png'    the same with a pattern
    --live camera:0          a camera

What a file is, its content says (``gateway.vision.formats``); its name does not matter. Files are
read at the pace at which they were recorded, as if a person stood there. Frames exist in memory,
one at a time. Nothing here writes.
"""

import glob
from pathlib import Path

from gateway.client.liveness.camera import CAMERA, Camera
from gateway.client.liveness.frames import (
    MAX_SECONDS,
    SEQUENCE_RATE,
    Frame,
    FrameSource,
    Paced,
    PassedOver,
)
from gateway.client.liveness.sequences import ImageSequence, MjpegFile
from gateway.client.liveness.videos import VideoFile
from gateway.client.pictures import naming, photograph_bytes
from gateway.vision import formats
from gateway.vision.errors import UnreadableImage
from gateway.vision.images import MAX_BYTES

__all__ = [
    "CAMERA", "MAX_SECONDS", "SEQUENCE_RATE", "Camera", "Frame", "FrameSource", "ImageSequence",
    "MjpegFile", "Paced", "PassedOver", "VideoFile", "open_source",
]  # fmt: skip


def open_source(live: str, rate: float = SEQUENCE_RATE) -> FrameSource | bytes:
    """What ``--live`` names: a source of frames, or the bytes of one photograph.

    Raises:
        UnreadableImage: a malformed camera name, an image sequence without pictures, a rate outside
            1 to 240, a file of no known kind, or moving pictures of a kind that is not read.
        OSError: no such file.
    """
    if live.startswith(CAMERA):
        return Camera(live.removeprefix(CAMERA))
    path = Path(live)
    with naming(live):
        if path.is_dir():
            return ImageSequence(path.iterdir(), rate)
        if not path.exists() and glob.has_magic(live):
            return ImageSequence(map(Path, glob.glob(live)), rate)
        return _of_file(path, rate)


def _of_file(path: Path, rate: float) -> FrameSource | bytes:
    with path.open("rb") as file:
        found = formats.recognise(file.read(formats.HEAD_BYTES))
    match found.kind:
        case "video":
            return VideoFile(path)
        case "moving":
            raise UnreadableImage(
                f"moving pictures of the kind {found.name} are not read",
                "Use a video (MP4, WebM), a directory of JPEG files, or a camera.",
            )
    if found is formats.JPEG and _is_mjpeg(path):
        return MjpegFile(path, rate)
    return photograph_bytes(path)


def _is_mjpeg(path: Path) -> bool:
    with path.open("rb") as file:
        return formats.is_mjpeg(file.read(MAX_BYTES))
