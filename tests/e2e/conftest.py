"""The settings of every module's servers."""

from collections.abc import Iterator

import pytest

from tests.support.settings import inherited

WITH_CAPS = ("test_attacks", "test_caps")


@pytest.fixture(scope="module", autouse=True)
def lifted_caps(request: pytest.FixtureRequest) -> Iterator[None]:
    """The servers of a module inherit these settings."""
    with inherited(caps=request.module.__name__.endswith(WITH_CAPS)):
        yield
