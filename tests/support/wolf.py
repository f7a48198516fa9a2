"""The best fixed sign vector: the probe of a device that has no face of the document's holder.

Whatever a device sends, its session is that of one sign vector or noise (protocol, section 5). What
it may still choose is the vector. Two searches:

- ``best_gain``: against a single direction of the embedding, how much more than an honest probe's
  nominal value can signs reach? sqrt(pi / 2) is proven, because R^T R = 4096 I.
- ``ascend``: against people. A wolf is a vector that many strangers' templates accept. It is tuned
  on some people and tried on others, because a device does not know whom it will meet.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import hadamard
from scipy.special import expit

from gateway.he.frame import patterns
from gateway.wire.policy import KAPPA
from gateway.wire.profile import DIMENSION, LANE

Floats = npt.NDArray[np.floating]

NOMINAL = LANE * np.sqrt(2 / np.pi)
"""<p, R x> of a random unit vector x and its own signs p, on average."""

PROVEN_GAIN = float(np.sqrt(np.pi / 2))


def frame_matrix() -> npt.NDArray[np.float64]:
    """R, shape (4096, 512)."""
    transform = hadamard(DIMENSION) / np.sqrt(DIMENSION)
    rotations = []
    for rounds in patterns().transpose(1, 0, 2):
        rotation = np.eye(DIMENSION)
        for signs in rounds:
            rotation = transform @ (signs[:, None] * rotation)
        rotations.append(rotation)
    return np.concatenate(rotations) * np.sqrt(DIMENSION)


def signs_of(values: Floats) -> npt.NDArray[np.float32]:
    return np.where(values >= 0, np.float32(1), np.float32(-1))


def gain(frame: Floats, signs: Floats) -> float:
    """The largest <p, R x> over unit vectors x, against the nominal value."""
    return float(np.linalg.norm(signs @ frame) / NOMINAL)


def best_gain(frame: Floats, rng: np.random.Generator, starts: int) -> float:
    """Of ``starts`` random directions: p <- sign(R R^T p) until it rests, then single flips."""
    return max(gain(frame, _climbed(frame, rng)) for _ in range(starts))


def _climbed(frame: Floats, rng: np.random.Generator) -> Floats:
    signs = np.where(frame @ rng.normal(size=DIMENSION) >= 0, 1.0, -1.0)
    while True:
        following = np.where(frame @ (signs @ frame) >= 0, 1.0, -1.0)
        if (following == signs).all():
            break
        signs = following
    direction, flipped = signs @ frame, True
    while flipped:
        flipped = False
        for place in rng.permutation(LANE):
            row = frame[place]
            # The direction without this sign; every row has the square length 512.
            if (row @ direction) * signs[place] < DIMENSION * (1 - 1e-9):
                direction -= 2 * signs[place] * row
                signs[place] = -signs[place]
                flipped = True
    return signs


@dataclass(frozen=True)
class Herd:
    """Templates of people, shape (n, 4096), and the least value that is accepted."""

    templates: npt.NDArray[np.float32]
    lowest: int

    def accepting(self, probes: Floats) -> npt.NDArray[np.int64]:
        """How many templates accept each probe; probes of shape (k, 4096)."""
        return np.asarray((self.templates @ probes.T >= self.lowest).sum(axis=0), np.int64)

    def share(self, probe: Floats) -> float:
        """The share of the templates that accept one probe, shape (4096,)."""
        return float(np.mean(self.templates @ probe >= self.lowest))


def ascend(
    herd: Herd, start: Floats, widths: tuple[float, ...], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Signs that many templates accept, from ``start`` on.

    The count is smoothed: a template counts by a logistic function of its cosine, of ``width``, one
    after the other. For each, signs of the gradient first, then single flips as long as the
    smoothed count rises.
    """
    signs = start.astype(np.float32)
    for width in widths:
        scale = np.float32(1 / (width * KAPPA))
        signs = _by_gradient(herd, signs, scale)
        signs = _by_flips(herd, signs, scale, rng)
    return signs


def ascend_direction(vectors: Floats, tau: float, widths: tuple[float, ...]) -> Floats:
    """The same search for a unit vector that many accept by its float cosine: a control."""
    direction = _unit(vectors.mean(axis=0))
    for width in widths:
        best, most = direction, -1.0
        for _ in range(200):
            weights = expit((vectors @ direction - tau) / width)
            if weights.sum() <= most * (1 + 1e-6):
                break
            best, most = direction, float(weights.sum())
            direction = _unit(direction + _unit((weights * (1 - weights)) @ vectors))
        direction = best
    return direction


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector))


def _smoothed(herd: Herd, values: Floats, scale: np.float32) -> Floats:
    return np.asarray(expit((values - herd.lowest) * scale))


def _by_gradient(herd: Herd, signs: Floats, scale: np.float32) -> npt.NDArray[np.float32]:
    best, most = signs, -1.0
    for _ in range(100):
        weights = _smoothed(herd, herd.templates @ signs, scale)
        if weights.sum() <= most * (1 + 1e-6):
            break
        best, most = signs, float(weights.sum())
        signs = signs_of((weights * (1 - weights)) @ herd.templates)
    return np.array(best, np.float32)


def _by_flips(
    herd: Herd, signs: Floats, scale: np.float32, rng: np.random.Generator, sweeps: int = 5
) -> npt.NDArray[np.float32]:
    """A flip is tried where the gradient promises a gain, and kept where the count does rise."""
    signs = np.array(signs, np.float32)
    columns = np.ascontiguousarray(herd.templates.T)
    values = herd.templates @ signs
    count = float(_smoothed(herd, values, scale).sum())
    for _ in range(sweeps):
        before = count
        weights = _smoothed(herd, values, scale)
        slope = signs * ((weights * (1 - weights)) @ herd.templates)
        for place in rng.permutation(np.flatnonzero(slope < 0)):
            tried = values - 2 * signs[place] * columns[place]
            risen = float(_smoothed(herd, tried, scale).sum())
            if risen > count:
                values, count, signs[place] = tried, risen, -signs[place]
        if count < before * (1 + 1e-4):
            break
    return signs
