"""Fixtures that every test may ask for, and how property tests run."""

from hypothesis import HealthCheck, settings

from tests.support.postgres import postgresql

__all__ = ["postgresql"]

# No test fails because the machine is busy.
settings.register_profile(
    "unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")
