"""Caps at the authority and activations per document, through all parties in memory."""

from contextlib import suppress
from pathlib import Path

import pytest

from gateway.server.service import GatewayRules
from gateway.wire.errors import Refused, SealmatchError
from keys.caps import CapLimits
from tests.support.drafts import ciphertexts, draft
from tests.support.samples import ATTEMPTS, Clock, occasion, pair
from tests.support.world import NO_CAPS, NO_LIMITS, World

DAY = 24 * 3600


def outcomes(world: World, number: str, count: int, cosine: float = 0.7) -> list[str]:
    """Outcomes of registrations with one document, REFUSED among them."""
    found = []
    for _ in range(count):
        try:
            found.append(world.client.register(*pair(cosine), occasion(number)).outcome)
        except SealmatchError as error:
            found.append("REFUSED" if isinstance(error, Refused) else type(error).__name__)
    return found


def test_a_document_has_so_many_live_activations(tmp_path: Path) -> None:
    clock = Clock()
    limits = GatewayRules(retention_days=1, activations_per_subject=2)
    with World(tmp_path, clock=clock, limits=limits) as world:
        assert outcomes(world, "AB123456", 3) == ["MATCH", "MATCH", "REFUSED"]
        assert outcomes(world, "AB 123-456", 1) == ["REFUSED"], "however it is written"
        assert outcomes(world, "AB654321", 1) == ["MATCH"]
        assert len(world.rows("records")) == 3
        clock.now += DAY + 60
        assert outcomes(world, "AB123456", 1) == ["MATCH"], "the others have expired"


def test_mismatches_are_no_activations(tmp_path: Path) -> None:
    limits = GatewayRules(retention_days=1, activations_per_subject=1)
    with World(tmp_path, limits=limits) as world:
        assert outcomes(world, "AB123456", 2, cosine=0.1) == ["NO_MATCH"] * 2
        assert outcomes(world, "AB123456", 2) == ["MATCH", "REFUSED"]


def test_a_document_gets_so_many_decisions_a_day(tmp_path: Path) -> None:
    caps = CapLimits(subject_decisions=3, device_decisions=100, failures_to_lock=100)
    with World(tmp_path, caps=caps, limits=NO_LIMITS) as world:
        assert outcomes(world, "AB123456", 4) == ["MATCH"] * 3 + ["REFUSED"]
        assert outcomes(world, "AB654321", 1) == ["MATCH"]
        assert len(world.rows("records")) == 4


def test_a_subject_is_locked_after_mismatches_in_a_row(tmp_path: Path) -> None:
    caps = CapLimits(subject_decisions=100, failures_to_lock=2, lock_seconds=600)
    clock = Clock()
    with World(tmp_path, caps=caps, clock=clock) as world:
        assert outcomes(world, "AB123456", 3, cosine=0.1) == ["NO_MATCH"] * 2 + ["REFUSED"]
        assert outcomes(world, "AB123456", 1) == ["REFUSED"], "the right face as well"
        clock.now += 600
        assert outcomes(world, "AB123456", 1) == ["MATCH"]


@pytest.mark.parametrize("kind", ["agent", "outlet"])
def test_a_suspended_agent_or_outlet_registers_nobody(tmp_path: Path, kind: str) -> None:
    from gateway.store import parties

    with World(tmp_path, caps=NO_CAPS) as world:
        assert outcomes(world, "AB123456", 1) == ["MATCH"]
        with world.database.transaction() as connection:
            parties.suspend_party(connection, kind, kind)
        assert outcomes(world, "AB123456", 1) == ["REFUSED"]
        assert len(world.rows("records")) == 1
        assert attempts(world) == 1, "and costs nobody an attempt"


def attempts(world: World) -> int:
    """How many attempts the authority was asked to count."""
    return sum(path == ATTEMPTS for path, _ in world.asked)


def test_an_activation_that_has_its_record_costs_no_further_attempt(tmp_path: Path) -> None:
    with World(tmp_path, caps=NO_CAPS) as world:
        for expected in (1, 1):
            opened = world.open()
            bodies = ciphertexts(opened, *pair(0.1))
            made = {"activation_commitment": bytes(32)}
            submission = draft(world.counter, opened, *bodies, world.clock(), made=made)
            with suppress(Refused):
                world.submit(opened, submission)
            assert attempts(world) == expected
        assert world.counters() == {"NO_MATCH": 1, "FAILED": 1}
