"""What the log's rows never do: change a signed or published root, or show an entry too early."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from gateway.store import log as store
from gateway.store import records
from gateway.store.database import Database
from gateway.store.records import RecordRow
from gateway.wire.ids import Commitment, Digest, RecordId, SubjectHandle

RECORD = RecordRow(
    record_id=RecordId(b"r" * 16),
    kind="decision",
    outcome="MATCH",
    policy_digest=Digest(bytes(32)),
    subject_handle=SubjectHandle(bytes(32)),
    activation_commitment=Commitment(secrets.token_bytes(32)),
    statement=b"",
    decided_at=0,
    expires_at=1,
    log_index=3,
)


def published(connection: sa.Connection, size: int, note: bytes) -> None:
    store.fix_checkpoint(connection, size, bytes(32))
    assert store.store_signature(connection, size, note, published=True)


def test_a_signed_checkpoint_is_not_signed_again(database: Database) -> None:
    with database.transaction() as connection:
        published(connection, 3, b"first")
        assert not store.store_signature(connection, 3, b"second", published=True)
        newest = store.newest(connection)
    assert newest is not None
    assert newest.note == b"first"


def test_a_published_checkpoint_is_not_published_again(database: Database) -> None:
    """Receipts were made from it; another one would differ from them."""
    with database.transaction() as connection:
        store.fix_checkpoint(connection, 3, bytes(32))
        store.store_signature(connection, 3, b"signed", published=False)
        assert store.publish(connection, 3, b"cosigned")
        assert not store.publish(connection, 3, b"cosigned by others")
        newest = store.newest_published(connection)
    assert newest is not None
    assert newest.note == b"cosigned"


def test_a_record_is_published_under_a_tree_that_holds_its_entry(database: Database) -> None:
    with database.transaction() as connection:
        records.add_record(connection, RECORD)
        published(connection, 3, b"without it")
        assert not store.is_published(connection, RECORD.record_id)
        assert store.published_over(connection, 3) is None
        published(connection, 4, b"with it")
        assert store.is_published(connection, RECORD.record_id)
        over = store.published_over(connection, 3)
    assert over is not None
    assert over.size == 4
