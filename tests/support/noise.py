"""How far the phase of a product reaches, and with what probability it wraps (protocol, section 7).

The authority sees centred(X + U) for each of two numbers X of the product's phase, where U is the
pad, uniform modulo Q'. It decrypts wrongly iff the sum wraps, which for one X has probability
exactly |X| / Q'. X is measured with the secret key, in exact integers, never with SEAL's budget.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gateway.he import ring
from gateway.he.frame import lane_slots, probe_signs, template_values
from gateway.he.product import padded_score
from gateway.he.randomness import FLOOD_BITS
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import SENT_MODULUS, N, T
from tests.support.he import Q, ScriptedStream, TestKey, at_cosine, unit


@dataclass(frozen=True)
class Measured:
    """One honest session under a key of its own."""

    reached: float
    """(|X_0| + |X_1|) / Q' of this one evaluation: its chance of a wrong decryption."""
    expected: float
    """The mean of that over beta, from the length of the probe's phase."""
    template: float
    """Sum of the absolute coefficients of the template's phase."""
    shift: tuple[int, int]
    """Score minus the plaintext's, per lane."""


@dataclass(frozen=True)
class HonestSession:
    """Unit vectors at any cosine."""

    portrait: np.ndarray
    probe: np.ndarray
    action: np.ndarray

    @property
    def slots(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the probe and of the template."""
        values = template_values(self.portrait)
        signs = lane_slots(probe_signs(self.probe), probe_signs(self.action))
        return signs, lane_slots(values, values)


def honest_sessions(seed: int) -> Iterator[HonestSession]:
    rng = np.random.default_rng(seed)
    while True:
        portrait = unit(rng)
        probe, action = (at_cosine(rng, portrait, rng.uniform(-0.1, 0.98)) for _ in range(2))
        yield HonestSession(portrait, probe, action)


def measure(
    session: HonestSession,
    name: str,
    scale: int = 1,
    encrypt: Callable[[TestKey, HonestSession], Ciphertext] | None = None,
) -> Measured:
    """One evaluation under a fresh key, without pads.

    Args:
        scale: multiplies the noise of the probe; 1 is honest.
        encrypt: makes the probe's ciphertext in SEAL's place.
    """
    key = TestKey()
    slots = session.slots
    probe, template = (key.encrypt(s) for s in slots)
    if encrypt is not None:
        probe = encrypt(key, session)
    if scale != 1:
        (phase,) = key.phase(probe)
        plain = phase % T
        probe = key.ciphertext_of(plain + (phase - plain) * scale)
    score = padded_score(key.engine, key.public, probe, template, ScriptedStream(name, pads=(0, 0)))
    tail = score.product.tail.words
    rest = ring.pair(key.phase_words(np.concatenate([np.zeros((1, 2, N), np.uint64), tail])))
    numbers = [
        ring.centred(number + head) for number, head in zip(rest, score.product.head, strict=True)
    ]
    phi, tau = key.phase(probe, template)
    length = math.sqrt(sum(float(c) ** 2 for c in phi))
    deviation = T * 2 ** (FLOOD_BITS + 1) / math.sqrt(12) * length
    lanes = ring.lanes((numbers[0], numbers[1]))
    inverse = pow(score.omega, -1, T)
    products = slots[0].astype(object) * slots[1].astype(object)
    first, second = (
        (lane * inverse - offset - int(plain.sum())) % T
        for lane, offset, plain in zip(lanes, score.offsets, products.reshape(2, -1), strict=True)
    )
    return Measured(
        reached=sum(abs(number) for number in numbers) / SENT_MODULUS,
        expected=math.sqrt(2 / math.pi) * deviation * (1 + math.sqrt(2)) / Q,
        template=float(np.abs(tau).astype(float).sum()),
        shift=(first, second),
    )
