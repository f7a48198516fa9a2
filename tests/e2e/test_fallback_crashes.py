"""The gateway killed while it records a registration without a face.

Whatever happens there is a whole record or none, with its entry and its count; and the same
request, sent again, gets the receipt of the one record.
"""

from collections.abc import Iterator

import httpx
import pytest

from gateway.client.gateway_client import OutcomeUnknown
from gateway.proofs.fallback import verify_fallback
from tests.support.attempts import stored
from tests.support.counter import Counter
from tests.support.observed import Observed
from tests.support.processes import PATIENCE, free_ports
from tests.support.reviving import GATEWAY, revive
from tests.support.steps import Steps

pytestmark = [pytest.mark.processes, pytest.mark.slow]


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Steps:
    return Steps(tmp_path_factory.mktemp("steps") / "folder")


@pytest.fixture(scope="module")
def deployment(steps: Steps, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    few = {"SEALMATCH_AUTHORITY_WORKERS": "1", "SEALMATCH_GATEWAY_WORKERS": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**steps.environment(), **few}.items():
            patch.setenv(name, value)
        root = tmp_path_factory.mktemp("crashes")
        with Observed(root, port=free_ports(3)) as deployment:
            yield deployment


@pytest.mark.parametrize("step", ["gateway-fallback-written", "gateway-fallback-committed"])
def test_the_gateway_killed_while_it_records(
    deployment: Observed, steps: Steps, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The real server; ``unit/test_fallbacks.py`` stops at each step, on both databases."""
    counter = Counter(deployment)
    request = counter.without_face()
    before = stored(deployment)
    steps.arm(step)
    with monkeypatch.context() as patch:
        patch.setattr("gateway.client.fallback.ATTEMPTS", 1)
        with pytest.raises((OutcomeUnknown, httpx.HTTPError)):
            counter.record(request)
    assert steps.reached
    assert deployment.servers[GATEWAY].process.wait(PATIENCE) == -9
    steps.disarm()
    revive(deployment)
    after = stored(deployment)
    committed = step == "gateway-fallback-committed"
    assert len(after.records) - len(before.records) == committed
    receipt = counter.record(request)
    assert verify_fallback(receipt, deployment.trust)
    assert len(stored(deployment).records) == len(before.records) + 1
    counter.close()
