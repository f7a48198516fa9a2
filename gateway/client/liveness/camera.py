"""A camera of this machine. A frame's time is that of its arrival.

One failed read is no end: cameras lose frames, and some need a moment to begin. After some failures
in a row the camera is opened anew, once; after more, the capture ends and says why.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

from gateway.client.liveness.frames import MAX_FAILURES, SHORTEST_MS, Frame, PassedOver
from gateway.client.liveness.opencv import Capture
from gateway.client.pictures import naming
from gateway.vision.errors import UnreadableImage
from gateway.vision.geometry import BgrImage

CAMERA = "camera:"
REOPEN_AFTER = MAX_FAILURES // 2
MAX_SILENT_SECONDS = 20.0
"""Without a picture. Some drivers let one read wait for ten seconds."""
_PAUSE_SECONDS = 0.1


class OpenCamera(Protocol):
    """What a camera's driver offers."""

    def next(self) -> BgrImage | None: ...
    def close(self) -> None: ...


class Camera:
    """``camera:N``. Each call of ``frames`` opens it."""

    live = True

    def __init__(
        self,
        number: str,
        connect: Callable[[int], OpenCamera] = Capture,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not (number.isascii() and number.isdecimal() and len(number) <= 4):
            raise UnreadableImage("a camera is named camera:0, camera:1, ...", "Check --live.")
        self._number = int(number)
        self._connect = connect
        self._clock = clock
        self._sleep = sleep
        self.passed = PassedOver()

    def frames(self) -> Iterator[Frame]:
        """Raises ``UnreadableImage`` if the camera cannot be opened, or gives nothing any more."""
        self.passed = PassedOver()
        with naming(f"{CAMERA}{self._number}"):
            yield from self._frames()

    def _frames(self) -> Iterator[Frame]:
        begun = self._clock()
        last = -SHORTEST_MS
        for image in self._pictures():
            at_ms = round((self._clock() - begun) * 1000)
            if at_ms - last >= SHORTEST_MS:
                last = at_ms
                yield Frame(image, at_ms)

    def _pictures(self) -> Iterator[BgrImage]:
        camera: OpenCamera | None = self._connect(self._number)
        failures, since = 0, self._clock()
        try:
            while True:
                image = None if camera is None else camera.next()
                if image is not None:
                    failures, since = 0, self._clock()
                    yield image
                    continue
                failures += 1
                self.passed.frames += 1
                if failures >= MAX_FAILURES or self._clock() - since > MAX_SILENT_SECONDS:
                    raise UnreadableImage(
                        "the camera gives no picture any more",
                        "Check its cable, and that no other program uses it; then start again.",
                    )
                self._sleep(_PAUSE_SECONDS)
                if failures == REOPEN_AFTER:
                    camera = self._again(camera)
        finally:
            if camera is not None:
                camera.close()

    def _again(self, camera: OpenCamera | None) -> OpenCamera | None:
        """The camera, opened anew; None if it is gone at the moment."""
        if camera is not None:
            camera.close()
        with suppress(UnreadableImage):
            return self._connect(self._number)
        return None
