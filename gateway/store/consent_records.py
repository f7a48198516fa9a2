"""Consents: which version of the texts somebody agreed to, and for which record. Withdrawals: that
such a consent was taken back.

A consent comes with its record, in one transaction, and goes with it. Each function works inside a
transaction that its caller opened.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from gateway.store.log import append
from gateway.store.records import RecordRow
from gateway.store.schema import consents, withdrawals
from gateway.wire.erasure import Withdrawal
from gateway.wire.ids import Digest, RecordId, digest_of

if TYPE_CHECKING:  # it loads numpy, which operators' commands do without
    from gateway.wire.submission import ConsentRecord, GivenBy

_ID_BYTES: Final = 16
_DAY: Final = 24 * 3600
_ADD: Final = consents.insert()


@dataclass(frozen=True)
class ConsentRow:
    """A consent as it is stored."""

    record_id: RecordId
    digest: Digest
    """As in the statement: of the salted consent record, which is not kept."""
    text_version: int
    given_by: GivenBy
    given_on: int
    """Whole days since 1970-01-01."""
    expires_at: int
    """As the record's."""

    @classmethod
    def beside(cls, record: RecordRow, given: ConsentRecord) -> ConsentRow:
        """What is kept of a consent, beside the record that it is for."""
        return cls(
            record.record_id,
            given.digest,
            given.text_version,
            given.given_by,
            given.given_at // _DAY,
            record.expires_at,
        )


@dataclass(frozen=True)
class WithdrawalRow:
    """A withdrawal as it is stored."""

    withdrawal: bytes = field(repr=False)
    """A signed ``Withdrawal``."""
    expires_at: int
    log_index: int | None = None


def add_consent(connection: sa.Connection, row: ConsentRow) -> None:
    """Keep a consent. Its id is drawn here: no other row names it."""
    values = {"consent_id": secrets.token_bytes(_ID_BYTES), **vars(row)}
    connection.execute(_ADD, values)


def find_consent(connection: sa.Connection, record: RecordId) -> ConsentRow | None:
    row = connection.execute(consents.select().where(consents.c.record_id == record)).first()
    if row is None:
        return None
    return ConsentRow(**{n: one for n, one in row._mapping.items() if n != "consent_id"})


def add_withdrawal(
    connection: sa.Connection, made: Withdrawal, signed: bytes, expires_at: int
) -> WithdrawalRow:
    """Keep a signed withdrawal, and queue its entry."""
    row = WithdrawalRow(signed, expires_at)
    keys = {"withdrawal_id": made.withdrawal_id, "mark": made.mark}
    connection.execute(withdrawals.insert().values(keys | vars(row)))
    append(connection, "withdrawal", digest_of(signed), made.withdrawal_id)
    return row


def find_withdrawal(connection: sa.Connection, mark: Digest) -> WithdrawalRow | None:
    """The withdrawal with this mark, or None."""
    row = connection.execute(withdrawals.select().where(withdrawals.c.mark == mark)).first()
    if row is None:
        return None
    index = None if row.log_index is None else int(row.log_index)
    return WithdrawalRow(bytes(row.withdrawal), int(row.expires_at), index)
