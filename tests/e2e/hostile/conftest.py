"""Hostile inputs against the real servers: a clear error, nothing stored, the servers go on.

Every test leaves the servers as they are; the fixture asserts, after each, that nothing was stored
and that an honest registration passes. At the end of each module logs and files are read.
"""

import contextlib
from collections.abc import Iterator

import pytest

from gateway.client import gateway_client
from tests.support.counter import Counter
from tests.support.observation import record_count
from tests.support.observed import Observed, honest
from tests.support.samples import PROBE, TEMPLATE
from tests.support.settings import inherited
from tests.support.warm import warm_starts


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter that is refused asks once more, and waits before that."""
    monkeypatch.setattr(gateway_client, "RECOVERY_PAUSE_SECONDS", 0)


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """One for all modules here. It outlives each of them, and so would the patched settings."""
    with contextlib.ExitStack() as stack:
        with inherited(), warm_starts():
            root = tmp_path_factory.mktemp("hostile")
            started = stack.enter_context(Observed(root, authority_seconds="60"))
        yield started


@pytest.fixture(scope="session")
def keys(deployment: Observed) -> Iterator[Counter]:
    counter = Counter(deployment)
    yield counter
    counter.close()


@pytest.fixture
def counter(deployment: Observed, keys: Counter) -> Iterator[Counter]:
    """The counter of a test that stores nothing; afterwards an honest registration passes."""
    before = record_count(deployment)
    yield keys
    deployment.proxy.behaviour = honest
    assert record_count(deployment) == before, "something was stored"
    assert keys.register(TEMPLATE, PROBE).outcome == "MATCH"
    assert record_count(deployment) == before + 1
