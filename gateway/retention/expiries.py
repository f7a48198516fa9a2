"""Which records may go now: by the time in their signed statement, not by a column alone.

Whoever writes the database, but cannot sign for the gateway, could move an expiry. The reaper would
erase the record with a signed erasure like all others, and nothing would tell it from one whose
time was over. So a record goes no sooner than the shortest schedule allows that was in force since
its decision, unless its subject has withdrawn consent (then a hold ended). One that was to go
sooner gets its own end again. Before the first schedule was adopted, a setting held that nobody
signed: records of that time go when their column says.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from gateway.retention.schedule import RetentionSchedule
from gateway.store import retention
from gateway.store.consent_records import find_withdrawal
from gateway.store.records import RecordRow, set_end
from gateway.store.retention import DAY
from gateway.wire import cose
from gateway.wire.admin import ChainKeys
from gateway.wire.erasure import Withdrawal, withdrawal_mark
from gateway.wire.errors import MalformedMessage, Refused

log = logging.getLogger("sealmatch.retention")


def leaving(
    connection: sa.Connection,
    due: Sequence[RecordRow],
    keys: ChainKeys,
    now: int,
) -> list[RecordRow]:
    """Those of these records that may go; the others get their own end again.

    Args:
        keys: the gateway's, which sign withdrawals.

    Raises:
        BadSchedule: what the database holds is no schedule.
    """
    schedules = [
        (at, RetentionSchedule.decode(one)) for _, one, at in retention.schedules(connection)
    ]
    going, moved = [], 0
    for row in due:
        own = replace(row, decided_at=_decided_at(row))
        own = replace(own, expires_at=own.decided_at + _days(schedules, own) * DAY)
        if own.expires_at <= now or _is_withdrawn(connection, row, keys):
            going.append(row)
        else:
            set_end(connection, own)
            moved += 1
    if moved:
        log.error("retention: %d records were to go before their time; they stay until then", moved)
    return going


def _days(schedules: Sequence[tuple[int, RetentionSchedule]], row: RecordRow) -> int:
    """The shortest period that was in force since the decision; 0: it is not known."""
    if not schedules or row.decided_at <= schedules[0][0]:
        return 0
    ends = [*(at for at, _ in schedules[1:]), row.decided_at]  # the last one has no end
    return min(
        (one.fallbacks if row.kind == "fallback" else one.records).days
        for (_, one), end in zip(schedules, ends, strict=True)
        if end >= row.decided_at
    )


def _decided_at(row: RecordRow) -> int:
    """As signed. A statement that is none proves nothing, and is the inspection's to find."""
    from gateway.wire.fallback import FallbackStatement  # noqa: PLC0415  both load numpy, which
    from gateway.wire.proof import Statement  # noqa: PLC0415  operators' commands do without

    try:
        if row.kind == "fallback":
            return cose.peek(row.statement, FallbackStatement).recorded_at_minute
        return cose.peek(row.statement, Statement).decided_at_minute
    except MalformedMessage:
        return row.decided_at


def _is_withdrawn(connection: sa.Connection, row: RecordRow, keys: ChainKeys) -> bool:
    mark = withdrawal_mark(row.statement)
    held = find_withdrawal(connection, mark)
    if held is None:
        return False
    known = {key.key_id: key for key in (*keys.in_force, *keys.old)}
    try:
        signer = known[cose.named_key(held.withdrawal, Withdrawal)]
        return cose.verify(held.withdrawal, Withdrawal, signer).message.mark == mark
    except (KeyError, MalformedMessage, Refused):
        return False
