"""What tests take for granted: a model, vectors, documents, a clock, the servers' paths."""

import itertools
import secrets
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.client.registration import (
    Occasion,
)
from gateway.he.frame import probe_signs, template_values
from gateway.host.clock import unix_time
from gateway.issuer.issuer import Model
from gateway.wire.ids import digest_of
from gateway.wire.policy import MatchPolicy
from gateway.wire.quality import FaceQuality
from gateway.wire.subject import Subject

QUALITY = FaceQuality(
    outcome="passed", measures="face-quality/1", profile_digest=digest_of(b"thresholds of no faces")
)
MODEL = Model("test/none", digest_of(b"a model of no faces"), QUALITY)
SESSIONS, FALLBACKS = "/face-verification/v0.1/sessions", "/face-verification/v0.1/fallbacks"
SUBJECT_REQUESTS = "/face-verification/v0.1/subject-requests"
ERASURES = "/face-verification/v0.1/erasures"
SESSION_KEYS, ATTEMPTS = "/v1/session-keys", "/v1/attempts"
PRODUCTS, SHARES, AUDITS = "/v1/padded-products", "/v1/shares", "/v1/audits"
NUMBER, PLAIN_NUMBER = "QX-7391 ", "QX7391"
"""How every document number of a test begins, as it is given and as it is normalised."""

REFERENCE = "order-canary-88"
Vector = NDArray[np.floating[Any]]


class Clock:
    """A clock that a test moves; starts at the present."""

    def __init__(self) -> None:
        self.now = unix_time()

    def __call__(self) -> int:
        return self.now


def pair(cosine: float, seed: int = 1) -> tuple[Vector, Vector]:
    """Two unit vectors of 512 values with this cosine."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=512), rng.normal(size=512)
    a /= np.linalg.norm(a)
    b -= (a @ b) * a
    b /= np.linalg.norm(b)
    return a, cosine * a + np.sqrt(1 - cosine * cosine) * b


TEMPLATE, PROBE = pair(0.7)
"""One that is a match."""


_numbers: Final = itertools.count(secrets.randbelow(10**8), 61_803_399)
"""Odd and no multiple of five: none comes again within 10^8."""


def new_number() -> str:
    """A document that this process never saw: caps count attempts per document."""
    return f"{NUMBER}{next(_numbers) % 10**8:08}"


def occasion(number: str | None = None) -> Occasion:
    return Occasion(Subject.of("passport", number or new_number()), REFERENCE)


def plain_decision(policy: MatchPolicy, template: Vector, *lanes: Vector) -> str:
    """The outcome that the integers themselves give; the last vector serves the lanes left over."""
    t = template_values(template)
    outcomes = []
    for number, lane in enumerate(policy.lanes):
        p = probe_signs(lanes[min(number, len(lanes) - 1)])
        outcomes.append(lane.accepts(int(p @ t)))
    return "MATCH" if all(outcomes) else "NO_MATCH"
