"""Many decisions on one device: the caps are lifted here, but where they are the subject.

Refusals are answered at once; ``test_refusal_times`` is about when they are. Keystores are cheap to
open: their passphrases are random, and ``test_keystore`` is about the cost.
"""

from collections.abc import Iterator

import pytest

AT_ONCE = {"SEALMATCH_AUTHORITY_REFUSAL_MS": "0", "SEALMATCH_GATEWAY_REFUSAL_MS": "0"}
CHEAP = {"SEALMATCH_AUTHORITY_KEYSTORE_MIB": "8", "SEALMATCH_GATEWAY_KEYSTORE_MIB": "8"}
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
        lifted = {} if request.module.__name__.endswith(WITH_CAPS) else LIFTED
        for variable, value in {**AT_ONCE, **CHEAP, **lifted}.items():
            patch.setenv(variable, value)
        yield
