"""The gateway's register of parties, and the signed record of what operators did.

One transaction writes a change, its signed record and the record's entry in the log's queue. So
there is no change without a record. Each record names the one before. So operators change the
register one after the other: the second one waits.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from gateway.store import log as stored_log
from gateway.store import parties
from gateway.store.database import Database
from gateway.store.locks import hold_register
from gateway.wire.admin import (
    AdminAction,
    Chain,
    ChainKeys,
    Concerned,
    PartyKind,
    Verb,
    next_action,
    verify_chain,
)
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import PARTY_PATTERN, PartyId, digest_of

PARTY = re.compile(PARTY_PATTERN)
KEYED = ("device", "issuer", "witness", "auditor", "supervisor", "operator")
MAY_BE_KEYED = ("agent",)
"""An agent has a key who records registrations without a face."""


class Entry(NamedTuple):
    """A party to be enrolled."""

    kind: PartyKind
    party: PartyId
    public_key: bytes | None
    """Raw Ed25519 key, 32 bytes. Outlets have none; agents may have one."""

    def check(self) -> None:
        """Raise ``CallerMisuse`` for a malformed name, and for a missing or superfluous key."""
        if not PARTY.fullmatch(self.party):
            raise CallerMisuse("a name has 1 to 63 lower-case letters, digits, dots and hyphens")
        keyed = self.public_key is not None
        if self.kind not in MAY_BE_KEYED and (self.kind in KEYED) != keyed:
            raise CallerMisuse(
                "outlets have no public key, agents may have one, and all others have one"
            )


def enrol(database: Database, entries: Iterable[Entry], key: SigningKey, now: int) -> None:
    """Enrol parties, all or none. Suspended ones become active again; active ones are skipped.

    Raises:
        CallerMisuse: as ``Entry.check``.
        SessionConflict: a name is taken by another key, or a key by another name.
    """
    with database.writing() as connection:
        hold_register(connection)
        before = parties.last_admin_action(connection)
        for entry in entries:
            entry.check()
            kind, party, public_key = entry
            if not parties.enrol_party(connection, kind, party, public_key):
                continue
            key_id = None if public_key is None else VerifyKey(party, public_key).key_id
            before = next_action(before, "enrol", Concerned(kind, party, key_id), key, now)
            _add(connection, before)


def suspend(database: Database, kind: PartyKind, party: PartyId, key: SigningKey, now: int) -> None:
    """Suspend a party.

    Raises:
        SessionConflict: not enrolled.
    """
    with database.writing() as connection:
        hold_register(connection)
        parties.suspend_party(connection, kind, party)
        record(connection, "suspend", Concerned(kind, party), key, now)


def record(
    connection: sa.Connection, verb: Verb, concerned: Concerned, key: SigningKey, now: int
) -> None:
    """Sign what the caller's transaction does, which holds the register."""
    parties.record_action(connection, verb, concerned, key, now)


def history(database: Database, keys: ChainKeys) -> tuple[AdminAction, ...]:
    """Return every action, oldest first. Signatures and order are checked.

    Raises:
        Refused: an action was altered or dropped.
    """
    return chain(database, keys).actions


def chain(database: Database, keys: ChainKeys) -> Chain:
    """The same with the signed bytes. Raises as ``history``."""
    with database.transaction() as connection:
        actions = parties.list_admin_actions(connection)
    return verify_chain(actions, keys)


def checked(actions: Sequence[bytes], keys: ChainKeys) -> tuple[AdminAction, ...]:
    """Signed actions, oldest first, read and checked. Raises as ``history``."""
    return verify_chain(actions, keys).actions


def _add(connection: sa.Connection, action: bytes) -> None:
    parties.add_admin_action(connection, action)
    stored_log.append(connection, "admin", digest_of(action))
