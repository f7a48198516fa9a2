"""Video files, at the times that the container states for each frame."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from gateway.client.liveness.frames import MAX_FAILURES, Frame, Paced, Recording
from gateway.client.liveness.opencv import Capture
from gateway.client.pictures import naming
from gateway.vision.errors import UnreadableImage


class VideoFile(Recording):
    """A recorded video."""

    def __init__(self, path: Path, pace: Paced | None = None) -> None:
        self._path = path
        super().__init__(pace)

    def _read(self) -> Iterator[Frame]:
        with naming(str(self._path)), closing(Capture(self._path)) as video:
            yield from self._timed(video)

    def _timed(self, video: Capture) -> Iterator[Frame]:
        """Times count from the first frame. One that a container does not state, or states out of
        order, follows the one before at the file's rate."""
        step = 1000 / video.rate
        first, last, failures = None, -step, 0
        while failures < MAX_FAILURES:  # as the end of a file looks, too
            image = video.next()
            if image is None:
                failures += 1
                continue
            self.passed.frames += failures
            failures = 0
            stated = video.at_ms
            first = stated if first is None else first
            at = stated - first
            last = at if at > last else last + step
            yield Frame(image, round(last))
        if first is None:
            raise UnreadableImage("the video has no readable frame", "Record it again.")
