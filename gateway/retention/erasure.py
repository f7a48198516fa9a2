"""Erases records: one transaction deletes, and keeps a signed erasure with its entry in the log.

So there is no deletion without its entry, and no entry without its deletion. What is left is the
same whether the period ended, the subject asked, or two operators ordered it: a tombstone and a day
(``gateway.wire.erasure``).
"""

from typing import Final

import sqlalchemy as sa

from gateway.host import crash
from gateway.store.erasures import ErasureRow, replace_record
from gateway.store.records import RecordRow
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.erasure import Erasure, tombstone
from gateway.wire.ids import new_record_id

DAY: Final = 24 * 3600


def erase(connection: sa.Connection, record: RecordRow, key: SigningKey, now: int) -> ErasureRow:
    """Delete a record and its consent, in the caller's transaction. Returns what is left.

    Raises:
        SessionConflict: it is held, or gone already.
    """
    made = Erasure(
        gateway=key.party,
        erasure_id=new_record_id(),
        tombstone=tombstone(record.statement),
        erased_on=now // DAY,
    )
    left = ErasureRow(made.erasure_id, made.tombstone, cose.sign(made, key).encoded)
    replace_record(connection, record.record_id, left)
    crash.reach("gateway-erasure-written")
    return left
