"""Vectors to ciphertexts: lanes of 512 slots (protocol, section 4).

Template: its vector in lanes 0 and 1. Probe: the probe in lane 0, the action vector in lane 1;
before liveness exists that is the probe again. All other slots are zero. Both functions take a
*verified* session key: there is no way to encrypt a face under a key that nobody vouched for.
"""

import numpy as np
from numpy.typing import NDArray

from gateway.he.engine import Engine, Slots
from gateway.he.session_key import VerifiedSessionKey
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import LANE, N, T


def encrypt_template(
    engine: Engine, key: VerifiedSessionKey, template: NDArray[np.int64]
) -> Ciphertext:
    """Encrypt a quantised template, shape (d,), d <= 512."""
    return _encrypt(engine, key, template, template)


def encrypt_probe(
    engine: Engine,
    key: VerifiedSessionKey,
    probe: NDArray[np.int64],
    action: NDArray[np.int64] | None = None,
) -> Ciphertext:
    """Encrypt a quantised probe and action vector, shapes (d,), d <= 512."""
    return _encrypt(engine, key, probe, probe if action is None else action)


def lane_slots(*vectors: NDArray[np.int64]) -> Slots:
    """Place vectors in lanes; negative values modulo t."""
    slots = np.zeros(N, dtype=np.int64)
    for lane, vector in enumerate(vectors):
        slots[lane * LANE : lane * LANE + vector.size] = vector
    return np.mod(slots, T).astype(np.uint64)


def _encrypt(engine: Engine, key: VerifiedSessionKey, *vectors: NDArray[np.int64]) -> Ciphertext:
    return engine.ciphertext(engine.encrypt(key.public_key, lane_slots(*vectors)))
