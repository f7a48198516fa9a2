"""How many live activations a subject has: under which handles, and until when."""

from __future__ import annotations

import secrets

import pytest

from gateway.store import records
from gateway.store.database import Database
from gateway.store.records import RecordRow
from gateway.wire.errors import Refused
from gateway.wire.ids import Commitment, Digest, RecordId, SubjectHandle

FORMER, PRESENT, OTHER = (SubjectHandle(bytes([n]) * 32) for n in (1, 2, 3))
END = 1_000_000


def match(handle: SubjectHandle, outcome: str = "MATCH", expires_at: int = END) -> RecordRow:
    return RecordRow(
        record_id=RecordId(secrets.token_bytes(16)),
        kind="decision",
        outcome=outcome,
        policy_digest=Digest(bytes(32)),
        subject_handle=handle,
        activation_commitment=Commitment(secrets.token_bytes(32)),
        statement=b"",
        decided_at=0,
        expires_at=expires_at,
    )


@pytest.fixture
def filed(database: Database) -> Database:
    """A match under each handle of one subject, one of somebody else, and a mismatch."""
    with database.transaction() as connection:
        for row in (match(FORMER), match(PRESENT), match(OTHER), match(PRESENT, "NO_MATCH")):
            records.add_record(connection, row)
    return database


def live(database: Database, *handles: SubjectHandle, now: int = END - 1) -> int:
    with database.transaction() as connection:
        return records.count_live_matches(connection, handles, now)


def test_activations_count_under_every_handle_of_the_subject(filed: Database) -> None:
    assert live(filed, PRESENT, FORMER) == 2
    assert live(filed, FORMER, PRESENT) == 2
    assert live(filed, PRESENT) == live(filed, FORMER) == live(filed, OTHER) == 1


def test_an_activation_counts_until_it_expires_and_not_at_that_moment(filed: Database) -> None:
    assert live(filed, OTHER, now=END - 1) == 1
    assert live(filed, OTHER, now=END) == 0


def test_there_is_room_below_the_limit_and_none_at_it(filed: Database) -> None:
    with filed.transaction() as connection:
        records.require_room(connection, [PRESENT, FORMER], 3, END - 1)
        with pytest.raises(Refused):
            records.require_room(connection, [PRESENT, FORMER], 2, END - 1)
