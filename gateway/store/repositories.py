"""The only queries. Each function works inside a transaction that its caller opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

from gateway.store.schema import (
    admin_actions,
    consent_texts,
    liveness_counters,
    outcome_counters,
    parties,
    records,
    sessions,
)
from gateway.wire.cose import VerifyKey
from gateway.wire.errors import Refused, SessionConflict
from gateway.wire.ids import Commitment, Digest, KeyId, PartyId, RecordId, SessionId, SubjectHandle

_DAY = 24 * 3600

PartyKind = Literal["device", "issuer", "agent", "outlet", "witness", "auditor"]


@dataclass(frozen=True)
class SessionRow:
    """A session as it is stored."""

    session_id: SessionId
    state: str
    device: PartyId
    issuer: PartyId
    purpose: str
    consent_text_version: int
    policy_digest: Digest
    created_at: int
    expires_at: int
    challenge: bytes | None = None
    submission_digest: Digest | None = None
    record_id: RecordId | None = None


@dataclass(frozen=True)
class RecordRow:
    """A record as it is stored."""

    record_id: RecordId
    kind: str
    outcome: str
    policy_digest: Digest
    subject_handle: SubjectHandle = field(repr=False)
    activation_commitment: Commitment
    statement: bytes = field(repr=False)
    expires_at: int
    log_index: int | None = None


def add_session(connection: sa.Connection, row: SessionRow) -> None:
    connection.execute(sessions.insert().values(**vars(row)))


def find_session(connection: sa.Connection, session: SessionId) -> SessionRow | None:
    row = connection.execute(sessions.select().where(sessions.c.session_id == session)).first()
    return None if row is None else SessionRow(**row._mapping)


def move_session(
    connection: sa.Connection, session: SessionId, before: str, after: str, **values: object
) -> None:
    """Change a session's state.

    Raises:
        SessionConflict: it is no longer in the state ``before``; somebody was faster.
    """
    changed = connection.execute(
        sessions.update()
        .where(sessions.c.session_id == session, sessions.c.state == before)
        .values(state=after, **values)
    )
    if changed.rowcount != 1:
        raise SessionConflict("the session is in another state")


def prolong_session(connection: sa.Connection, session: SessionId, until: int) -> None:
    """Let a session expire at ``until``, if it would sooner."""
    sooner = sa.and_(sessions.c.session_id == session, sessions.c.expires_at < until)
    connection.execute(sessions.update().where(sooner).values(expires_at=until))


def remove_expired_sessions(connection: sa.Connection, now: int) -> list[str]:
    """Remove what has expired; return the states they were in, each session's once."""
    gone = sessions.delete().where(sessions.c.expires_at <= now).returning(sessions.c.state)
    return list(connection.execute(gone).scalars())


def add_record(connection: sa.Connection, row: RecordRow) -> None:
    connection.execute(records.insert().values(**vars(row)))


def find_record(connection: sa.Connection, record_id: RecordId) -> RecordRow | None:
    row = connection.execute(records.select().where(records.c.record_id == record_id)).first()
    return None if row is None else RecordRow(**row._mapping)


def has_activation(connection: sa.Connection, commitment: Commitment) -> bool:
    """Whether a record for this activation exists."""
    query = sa.select(sa.exists().where(records.c.activation_commitment == commitment))
    return bool(connection.execute(query).scalar())


def count_live_matches(
    connection: sa.Connection, handles: Sequence[SubjectHandle], now: int
) -> int:
    """Unexpired matches of a subject, under any of its handles."""
    query = sa.select(sa.func.count()).where(
        records.c.subject_handle.in_(list(handles)),
        records.c.outcome == "MATCH",
        records.c.expires_at > now,
    )
    return int(connection.execute(query).scalar_one())


def count_outcome(connection: sa.Connection, outcome: str, now: int) -> None:
    """Add one to today's counter of an outcome."""
    statement = _insert(connection, outcome_counters).values(
        day=now // _DAY, outcome=outcome, count=1
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["day", "outcome"], set_={"count": outcome_counters.c.count + 1}
        )
    )


def count_liveness(connection: sa.Connection, counts: Mapping[str, int], now: int) -> None:
    """Add to today's totals of the liveness check, in a fixed order so that nobody waits twice."""
    for measure, value in sorted(counts.items()):
        statement = _insert(connection, liveness_counters).values(
            day=now // _DAY, measure=measure, total=value
        )
        total = liveness_counters.c.total + value
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["day", "measure"], set_={"total": total}
            )
        )


def liveness_totals(connection: sa.Connection) -> list[tuple[int, str, int]]:
    """Day (since 1970-01-01), measure and total, oldest first."""
    query = liveness_counters.select().order_by(
        liveness_counters.c.day, liveness_counters.c.measure
    )
    return [(row.day, row.measure, row.total) for row in connection.execute(query)]


def _insert(connection: sa.Connection, table: sa.Table) -> SqliteInsert | PostgresqlInsert:
    postgresql = connection.dialect.name == "postgresql"
    return PostgresqlInsert(table) if postgresql else SqliteInsert(table)


def enrol_party(
    connection: sa.Connection, kind: PartyKind, party: PartyId, public_key: bytes | None
) -> bool:
    """Enrol a party, or bring back a suspended one with the same key.

    Returns:
        Whether anything changed.

    Raises:
        SessionConflict: the name is taken by another key.
    """
    held = _party(connection, kind, party)
    key_id = None if public_key is None else VerifyKey(party, public_key).key_id
    if held is None:
        if key_id is not None and _names_of(connection, kind, key_id):
            raise SessionConflict(f"this key is enrolled under another name as {kind}")
        connection.execute(
            parties.insert().values(
                kind=kind, party=party, public_key=public_key, key_id=key_id, state="active"
            )
        )
    elif held.public_key != public_key:
        raise SessionConflict(f"{kind} {party} is enrolled with another key")
    elif held.state == "active":
        return False
    else:
        _set_state(connection, kind, party, "active")
    return True


def suspend_party(connection: sa.Connection, kind: PartyKind, party: PartyId) -> None:
    """Suspend a party.

    Raises:
        SessionConflict: not enrolled.
    """
    if _party(connection, kind, party) is None:
        raise SessionConflict(f"{kind} {party} is not enrolled")
    _set_state(connection, kind, party, "suspended")


def require_party(connection: sa.Connection, kind: PartyKind, party: PartyId) -> None:
    """Raise ``Refused`` unless the party is enrolled and active."""
    row = _party(connection, kind, party)
    if row is None or row.state != "active":
        raise Refused(f"{kind} {party} is not enrolled")


def add_admin_action(connection: sa.Connection, action: bytes) -> None:
    """Append a signed action. Two operators at once: one of them gets ``Unavailable``."""
    query = sa.select(sa.func.coalesce(sa.func.max(admin_actions.c.number), 0))
    number = int(connection.execute(query).scalar_one()) + 1
    connection.execute(admin_actions.insert().values(number=number, action=action))


def list_admin_actions(connection: sa.Connection) -> list[bytes]:
    """All signed actions, oldest first."""
    query = sa.select(admin_actions.c.action).order_by(admin_actions.c.number)
    return [bytes(row.action) for row in connection.execute(query)]


def all_records(connection: sa.Connection) -> list[RecordRow]:
    return [RecordRow(**row._mapping) for row in connection.execute(records.select())]


def party_key(connection: sa.Connection, kind: PartyKind, party: PartyId) -> VerifyKey:
    """The key of an enrolled, active party.

    Raises:
        Refused: unknown or suspended.
    """
    row = _party(connection, kind, party)
    if row is None or row.state != "active" or row.public_key is None:
        raise Refused(f"{kind} {party} is not enrolled")
    return VerifyKey(party, bytes(row.public_key))


def device_by_key_id(connection: sa.Connection, key_id: bytes) -> VerifyKey | None:
    """The enrolled, active device that signs with this key, or None."""
    return _by_key_id(connection, key_id, ("device",))


def reader_by_key_id(connection: sa.Connection, key_id: bytes) -> VerifyKey | None:
    """The enrolled, active witness or auditor that signs with this key, or None."""
    return _by_key_id(connection, key_id, ("witness", "auditor"))


def _by_key_id(
    connection: sa.Connection, key_id: bytes, kinds: Sequence[PartyKind]
) -> VerifyKey | None:
    row = connection.execute(
        parties.select().where(
            parties.c.key_id == key_id, parties.c.kind.in_(kinds), parties.c.state == "active"
        )
    ).first()
    return None if row is None else VerifyKey(row.party, bytes(row.public_key))


def list_parties(connection: sa.Connection) -> Sequence[sa.Row[tuple[str, str, bytes, bytes, str]]]:
    return connection.execute(parties.select().order_by(parties.c.kind, parties.c.party)).all()


def has_consent_text(connection: sa.Connection, version: int) -> bool:
    query = sa.select(sa.exists().where(consent_texts.c.text_version == version))
    return bool(connection.execute(query).scalar())


def _party(
    connection: sa.Connection, kind: PartyKind, party: PartyId
) -> sa.Row[tuple[str, str, bytes, bytes, str]] | None:
    return connection.execute(
        parties.select().where(parties.c.kind == kind, parties.c.party == party)
    ).first()


def _names_of(connection: sa.Connection, kind: PartyKind, key_id: KeyId) -> bool:
    query = sa.select(sa.exists().where(parties.c.kind == kind, parties.c.key_id == key_id))
    return bool(connection.execute(query).scalar())


def _set_state(connection: sa.Connection, kind: PartyKind, party: PartyId, state: str) -> None:
    connection.execute(
        parties.update().where(parties.c.kind == kind, parties.c.party == party).values(state=state)
    )
