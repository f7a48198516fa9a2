"""How a match policy comes into force, and what the database must say of it afterwards.

Two operators sign it (``gateway.wire.orders``). The transaction that adopts it signs an action
(``adopt match-policy NUMBER``), which is an entry of the log and has the approval's digest. Each
order names its number and the approval before it. So an approval comes into force once, in its
place: an older one cannot be put back, whoever has its bytes.
"""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from gateway.host import crash
from gateway.proofs.approval import Approval, approval_digest, verify_approval
from gateway.store import parties, policies
from gateway.store.policies import PolicyRow
from gateway.wire.admin import AdminAction, ChainKeys, Concerned, verify_chain
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import Refused, SessionConflict
from gateway.wire.ids import Digest, KeyId, PartyId
from gateway.wire.orders import NO_APPROVAL, AgreedOrder, PolicyOrder, Verified


def next_place(connection: sa.Connection) -> tuple[int, Digest]:
    """Number of the next policy, and the approval that it names as the one before."""
    last = policies.last_policy(connection)
    if last is None:
        return 1, NO_APPROVAL
    return last.number + 1, approval_digest(last.approval)


def require_next(connection: sa.Connection, order: PolicyOrder, _now: int) -> None:
    """Raises ``SessionConflict`` if another policy came into force since it was ordered."""
    if (order.number, order.previous) != next_place(connection):
        raise SessionConflict("another policy came into force meanwhile: propose it again")


def adopt(
    connection: sa.Connection, order: PolicyOrder, verified: Verified, key: SigningKey, now: int
) -> None:
    """Put an agreed policy in force for all sessions that begin from now on."""
    agreement = verified.agreement
    kept = AgreedOrder(order=verified.order.encoded, agreement=agreement.encoded)
    policies.add_policy(connection, PolicyRow(order.number, kept.encode(), now))
    crash.reach("operator-policy-written")
    about = Concerned.object("match-policy", str(order.number), agreement.digest)
    parties.record_action(connection, "adopt", about, key, now)


def verified_policies(connection: sa.Connection, keys: ChainKeys) -> list[Approval]:
    """Every adopted policy, the last one in force; each is checked against register and history.

    Raises:
        Refused: the database was altered: an approval is missing, out of place, or not what was
            signed and adopted.
        MalformedMessage: it holds something else.
    """
    rows = policies.list_policies(connection)
    actions = verify_chain(parties.list_admin_actions(connection), keys).actions
    require_adopted(rows, actions)
    operators = _Operators(connection, actions)
    found = [verify_approval(row.approval, keys.party, operators.ever) for row in rows]
    before = NO_APPROVAL
    for number, one in enumerate(found, 1):
        if (one.order.number, one.order.previous) != (number, before):
            raise Refused(f"match policy {number} does not follow the one before it")
        before = one.digest
    return found


def require_adopted(rows: Sequence[PolicyRow], actions: Iterable[AdminAction]) -> None:
    """Check that rows and signed actions say the same. Raises ``Refused``."""
    stored = [
        (str(one.number), KeyId(approval_digest(one.approval)), one.adopted_at) for one in rows
    ]
    signed = [
        (one.party, one.key_id, one.at)
        for one in actions
        if (one.verb, one.kind) == ("adopt", "match-policy")
    ]
    if stored != signed:
        raise Refused(
            f"the history adopts {len(signed)} match policies and the database holds "
            f"{len(stored)}, or others: it was altered"
        )


class _Operators:
    """Keys of all operators whom a signed action ever enrolled, suspended since or not."""

    def __init__(self, connection: sa.Connection, actions: Iterable[AdminAction]) -> None:
        signed = {
            (one.party, one.key_id)
            for one in actions
            if (one.verb, one.kind) == ("enrol", "operator")
        }
        rows = (row for row in parties.list_parties(connection) if row.kind == "operator")
        keys = [VerifyKey(row.party, bytes(row.public_key)) for row in rows if row.public_key]
        self._keys = {key.party: key for key in keys if (key.party, key.key_id) in signed}

    def ever(self, name: PartyId) -> VerifyKey:
        """Raises ``Refused`` for somebody who never was an operator."""
        if name not in self._keys:
            raise Refused(f"operator {name} was never enrolled")
        return self._keys[name]
