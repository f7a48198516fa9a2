"""Audits through real processes: gateway, key authority and auditor in directories of their own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.attack.deployment import MODEL as ATTACK_MODEL
from gateway.attack.deployment import Site
from gateway.cli.local import LocalDeployment
from gateway.wire.errors import SealmatchError
from tests.support.deployment import (
    MODEL,
    Counter,
    command_environment,
    pair,
    record_count,
    session_states,
)

pytestmark = [pytest.mark.processes, pytest.mark.slow]

GENUINE, IMPOSTOR = pair(0.7), pair(0.1)
SECONDS = 5


class Impatient(LocalDeployment):
    """An authority that waits five seconds for a report and lets one demand go unanswered."""

    def _authority_environment(self) -> dict[str, str]:
        return {
            **super()._authority_environment(),
            "SEALMATCH_AUTHORITY_AUDIT_SECONDS": str(SECONDS),
            "SEALMATCH_AUTHORITY_AUDIT_UNANSWERED": "1",
        }

    def authority_command(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "keys.cli", *arguments],
            env=command_environment() | self._authority_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Impatient]:
    root = tmp_path_factory.mktemp("audit")
    with Impatient(root, MODEL, audit_one_in=1, auditor_seconds="2") as running:
        yield running


@pytest.fixture
def counter(deployment: Impatient) -> Iterator[Counter]:
    counter = Counter(deployment)
    yield counter
    counter.close()


@pytest.mark.parametrize(("who", "outcome"), [(GENUINE, "MATCH"), (IMPOSTOR, "NO_MATCH")])
def test_an_honest_deployment_is_audited(counter: Counter, who: tuple, outcome: str) -> None:
    result = counter.register(*who)
    assert result.outcome == outcome
    assert result.verified.audited
    assert "demo-auditor repeated the evaluation" in result.verified.notes[12]


def test_the_auditor_keeps_nothing(deployment: Impatient, counter: Counter) -> None:
    before = {p.name: p.stat().st_size for p in deployment.directories.auditor.rglob("*")}
    assert counter.register(*GENUINE).verified.audited
    after = {p.name: p.stat().st_size for p in deployment.directories.auditor.rglob("*")}
    assert after == before
    assert set(after) == {"keystore.sealed", "parties.json", "server.log"}


def test_without_its_auditor_a_gateway_is_stopped_and_let_in_again(
    deployment: Impatient, counter: Counter
) -> None:
    """The last test of the deployment: the auditor does not come back."""
    records = record_count(deployment)
    deployment.servers[1].stop()
    with pytest.raises(SealmatchError):
        counter.register(*GENUINE)
    assert record_count(deployment) == records
    assert "FAILED" in session_states(deployment)
    assert deployment.authority_command("audits", "list") == ""
    time.sleep(SECONDS + 1)
    assert deployment.authority_command("audits", "list").startswith("demo-gateway\t1 unanswered")
    with pytest.raises(SealmatchError):
        counter.register(*GENUINE)
    assert deployment.authority_command("audits", "clear", "demo-gateway") == "1 cleared\n"
    counter.open()


def test_a_crooked_gateway_process_gets_no_decision(tmp_path: Path) -> None:
    """The real server, without the mask that it says it added."""
    with Site(tmp_path) as site:
        ground = site.ground("masking", audit_one_in=1)
        counter = Counter(ground, ATTACK_MODEL)
        try:
            for who in (GENUINE, IMPOSTOR):
                with pytest.raises(SealmatchError):
                    counter.register(*who)
            assert record_count(ground) == 0
            log = (ground.directories.auditor / "server.log").read_text()
            assert log.count("masked product is not the demanded one") == 2
        finally:
            counter.close()
