"""The product as its users run it: two servers as processes, the real command.

One deployment serves all modules here; the last test of each looks at what is left behind.
"""

import contextlib
from collections.abc import Iterator

import pytest

from gateway.cli.pack import gateway_settings, model_of, open_pack
from gateway.lab.deployment.local import LocalDeployment
from gateway.vision.pipeline import FacePipeline
from tests.support.counter import Counter
from tests.support.settings import inherited
from tests.support.warm import warm_starts


@pytest.fixture(scope="session")
def deployment(
    vision: FacePipeline, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalDeployment]:
    """One for all modules here. It outlives each of them, and so would the patched settings."""
    pack = open_pack(None)
    with contextlib.ExitStack() as stack:
        with inherited(), warm_starts():
            root = tmp_path_factory.mktemp("command")
            local = LocalDeployment(root, model_of(pack), **gateway_settings(pack))
            started = stack.enter_context(local)
        yield started


@pytest.fixture(scope="session")
def counter(deployment: LocalDeployment) -> Iterator[Counter]:
    counter = Counter(deployment, model_of(open_pack(None)))
    yield counter
    counter.close()
