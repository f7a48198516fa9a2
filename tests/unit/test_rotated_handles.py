"""Caps and activations of one document while the authority's pepper is replaced.

During the overlap a document has two handles, the present one first. What was filed under the
former one counts on; what is filed now must still count when the former one is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.server.service import GatewayRules
from gateway.wire.errors import Refused, SealmatchError
from keys.vault import MemoryMacKey
from tests.support.samples import PRODUCTS, occasion, pair
from tests.support.world import World

ONE = GatewayRules(retention_days=180, activations_per_subject=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, limits=ONE) as world:
        yield world


def replace_pepper(world: World) -> None:
    custody = world.authority_service._custody
    fresh = MemoryMacKey(b"the next pepper".ljust(32))
    world.authority_service._custody = replace(
        custody, pepper=fresh, previous_pepper=custody.pepper
    )


def end_overlap(world: World) -> None:
    custody = world.authority_service._custody
    world.authority_service._custody = replace(custody, previous_pepper=None)


def outcome(world: World, number: str) -> str:
    try:
        return world.client.register(*pair(0.7), occasion(number)).outcome
    except SealmatchError as error:
        return "REFUSED" if isinstance(error, Refused) else type(error).__name__


def evaluated(world: World) -> int:
    """How many products the authority was asked about."""
    return sum(path == PRODUCTS for path, _ in world.asked)


def test_a_document_has_its_activations_once_through_a_rotation(world: World) -> None:
    assert outcome(world, "AB123456") == "MATCH"
    replace_pepper(world)
    before = evaluated(world)
    assert outcome(world, "AB123456") == "REFUSED", "that of before the rotation counts"
    assert evaluated(world) == before, "and is found before anything is evaluated"
    assert outcome(world, "AB654321") == "MATCH"
    end_overlap(world)
    assert outcome(world, "AB654321") == "REFUSED", "that of the overlap counts after its end"
    assert outcome(world, "AB123456") == "MATCH", "the control: only the former handle is gone"


def test_a_match_is_not_recorded_beside_one_under_the_former_handle(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the other one is recorded while the authority decides."""
    assert outcome(world, "AB123456") == "MATCH"
    replace_pepper(world)
    monkeypatch.setattr(world.service._recorder, "require_room", lambda *_: None)
    assert outcome(world, "AB123456") == "REFUSED"
    assert world.counters() == {"MATCH": 1, "UNRECORDED": 1}
