"""A subscriber who asks for what is theirs, and those who ask for what is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.client.registration import Registration
from gateway.retention.holds import place
from gateway.store.database import Database
from gateway.store.locks import hold_register
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.erasure import tombstone
from gateway.wire.ids import Digest, RecordId, new_record_id
from gateway.wire.orders import Hold
from gateway.wire.proof import Receipt
from gateway.wire.rights import SignedSubjectRequest, SubjectAnswer, SubjectRequest
from gateway.wire.subject import new_salt
from tests.support.samples import Clock, occasion, pair
from tests.support.world import World

DAY = 24 * 3600


@dataclass(frozen=True)
class Subscriber:
    """Somebody with a receipt and its opening."""

    world: World
    done: Registration

    @classmethod
    def registered(cls, world: World, number: str | None = None, cosine: float = 0.7) -> Subscriber:
        """A match; a mismatch with another cosine."""
        given = occasion(number)
        return cls(world, world.client.register(*pair(cosine), given))

    @property
    def record_id(self) -> RecordId:
        return self.done.record_id

    @property
    def statement(self) -> bytes:
        return Receipt.decode(self.done.receipt).statement

    @property
    def tombstone(self) -> Digest:
        return tombstone(self.statement)

    def asks(self, wish: str, **changed: Any) -> SubjectAnswer:
        """Ask the gateway's service; ``changed`` replaces fields of the request."""
        device: SigningKey = changed.pop("key", self.world.counter.device)
        return self.world.rights.answer(self.request(wish, key=device, **changed), device.public)

    def request(self, wish: str, **changed: Any) -> SignedSubjectRequest:
        device: SigningKey = changed.pop("key", self.world.counter.device)
        given = {
            "gateway": self.world.counter.gateway,
            "device": device.party,
            "record_id": self.record_id,
            "wish": wish,
            "secret": self.done.opening.erasure_secret,
            "requested_at": self.world.clock(),
        }
        signed = cose.sign(SubjectRequest(**{**given, **changed}), device)
        return SignedSubjectRequest(request=signed.encoded)


def hold(database: Database, record: RecordId, key: SigningKey, now: int, days: int = 30) -> Hold:
    """An operator holds a record."""
    made = Hold(
        gateway=key.party,
        hold_id=new_record_id(),
        salt=new_salt(),
        record_id=record,
        reason="court-order",
        until=now + days * DAY,
        operator="operator",
        placed_at=now,
    )
    signed = cose.sign(made, SigningKey.generate("operator"))
    with database.writing() as connection:
        hold_register(connection)
        place(connection, signed, key, now)
    return made


def later(world: World, seconds: int) -> None:
    """Let time pass, for a world with a clock of its own."""
    assert isinstance(world.clock, Clock)
    world.clock.now += seconds


def columns_of(answer: SubjectAnswer) -> list[tuple[str, str, Any]]:
    """Table, column and value of everything in a copy."""
    assert answer.kept is not None
    return [(row.table, one.name, one.value) for row in answer.kept.rows for one in row.columns]
