"""An attacker's tool: pieces of a recording, put together once the challenge is known.

This is the injection that no liveness check of the client's own can stop: whoever feeds frames to
an enrolled device decides what it sees. Tests use it for a whole registration, because nobody
stands before a camera there. Pictures come from the clips for development and stay in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import cv2

from gateway.client.liveness.prompts import ASK
from gateway.client.liveness.runner import CaptureState, Progress
from gateway.client.liveness.sources import Frame, Paced
from gateway.vision.geometry import BgrImage
from gateway.wire.liveness import ActionKind
from tests.faces_data import faces_directory

STEP_MS = 40


def clip(name: str) -> Path:
    """A clip for development; skips the calling test without them, fails under CI."""
    return faces_directory() / "clips" / f"{name}.mp4"


def pictures(path: Path) -> list[BgrImage]:
    """All frames of a clip."""
    video, found = cv2.VideoCapture(str(path)), []
    try:
        while (read := video.read())[0]:
            found.append(read[1])
    finally:
        video.release()
    assert found, "the clip has frames"
    return found


@dataclass(frozen=True)
class Cuts:
    """Numbers of frames that show somebody at rest, and of frames that show an action."""

    rest: Sequence[int]
    actions: dict[ActionKind, Sequence[int]]


LP_D12 = Cuts(
    rest=(*range(144, 157), *range(155, 144, -1)),
    actions={
        "blink": range(133, 141),
        "open-mouth": range(108, 121),
        "turn-left": range(158, 173),
        "turn-right": range(68, 86),
    },
)
"""Found by the labels of that clip (``tests/data/liveness_labels.json``)."""


class Splicer:
    """A frame source that shows each action when it is asked for, and rest in between."""

    live = True

    def __init__(self, frames: Sequence[BgrImage], cuts: Cuts) -> None:
        self._frames = frames
        self._cuts = cuts
        self._asked: ActionKind | None = None
        self._done = -1

    def show(self, progress: Progress) -> None:
        """What an attacker reads off the screen."""
        if progress.state is CaptureState.ASKING and progress.done > self._done:
            self._done = progress.done
            self._asked = next(kind for kind, prompt in ASK.items() if prompt == progress.prompt)

    def frames(self) -> Iterator[Frame]:
        return Paced().play(
            Frame(image, number * STEP_MS) for number, image in enumerate(self._pictures())
        )

    def _pictures(self) -> Iterator[BgrImage]:
        rest = cycle(self._cuts.rest)
        while True:
            yield self._frames[next(rest)]
            if self._asked is None:
                continue
            action, self._asked = self._asked, None
            for _ in range(12):  # half a second later, as a person would
                yield self._frames[next(rest)]
            shown = []
            for number in self._cuts.actions[action]:
                shown.append(number)
                yield self._frames[number]
                if self._asked is not None:
                    break
            for number in reversed(shown):  # no head jumps back
                yield self._frames[number]
