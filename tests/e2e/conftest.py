"""The settings of every module's servers, and photographs for the product's command.

Servers start warm (``tests/support/warm.py``), but for modules with the mark ``cold``: those look
into the memory or the descriptors of servers, or at how they start.
"""

from collections.abc import Iterator

import pytest

from gateway.vision.demo_faces import genuine_pair, impostor_pair
from gateway.vision.pipeline import FacePipeline
from tests.faces_data import pipeline
from tests.support.commands import Photographs
from tests.support.settings import inherited
from tests.support.warm import starts_of


@pytest.fixture(scope="module", autouse=True)
def lifted_caps(request: pytest.FixtureRequest) -> Iterator[None]:
    """The servers of a module inherit these settings."""
    with inherited(), starts_of(request):
        yield


@pytest.fixture(scope="session")
def vision() -> FacePipeline:
    return pipeline()


@pytest.fixture(scope="session")
def photographs(vision: FacePipeline, tmp_path_factory: pytest.TempPathFactory) -> Photographs:
    directory = tmp_path_factory.mktemp("photographs")
    made = Photographs(*(directory / f"{name}.jpg" for name in ("portrait", "live", "stranger")))
    portrait, live = genuine_pair(vision)
    made.portrait.write_bytes(portrait)
    made.live.write_bytes(live)
    made.stranger.write_bytes(impostor_pair(vision)[1])
    return made
