"""Legal holds: placed by one operator, extended by a new one, ended by time or by two operators.

While a record has a hold, it is neither reaped nor erased (``store.erasures``). Each change is a
signed action of the history, in the same transaction, so the history says which holds there are:
those that were placed and not released. An action names a hold by its id, and by digest the signed
object that says why:

    hold      the ``Hold``
    release   its end has passed: the ``Hold`` itself; extended: the new ``Hold``; by order of two
              operators: the ``Agreement``, which names the order

Each function works inside a transaction that its caller opened with ``Database.writing``, and that
holds the register (``locks.hold_register``) before it locks any record.
"""

import logging
from typing import Final

import sqlalchemy as sa

from gateway.host import crash
from gateway.store import holds as stored
from gateway.store.holds import HoldRow
from gateway.store.parties import record_action
from gateway.wire import cose
from gateway.wire.admin import Concerned
from gateway.wire.cose import Signed, SigningKey
from gateway.wire.errors import MalformedMessage, SessionConflict
from gateway.wire.ids import Digest, RecordId, digest_of
from gateway.wire.orders import Hold

log = logging.getLogger("sealmatch.retention")

BATCH: Final = 500
"""Holds that one transaction ends."""


def place(connection: sa.Connection, hold: Signed[Hold], key: SigningKey, now: int) -> None:
    """Hold a record, or extend what holds it. The caller has verified who signed.

    Raises:
        SessionConflict: no such record, or it is held for as long or longer.
    """
    message = hold.message
    if not stored.keep_records(connection, [message.record_id]):
        raise SessionConflict("there is no such record: unknown, expired or erased")
    before = stored.hold_of(connection, message.record_id)
    if before is not None and before.until >= message.until:
        raise SessionConflict(
            "the record is held for as long or longer (hold list); to end a hold sooner takes two "
            "operators: hold release"
        )
    if before is not None:
        _remove(connection, before.hold_id, hold.digest, key, now)
    stored.add_hold(
        connection,
        HoldRow(message.hold_id, message.record_id, message.reason, message.until, hold.encoded),
    )
    record_action(connection, "hold", _concerned(message.hold_id, hold.digest), key, now)
    crash.reach("operator-hold-written")


def release(
    connection: sa.Connection, hold_id: RecordId, agreement: Digest, key: SigningKey, now: int
) -> None:
    """End a hold before its time, as two operators ordered. ``agreement``: of the signed one.

    Raises:
        SessionConflict: it is gone.
    """
    _remove(connection, hold_id, agreement, key, now)


def end_if_over(connection: sa.Connection, record: RecordId, key: SigningKey, now: int) -> None:
    """Remove the hold of a record if its end has passed."""
    held = stored.hold_of(connection, record)
    if held is not None and _signed_end(held) <= now:
        _remove(connection, held.hold_id, digest_of(held.hold), key, now)


def remove_ended(connection: sa.Connection, key: SigningKey, now: int, limit: int = BATCH) -> int:
    """Remove at most ``limit`` holds whose end has passed; their records are due as any other. One
    whose end was moved in the database gets the signed one again. Returns how many it removed:
    the caller repeats, in further transactions, until that is 0."""
    removed = 0
    ended = stored.ended_holds(connection, now, limit)
    for one in ended:
        if (end := _signed_end(one)) > now:
            stored.set_end(connection, one.hold_id, end)
            log.error("retention: a legal hold was to end before its time; it holds until then")
        else:
            _remove(connection, one.hold_id, digest_of(one.hold), key, now)
            removed += 1
    return removed


def _signed_end(row: HoldRow) -> int:
    """As the operator signed it. What is no hold proves nothing, and is the inspection's to find:
    the history has the digest of what was placed."""
    try:
        return cose.peek(row.hold, Hold).until
    except MalformedMessage:
        return row.until


def _remove(
    connection: sa.Connection, hold_id: RecordId, why: Digest, key: SigningKey, now: int
) -> None:
    stored.remove_hold(connection, hold_id)
    record_action(connection, "release", _concerned(hold_id, why), key, now)


def _concerned(hold_id: RecordId, digest: Digest) -> Concerned:
    return Concerned.object("legal-hold", hold_id.hex(), digest)
