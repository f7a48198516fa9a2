"""The best fixed sign vector against a single direction of the embedding.

How much more than an honest probe's nominal value can signs reach? sqrt(pi / 2) is proven, because
R^T R = 4096 I. The search against people is ``gateway.lab.evaluation.probe_search``.
"""

import numpy as np
import numpy.typing as npt
from scipy.linalg import hadamard

from gateway.he.frame import patterns
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
