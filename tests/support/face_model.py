"""Sixty-eight points of a schematic head in space, and of a photograph of it that is moved.

Units of the model: eye distances, x to the picture's right, y down, z towards the camera. The
shape is invented; it has what matters: the nose stands out, the contour lies behind the eyes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_FOCAL_PX = 900.0
_CENTRE_PX = (320.0, 240.0)
_DISTANCE = 8.0  # eye distances, about half a metre


@dataclass(frozen=True)
class Pose:
    """Degrees; yaw towards the picture's right, pitch downwards, roll clockwise."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    distance: float = _DISTANCE


LONG_NOSE, USUAL_NOSE = 0.6, 0.48
"""How far the tip stands before the eyes. In a turn, a long nose and a narrow outline go together:
the outline here is that of a hoop, which a face's is not. So detectors are tried with a long one.
"""


def head(eyes: float = 1.0, mouth: float = 0.0, nose: float = LONG_NOSE) -> Array:
    """The head's points, shape (68, 3). ``eyes``: 1 open, 0 closed; ``mouth``: gap over width."""
    return np.vstack([_contour(), _brows(), _nose(nose), *_eyes(eyes), _mouth(mouth)])


def seen(points: Array, pose: Pose, scatter: float = 0.0, seed: int = 0) -> npt.NDArray[np.float32]:
    """The points in a picture of 640x480 pixels: shape (68, 2). ``scatter`` in eye distances."""
    about = np.array([0.0, 0.5, -0.8])  # heads turn about the neck
    moved = (points - about) @ _rotation(pose).T + about
    depth = pose.distance - moved[:, 2]
    flat = (moved[:, :2] + pose.shift) * _FOCAL_PX / depth[:, None] + _CENTRE_PX
    noise = np.random.default_rng(seed).normal(0, 1, flat.shape)
    return (flat + noise * scatter * _FOCAL_PX / pose.distance).astype(np.float32)


def photograph(points: Array) -> Array:
    """The head printed on a card: the same seen from the front, without any depth."""
    flat = points.copy()
    flat[:, :2] *= _DISTANCE / (_DISTANCE - points[:, 2:])
    flat[:, 2] = 0.0
    return flat


def _rotation(pose: Pose) -> Array:
    yaw, pitch, roll = np.radians([pose.yaw, pose.pitch, pose.roll])
    turn = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    bow = [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    tilt = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    return np.array(tilt) @ np.array(bow) @ np.array(turn)


def _contour() -> Array:
    angle = np.linspace(-np.pi / 2, np.pi / 2, 17)
    side = np.sin(angle)
    return np.column_stack([1.12 * side, 0.1 + 1.75 * np.cos(angle), -0.1 - 0.9 * side**2])


def _brows() -> Array:
    x = np.linspace(-0.85, -0.2, 5)
    left = np.column_stack([x, -0.36 - 0.08 * np.sin(np.linspace(0, np.pi, 5)), 0.1 + 0.1 * x])
    return np.vstack([left, _mirrored(left)])


def _nose(tip: float) -> Array:
    bridge = np.column_stack([np.zeros(4), np.linspace(0, 0.63, 4), np.linspace(0.2, tip, 4)])
    x = np.linspace(-0.22, 0.22, 5)
    wings = np.column_stack([x, 0.84 - abs(x) / 4, 0.38 - abs(x) / 2])
    return np.vstack([bridge, wings])


def _eyes(opening: float) -> tuple[Array, Array]:
    lid = 0.06 * opening
    x = np.array([-0.68, -0.57, -0.43, -0.32, -0.43, -0.57])
    left = np.column_stack([x, np.array([0, -1, -1, 0, 1, 1]) * lid, np.zeros(6)])
    right = _mirrored(left)[[2, 1, 0, 5, 4, 3]]
    right[:, 1] = np.array([0, -1, -1, 0, 1, 1]) * lid
    return left, right


def _mouth(opening: float) -> Array:
    outer, inner = 0.4, 0.3
    gap = 2 * inner * opening / 2
    a = np.linspace(np.pi, 0, 7)
    upper = np.column_stack([outer * np.cos(a), 1.2 - (0.12 + gap / 2) * np.sin(a)])
    lower = np.column_stack([outer * np.cos(a), 1.2 + (0.14 + gap) * np.sin(a)])[5:0:-1]
    u = np.array([[-inner, 1.2], [-0.15, 1.2 - gap / 2], [0, 1.2 - gap / 2], [0.15, 1.2 - gap / 2]])
    w = np.array([[inner, 1.2], [0.15, 1.2 + gap * 1.5], [0, 1.2 + gap * 1.5]])
    flat = np.vstack([upper, lower, u, w, [[-0.15, 1.2 + gap * 1.5]]])
    return np.column_stack([flat, 0.2 - 0.3 * abs(flat[:, 0])])


def _mirrored(points: Array) -> Array:
    """The other side of the face, in the order in which iBUG counts brows."""
    return (points * np.array([-1, 1, 1]))[::-1]
