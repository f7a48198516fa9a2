"""Many decisions on one device: the caps are lifted here, but where they are the subject."""

from collections.abc import Iterator

import pytest

WITH_CAPS = ("test_attacks", "test_caps")
LIFTED = {
    "SEALMATCH_AUTHORITY_DEVICE_DECISIONS": "100000",
    "SEALMATCH_AUTHORITY_SUBJECT_DECISIONS": "1000",
    "SEALMATCH_AUTHORITY_FAILURES_TO_LOCK": "1000",
    "SEALMATCH_GATEWAY_ACTIVATIONS_PER_SUBJECT": "1000",
}


@pytest.fixture(scope="module", autouse=True)
def lifted_caps(request: pytest.FixtureRequest) -> Iterator[None]:
    """The servers of a module inherit these settings."""
    with pytest.MonkeyPatch.context() as patch:
        if not request.module.__name__.endswith(WITH_CAPS):
            for variable, value in LIFTED.items():
                patch.setenv(variable, value)
        yield
