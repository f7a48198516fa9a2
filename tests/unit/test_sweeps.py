"""Sessions and late receipts go when their time is over, on both databases, also where several
gateways share one, and each that ended without a decision is counted once."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
import sqlalchemy as sa

from gateway.server.sessions import SessionState, sweep_expired
from gateway.store import sessions, totals
from gateway.store.database import Database
from gateway.store.schema import sessions as table
from gateway.wire.errors import SessionConflict
from gateway.wire.ids import Digest, RecordId, SessionId
from tests.support.processes import PATIENCE

NOW = 1_700_000_000
GATEWAYS = 4


def row(state: str, expires_at: int) -> sessions.SessionRow:
    record = RecordId(secrets.token_bytes(16)) if state == SessionState.DECIDED else None
    return sessions.SessionRow(
        session_id=SessionId(secrets.token_bytes(16)),
        state=state,
        device="device-1",
        issuer="issuer-1",
        purpose="activation",
        consent_text_version=1,
        policy_digest=Digest(bytes(32)),
        created_at=NOW - 300,
        expires_at=expires_at,
        record_id=record,
    )


@pytest.fixture
def several(database: Database, url: str) -> Iterator[list[Database]]:
    """The database as each of several gateways has it open."""
    opened = [Database(url) for _ in range(GATEWAYS)]
    yield opened
    for one in opened:
        one.close()


def add(database: Database, rows: list[sessions.SessionRow]) -> None:
    with database.transaction() as connection:
        for one in rows:
            sessions.add_session(connection, one)


def left(database: Database) -> set[bytes]:
    with database.transaction() as connection:
        return {bytes(one) for one in connection.execute(sa.select(table.c.session_id)).scalars()}


def counted(database: Database) -> list[tuple[int, str, int]]:
    with database.transaction() as connection:
        return totals.outcome_totals(connection)


@pytest.mark.usefixtures("patient")
def test_several_gateways_sweep_at_once_and_count_each_session_once(
    database: Database, several: list[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.server.sessions._SWEPT_AT_ONCE", 7)
    ended = [row(state, NOW) for state in ("OPEN", "EVALUATING") for _ in range(60)]
    decided = [row(state, NOW) for state in ("DECIDED", "FAILED") for _ in range(40)]
    late = [replace(row("DECIDED", NOW), expires_at=NOW + 1) for _ in range(5)]
    under_way = [row("EVALUATING", NOW + 300) for _ in range(5)]
    add(database, [*ended, *decided, *late, *under_way])
    begun = threading.Barrier(GATEWAYS)

    def sweep(own: Database) -> None:
        begun.wait(PATIENCE)
        for _ in range(3):
            sweep_expired(own, NOW)

    with ThreadPoolExecutor(GATEWAYS) as pool:
        list(pool.map(sweep, several))
    assert left(database) == {one.session_id for one in (*late, *under_way)}
    assert counted(database) == [(NOW // 86400, "EXPIRED", len(ended))]
    sweep_expired(database, NOW + 1)  # a late receipt, a second on: removed, and no EXPIRED
    assert left(database) == {one.session_id for one in under_way}
    assert counted(database) == [(NOW // 86400, "EXPIRED", len(ended))]


def test_a_session_that_is_taken_at_this_moment_is_not_swept(
    database: Database, several: list[Database]
) -> None:
    """Its submission came in its last second: the sweep neither removes it nor waits for it."""
    own = row("OPEN", NOW)
    add(database, [own, row("OPEN", NOW)])
    if database.dialect == "sqlite":  # there the one who writes keeps all others waiting
        with database.transaction() as connection:
            taken(connection, own)
    else:
        with database.transaction() as connection:
            taken(connection, own)
            sweep_expired(several[0], NOW)
            assert counted(several[1]) == [(NOW // 86400, "EXPIRED", 1)]
    sweep_expired(several[0], NOW)
    assert left(database) == {own.session_id}
    assert counted(database) == [(NOW // 86400, "EXPIRED", 1)]


def taken(connection: sa.Connection, own: sessions.SessionRow) -> None:
    sessions.move_session(connection, own.session_id, "OPEN", "EVALUATING", expires_at=NOW + 300)


def test_what_was_swept_is_taken_by_nobody(database: Database, url: str) -> None:
    own = row("OPEN", NOW)
    add(database, [own])
    with closing(Database(url)) as other:
        sweep_expired(other, NOW)
    with pytest.raises(SessionConflict), database.transaction() as connection:
        taken(connection, own)
    assert counted(database) == [(NOW // 86400, "EXPIRED", 1)]
