"""Unit embeddings of people who do not exist. A label gives the same face in every run."""

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from gateway.he.frame import probe_signs, template_values
from gateway.he.randomness import SeedStream
from gateway.wire.profile import DIMENSION

Face = NDArray[np.floating]
"""Shape (512,), length 1."""


def face(label: str) -> Face:
    """The face with this label."""
    stream = SeedStream(hashlib.sha256(label.encode()).digest(), bytes(32))
    values = stream.centred_binomial("face", DIMENSION).astype(np.float64)
    return values / np.linalg.norm(values)


def another_picture(of: Face, cosine: float, label: str) -> Face:
    """A face at this cosine to ``of``: shape (512,), length 1."""
    rest = face(label)
    rest -= (of @ rest) * of
    rest /= np.linalg.norm(rest)
    return cosine * of + math.sqrt(1 - cosine * cosine) * rest


def score(probe: Face, template: Face) -> int:
    """v of an honest pair: the score that no attacker should learn."""
    return int(probe_signs(probe) @ template_values(template))
