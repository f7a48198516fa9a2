"""Servers on different builds of SEAL in one deployment: an audit passes only for equal words."""

from pathlib import Path

import pytest

from gateway.lab.deployment.local import LocalDeployment
from tests.support.counter import Counter
from tests.support.samples import MODEL, pair

pytestmark = [pytest.mark.processes, pytest.mark.slow]


@pytest.mark.parametrize(
    ("gateway", "others"), [("seal-python", "tenseal"), ("tenseal", "seal-python")]
)
def test_two_builds_of_seal_understand_and_audit_each_other(
    gateway: str, others: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEALMATCH_GATEWAY_HE_ENGINE", gateway)
    monkeypatch.setenv("SEALMATCH_AUTHORITY_HE_ENGINE", others)
    monkeypatch.setenv("SEALMATCH_AUDITOR_HE_ENGINE", others)
    with LocalDeployment(tmp_path, MODEL, audit_one_in=1) as deployment:
        counter = Counter(deployment)
        try:
            for cosine, outcome in ((0.7, "MATCH"), (0.1, "NO_MATCH")):
                result = counter.register(*pair(cosine))
                assert result.outcome == outcome
                assert result.verified.audited
        finally:
            counter.close()
