"""What the counter's page encrypts is what the Python client encrypts, by the authority's keys."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from gateway.he.engine import default_engine
from gateway.he.frame import lane_slots, probe_signs, template_values
from gateway.he.interval import share
from gateway.he.product import padded_score
from gateway.he.session_key import SessionKey, UniformHalf
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import T
from keys.authority import SessionSecret, decide
from tests.support.he import ScriptedStream, TestKey, at_cosine, default_policy, unit
from tests.support.noise import HonestSession, honest_sessions, measure
from tests.support.page_encryption import PageEncryption, page_encryption
from tests.support.parties import fixed_dealings, session_key_request

KEYS = 5


@pytest.fixture(scope="module")
def page() -> Iterator[PageEncryption]:
    with page_encryption() as page:
        yield page


@pytest.mark.parametrize("cosines", [(0.8, 0.7), (0.8, 0.1), (-0.1, 0.8)])
def test_the_authority_decides_as_on_plaintexts(
    page: PageEncryption, cosines: tuple[float, float]
) -> None:
    """A session from key to decision, with the authority's own code. Both lanes must accept."""
    rng = np.random.default_rng(3)
    portrait = unit(rng)
    vectors = [at_cosine(rng, portrait, cosine) for cosine in cosines]
    values = template_values(portrait)
    engine, policy = default_engine(), default_policy()
    uniform = UniformHalf.of(session_key_request())
    secret, half = SessionSecret.make(engine, uniform)
    key = SessionKey(half, uniform)
    template = Ciphertext(engine.encrypt(key.words, lane_slots(values, values)))
    score = padded_score(engine, key, page.encrypt(key, *vectors), template, ScriptedStream("page"))
    ours, theirs = fixed_dealings("page")
    masked = secret.answer(score.product, score.omega, theirs)
    first, second = (
        (m - offset + lane.share) % T
        for m, offset, lane in zip(masked, score.offsets, ours.lanes, strict=True)
    )
    wanted = [int(probe_signs(vector) @ values) for vector in vectors]
    assert [
        (m - one.share - other.share) % T
        for m, one, other in zip((first, second), ours.lanes, theirs.lanes, strict=True)
    ] == [value % T for value in wanted]
    shares = [
        share(0, lane, rule, m)
        for lane, rule, m in zip(ours.lanes, policy.lanes, (first, second), strict=True)
    ]
    decided = decide(policy, theirs, (first, second), (shares[0], shares[1]))
    assert decided == all(
        rule.accepts(value % T) for rule, value in zip(policy.lanes, wanted, strict=True)
    )
    assert decided == (min(cosines) > 0.5)


def test_the_noise_is_seal_s(page: PageEncryption) -> None:
    """Under fresh keys: the slots exactly, and the same length of noise."""
    sessions = honest_sessions(seed=5)
    squares = np.zeros(2)
    for _ in range(KEYS):
        key, session = TestKey(), next(sessions)
        slots, _ = session.slots
        made = page.encrypt(key.public, session.probe, session.action)
        assert np.array_equal(key.decrypt(made), slots)
        for i, phase in enumerate(key.phase(made, key.encrypt(slots))):
            squares[i] += (phase.astype(float) ** 2).sum()
    # Half a percent in 40,960 coefficients each. A division that rounds is a quarter as long.
    assert 0.9 < squares[0] / squares[1] < 1.1


def test_an_honest_session_of_the_page_decrypts(page: PageEncryption) -> None:
    def encrypt(key: TestKey, session: HonestSession) -> Ciphertext:
        return page.encrypt(key.public, session.probe, session.action)

    sessions = honest_sessions(seed=6)
    found = [measure(next(sessions), f"page {i}", encrypt=encrypt) for i in range(KEYS)]
    assert {one.shift for one in found} == {(0, 0)}
    assert max(one.expected for one in found) < 2.0**-22
    assert min(one.expected for one in found) > 2.0**-29
