"""A throw-away PostgreSQL server (Debian's package ``postgresql``), one per test session.

Tests ask it for empty databases, and may kill and start it again: they leave it running. Nothing
is written through to the disk. A run that is killed takes it along (``guardian``).
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.lab.deployment import postgres
from tests.support.guardian import temporary_directory
from tests.support.processes import free_port_pair


class PostgresServer(postgres.PostgresServer):
    """One server with its own directory."""

    def __init__(self, programs: Path) -> None:
        super().__init__(
            programs,
            free_port_pair(),
            below=temporary_directory(),
            settings={"fsync": "off", "max_connections": "50"},
        )


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """The running server; skips where PostgreSQL is not installed, fails under CI."""
    programs = postgres.installed_programs()
    if programs is None:
        reason = "PostgreSQL is not installed (apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with PostgresServer(programs) as server:
        yield server
