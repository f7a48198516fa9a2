"""Enrolled parties, and the signed record of what operators did to the register.

Each function works inside a transaction that its caller opened.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

import sqlalchemy as sa

from gateway.store.log import append
from gateway.store.schema import admin_actions, parties
from gateway.wire.admin import Concerned, PartyKind, Verb, next_action
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import Refused, SessionConflict
from gateway.wire.ids import KeyId, PartyId, digest_of

_APART: Final[dict[PartyKind, PartyKind]] = {"agent": "supervisor", "supervisor": "agent"}
"""Two people. One key must not be enrolled for both."""

KINDS: Final[tuple[PartyKind, ...]] = (
    *("device", "issuer", "agent", "outlet", "witness", "auditor"),
    *("supervisor", "operator"),
)


_PARTY: Final = parties.select().where(
    parties.c.kind == sa.bindparam("kind"), parties.c.party == sa.bindparam("party")
)
_BY_KEY_ID: Final = parties.select().where(
    parties.c.key_id == sa.bindparam("key_id"),
    parties.c.kind.in_(sa.bindparam("kinds", expanding=True)),
    parties.c.state == "active",
)


def enrol_party(
    connection: sa.Connection, kind: PartyKind, party: PartyId, public_key: bytes | None
) -> bool:
    """Enrol a party, or bring back a suspended one with the same key.

    Returns:
        Whether anything changed.

    Raises:
        SessionConflict: the name is taken by another key, or the key by another name; or an agent's
            key is a supervisor's as well.
    """
    held = _party(connection, kind, party)
    key_id = None if public_key is None else VerifyKey(party, public_key).key_id
    new_key = key_id is not None and (held is None or held.public_key is None)
    if new_key and _names_of(connection, kind, key_id):
        raise SessionConflict(f"this key is enrolled under another name as {kind}")
    if new_key and kind in _APART and _names_of(connection, _APART[kind], key_id):
        raise SessionConflict(
            f"this key is enrolled as {_APART[kind]}: agent and supervisor are two people"
        )
    if held is None:
        connection.execute(
            parties.insert().values(
                kind=kind, party=party, public_key=public_key, key_id=key_id, state="active"
            )
        )
    elif new_key and kind == "agent":
        _give_key(connection, party, public_key, key_id)
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


def hold_parties(connection: sa.Connection, named: Sequence[tuple[PartyKind, PartyId]]) -> None:
    """Check that parties are active, and keep them so until this unit of work ends.

    A suspension of one of them waits for the end. So in the log no record of a party comes after
    its suspension. Only active parties' rows are locked, and only a suspension waits for them, so
    there is no deadlock.

    Raises:
        Refused: one is not enrolled, or not any more.
    """
    _hold(connection, named)


def hold_keys(
    connection: sa.Connection,
    keyed: Mapping[tuple[PartyKind, PartyId], VerifyKey],
    named: Sequence[tuple[PartyKind, PartyId]],
) -> None:
    """As ``hold_parties``; parties of which signatures were checked still have the same keys.

    Raises:
        Refused: also for another key.
    """
    found = _hold(connection, [*keyed, *named])
    for (kind, party), key in keyed.items():
        if found[kind, party] != key.raw:
            raise Refused(f"{kind} {party} is enrolled with another key")


@cache
def _active(count: int) -> sa.Select[tuple[str, str, bytes | None]]:
    """So many parties, by kind and name, with their rows locked."""
    one_of = [
        sa.and_(
            parties.c.kind == sa.bindparam(f"kind{n}"), parties.c.party == sa.bindparam(f"party{n}")
        )
        for n in range(count)
    ]
    query = sa.select(parties.c.kind, parties.c.party, parties.c.public_key).where(
        sa.or_(*one_of), parties.c.state == "active"
    )
    return query.order_by("kind", "party").with_for_update(read=True)


def _hold(
    connection: sa.Connection, named: Sequence[tuple[PartyKind, PartyId]]
) -> dict[tuple[str, str], bytes | None]:
    """The keys of active parties, which stay so."""
    wanted = set(named)
    values = {
        f"{name}{n}": value
        for n, one in enumerate(wanted)
        for name, value in zip(("kind", "party"), one, strict=True)
    }
    held = connection.execute(_active(len(wanted)), values)
    found = {(row.kind, row.party): row.public_key for row in held}
    if missing := wanted - found.keys():
        raise Refused("not enrolled: " + ", ".join(f"{kind} {party}" for kind, party in missing))
    return found


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


def holder_by_key_id(connection: sa.Connection, key_id: bytes) -> VerifyKey | None:
    """The enrolled, active device, witness or auditor that signs with this key, or None."""
    return _by_key_id(connection, key_id, ("device", "witness", "auditor"))


def list_parties(connection: sa.Connection) -> Sequence[sa.Row[tuple[str, str, bytes, bytes, str]]]:
    return connection.execute(parties.select().order_by(parties.c.kind, parties.c.party)).all()


def add_admin_action(connection: sa.Connection, action: bytes) -> None:
    """Append a signed action after the last one. The caller holds the register and has read that
    one."""
    query = sa.select(sa.func.coalesce(sa.func.max(admin_actions.c.number), 0))
    number = int(connection.execute(query).scalar_one()) + 1
    connection.execute(admin_actions.insert().values(number=number, action=action))


def record_action(
    connection: sa.Connection, verb: Verb, concerned: Concerned, key: SigningKey, now: int
) -> None:
    """Sign what the caller's transaction does, as the next action and entry of the log. The caller
    holds the register."""
    action = next_action(last_admin_action(connection), verb, concerned, key, now)
    add_admin_action(connection, action)
    append(connection, "admin", digest_of(action))


def last_admin_action(connection: sa.Connection) -> bytes | None:
    """The newest signed action, which the next one names; None if there is none."""
    query = sa.select(admin_actions.c.action).order_by(admin_actions.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else bytes(row.action)


def list_admin_actions(connection: sa.Connection) -> list[bytes]:
    """All signed actions, oldest first."""
    query = sa.select(admin_actions.c.action).order_by(admin_actions.c.number)
    return [bytes(row.action) for row in connection.execute(query)]


def _party(
    connection: sa.Connection, kind: PartyKind, party: PartyId
) -> sa.Row[tuple[str, str, bytes, bytes, str]] | None:
    return connection.execute(_PARTY, {"kind": kind, "party": party}).first()


def _by_key_id(
    connection: sa.Connection, key_id: bytes, kinds: Sequence[PartyKind]
) -> VerifyKey | None:
    row = connection.execute(_BY_KEY_ID, {"key_id": key_id, "kinds": kinds}).first()
    return None if row is None else VerifyKey(row.party, bytes(row.public_key))


def _names_of(connection: sa.Connection, kind: PartyKind, key_id: KeyId | None) -> bool:
    query = sa.select(sa.exists().where(parties.c.kind == kind, parties.c.key_id == key_id))
    return bool(connection.execute(query).scalar())


def _give_key(
    connection: sa.Connection, agent: PartyId, public_key: bytes | None, key_id: KeyId | None
) -> None:
    """An agent without a key gets one, and is active."""
    one = parties.update().where(parties.c.kind == "agent", parties.c.party == agent)
    connection.execute(one.values(public_key=public_key, key_id=key_id, state="active"))


def _set_state(connection: sa.Connection, kind: PartyKind, party: PartyId, state: str) -> None:
    connection.execute(
        parties.update().where(parties.c.kind == kind, parties.c.party == party).values(state=state)
    )
