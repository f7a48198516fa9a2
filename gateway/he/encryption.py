"""Vectors to ciphertexts: two lanes of 4096 slots (protocol, section 4).

A template has its vector in both lanes. A probe has the probe in lane 0 and the action vector in
lane 1; without a liveness check that is the probe again. Both functions take a *verified* session
key: there is no way to encrypt a face under a key that nobody vouched for.
"""

import numpy as np
from numpy.typing import NDArray

from gateway.he.engine import Engine
from gateway.he.frame import lane_slots, probe_signs, template_values
from gateway.he.session_key import VerifiedSessionKey
from gateway.wire.polynomials import Ciphertext


def encrypt_template(
    engine: Engine, key: VerifiedSessionKey, template: NDArray[np.floating]
) -> Ciphertext:
    """Encrypt a unit embedding as a template, shape (d,), d <= 512.

    Raises ``CallerMisuse`` as ``frame.template_values``.
    """
    values = template_values(template)
    return _encrypt(engine, key, values, values)


def encrypt_probe(
    engine: Engine,
    key: VerifiedSessionKey,
    probe: NDArray[np.floating],
    action: NDArray[np.floating] | None = None,
) -> Ciphertext:
    """Encrypt unit embeddings as probe and action vector, shapes (d,), d <= 512.

    Raises ``CallerMisuse`` as ``frame.probe_signs``.
    """
    signs = probe_signs(probe)
    return _encrypt(engine, key, signs, signs if action is None else probe_signs(action))


def _encrypt(
    engine: Engine, key: VerifiedSessionKey, first: NDArray[np.int64], second: NDArray[np.int64]
) -> Ciphertext:
    return Ciphertext(engine.encrypt(key.public_key.words, lane_slots(first, second)))
