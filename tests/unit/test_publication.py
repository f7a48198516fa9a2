"""From record to receipt, on SQLite and PostgreSQL: waiting, threads, storage that fails."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from gateway.sequencing.guard import LogHalted
from gateway.sequencing.publication import Inline, Publication, SequencerThread
from gateway.store import log as store
from gateway.store import records, schema
from gateway.store.database import Database
from gateway.wire.errors import Unavailable
from gateway.wire.ids import digest_of
from gateway.wire.proof import Receipt
from tests.support.processes import PATIENCE
from tests.support.sequencing import queue, sequencer
from tests.vectors.golden import SIGNED_STATEMENT, STATEMENT


def record(database: Database, number: int = 1) -> bytes:
    statement = f"statement {number}".encode()
    record_id = hashlib.sha256(statement).digest()[:16]
    with database.transaction() as connection:
        records.add_record(
            connection,
            records.RecordRow(
                record_id=record_id,
                kind="decision",
                outcome="MATCH",
                policy_digest=bytes(32),
                subject_handle=bytes(32),
                activation_commitment=digest_of(statement),
                statement=statement,
                decided_at=0,
                expires_at=5,
            ),
        )
        store.append(connection, "decision", digest_of(statement), record_id)
    return record_id


def row_of(database: Database, record_id: bytes) -> records.RecordRow:
    with database.transaction() as connection:
        found = records.find_record(connection, record_id)
    assert found is not None
    return found


class Waits:
    """A log that does not grow; notes who waited."""

    def __init__(self, waited: list[float]) -> None:
        self.wait = waited.append

    def check(self) -> None: ...


def test_a_receipt_waits_for_its_entry(database: Database) -> None:
    queue(database, 0, 3)
    record_id = record(database)
    nobody = Publication(database, Waits([]), 0)
    nobody.wait_for(record_id)
    assert nobody.receipt(row_of(database, record_id)) is None
    publication = Publication(database, Inline(sequencer(database)), 30)
    publication.wait_for(record_id)
    row = row_of(database, record_id)
    assert row.log_index == 3
    receipt = Receipt.decode(publication.receipt(row) or b"")
    assert receipt.statement == row.statement
    assert receipt.log_proof is not None


def test_waiting_ends(database: Database) -> None:
    record_id = record(database)
    waited: list[float] = []
    publication = Publication(database, Waits(waited), 3, monotonic=lambda: float(len(waited)))
    publication.wait_for(record_id)
    assert waited == [3, 2, 1]


def test_a_record_that_the_log_does_not_prove_gets_no_receipt(database: Database) -> None:
    record_id = record(database)
    publication = Publication(database, Inline(sequencer(database)), 30)
    publication.wait_for(record_id)
    with database.transaction() as connection:
        connection.execute(schema.records.update().values(statement=b"another"))
    with pytest.raises(LogHalted):
        publication.receipt(row_of(database, record_id))


def test_a_thread_sequences_for_those_who_wait(database: Database) -> None:
    thread = SequencerThread(sequencer(database), period=0.01, pause=0.01)
    publication = Publication(database, thread, PATIENCE)
    thread.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            ids = [record(database, n) for n in range(8)]
            list(pool.map(publication.wait_for, ids))
        assert all(publication.receipt(row_of(database, one)) for one in ids)
    finally:
        thread.stop()


def test_a_thread_outlives_a_storage_that_fails_for_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = sequencer(database)
    honest, failures = one.step, [Unavailable("no"), RuntimeError("a fault of ours")]

    def step() -> bool:
        if failures:
            raise failures.pop()
        return honest()

    monkeypatch.setattr(one, "step", step)
    thread = SequencerThread(one, period=0.01, pause=0.01)
    publication = Publication(database, thread, PATIENCE)
    record_id = record(database)
    thread.start()
    try:
        publication.wait_for(record_id)
    finally:
        thread.stop()
    assert publication.receipt(row_of(database, record_id)) is not None


def test_a_halted_log_lets_nobody_begin(database: Database) -> None:
    queue(database, 0, 1)
    one = sequencer(database)
    one.step()
    with database.transaction() as connection:
        store.write_head(connection, 0, b"")
    queue(database, 1, 1)
    thread = SequencerThread(one, period=0.01)
    publication = Publication(database, thread, PATIENCE)
    publication.check()
    thread.start()
    try:
        thread._thread.join(PATIENCE)
        with pytest.raises(Unavailable, match="halted"):
            publication.check()
    finally:
        thread.stop()


def test_what_was_recorded_before_the_log_existed_becomes_its_entries(url: str) -> None:
    """Migrations 0003 and 0005 on a database with records and actions."""
    from alembic import command
    from alembic.config import Config

    from gateway.store.database import _MIGRATIONS

    database, statement = Database(url), SIGNED_STATEMENT.encoded
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with database.transaction() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(schema.admin_actions.insert().values(number=1, action=b"action"))
        connection.execute(
            sa.text(
                "INSERT INTO records (record_id, kind, outcome, policy_digest, subject_handle,"
                " activation_commitment, statement, expires_at)"
                " VALUES (:id, 'decision', 'MATCH', :d, :d, :d, :statement, 5)"
            ),
            {"id": bytes(16), "d": bytes(32), "statement": statement},
        )
    database.migrate()
    sequencer(database).step()
    with database.transaction() as connection:
        held = store.entries(connection, 0, 5)
    assert held == [digest_of(b"action"), digest_of(statement)]
    kept = row_of(database, bytes(16))
    assert (kept.log_index, kept.decided_at) == (1, STATEMENT.decided_at_minute)
    database.close()
