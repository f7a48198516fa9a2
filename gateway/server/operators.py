"""Which operators count at this moment: by the register, and by its signed history.

The register alone does not do. Whoever writes the database, but cannot sign for the gateway, could
enter a second operator with a key of one's own, and agree to one's own order.
"""

import sqlalchemy as sa

from gateway.store import parties
from gateway.wire.admin import ChainKeys, verify_chain
from gateway.wire.cose import VerifyKey
from gateway.wire.errors import Refused
from gateway.wire.ids import PartyId, RecordId


def registered(connection: sa.Connection, name: PartyId) -> VerifyKey:
    """The key of an operator whom the register has as active.

    Raises:
        Refused: it has no such one.
    """
    try:
        return parties.party_key(connection, "operator", name)
    except Refused:
        raise Refused(f"operator {name} is not enrolled, or is suspended") from None


class Operators:
    """The operators, as one transaction sees them, which holds the register."""

    def __init__(self, connection: sa.Connection, keys: ChainKeys) -> None:
        """Read and check the history.

        Args:
            keys: the gateway's, which sign it.

        Raises:
            Refused: the history was altered.
        """
        self._connection = connection
        actions = verify_chain(parties.list_admin_actions(connection), keys).actions
        self._actions = [one for one in actions if one.kind == "operator"]
        self._holds = {one.party for one in actions if one.kind == "legal-hold"}

    def enrolled(self, name: PartyId) -> VerifyKey:
        """The key of an enrolled, active operator.

        Raises:
            Refused: unknown, suspended, or entered into the register by nobody's signed action.
        """
        key = registered(self._connection, name)
        about = [one for one in self._actions if one.party == name]
        if not about or about[-1].verb != "enrol" or about[-1].key_id != key.key_id:
            raise Refused(f"no signed action enrolled this key of operator {name} (history)")
        return key

    def require_never_suspended_since(self, name: PartyId, at: int) -> None:
        """What an operator signed is void after a suspension, even if it was taken back.

        Raises:
            Refused: the operator was suspended at that time or later.
        """
        for one in self._actions:
            if one.party == name and one.verb == "suspend" and one.at >= at:
                raise Refused(f"the order is void: operator {name} was suspended after it")

    def require_new_hold(self, hold_id: RecordId) -> None:
        """A hold is placed once. Its signed bytes stand in backups after it was released, and would
        let anybody who opens the keystore place it again in the operator's name.

        Raises:
            Refused: the history has it already.
        """
        if hold_id.hex() in self._holds:
            raise Refused("this hold was placed before: an operator signs a new one")
