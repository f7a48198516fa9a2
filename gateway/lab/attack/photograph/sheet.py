"""A printed photograph as a sheet in space, before a pinhole camera.

The sheet is two units wide, (u, v) in [-1, 1] x [-h, h], u to the right and v down. First it is
bent, without stretching, along straight lines at right angles to a chosen direction. Then it is
turned, moved and projected. The picture is rendered backwards: Newton's method finds the point of
the sheet for each node of a coarse grid of pixels, and OpenCV interpolates between them.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from gateway.vision.geometry import BgrImage

Values = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

CAMERA = 3.0  # sheet units from the lens to the sheet at zoom 1
_FILLS = 0.92  # of the picture's width at zoom 1
_CELLS = 32  # of the coarse grid, across the picture
_STEPS = 6  # of Newton's method
_TINY = 1e-4
_MISSED = 0.05  # of the picture's half width; beyond this error Newton found no point
_NOISE = 2.0  # grey levels, standard deviation, of the camera
_SHARP = 0.3  # pixels: less defocus does not show
_SHORTEST_SMEAR = 3.0  # pixels
_REACH = 2.0  # arc length over which a bent profile is tabulated, sheet units


@dataclass(frozen=True, slots=True)
class Bend:
    """Slope angle along the direction ``axis``, as a function of the distance s from ``centre``.

    "curve" rolls the sheet: angle * tanh(s / width). "wave" tilts one strip and leaves the rest
    parallel to what it was: angle * exp(-(s / width)^2). Radians; widths in sheet units.
    """

    shape: Literal["curve", "wave"] = "curve"
    angle: float = 0.0
    width: float = 1.0
    centre: float = 0.0
    axis: float = 0.0
    """Direction in which the slope changes: 0 along u (a fold stands upright), pi/2 along v."""

    def profile(self) -> tuple[Values, Values, Values]:
        """Tabulated (s, position along the axis, depth), each of shape (n,)."""
        s = np.linspace(-_REACH, _REACH, 401)
        x = s / self.width
        slope = self.angle * (np.tanh(x) if self.shape == "curve" else np.exp(-(x**2)))
        step = s[1] - s[0]
        along, depth = np.cumsum(np.cos(slope)) * step, np.cumsum(np.sin(slope)) * step
        middle = len(s) // 2
        return s, along - along[middle], depth - depth[middle]


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the sheet is at one moment, and how the camera sees it. Angles in radians."""

    yaw: float = 0.0
    """Positive turns the printed face towards the right of the picture."""
    pitch: float = 0.0
    roll: float = 0.0
    x: float = 0.0
    """Shift in sheet units."""
    y: float = 0.0
    zoom: float = 1.0
    near: float = 1.0
    """Above 1 the camera is closer and the lens wider: the same size, more perspective."""
    bend: Bend = field(default_factory=Bend)
    gain: float = 1.0
    slant: float = 0.0
    """How much brighter the right edge is than the left one, relative."""
    defocus: float = 0.0
    """Standard deviation in pixels."""

    def moved(self, other: "Pose", share: float) -> "Pose":
        """A share of the way to ``other``. If that has a bend, a share of it replaces this one."""
        mixed = {
            name: (1 - share) * getattr(self, name) + share * getattr(other, name)
            for name in _MIXED
        }
        bend = (
            replace(other.bend, angle=share * other.bend.angle) if other.bend.angle else self.bend
        )
        return replace(self, **mixed, bend=bend)


_MIXED = ("yaw", "pitch", "roll", "x", "y", "zoom", "near", "gain", "slant", "defocus")


class Print:
    """One photograph on paper, before one background."""

    def __init__(self, photograph: BgrImage, background: BgrImage) -> None:
        self._photograph = photograph
        self._background = background
        grain = np.random.default_rng(0).normal(0, _NOISE, (8, *background.shape[:2], 1))
        self._grain = grain.astype(np.float32)
        height, width = photograph.shape[:2]
        self._half_height = height / width

    def show(self, pose: Pose, blur: tuple[float, float], draw: np.random.Generator) -> BgrImage:
        """The camera's picture, of the background's shape: (height, width, 3), uint8, BGR.

        Args:
            blur: motion during the exposure, in pixels.
        """
        u, v, off = self._seen(pose)
        height, width = self._photograph.shape[:2]
        columns = (u + 1) * (width / 2) - 0.5
        rows = (v / self._half_height + 1) * (height / 2) - 0.5
        sheet = cv2.remap(
            self._photograph, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        light = pose.gain * (1 + pose.slant * np.linspace(-0.5, 0.5, sheet.shape[1]))
        scene = sheet * light.astype(np.float32)[None, :, None]
        off |= (np.abs(u) > 1) | (np.abs(v) > self._half_height)
        scene[off] = self._background[off]
        return self._photographed(scene, pose.defocus, blur, draw)

    def _photographed(
        self,
        scene: Floats,
        defocus: float,
        blur: tuple[float, float],
        draw: np.random.Generator,
    ) -> BgrImage:
        if defocus > _SHARP:
            scene = np.asarray(cv2.GaussianBlur(scene, (0, 0), defocus), np.float32)
        if np.hypot(*blur) >= _SHORTEST_SMEAR:
            scene = np.asarray(cv2.filter2D(scene, -1, _smear(blur)), np.float32)
        scene += self._grain[int(draw.integers(len(self._grain)))]
        return np.asarray(np.clip(scene, 0, 255), np.uint8)

    def _seen(self, pose: Pose) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
        """The sheet's u and v under every pixel, and where there is no sheet: (height, width)."""
        height, width = self._background.shape[:2]
        rows = max(2, round(_CELLS * height / width))
        x, y = np.meshgrid(
            np.linspace(-1, 1, _CELLS + 1), np.linspace(-height / width, height / width, rows + 1)
        )
        camera = _Camera(pose)
        u, v = x / _FILLS / pose.zoom - pose.x, y / _FILLS / pose.zoom - pose.y
        for _ in range(_STEPS):
            here = camera.project(u, v)
            du = [(b - a) / _TINY for a, b in zip(here, camera.project(u + _TINY, v), strict=True)]
            dv = [(b - a) / _TINY for a, b in zip(here, camera.project(u, v + _TINY), strict=True)]
            ex, ey = x - here[0], y - here[1]
            scale = du[0] * dv[1] - du[1] * dv[0]
            scale = np.where(np.abs(scale) < 0.02, np.copysign(0.02, scale), scale)
            u = u + np.clip((ex * dv[1] - ey * dv[0]) / scale, -0.4, 0.4)
            v = v + np.clip((ey * du[0] - ex * du[1]) / scale, -0.4, 0.4)
        reached = camera.project(u, v)
        lost = np.hypot(x - reached[0], y - reached[1]) > _MISSED
        size = (width, height)
        return _widened(u, size), _widened(v, size), _widened(lost, size) > 0


def _widened(coarse: npt.ArrayLike, size: tuple[int, int]) -> Floats:
    """A coarse grid, interpolated to (width, height) pixels. Its outer nodes lie on the edges."""
    narrow = np.asarray(coarse, np.float32)
    rows, columns = narrow.shape
    across = np.linspace(0, columns - 1, size[0], dtype=np.float32)
    down = np.linspace(0, rows - 1, size[1], dtype=np.float32)
    x, y = np.meshgrid(across, down)
    return np.asarray(cv2.remap(narrow, x, y, cv2.INTER_LINEAR), np.float32)


def _smear(blur: tuple[float, float]) -> Floats:
    """The kernel of a straight motion of ``blur`` pixels during the exposure."""
    half = max(1, int(np.hypot(*blur)) // 2)
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    along = np.array(blur) / np.hypot(*blur) * half
    start, end = (tuple(round(float(c)) for c in half + sign * along) for sign in (-1, 1))
    cv2.line(kernel, start, end, 1.0)
    return np.asarray(kernel / kernel.sum(), np.float32)


class _Camera:
    """Maps the sheet to the picture for one pose. The picture's half width is 1."""

    def __init__(self, pose: Pose) -> None:
        self._pose = pose
        self._turn = rotation(pose)
        self._profile = pose.bend.profile() if pose.bend.angle else None
        self._distance = CAMERA / pose.near

    def project(self, u: Values, v: Values) -> tuple[Values, Values]:
        """Points of the picture for points of the sheet; arrays of any shape."""
        pose = self._pose
        x, y, z = self._bent(u, v)
        turned = self._turn @ np.stack([x, y, z]).reshape(3, -1)
        x, y, z = (part.reshape(u.shape) for part in turned)
        away = np.maximum(self._distance + z, 0.2)
        scale = _FILLS * pose.zoom * self._distance / away
        return (x + pose.x) * scale, (y + pose.y) * scale

    def _bent(self, u: Values, v: Values) -> tuple[Values, Values, Values]:
        if self._profile is None:
            return u, v, np.zeros_like(u)
        bend = self._pose.bend
        cos, sin = np.cos(bend.axis), np.sin(bend.axis)
        along, across = u * cos + v * sin, -u * sin + v * cos
        s, position, depth = self._profile
        new = np.interp(along - bend.centre, s, position) + bend.centre
        z = np.interp(along - bend.centre, s, depth)
        return new * cos - across * sin, new * sin + across * cos, z


def rotation(pose: Pose) -> Values:
    """Rotation of the sheet, shape (3, 3): first yaw, then pitch, then roll.

    Depth grows away from the camera.
    """
    cy, sy = np.cos(pose.yaw), np.sin(pose.yaw)
    cp, sp = np.cos(pose.pitch), np.sin(pose.pitch)
    cr, sr = np.cos(pose.roll), np.sin(pose.roll)
    # A face turned to the right of the picture has its right half farther from the camera.
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y, np.float64)
