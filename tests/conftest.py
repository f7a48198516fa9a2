"""Fixtures that every test may ask for."""

from tests.support.postgres import postgresql

__all__ = ["postgresql"]
