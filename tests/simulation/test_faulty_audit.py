"""Audited sessions over a faulty network: demands, requests to the auditor and reports go astray.

As ``test_faulty_network``, with an audit of every evaluation. Whatever happens to one message, the
client ends with the right answer or with an error, a decision never comes without its report, and
a lost message costs no second decision.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import httpx
import pytest

from gateway.client import gateway_client
from gateway.wire.errors import SealmatchError
from tests.simulation.test_faulty_network import FAULTS, FaultyWorld
from tests.support.samples import AUDITS, SHARES, Clock, pair
from tests.support.world import ALL_AUDITED, World

PLACES = (("authority", 3), ("auditor", 0), ("authority", 4))
"""Values and shares, answered by the demand; the request to the auditor and its report; the report
and the decision."""


class FaultyAudit(FaultyWorld):
    """Every evaluation is audited; the auditor is reached over the same bad network."""

    def __init__(self, directory: Path, clock: Clock, seed: int) -> None:
        World.__init__(self, directory, clock=clock, audits=ALL_AUDITED)
        self.mock = clock
        self.random = random.Random(seed)
        links = ("gateway", "authority", "auditor")
        self.count = dict.fromkeys(links, 0)
        self.older: dict[str, list[httpx.Request]] = {link: [] for link in links}

    def _at_auditor(self, request: httpx.Request) -> httpx.Response:
        return self._carry("auditor", request, super()._at_auditor)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.server import authority_client

    monkeypatch.setattr(authority_client, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(gateway_client, "RECOVERY_PAUSE_SECONDS", 0)


CASES = [(*place, fault) for place, fault in itertools.product(PLACES, FAULTS)]
HARMLESS = ("answer dropped", "request dropped", "request repeated")
"""Asked again, each party gives the same answer."""


@pytest.mark.parametrize(("link", "number", "fault"), CASES, ids=lambda v: str(v).replace(" ", "-"))
def test_one_fault(tmp_path: Path, link: str, number: int, fault: str) -> None:
    clock = Clock()
    with FaultyAudit(tmp_path, clock, seed=number) as world:
        world.fault = (link, number, fault)
        try:
            result = world.register(*pair(0.7))
            assert result.verified.audited
            outcome = result.outcome
        except SealmatchError:
            outcome = None
        assert world.fault is None, "the fault happened"
        assert outcome in (None, "MATCH")
        if fault in HARMLESS:
            assert outcome == "MATCH"
        records = world.rows("records")
        assert [record.outcome for record in records] in ([], ["MATCH"])
        if outcome is not None:
            assert len(records) == 1, "what the client was told is on record"
        clock.now += 1000
        assert len(world.ledger.unanswered()) <= (outcome is None)
        # The network is well again: the next registration passes, and is audited.
        assert world.register(*pair(0.7)).verified.audited


def test_a_lost_decision_is_sent_again_and_made_once(tmp_path: Path) -> None:
    with FaultyAudit(tmp_path, Clock(), seed=0) as world:
        world.fault = ("authority", 4, "answer dropped")
        assert world.register(*pair(0.7)).outcome == "MATCH"
        paths = [path for path, _ in world.asked]
        assert paths.count(SHARES) == 1
        assert paths.count(AUDITS) == 2
        first, second = (body for path, body in world.asked if path == AUDITS)
        assert first == second
        assert len(world.rows("records")) == 1
