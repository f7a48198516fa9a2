"""Settings that the servers of end-to-end tests inherit.

Many decisions on one device: the caps are lifted, but where they are the subject. Refusals are
answered at once; ``test_refusal_times`` is about when they are. Keystores are cheap to open: their
passphrases are random, and ``test_keystore`` is about the cost.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

AT_ONCE = {"SEALMATCH_AUTHORITY_REFUSAL_MS": "0", "SEALMATCH_GATEWAY_REFUSAL_MS": "0"}
CHEAP = {
    "SEALMATCH_AUDITOR_KEYSTORE_MIB": "8",
    "SEALMATCH_AUTHORITY_KEYSTORE_MIB": "8",
    "SEALMATCH_GATEWAY_KEYSTORE_MIB": "8",
    "SEALMATCH_AUTHORITY_WORKERS": "1",
    "SEALMATCH_GATEWAY_WORKERS": "1",
}
LIFTED = {
    "SEALMATCH_AUTHORITY_DEVICE_DECISIONS": "100000",
    "SEALMATCH_AUTHORITY_SUBJECT_DECISIONS": "1000",
    "SEALMATCH_AUTHORITY_FAILURES_TO_LOCK": "1000",
    "SEALMATCH_GATEWAY_ACTIVATIONS_PER_SUBJECT": "1000",
}


PATIENT = {
    "SEALMATCH_AUDITOR_WORKER_SECONDS": "120",
    "SEALMATCH_AUTHORITY_AUDIT_SECONDS": "900",
    "SEALMATCH_AUTHORITY_SESSION_SECONDS": "900",
    "SEALMATCH_AUTHORITY_WORKER_SECONDS": "120",
    "SEALMATCH_GATEWAY_WORKER_SECONDS": "120",
    "SEALMATCH_GATEWAY_AUTHORITY_SECONDS": "60",
    "SEALMATCH_GATEWAY_AUDITOR_SECONDS": "60",
    "SEALMATCH_GATEWAY_LOG_WAIT_SECONDS": "60",
}
"""No honest answer comes too late on a busy machine; where that is the subject, tests say so."""


@contextmanager
def inherited(*, caps: bool = False) -> Iterator[None]:
    """Within the block, servers that are started have these settings.

    Args:
        caps: leave the caps as they are.
    """
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in {**AT_ONCE, **CHEAP, **PATIENT, **({} if caps else LIFTED)}.items():
            patch.setenv(variable, value)
        yield
