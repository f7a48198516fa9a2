"""What only a power loss would test: how the servers' small files reach the disk.

Asked of the real connections, each opened as its server opens it.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.client.mismatches import LockRule, Mismatches
from gateway.issuer.caps import AssertionCaps
from gateway.witness.memory import WitnessMemory, create_memory
from keys.audits import AuditLedger
from keys.caps import CapLimits
from tests.support.counters import attempt_caps
from tests.support.parties import Clock

FULL, EXTRA = 2, 3
"""SQLite's numbers for ``synchronous``: the content is on disk; the end of the journal as well."""


def memory(path: Path) -> WitnessMemory:
    create_memory(path)
    return WitnessMemory(path)


OPENED: Final[dict[str, Any]] = {
    "attempts": lambda path: attempt_caps(path, CapLimits(), Clock()),
    "audits": lambda path: AuditLedger(path, 3, Clock()),
    "assertions": lambda path: AssertionCaps(path, bytes(32)),
    "mismatches": lambda path: Mismatches(path, bytes(32), LockRule()),
}


def settings(opened: Any) -> dict[str, Any]:
    with opened._ledger.reading() as connection:
        return {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "secure_delete")
        }


@pytest.mark.parametrize("name", OPENED)
def test_counters_are_durable_and_what_is_removed_is_overwritten(name: str, tmp_path: Path) -> None:
    """A write-ahead log would keep what was removed; a journal in memory is gone with the power."""
    with closing(OPENED[name](tmp_path / name)) as opened:
        assert settings(opened) == {
            "journal_mode": "truncate",
            "synchronous": FULL,
            "secure_delete": 1,
        }


def test_a_cosignature_that_was_given_out_is_remembered_through_a_power_loss(
    tmp_path: Path,
) -> None:
    """The journal's end is what commits, so it is on disk before the cosignature leaves."""
    with closing(memory(tmp_path / "memory")) as opened:
        found = settings(opened)
    assert (found["journal_mode"], found["synchronous"]) == ("truncate", EXTRA)
