"""Audits through real processes: gateway, key authority and auditor in directories of their own."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.lab.attack.deployment import MODEL as ATTACK_MODEL
from gateway.lab.attack.deployment import Site
from gateway.wire.errors import SealmatchError
from tests.support.counter import Counter
from tests.support.observation import record_count, session_states
from tests.support.observed import Observed
from tests.support.processes import PATIENCE, free_ports
from tests.support.reviving import AUDITOR, GATEWAY, revive
from tests.support.samples import pair
from tests.support.steps import Steps

pytestmark = [pytest.mark.processes, pytest.mark.slow]

GENUINE, IMPOSTOR = pair(0.7), pair(0.1)


class Strict(Observed):
    """Two unanswered demands are too many for this authority."""

    def __init__(self, root: Path, port: int, **settings: str) -> None:
        super().__init__(root, port=port, audit_one_in=1, **settings)
        self.authority.settings |= {"audit_seconds": "900", "audit_unanswered": "2"}


def let_demands_fall_due(authority: Path) -> None:
    """As if the time for their reports had passed."""
    path = authority / "audits.sqlite3"
    with contextlib.closing(sqlite3.connect(path, PATIENCE)) as ledger, ledger:
        assert ledger.execute("UPDATE demands SET due = 0").rowcount == 2


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Steps:
    return Steps(tmp_path_factory.mktemp("steps") / "folder")


@pytest.fixture(scope="module")
def deployment(steps: Steps, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strict]:
    root = tmp_path_factory.mktemp("audit")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in steps.environment().items():
            patch.setenv(name, value)
        settings = {"auditor_seconds": "60"}
        with Strict(root, free_ports(3), **settings) as running:
            yield running


@pytest.fixture
def counter(deployment: Strict) -> Iterator[Counter]:
    counter = Counter(deployment)
    yield counter
    counter.close()


@pytest.mark.parametrize(("who", "outcome"), [(GENUINE, "MATCH"), (IMPOSTOR, "NO_MATCH")])
def test_an_honest_deployment_is_audited(counter: Counter, who: tuple, outcome: str) -> None:
    result = counter.register(*who)
    assert result.outcome == outcome
    assert result.verified.audited
    assert "demo-auditor repeated the evaluation" in result.verified.notes[12].text


def test_the_auditor_keeps_nothing(deployment: Strict, counter: Counter) -> None:
    before = {p.name: p.stat().st_size for p in deployment.directories.auditor.rglob("*")}
    assert counter.register(*GENUINE).verified.audited
    after = {p.name: p.stat().st_size for p in deployment.directories.auditor.rglob("*")}
    assert after == before
    assert set(after) == {"keystore.sealed", "parties.json", "process.lock", "server.log"}


def test_a_gateway_that_leaves_demands_is_stopped_and_let_in_again(
    deployment: Strict, steps: Steps, counter: Counter
) -> None:
    """One demand it dies of, one goes without an auditor, which does not come back."""
    records = record_count(deployment)
    steps.arm("gateway-demand-received")
    with pytest.raises(SealmatchError):
        counter.register(*GENUINE)
    assert deployment.servers[GATEWAY].process.wait(PATIENCE) == -9
    steps.disarm()
    revive(deployment)
    deployment.servers[AUDITOR].stop()
    with pytest.raises(SealmatchError):
        counter.register(*GENUINE)
    assert record_count(deployment) == records
    assert "FAILED" in session_states(deployment)
    let_demands_fall_due(deployment.directories.authority)
    assert deployment.authority.operate("audits", "list").startswith("demo-gateway\t2 unanswered")
    with pytest.raises(SealmatchError):
        counter.register(*GENUINE)
    assert deployment.authority.operate("audits", "clear", "demo-gateway") == "2 cleared\n"
    assert deployment.authority.operate("audits", "clear", "demo-gateway") == "0 cleared\n"
    history = deployment.authority.operate("history")
    assert history.count("clear-audits\tgateway\tdemo-gateway") == 1
    counter.open()


def test_a_crooked_gateway_process_gets_no_decision(tmp_path: Path) -> None:
    """The real server, whose products are divided by nothing: omega is 1 and should be drawn."""
    with Site(tmp_path) as site:
        ground = site.ground("omega", audit_one_in=1)
        counter = Counter(ground, ATTACK_MODEL)
        try:
            for who in (GENUINE, IMPOSTOR):
                with pytest.raises(SealmatchError):
                    counter.register(*who)
            assert record_count(ground) == 0
            log = (ground.directories.auditor / "server.log").read_text()
            assert log.count("evaluation is not the demanded one") == 2
        finally:
            counter.close()
