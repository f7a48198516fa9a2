"""Requests that count once over all processes of a gateway.

Each process remembers the requests that it was given. A proxy gives a request that names no session
to any of them, so a captured one could count once at each. For most that gains nothing: a session
that somebody else's request opened serves nobody. But the answers to registrations without a face
and to subjects' requests tell what is on record. These requests are rare, and each writes anyway.
So their nonces are noted in the database as well, before they are answered.
"""

from gateway.store import fallbacks
from gateway.store.database import Database
from gateway.wire.requests import NonceMemory


class SharedNonces(NonceMemory):
    """A process's memory of nonces, and behind it the one that all processes share."""

    def __init__(self, own: NonceMemory, database: Database) -> None:
        super().__init__(since=own.since)
        self._own = own
        self._database = database

    def use(self, nonce: str, now: int) -> None:
        """Note a nonce.

        Raises:
            Refused: it was used before, at this process or another one.
            Unavailable: the memory is full, or the storage does not answer.
        """
        self._own.use(nonce, now)
        with self._database.writing() as connection:
            fallbacks.use_request(connection, nonce, now)
