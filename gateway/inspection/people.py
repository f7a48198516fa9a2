"""Whether the two people of a registration without a face were enrolled when it was recorded.

The statement of such a registration says with which keys agent and supervisor signed, and the
gateway's signature vouches for that. A gateway that vouches for people of its own making must
enrol them, which is an operator's action and an entry of the log. Here both are held together.
"""

from collections.abc import Sequence

from gateway.wire.admin import AdminAction, PartyKind
from gateway.wire.errors import Refused
from gateway.wire.fallback import FallbackStatement
from gateway.wire.ids import MINUTE, digest_of


def require_enrolled(stated: FallbackStatement, actions: Sequence[AdminAction]) -> None:
    """Check agent and supervisor of a statement against the operators' actions.

    Args:
        actions: checked, oldest first, of the gateway that made the statement.

    Raises:
        Refused: one of them was not enrolled with this key at that time.
    """
    people: tuple[tuple[PartyKind, str, bytes], ...] = (
        ("agent", stated.agent, stated.agent_key),
        ("supervisor", stated.supervisor, stated.supervisor_key),
    )
    for kind, party, key in people:
        own = [one for one in actions if (one.kind, one.party) == (kind, party)]
        if not _is_active(own, digest_of(key), stated.recorded_at_minute):
            raise Refused(
                f"record {stated.record_id.hex()}: {kind} {party} was not enrolled with this key"
            )


def _is_active(actions: Sequence[AdminAction], key_id: bytes, minute: int) -> bool:
    """Whether a party was enrolled with this key at some time in that minute."""
    active = False
    for action in actions:
        if action.verb == "suspend" and action.at < minute:
            active = False
        elif action.verb == "enrol" and action.at < minute + MINUTE:
            active = active or action.key_id == key_id
    return active
