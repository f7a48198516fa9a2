"""When an audit is demanded, and what happens to a gateway that leaves demands unanswered.

The coin is tossed after values and shares have arrived and before anything is compared. So the
gateway cannot foresee the coin, and the coin cannot depend on an outcome that does not exist. A
cheating gateway would simply abandon every audited session. So a demand is on disk before it
leaves, and is removed when its report has come. After a few unanswered demands the gateway gets no
decision any more, until the authority's operator has looked into it and cleared them (protocol,
section 10).

Of an unanswered demand, the gateway's name and the time by which the report was due are stored,
until the operator clears it, or for ``KEPT_SECONDS``. Of an answered demand nothing is stored.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, NewType

from gateway.host import crash
from gateway.wire.errors import Refused
from gateway.wire.ids import PartyId
from keys.places import Place, open_storage

DemandId = NewType("DemandId", int)

KEPT_SECONDS: Final = 180 * 24 * 3600
"""For an unanswered demand: as long as a gateway's records by default. Afterwards there is nothing
left that an operator could look into."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS demands (
    id {id},
    gateway TEXT NOT NULL,
    due {number} NOT NULL
);
CREATE INDEX IF NOT EXISTS demands_gateway ON demands (gateway, due);
"""


class StoredDemand(NamedTuple):
    """A demand as a backup has it."""

    gateway: str
    due: int


@dataclass(frozen=True)
class AuditPolicy:
    """What the operator decides."""

    one_in: int
    """An audit is demanded of one evaluation in this many; 0: never."""
    seconds: int
    """Time in which the report must come."""
    unanswered: int
    """Demands left unanswered after which a gateway gets no decision."""


def coin(one_in: int, draw: Callable[[int], int] = secrets.randbelow) -> bool:
    """Whether this evaluation is audited: once in ``one_in`` times on average, never for 0.

    Args:
        draw: uniform below its argument, unpredictable.
    """
    return one_in > 0 and draw(one_in) == 0


class AuditLedger:
    """Demands without a report, in a database of their own or a shared one. Thread-safe."""

    def __init__(self, place: Place, unanswered: int, clock: Callable[[], int]) -> None:
        """Open or create the database.

        Raises:
            Unavailable: it cannot be opened.
        """
        self._unanswered = unanswered
        self._clock = clock
        self._ledger = open_storage(place, _SCHEMA, "the ledger of audits")

    def require_answering(self, gateway: PartyId) -> None:
        """Check that a gateway answers its demands.

        Raises:
            Refused: it has left too many unanswered.
            Unavailable: the storage failed; nothing may be answered.
        """
        with self._ledger.looking() as unit:
            [(count,)] = unit.run(
                "SELECT count(*) FROM demands WHERE gateway = :gateway AND due <= :now",
                gateway=gateway,
                now=self._clock(),
            )
        if count >= self._unanswered:
            raise Refused(f"{gateway} has left too many audits unanswered")

    def demand(self, gateway: PartyId, due: int) -> DemandId:
        """Note a demand, durably, before it leaves.

        Raises:
            Unavailable: the storage failed; neither the demand nor a decision may leave.
        """
        with self._ledger.writing() as unit:
            [(number,)] = unit.run(f"{_ADDING} RETURNING id", gateway=gateway, due=due)
            crash.reach("authority-demand-written")
            return DemandId(int(number))

    def answered(self, demand: DemandId) -> None:
        """Forget a demand whose report has come.

        Raises:
            Unavailable: the storage failed; the decision must not leave.
        """
        with self._ledger.writing() as unit:
            unit.run("DELETE FROM demands WHERE id = :demand", demand=demand)
            crash.reach("authority-answer-written")

    def unanswered(self) -> dict[PartyId, int]:
        """How many demands are overdue, by gateway.

        Raises:
            Unavailable: the storage failed.
        """
        with self._ledger.looking() as unit:
            rows = unit.run(
                "SELECT gateway, count(*) FROM demands WHERE due <= :now GROUP BY gateway",
                now=self._clock(),
            )
        return {gateway: int(count) for gateway, count in rows}

    def clear(self, gateway: PartyId) -> int:
        """Forget a gateway's unanswered demands; returns how many there were.

        Raises:
            Unavailable: the storage failed.
        """
        with self._ledger.writing() as unit:
            done = unit.run(
                "DELETE FROM demands WHERE gateway = :gateway AND due <= :now RETURNING id",
                gateway=gateway,
                now=self._clock(),
            )
            return len(done)

    def sweep(self) -> None:
        """Forget what is too old to be looked into. Raises ``Unavailable``."""
        with self._ledger.writing() as unit:
            old = self._clock() - KEPT_SECONDS
            unit.run("DELETE FROM demands WHERE due <= :old", old=old)

    def stored(self) -> list[StoredDemand]:
        """Every demand without a report, oldest first. Raises ``Unavailable``."""
        with self._ledger.looking() as unit:
            rows = unit.run("SELECT gateway, due FROM demands ORDER BY id")
            return [StoredDemand(*row) for row in rows]

    def bring_back(self, demands: Iterable[StoredDemand]) -> bool:
        """Take demands of a backup into an empty ledger; whether it was empty. Raises
        ``Unavailable``."""
        with self._ledger.writing(b"demands") as unit:
            [(there,)] = unit.run("SELECT count(*) FROM demands")
            if not there:
                for one in demands:
                    unit.run(_ADDING, **one._asdict())
            return not there

    def check(self) -> None:
        """Raise ``Unavailable`` if no demand could be noted now."""
        self._ledger.check()

    def close(self) -> None:
        self._ledger.close()


_ADDING = "INSERT INTO demands (gateway, due) VALUES (:gateway, :due)"
