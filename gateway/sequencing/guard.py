"""Keeps an older database from being continued: what was signed is remembered outside of it.

A database that was put back to an earlier state is whole and consistent. Only what it does not hold
shows that it is old. Three things outside of it are asked, each of which holds checkpoints that
this log signed, so none of them can invent one:

- the *mark*: the newest checkpoint that this gateway signed or saw signed, a file in its data
  directory. It is on disk before the checkpoint is committed, so before anybody else sees it. Each
  of several gateways on one database has its own, and raises it to what the others sign;
- the witnesses, by the newest checkpoint that they cosigned, at each election;
- what an operator brings (``settling``).

If one of them holds a checkpoint that the database does not lead to, a halt is written into the
database (``store.halts``). So it stops all of its gateways, also those that remember less.

What this does not see: a data directory and a database that are put back together, where there are
no witnesses. That is why ``restore`` always leaves a halt behind.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import sqlalchemy as sa

from gateway.host import crash
from gateway.host.keyfile import KeyFileError, exclusive, read_private, write_private
from gateway.store import halts
from gateway.store import log as store
from gateway.store.database import Database
from gateway.store.halts import InDoubt
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.cosignature import check_signed
from gateway.translog.note import NoteKey
from gateway.wire.errors import (
    BodyTooLarge,
    MalformedMessage,
    Refused,
    SealmatchError,
    Unavailable,
)

MARK_FILE: Final = "log.mark"
_MAX_NOTE_BYTES: Final = 256 * 1024
_LOOK_SECONDS: Final = 1.0


class LogHalted(SealmatchError):
    """The stored log contradicts what was signed before; nothing is signed any more."""


class Guard(Protocol):
    """What a sequencer asks before it signs, and tells when it has."""

    def look(self) -> None:
        """Now and then, elected or not: whether the database may be continued.

        Raises:
            InDoubt, LogHalted: it may not.
            Unavailable: the storage does not answer.
        """
        ...

    def require_newest(self) -> None:
        """The same in full, at each election."""
        ...

    def signed(self, signed: SignedCheckpoint) -> None:
        """Remember a checkpoint, durably, before it is committed.

        Raises:
            Unavailable: the disk does not take it; the checkpoint must not be committed.
        """
        ...


class Unguarded:
    """A log in one process that ends with it, as measurements and tests have it."""

    def look(self) -> None:
        """Nothing to look at."""

    def require_newest(self) -> None:
        """Nothing is remembered."""

    def signed(self, signed: SignedCheckpoint) -> None:
        """Nothing is remembered."""


class Mark:
    """The newest checkpoint that this gateway saw signed, in a file."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / MARK_FILE

    def read(self) -> SignedCheckpoint | None:
        """What is remembered; None: nothing yet.

        Raises:
            LogHalted: the file is damaged.
            Unavailable: it cannot be read.
        """
        if not self._path.exists():
            return None
        try:
            content = read_private(self._path, _MAX_NOTE_BYTES)
            return SignedCheckpoint.parse(bytes(content))
        except (MalformedMessage, BodyTooLarge):
            raise LogHalted(
                f"{MARK_FILE} is damaged, which says what was signed last: see LOG, "
                '"A restored database"'
            ) from None
        except KeyFileError as error:
            raise Unavailable(str(error)) from None

    def raise_to(self, signed: SignedCheckpoint) -> None:
        """Remember a checkpoint unless a larger one of its log is remembered. Raises as ``read``.

        Several processes may work in one directory.
        """
        new = signed.checkpoint
        try:
            with exclusive(self._path.parent):
                held = self.read()
                of_this_log = held is not None and held.checkpoint.origin == new.origin
                if held is None or not of_this_log or held.checkpoint.size < new.size:
                    write_private(self._path, bytes(signed))
        except (OSError, KeyFileError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise Unavailable(f"{MARK_FILE} cannot be written: {reason}") from None


class Newest(Protocol):
    """Who remembers checkpoints of this log: its witnesses."""

    def latest(self) -> list[tuple[str, SignedCheckpoint]]:
        """By witness, the newest checkpoint that it cosigned; those that do not answer are left
        out. Nothing in it is checked."""
        ...


class DatabaseGuard:
    """Guards one database of one log."""

    def __init__(
        self,
        database: Database,
        mark: Mark,
        keys: Sequence[NoteKey],
        witnesses: Newest,
        clock: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``keys``: those that sign this log's checkpoints now, all of its name."""
        self._database = database
        self._mark = mark
        self._keys = keys
        self._origin = keys[0].name
        self._witnesses = witnesses
        self._clock = clock
        self._monotonic = monotonic
        self._next_look = 0.0

    def look(self) -> None:
        now = self._monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        with self._database.transaction() as connection:
            halts.require_none(connection)
            newest = store.newest(connection)
        self._require_mark()
        if newest is not None and newest.note is not None:
            signed = SignedCheckpoint.parse(newest.note)
            if self.is_own(signed):
                self._mark.raise_to(signed)

    def require_newest(self) -> None:
        with self._database.transaction() as connection:
            halts.require_none(connection)
            _require_own_key(connection, self._keys)
            self._require_whole(connection)
        self._require_mark()
        for name, signed in self._witnesses.latest():
            if self.is_own(signed):
                self._require(f"witness {name}", signed)

    def signed(self, signed: SignedCheckpoint) -> None:
        self._mark.raise_to(signed)
        crash.reach("sequencer-mark-written")

    def is_own(self, signed: SignedCheckpoint) -> bool:
        """Whether a key of this log signed a checkpoint, which then is of this log."""
        return signed.checkpoint.origin == self._origin and signed_by(signed, self._keys)

    def _require_mark(self) -> None:
        held = self._mark.read()
        if held is None:
            return
        if held.checkpoint.origin == self._origin:
            self._require(MARK_FILE, held)
            return
        with self._database.transaction() as connection:
            origins = {one.origin for one in halts.closed(connection)}
        if held.checkpoint.origin not in origins:
            raise LogHalted(
                f"{MARK_FILE} is of the log {held.checkpoint.origin}, which this database never "
                "held: another database, or one from before that log was begun"
            )

    def _require(self, source: str, signed: SignedCheckpoint) -> None:
        """Halt everywhere unless the database leads to a checkpoint that was signed."""
        with self._database.transaction() as connection:
            if leads_to(connection, signed):
                return
            size = store.head(connection).size
        with self._database.writing() as connection:
            found = halts.open_halt(connection) or halts.halt(connection, self._clock())
        raise InDoubt(
            f"{source} has a signed checkpoint of {signed.checkpoint.size} entries, to which the "
            f"database with its {size} does not lead: {found}"
        )

    def _require_whole(self, connection: sa.Connection) -> None:
        """The newest signed checkpoint in the database is this log's, and its tree is there."""
        newest = store.newest(connection)
        if newest is None or newest.note is None:
            return
        signed = SignedCheckpoint.parse(newest.note)
        origins = {one.origin for one in halts.closed(connection) if newest.published}
        if not self.is_own(signed) and signed.checkpoint.origin not in origins:
            raise LogHalted(
                "the database's log was signed with another key than this gateway has: restore the "
                "keystore that belongs to it"
            )
        of, head = signed.checkpoint, store.head(connection)
        if (of.size, of.root) != (newest.size, newest.root) or of.size > head.size:
            raise LogHalted("the database holds less than its own newest checkpoint says")


def leads_to(connection: sa.Connection, signed: SignedCheckpoint) -> bool:
    """Whether the stored log had this very tree at this size. A root is fixed before it is signed,
    so every size that was ever signed has its row."""
    of = signed.checkpoint
    return of.size == 0 or store.root_of(connection, of.size) == of.root


def signed_by(signed: SignedCheckpoint, keys: Sequence[NoteKey]) -> bool:
    """Whether one of a log's keys signed a checkpoint, and no signature of them is wrong."""
    try:
        return bool([line for key in keys for line in check_signed(signed, key)])
    except Refused:
        return False


def closed_keys(log: halts.ClosedLog) -> tuple[NoteKey, ...]:
    """The public keys of a log that was closed."""
    return tuple(NoteKey.parse(line) for line in log.keys.decode().splitlines())


def _require_own_key(connection: sa.Connection, keys: Sequence[NoteKey]) -> None:
    """A log that was closed left its keys behind: a new one never signs with them."""
    for one in halts.closed(connection):
        if {key.public for key in keys} & {key.public for key in closed_keys(one)}:
            raise LogHalted(
                f"the log {one.origin} was closed, and this gateway still holds its key: give "
                "log begin again, or copy the keystore from where it was given"
            )
