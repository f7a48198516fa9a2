"""What a hand can do to a print so that it seems to blink, to open its mouth or to turn.

Each technique aims at the measurement of one action. Eyes seem closed when they are foreshortened
(``dip``, ``fold``), smeared (``jerk``, ``defocus``), too dark, too bright, too small or out of
sight. A mouth seems to open when the face becomes narrower (``narrow``, ``curl``, ``strip``), or
when a foreshortened mouth or face straightens again (``release``, ``bow``). A nose moves between
the eyes when the sheet is turned at close range (``swing``), rolled like a head and turned
(``drum``), or when one half of the face is foreshortened (``crease``). Such a turn makes the face
narrower. A tilt makes it lower as well, so that the ratio stays; half of these moves, drawn at
random, are tilted too.

A move leads from the present pose to a target and back. Strengths and times are drawn anew each
time, within what paper and hands allow.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from gateway.lab.attack.photograph.sheet import Bend, Pose
from gateway.vision.geometry import BgrImage, DetectedFace
from gateway.wire.liveness import ActionKind

_UPRIGHT = math.pi / 2  # direction down the sheet
Draw = np.random.Generator


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Where the parts of the printed face are on the sheet, in sheet units."""

    left_eye: float
    right_eye: float
    """Left and right in the picture."""
    eyes: float
    nose: float
    mouth: float

    @classmethod
    def of(cls, photograph: BgrImage, face: DetectedFace) -> "Anatomy":
        height, width = photograph.shape[:2]
        points = (2 * face.five.astype(float) - (width, height)) / width
        left, right, nose, *corners = points
        mouth = sum(corner[1] for corner in corners) / 2
        return cls(left[0], right[0], (left[1] + right[1]) / 2, nose[0], mouth)


@dataclass(frozen=True, slots=True)
class Move:
    """To ``target`` within ``rise`` seconds, there for ``hold`` seconds, back within ``fall``."""

    technique: str
    target: Pose
    rise: float
    hold: float
    fall: float

    @property
    def seconds(self) -> float:
        return self.rise + self.hold + self.fall

    def share(self, seconds: float) -> float:
        """How far towards the target after ``seconds``: 0 to 1, smooth at both ends."""
        if seconds < self.rise:
            part = seconds / self.rise
        elif seconds < self.rise + self.hold:
            part = 1.0
        else:
            part = max(0.0, (self.seconds - seconds) / self.fall)
        return (1 - math.cos(math.pi * part)) / 2


Technique = Callable[[Anatomy, Draw], Pose]


def plan(kind: ActionKind, face: Anatomy, draw: Draw) -> Move:
    """One move, drawn at random, that is meant to pass for ``kind``."""
    named = TECHNIQUES[kind]
    technique = list(named)[int(draw.integers(len(named)))]
    target = named[technique](face, draw)
    if kind == "count":
        return Move(technique, target, *draw.uniform((0.1, 0.1, 0.1), (0.35, 0.35, 0.3)))
    if kind == "blink":
        return Move(technique, target, *draw.uniform((0.06, 0.0, 0.06), (0.3, 0.25, 0.3)))
    if technique in _LET_GO:
        return Move(technique, target, *draw.uniform((0.6, 0.2, 0.1), (1.2, 0.6, 0.4)))
    return Move(technique, target, *draw.uniform((0.25, 0.2, 0.25), (0.8, 0.8, 0.8)))


def _sign(draw: Draw) -> float:
    return -1.0 if draw.random() < 0.5 else 1.0


def _dip(_: Anatomy, draw: Draw) -> Pose:
    return Pose(pitch=_sign(draw) * draw.uniform(0.7, 1.25), near=draw.uniform(0.7, 1.5))


def _fold(face: Anatomy, draw: Draw) -> Pose:
    angle, width = draw.uniform(0.7, 1.35), draw.uniform(0.1, 0.35)
    return Pose(bend=Bend("wave", _sign(draw) * angle, width, face.eyes, _UPRIGHT))


def _jerk(_: Anatomy, draw: Draw) -> Pose:
    return Pose(y=_sign(draw) * draw.uniform(0.1, 0.4), x=draw.uniform(-0.1, 0.1))


def _out_of_sight(_: Anatomy, draw: Draw) -> Pose:
    return Pose(y=-draw.uniform(0.6, 1.2))


def _defocus(_: Anatomy, draw: Draw) -> Pose:
    return Pose(defocus=draw.uniform(2, 9))


def _shade(_: Anatomy, draw: Draw) -> Pose:
    return Pose(gain=draw.uniform(0.08, 0.45), slant=draw.uniform(-0.8, 0.8))


def _glare(_: Anatomy, draw: Draw) -> Pose:
    return Pose(gain=draw.uniform(1.7, 3.5), slant=draw.uniform(-0.8, 0.8))


def _away(_: Anatomy, draw: Draw) -> Pose:
    return Pose(zoom=draw.uniform(0.25, 0.55))


def _narrow(_: Anatomy, draw: Draw) -> Pose:
    return Pose(yaw=_sign(draw) * draw.uniform(0.6, 1.2), near=draw.uniform(0.6, 1.6))


def _curl(face: Anatomy, draw: Draw) -> Pose:
    angle = _sign(draw) * draw.uniform(0.7, 1.4)
    return Pose(bend=Bend("curve", angle, draw.uniform(0.15, 0.8), face.nose))


def _strip(face: Anatomy, draw: Draw) -> Pose:
    angle = _sign(draw) * draw.uniform(0.7, 1.25)
    return Pose(bend=Bend("wave", angle, draw.uniform(0.3, 0.8), face.nose))


def _release(face: Anatomy, draw: Draw) -> Pose:
    angle = _sign(draw) * draw.uniform(0.6, 1.25)
    return Pose(bend=Bend("wave", angle, draw.uniform(0.15, 0.5), face.mouth, _UPRIGHT))


def _bow(_: Anatomy, draw: Draw) -> Pose:
    return Pose(pitch=_sign(draw) * draw.uniform(0.4, 1.1), near=draw.uniform(1.2, 2.2))


def _swing(towards: float) -> Technique:
    def pose(_: Anatomy, draw: Draw) -> Pose:
        yaw = towards * draw.uniform(0.4, 1.15)
        swung = Pose(yaw=yaw, near=draw.uniform(0.8, 2.3), x=draw.uniform(-0.2, 0.2))
        return _tilted(swung, draw)

    return pose


def _tilted(turned: Pose, draw: Draw) -> Pose:
    """Half of the time, at random: pitched about as far as it is turned, and a little rolled."""
    if draw.random() < 0.5:
        return turned
    pitch = _sign(draw) * draw.uniform(0.5, 1.1) * abs(turned.yaw)
    return replace(turned, pitch=pitch, roll=draw.uniform(-0.2, 0.2))


def _drum(towards: float) -> Technique:
    def pose(face: Anatomy, draw: Draw) -> Pose:
        roll = Bend("curve", draw.uniform(0.5, 1.4), draw.uniform(0.15, 0.9), face.nose)
        yaw = towards * draw.uniform(0.3, 0.9)
        return _tilted(Pose(yaw=yaw, near=draw.uniform(0.8, 1.8), bend=roll), draw)

    return pose


def _crease(towards: float) -> Technique:
    def pose(face: Anatomy, draw: Draw) -> Pose:
        eye = face.right_eye if towards > 0 else face.left_eye
        between = face.nose + draw.uniform(0.3, 1.0) * (eye - face.nose)
        angle = _sign(draw) * draw.uniform(0.6, 1.3)
        width = draw.uniform(0.08, 0.35)
        yaw = towards * draw.uniform(-0.2, 0.6)
        near = draw.uniform(0.8, 1.8)
        fold = Bend("wave", angle, width, between)
        return _tilted(Pose(yaw=yaw, near=near, bend=fold), draw)

    return pose


_LET_GO: Final = frozenset({"release", "bow"})
"""These take effect when the sheet comes back."""

TECHNIQUES: Final[dict[ActionKind, dict[str, Technique]]] = {
    "blink": {
        "dip": _dip,
        "fold": _fold,
        "jerk": _jerk,
        "out of sight": _out_of_sight,
        "defocus": _defocus,
        "shade": _shade,
        "glare": _glare,
        "away": _away,
    },
    "open-mouth": {
        "narrow": _narrow,
        "curl": _curl,
        "strip": _strip,
        "release": _release,
        "bow": _bow,
    },
    "count": {"narrow": _narrow, "curl": _curl, "strip": _strip},
    "turn-left": {"swing": _swing(1), "drum": _drum(1), "crease": _crease(1)},
    "turn-right": {"swing": _swing(-1), "drum": _drum(-1), "crease": _crease(-1)},
}


@dataclass(frozen=True, slots=True)
class Hand:
    """The pose that a print is held in, and how the hand trembles."""

    rest: Pose
    amplitude: float
    phases: tuple[float, ...]

    @classmethod
    def draw(cls, draw: Draw) -> "Hand":
        """Held roughly upright. One print in three is bent around an upright axis throughout."""
        bend = Bend("curve", draw.uniform(0.2, 0.8), 0.8) if draw.random() < 0.33 else Bend()
        rest = Pose(
            yaw=draw.normal(0, 0.05),
            pitch=draw.normal(0, 0.08),
            roll=draw.normal(0, 0.05),
            zoom=draw.uniform(0.75, 1.1),
            gain=draw.uniform(0.7, 1.2),
            bend=bend,
        )
        phases = tuple(draw.uniform(0, 2 * math.pi, 5))
        return cls(rest, draw.uniform(0.2, 2.0), phases)

    def pose(self, seconds: float) -> Pose:
        """Where the print is without a move; it sways at 0.3 to 1.5 Hz."""
        sway = [
            self.amplitude * math.sin(phase + 2 * math.pi * (0.3 + 0.3 * index) * seconds)
            for index, phase in enumerate(self.phases)
        ]
        rest = self.rest
        return replace(
            rest,
            x=rest.x + 0.015 * sway[0],
            y=rest.y + 0.015 * sway[1],
            yaw=rest.yaw + 0.02 * sway[2],
            pitch=rest.pitch + 0.02 * sway[3],
            roll=rest.roll + 0.01 * sway[4],
        )
