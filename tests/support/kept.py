"""Databases with records of many ages, as a gateway keeps them."""

import secrets
from collections.abc import Sequence

import sqlalchemy as sa

from gateway.store import log as stored_log
from gateway.store import records, schema
from gateway.store.database import Database
from gateway.store.records import RecordRow
from gateway.wire import cose
from gateway.wire.ids import Commitment, RecordId, SubjectHandle, digest_of
from tests.support.parties import GATEWAY
from tests.vectors.golden import STATEMENT

DAY = 24 * 3600
NOW = 20_000 * DAY + 3600
"""A moment in the year 2024."""


def made(decided_at: int, due_at: int, handle: bytes | None = None) -> RecordRow:
    """A record with a statement of its own."""
    decided_at -= decided_at % 60
    own = {
        "record_id": RecordId(secrets.token_bytes(16)),
        "decided_at_minute": decided_at,
        "activation_commitment": Commitment(secrets.token_bytes(32)),
    }
    stated = STATEMENT.model_copy(update=own)
    return RecordRow(
        record_id=stated.record_id,
        kind="decision",
        outcome="MATCH",
        policy_digest=stated.policy_digest,
        subject_handle=SubjectHandle(handle or secrets.token_bytes(32)),
        activation_commitment=stated.activation_commitment,
        statement=cose.sign(stated, GATEWAY).encoded,
        decided_at=decided_at,
        expires_at=due_at,
    )


def keep(database: Database, rows: Sequence[RecordRow]) -> None:
    """Record them, each with its entry and its consent."""
    with database.transaction() as connection:
        for row in rows:
            records.add_record(connection, row)
            entry = digest_of(row.statement)
            stored_log.append(connection, "decision", entry, row.record_id)
            connection.execute(
                schema.consents.insert().values(
                    consent_id=secrets.token_bytes(16),
                    record_id=row.record_id,
                    digest=STATEMENT.consent_digest,
                    text_version=1,
                    given_by="subject",
                    given_on=row.decided_at // DAY,
                    expires_at=row.expires_at,
                )
            )


def of_ages(days: Sequence[int], kept_for: int = 180) -> list[RecordRow]:
    """A record for each number of days that have passed since its decision."""
    return [made(NOW - age * DAY, NOW - NOW % 60 + (kept_for - age) * DAY) for age in days]


def count(database: Database, table: sa.Table) -> int:
    with database.transaction() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def entries(database: Database, kind: str) -> list[bytes]:
    """Digests in the log or its queue."""
    found = []
    with database.transaction() as connection:
        for table in (schema.log_entries, schema.log_pending):
            query = sa.select(table.c.entry).where(table.c.kind == kind)
            found += [bytes(entry) for entry in connection.execute(query).scalars()]
    return found


def assert_whole(database: Database) -> None:
    """No deletion without its entry, no entry without its deletion; no consent without its
    record."""
    decided, erased = entries(database, "decision"), entries(database, "erasure")
    with database.transaction() as connection:
        kept = {digest_of(row.statement) for row in records.all_records(connection)}
        ids = {row.record_id for row in records.all_records(connection)}
        left = connection.execute(schema.erasures.select()).all()
        agreed = set(connection.execute(sa.select(schema.consents.c.record_id)).scalars())
    assert {digest_of(bytes(row.erasure)) for row in left} == set(erased)
    assert len(erased) == len(set(erased)) == len(left)
    assert kept <= set(decided)
    assert len(kept) + len(left) == len(decided)
    assert agreed == ids
