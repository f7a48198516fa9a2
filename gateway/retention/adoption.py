"""The schedule in force, and how another one comes into force (protocol, section 12).

A schedule is adopted by a signed action of the operator, which is an entry of the log. From then on
new records expire by it. Records that are there expire sooner if it is shorter, and never later:
nobody is kept longer than they were told.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Literal

import sqlalchemy as sa

from gateway.retention.schedule import Adopted, BadSchedule, RetentionSchedule, draft
from gateway.store import consents, parties, retention
from gateway.store.database import Database
from gateway.store.locks import change_schedule, hold_register, hold_schedule
from gateway.store.log import hold_head
from gateway.store.parties import record_action
from gateway.store.retention import DAY
from gateway.wire import cose
from gateway.wire.admin import AdminAction, ChainKeys, Concerned, verify_chain
from gateway.wire.cose import SigningKey
from gateway.wire.errors import CallerMisuse, MalformedMessage, Refused
from gateway.wire.ids import KeyId, digest_of


def in_force(connection: sa.Connection, default_days: int) -> Adopted:
    """The schedule that was adopted last, or the built-in one with ``default_days`` for records.

    Raises:
        BadSchedule: what the database holds is no schedule.
    """
    last = retention.last_schedule(connection)
    return Adopted(draft(default_days)) if last is None else Adopted(last[1], last[0])


def expires_at(
    connection: sa.Connection, kind: Literal["decision", "fallback"], decided_at: int, default: int
) -> int:
    """When a record of this kind is due, by the schedule that stays in force until the caller's
    unit of work ends.

    Args:
        decided_at: as in its statement.
        default: days, while no schedule was adopted.
    """
    hold_schedule(connection)
    schedule = in_force(connection, default).schedule
    rule = schedule.records if kind == "decision" else schedule.fallbacks
    return decided_at + rule.days * DAY


def require_signed(connection: sa.Connection, keys: ChainKeys) -> None:
    """Check that each stored schedule was adopted by an action that the gateway signed.

    Whoever writes the database, but cannot sign, could otherwise have the reaper remove what it
    likes, with erasures that look like all others.

    Raises:
        BadSchedule: one was not, or a time was altered.
    """
    stored = {
        (str(number), KeyId(digest_of(content)), adopted_at)
        for number, content, adopted_at in retention.schedules(connection)
    }
    actions = parties.list_admin_actions(connection)
    if stored <= _signed_by_known_keys(actions, keys):
        return
    try:  # an adoption that a forgotten key signed is vouched for by every later action
        signed = {_adopted(one) for one in verify_chain(actions, keys).actions}
    except (Refused, MalformedMessage):
        signed = set()
    if wrong := sorted(number for number, *_ in stored - signed):
        raise BadSchedule(
            f"schedule {', '.join(wrong)} is not one whose adoption was signed (history): the "
            "database was altered, and nothing is removed"
        )


_Adoption = tuple[str, KeyId | None, int]


def _signed_by_known_keys(actions: Iterable[bytes], keys: ChainKeys) -> set[_Adoption | None]:
    """Adoptions whose own signature holds: nearly always all of them, and quickly told."""
    known = {key.key_id: key for key in (*keys.in_force, *keys.old)}
    found = set()
    for action in actions:
        if b"adopt" in action:
            with suppress(KeyError, Refused, MalformedMessage):
                key = known[cose.named_key(action, AdminAction)]
                found.add(_adopted(cose.verify(action, AdminAction, key).message))
    return found


def _adopted(done: AdminAction) -> _Adoption | None:
    adopted = (done.verb, done.kind) == ("adopt", "retention")
    return (done.party, done.key_id, done.at) if adopted else None


def adopt(database: Database, content: bytes, key: SigningKey, now: int) -> tuple[int, int]:
    """Put a schedule in force, and sign that.

    Returns:
        Its number, and how many records expire sooner than before.

    Raises:
        BadSchedule: not a schedule.
        CallerMisuse: it keeps records longer than an active consent text says, or it is in force.
    """
    schedule = RetentionSchedule.decode(content)
    with database.writing() as connection:
        hold_register(connection)
        change_schedule(connection)
        hold_head(connection)
        retention.be_patient(connection)
        last = retention.last_schedule(connection)
        if last is not None and last[1] == content:
            raise CallerMisuse(f"this schedule is in force, as number {last[0]}")
        _require_promises(connection, schedule.records.days)
        number = retention.add_schedule(connection, content, now)
        sooner = retention.shorten(connection, "decision", schedule.records.days)
        sooner += retention.shorten(connection, "fallback", schedule.fallbacks.days)
        about = Concerned.object("retention", str(number), Adopted(content).digest)
        record_action(connection, "adopt", about, key, now)
    return number, sooner


def _require_promises(connection: sa.Connection, days: int) -> None:
    """No active text may say a shorter period than records are kept for."""
    short = [
        str(one.version)
        for one in consents.versions(connection)
        if one.state == "active" and one.retention_days is not None and one.retention_days < days
    ]
    if short:
        raise CallerMisuse(
            f"consent texts of version {', '.join(short)} say a shorter period than {days} days: "
            "add another version, and retire those"
        )
