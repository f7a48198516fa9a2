"""The strongest fixed probe: what a device that has no face of the document's holder may send.

Whatever a device sends, its session is that of one sign vector or noise (protocol, section 5). What
it may still choose is the vector. A *wolf* (ISO/IEC 2382-37 knows the word for people) is a vector
that many strangers' templates accept. It is tuned on some people and tried on others, because a
device does not know whom it will meet.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from gateway.wire.policy import KAPPA

Floats = npt.NDArray[np.floating]
Signs = npt.NDArray[np.float32]


def signs_of(values: Floats) -> Signs:
    return np.where(values >= 0, np.float32(1), np.float32(-1))


@dataclass(frozen=True)
class Herd:
    """Templates of people, shape (n, 4096), and the least value that is accepted."""

    templates: npt.NDArray[np.float32] = field(repr=False)
    lowest: int

    def accepting(self, probes: Floats) -> npt.NDArray[np.int64]:
        """How many templates accept each probe; probes of shape (k, 4096)."""
        return np.asarray((self.templates @ probes.T >= self.lowest).sum(axis=0), np.int64)

    def share(self, probe: Floats) -> float:
        """The share of the templates that accept one probe, shape (4096,)."""
        return float(np.mean(self.templates @ probe >= self.lowest))


def ascend(herd: Herd, start: Floats, widths: tuple[float, ...], rng: np.random.Generator) -> Signs:
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


def _by_gradient(herd: Herd, signs: Signs, scale: np.float32) -> Signs:
    best, most = signs, -1.0
    for _ in range(100):
        weights = _smoothed(herd, herd.templates @ signs, scale)
        if weights.sum() <= most * (1 + 1e-6):
            break
        best, most = signs, float(weights.sum())
        signs = signs_of((weights * (1 - weights)) @ herd.templates)
    return np.array(best, np.float32)


def _by_flips(
    herd: Herd, signs: Signs, scale: np.float32, rng: np.random.Generator, sweeps: int = 5
) -> Signs:
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
