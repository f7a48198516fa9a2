"""Frames, and the pace at which recordings give them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from gateway.vision.geometry import BgrImage

SHORTEST_MS = 33
"""Least time between two frames. Closer ones are left out: 30 a second are enough."""
SEQUENCE_RATE = 25.0
"""Default rate of pictures without times, in frames a second."""
MAX_SECONDS = 120
"""Only so much of a recording is read."""
MAX_FAILURES = 10
"""Frames in a row that may be unreadable. One damaged frame does not end a capture; a broken
recording or a pulled cable does."""
RATES = (1.0, 240.0)


@dataclass(frozen=True)
class Frame:
    """One picture and when it was taken, in milliseconds after its source began."""

    image: BgrImage = field(repr=False)
    at_ms: int


@dataclass
class PassedOver:
    """What a source left out since its frames began. The operator is told."""

    frames: int = 0
    """Frames that could not be read."""
    files: int = 0
    """Files of a folder that are no pictures."""

    @property
    def counts(self) -> dict[str, int]:
        """What was left out, for programs; empty if nothing was."""
        return {
            name: count
            for name, count in (("unreadableFrames", self.frames), ("foreignFiles", self.files))
            if count
        }

    def __str__(self) -> str:
        parts = [(self.frames, "unreadable frame"), (self.files, "file that is no picture")]
        said = [f"{n} {_plural(what) if n > 1 else what}" for n, what in parts if n]
        return " and ".join(said)

    def __bool__(self) -> bool:
        return bool(self.frames or self.files)


def _plural(what: str) -> str:
    return {"unreadable frame": "unreadable frames"}.get(what, "files that are no pictures")


class FrameSource(Protocol):
    """Frames in order of time. Each call of ``frames`` starts anew if the source can."""

    live: bool
    """Whether another attempt shows something new."""
    passed: PassedOver

    def frames(self) -> Iterator[Frame]: ...


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


class Recording:
    """A source that can be played again: what it left out is counted anew each time."""

    live = False

    def __init__(self, pace: Paced | None, foreign_files: int = 0) -> None:
        self._pace = pace or Paced()
        self._foreign_files = foreign_files
        self.passed = PassedOver(files=foreign_files)

    def frames(self) -> Iterator[Frame]:
        """Raises ``UnreadableImage`` if there is no video, or ``MAX_FAILURES`` pictures in a row
        cannot be read."""
        self.passed = PassedOver(files=self._foreign_files)
        return self._pace.play(self._read())

    def _read(self) -> Iterator[Frame]:
        raise NotImplementedError
