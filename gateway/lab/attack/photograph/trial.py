"""One challenge against one photograph in a hand that follows the prompts.

The attacker sees what the screen asks for and starts after a human's reaction time. Moves of the
right kind follow, each time another one, until the action counts. After ``GIVE_UP_S`` on one action
the attacker gives up: the challenge's time limit leaves hardly more for each of three. In a count
one move is practised beforehand, and made once for each number.

Frames go through the real meter, detectors and runner. Only the passive check and the action lane
are left out: the passive check is advisory, and the photograph shows the right person.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from gateway.client.liveness.measured import Action
from gateway.client.liveness.runner import CaptureState, ChallengeRunner, Progress
from gateway.lab.attack.photograph.moves import Anatomy, Draw, Hand, Move, plan
from gateway.lab.attack.photograph.sheet import Pose, Print
from gateway.vision.geometry import BgrImage
from gateway.vision.liveness.measurement import FrameMeasurement
from gateway.wire.liveness import ActionKind, Challenge

FPS: Final = 10.0
"""Frames a second. The attacker controls the camera, and fewer frames show less."""
GIVE_UP_S: Final = 6.0
_REACTION_S = (0.25, 0.6)
_PAUSE_S = (0.3, 0.7)
_EXPOSURE_S = 1 / 60


class Sight(Protocol):
    """Shows the print in a pose and measures it."""

    def __call__(self, pose: Pose, at_ms: int) -> FrameMeasurement: ...


class Detectors(Protocol):
    """Find actions in measurements, as ``gateway.vision.liveness.detectors``."""

    def feed(self, measured: FrameMeasurement) -> Sequence[Action]: ...


class Camera:
    """Shows the print to a meter."""

    def __init__(
        self,
        paper: Print,
        measure: Callable[[BgrImage, int], FrameMeasurement],
        width: int,
        draw: Draw,
    ) -> None:
        self._paper = paper
        self._measure = measure
        self._half = width / 2
        self._draw = draw
        self._last: tuple[Pose, int] | None = None

    def __call__(self, pose: Pose, at_ms: int) -> FrameMeasurement:
        """Measure the print in this pose. The hand's motion blurs the picture."""
        before, then = self._last or (pose, at_ms - 1)
        self._last = pose, at_ms
        pixels = self._half * pose.zoom * 1000 * _EXPOSURE_S / max(1, at_ms - then)
        blur = ((pose.x - before.x) * pixels, (pose.y - before.y) * pixels)
        return self._measure(self._paper.show(pose, blur, self._draw), at_ms)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a photograph came."""

    actions: tuple[ActionKind, ...]
    techniques: tuple[str, ...]
    """Which move completed each action that was completed."""
    reason: str
    """Why it ended before the last action; empty if it passed."""

    @property
    def done(self) -> int:
        return len(self.techniques)

    @property
    def passed(self) -> bool:
        return self.done == len(self.actions)


def attempt(
    sight: Sight, face: Anatomy, challenge: Challenge, detectors: Detectors, draw: Draw
) -> Outcome:
    """Try to pass ``challenge``."""
    runner, hand = ChallengeRunner(challenge), _Player(challenge.actions, face, draw)
    index = 0
    while not hand.gave_up:
        at_ms = round(1000 * index / FPS)
        measured = sight(hand.pose(index / FPS), at_ms)
        progress = runner.feed(measured, detectors.feed(measured))
        hand.told(progress, index / FPS)
        if progress.over:
            break
        index += 1
    reason = "" if progress.state is CaptureState.PASSED else progress.reason or "gave up"
    return Outcome(challenge.actions, tuple(hand.succeeded), reason)


class _Player:
    """The hand. It rests until an action is asked for, then makes one move after the other."""

    def __init__(self, actions: tuple[ActionKind, ...], face: Anatomy, draw: Draw) -> None:
        self._actions = actions
        self._face = face
        self._draw = draw
        self._hand = Hand.draw(draw)
        self._move: Move | None = None
        self._begins = np.inf
        self._asked = np.inf
        self._last = ""
        self._practised: Move | None = None
        self._number: int | None = None
        self.succeeded: list[str] = []
        self.gave_up = False

    def pose(self, now: float) -> Pose:
        """Where the print is ``now``, in seconds."""
        if self._move is None and now >= self._begins:
            kind = self._actions[len(self.succeeded)]
            self._move = self._practised or plan(kind, self._face, self._draw)
            self._practised = self._move if kind == "count" else None
            self._last = self._move.technique
        rest = self._hand.pose(now)
        if self._move is None:
            return rest
        if now - self._begins > self._move.seconds:
            again = np.inf if self._practised else now + self._draw.uniform(*_PAUSE_S)
            self._move, self._begins = None, again
            return rest
        return rest.moved(self._move.target, self._move.share(now - self._begins))

    def told(self, progress: Progress, now: float) -> None:
        """Read the screen."""
        if progress.state is CaptureState.SETTLING:
            self.gave_up = now > GIVE_UP_S
            return
        first = self._asked == np.inf
        if first or progress.done > len(self.succeeded):
            if not first:
                self.succeeded.append(self._last)
            self._asked = now
            if self._move is None and progress.prompt != "ask-count":
                self._begins = now + self._draw.uniform(*_REACTION_S)
        if progress.number is not None and progress.number != self._number:
            self._number, self._asked, self._move = progress.number, now, None
            self._begins = now + self._draw.uniform(*_REACTION_S)
        self.gave_up = now - self._asked > GIVE_UP_S
