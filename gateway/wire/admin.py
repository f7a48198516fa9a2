"""What operators do to a server, signed and chained: enrolments, suspensions.

Each action names the digest of the one before, so none can be dropped from the middle unnoticed.
"""

from collections.abc import Sequence
from typing import Literal

from gateway.wire.cose import SigningKey, VerifyKey, sign, verify
from gateway.wire.errors import Refused
from gateway.wire.ids import Digest, DigestField, KeyIdField, PartyId, UnixTime, digest_of
from gateway.wire.message import Message

Verb = Literal["enrol", "suspend"]
PartyKind = Literal["gateway", "device", "issuer", "agent", "outlet"]


class AdminAction(Message):
    """Signed by the server on whose register the operator acted."""

    server: PartyId
    verb: Verb
    kind: PartyKind
    party: PartyId
    key_id: KeyIdField | None
    """SHA-256 of the enrolled public key; agents and outlets have none."""
    at: UnixTime
    previous: DigestField
    """Digest of the signed action before this one; 32 zero bytes for the first."""


NO_PREVIOUS = Digest(bytes(32))


def next_action(
    previous: bytes | None,
    verb: Verb,
    kind: PartyKind,
    party: VerifyKey | PartyId,
    key: SigningKey,
    now: int,
) -> bytes:
    """Sign an action that follows ``previous``, the last signed one.

    Args:
        party: the enrolled key, or the name of a party without one.
    """
    action = AdminAction(
        server=key.party,
        verb=verb,
        kind=kind,
        party=party.party if isinstance(party, VerifyKey) else party,
        key_id=party.key_id if isinstance(party, VerifyKey) else None,
        at=now,
        previous=NO_PREVIOUS if previous is None else digest_of(previous),
    )
    return sign(action, key).encoded


def verify_chain(actions: Sequence[bytes], key: VerifyKey) -> list[AdminAction]:
    """Check signatures and order of a server's actions, oldest first.

    Raises:
        MalformedMessage: an entry is not a signed action.
        Refused: another signer, or an action is missing before one that names it.
    """
    checked: list[AdminAction] = []
    before = NO_PREVIOUS
    for encoded in actions:
        signed = verify(encoded, AdminAction, key)
        if signed.message.previous != before:
            raise Refused(f"action {len(checked) + 1} does not follow the one before it")
        before = signed.digest
        checked.append(signed.message)
    return checked
