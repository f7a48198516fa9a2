"""A gateway's desk: operators with keys, records, and what operators sign about them."""

import secrets
from typing import Any

import sqlalchemy as sa

from gateway.proofs.approval import Approval
from gateway.server import orders, policy_orders, register
from gateway.server.register import Entry
from gateway.store import log, records, schema
from gateway.store.database import Database
from gateway.store.records import RecordRow
from gateway.wire import cose
from gateway.wire.admin import AdminAction, ChainKeys
from gateway.wire.cose import SigningKey
from gateway.wire.ids import RecordId, digest_of, new_record_id
from gateway.wire.message import Message
from gateway.wire.orders import (
    Agreement,
    ErasureOrder,
    Hold,
    Order,
    PolicyOrder,
    ReleaseOrder,
    kind_of,
)
from tests.support.parties import GATEWAY, NOW
from tests.vectors import golden
from tests.vectors.ordered import PROPOSAL

DAY = 86_400
KEYS = ChainKeys((GATEWAY.public,))


class Desk:
    """One database, one clock, and operators who act on it."""

    def __init__(self, database: Database, now: int = NOW, gateway: SigningKey = GATEWAY) -> None:
        self.database = database
        self.now = now
        self.gateway = gateway
        self.keys = ChainKeys((gateway.public,))

    def operator(self, name: str | None = None, key: SigningKey | None = None) -> SigningKey:
        """A new operator, enrolled."""
        name = name or f"operator-{secrets.token_hex(4)}"
        made = key or SigningKey.generate(name)
        entry = Entry("operator", name, made.public.raw)
        register.enrol(self.database, [entry], self.gateway, self.now)
        return made

    def suspend(self, operator: SigningKey) -> None:
        register.suspend(self.database, "operator", operator.party, self.gateway, self.now)

    def record(self, expires_at: int | None = None) -> RecordId:
        """A new record with its consent and its entry in the queue."""
        record = new_record_id()
        commitment = secrets.token_bytes(32)
        stated = golden.STATEMENT.model_copy(
            update={"record_id": record, "activation_commitment": commitment}
        )
        statement = cose.sign(stated, self.gateway).encoded
        row = RecordRow(
            record_id=record,
            kind="decision",
            outcome="MATCH",
            policy_digest=stated.policy_digest,
            subject_handle=secrets.token_bytes(32),
            activation_commitment=commitment,
            statement=statement,
            decided_at=stated.decided_at_minute,
            expires_at=self.now + 180 * DAY if expires_at is None else expires_at,
        )
        consent = {
            "consent_id": secrets.token_bytes(16),
            "record_id": record,
            "digest": stated.consent_digest,
            "text_version": 1,
            "given_by": "subject",
            "given_on": self.now // DAY,
            "expires_at": row.expires_at,
        }
        with self.database.transaction() as connection:
            records.add_record(connection, row)
            connection.execute(schema.consents.insert().values(consent))
            log.append(connection, "decision", digest_of(statement), record)
        return record

    def row(self, record: RecordId) -> RecordRow | None:
        with self.database.transaction() as connection:
            return records.find_record(connection, record)

    # What operators sign

    def signed(self, kind: type[Order], by: SigningKey, **given: Any) -> bytes:
        """An order; any of its fields may be given."""
        fields = {
            "gateway": self.gateway.party,
            "order_id": new_record_id(),
            "salt": secrets.token_bytes(32),
            "operator": by.party,
            "ordered_at": self.now,
        }
        return signed_by(by, kind(**(fields | given)))

    def erasure(self, by: SigningKey, record: RecordId, **given: Any) -> bytes:
        given = {"reason": "subject-request", **given}
        return self.signed(ErasureOrder, by, record_id=record, **given)

    def placed(self, order: bytes) -> RecordId:
        """Place an order, and return its id."""
        orders.place(self.database, order, self.gateway.party, self.now)
        return cose.peek(order, kind_of(order)).order_id

    def ordered(self, operator: SigningKey, record: RecordId) -> tuple[RecordId, bytes]:
        order = self.erasure(operator, record)
        return self.placed(order), order

    def released(self, operator: SigningKey, hold: RecordId) -> tuple[RecordId, bytes]:
        order = self.signed(ReleaseOrder, operator, hold_id=hold, reason="order-lifted")
        return self.placed(order), order

    def proposal(self, by: SigningKey, **given: Any) -> bytes:
        """A policy order, in the next place unless another one is given."""
        with self.database.transaction() as connection:
            number, previous = policy_orders.next_place(connection)
        given = {"number": number, "previous": previous, "proposal": PROPOSAL, **given}
        return self.signed(PolicyOrder, by, **given)

    def proposed(self, operator: SigningKey, **given: Any) -> tuple[RecordId, bytes]:
        order = self.proposal(operator, **given)
        return self.placed(order), order

    def adopted(self, first: SigningKey, second: SigningKey, **given: Any) -> Approval:
        """A policy in force."""
        order_id, order = self.proposed(first, **given)
        self.agree(order_id, self.agreement(second, order))
        return self.policies()[-1]

    def policies(self) -> list[Approval]:
        with self.database.transaction() as connection:
            return policy_orders.verified_policies(connection, self.keys)

    def agreement(self, by: SigningKey, order: bytes, **given: Any) -> bytes:
        fields = {
            "gateway": self.gateway.party,
            "order": digest_of(order),
            "operator": by.party,
            "agreed_at": self.now,
        }
        return signed_by(by, Agreement(**(fields | given)))

    def agree(self, order_id: RecordId, agreement: bytes) -> None:
        orders.agree(self.database, order_id, agreement, self.gateway, self.keys, self.now)

    def hold(self, by: SigningKey, record: RecordId, days: int = 90, **given: Any) -> bytes:
        fields = {
            "gateway": self.gateway.party,
            "hold_id": new_record_id(),
            "salt": secrets.token_bytes(32),
            "record_id": record,
            "reason": "court-order",
            "until": self.now + days * DAY,
            "operator": by.party,
            "placed_at": self.now,
        }
        return signed_by(by, Hold(**(fields | given)))

    def held(self, operator: SigningKey, record: RecordId, days: int = 90) -> RecordId:
        """Hold a record, and return the hold's id."""
        hold = self.hold(operator, record, days)
        orders.place_hold(self.database, hold, self.gateway, self.keys, self.now)
        return cose.peek(hold, Hold).hold_id

    # What is there

    def actions(self) -> tuple[AdminAction, ...]:
        return register.history(self.database, self.keys)

    def write(self, *statements: sa.Executable) -> None:
        """What somebody does who writes the database and has no key of the gateway."""
        with self.database.writing() as connection:
            for one in statements:
                connection.execute(one)

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, binary as bytes."""
        with self.database.transaction() as connection:
            return {
                table.name: sorted(
                    (
                        tuple(_plain(cell) for cell in row)
                        for row in connection.execute(table.select())
                    ),
                    key=repr,
                )
                for table in schema.metadata.sorted_tables
            }

    def rows_with(self, *needles: bytes) -> list[tuple[str, tuple[Any, ...]]]:
        """Rows in which all of these bytes stand, raw or in hexadecimal."""
        return [
            (table, row)
            for table, rows in self.dump().items()
            for row in rows
            if all(_stands_in(needle, row) for needle in needles)
        ]


def signed_by(operator: SigningKey, message: Message) -> bytes:
    return cose.sign(message, operator).encoded


def _plain(cell: Any) -> Any:
    return bytes(cell) if isinstance(cell, bytes | memoryview) else cell


def _stands_in(needle: bytes, row: tuple[Any, ...]) -> bool:
    cells = [cell if isinstance(cell, bytes) else str(cell).encode() for cell in row]
    return any(needle in cell or needle.hex().encode() in cell.lower() for cell in cells)
