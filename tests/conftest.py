"""Fixtures that every test may ask for, how property tests run, and the end of all processes."""

import ctypes
import os
import signal
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings

from gateway.host.metrics import Metrics
from tests.support.guardian import guarded
from tests.support.in_memory import temporary_files_in_memory
from tests.support.postgres import postgresql

__all__ = ["postgresql"]

ONE_WORKER = tuple(f"SEALMATCH_{server}_WORKERS" for server in ("GATEWAY", "AUTHORITY", "AUDITOR"))
"""A server's HE workers each cost a third of a second to start, and a test seldom needs two."""
USUAL_UMASK = 0o022
M_PERTURB = -6
"""Of glibc's ``mallopt``."""

# No test fails because the machine is busy, nor by chance: property tests draw the same examples in
# every run. What is new is searched for by ``python -m tests.fuzz``, and with another profile:
# ``pytest --hypothesis-profile=searching``.
settings.register_profile(
    "unhurried",
    settings(),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("searching", settings.get_profile("unhurried"), derandomize=False)
settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    """Whatever this run starts ends with it, be it by SIGKILL.

    A shell's background job ignores Ctrl-C, and so would all that it starts, where tests send it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    temporary_files_in_memory()
    Metrics.strict = True  # what is not declared raises here, and is counted as other elsewhere
    for setting in ONE_WORKER:
        os.environ.setdefault(setting, "1")
    run = ExitStack()
    run.enter_context(guarded())
    config.add_cleanup(run.close)


def pytest_runtest_logstart() -> None:
    """No test depends on another's umask: operator commands set theirs, also in this process."""
    os.umask(USUAL_UMASK)
    ctypes.CDLL(None).mallopt(M_PERTURB, 0)
