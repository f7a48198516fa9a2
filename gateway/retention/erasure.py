"""Erases records: one transaction deletes, and keeps a signed erasure with its entry in the log.

So there is no deletion without its entry, and no entry without its deletion. What is left is the
same whether the period ended, the subject asked, or two operators ordered it: a tombstone and a day
(``gateway.wire.erasure``).
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from gateway.host import crash
from gateway.store.erasures import ErasureRow, replace_records
from gateway.store.records import RecordRow
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.erasure import Erasure, tombstone
from gateway.wire.ids import new_record_id

DAY: Final = 24 * 3600


def erase(connection: sa.Connection, record: RecordRow, key: SigningKey, now: int) -> ErasureRow:
    """Delete a record and its consent, in the caller's transaction. Returns what is left.

    Raises:
        SessionConflict: it is held, or gone already. The transaction must not commit.
    """
    (left,) = erase_all(connection, [record], key, now)
    return left


def erase_all(
    connection: sa.Connection, leaving: Sequence[RecordRow], key: SigningKey, now: int
) -> list[ErasureRow]:
    """The same for several records. Raises as ``erase``."""
    left = [_left_of(record, key, now) for record in leaving]
    ids = [record.record_id for record in leaving]
    replace_records(connection, list(zip(ids, left, strict=True)))
    crash.reach("gateway-erasure-written")
    return left


def _left_of(record: RecordRow, key: SigningKey, now: int) -> ErasureRow:
    made = Erasure(
        gateway=key.party,
        erasure_id=new_record_id(),
        tombstone=tombstone(record.statement),
        erased_on=now // DAY,
    )
    return ErasureRow(made.erasure_id, made.tombstone, cose.sign(made, key).encoded)
