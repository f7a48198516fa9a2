"""The gateway's register of parties, and the signed record of who changed it.

Each change and its record are one transaction: there is no change without a record.
"""

import re

from gateway.store import repositories as store
from gateway.store.database import Database
from gateway.wire.admin import AdminAction, next_action, verify_chain
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import PARTY_PATTERN, PartyId

PARTY = re.compile(PARTY_PATTERN)
KEYED = ("device", "issuer")


def enrol(
    database: Database,
    kind: store.PartyKind,
    party: PartyId,
    public_key: bytes | None,
    key: SigningKey,
    now: int,
) -> None:
    """Enrol a party, or bring back a suspended one; nothing happens if it is active already.

    Raises:
        CallerMisuse: not a name; a device or issuer without a key, an agent or outlet with one.
        SessionConflict: the name is taken by another key, or the key by another name.
    """
    if not PARTY.fullmatch(party):
        raise CallerMisuse("a name has 1 to 63 lower-case letters, digits, dots and hyphens")
    if (kind in KEYED) != (public_key is not None):
        raise CallerMisuse("devices and issuers have a public key; agents and outlets have none")
    named = party if public_key is None else VerifyKey(party, public_key)
    with database.transaction() as connection:
        if not store.enrol_party(connection, kind, party, public_key):
            return
        actions = store.list_admin_actions(connection)
        before = actions[-1] if actions else None
        action = next_action(before, "enrol", kind, named, key, now)
        store.add_admin_action(connection, action)


def suspend(
    database: Database, kind: store.PartyKind, party: PartyId, key: SigningKey, now: int
) -> None:
    """Suspend a party.

    Raises:
        SessionConflict: not enrolled.
    """
    with database.transaction() as connection:
        store.suspend_party(connection, kind, party)
        actions = store.list_admin_actions(connection)
        before = actions[-1] if actions else None
        action = next_action(before, "suspend", kind, party, key, now)
        store.add_admin_action(connection, action)


def history(database: Database, key: VerifyKey) -> list[AdminAction]:
    """Every action, oldest first, signatures and order checked.

    Raises:
        Refused: an action was altered or dropped.
    """
    with database.transaction() as connection:
        actions = store.list_admin_actions(connection)
    return verify_chain(actions, key)
