"""Backup and restore of what the gateway keeps, and the list of erasures that goes with a restore.

A backup never holds keys: the keystore is backed up apart, and a restore asks for the one that
belongs to it. What a restore makes is checked before anybody can use it: the log's tree, its newest
signature, every record against its entry, the signed history. It always leaves a halt behind
(``store.halts``): nothing is signed until it is settled whether something newer was signed.

**What was erased since the backup stays erased.** Each erasure leaves a tombstone, a hash of the
statement that is gone. A restore is given the newest list of them, and leaves out every record
whose statement has one, with its consent. Such a record is never written into the new database, so
nothing of it need be removed there.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from gateway.host import crash
from gateway.host.archive import ArchiveReader, ArchiveWriter, DamagedArchive
from gateway.host.newfile import new_file
from gateway.sequencing.guard import signed_by
from gateway.sequencing.whole import require_whole
from gateway.server import register
from gateway.server.custody import GatewayKeys
from gateway.store import halts, parties, portable
from gateway.store import log as stored_log
from gateway.store.database import Database
from gateway.store.schema import erasures, orders
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.note import NoteKey
from gateway.wire import cose
from gateway.wire.admin import ChainKeys, Concerned, verify_chain
from gateway.wire.erasure import Erasure, tombstone
from gateway.wire.errors import BodyTooLarge, CallerMisuse, MalformedMessage, Refused
from gateway.wire.ids import Digest, digest_of
from gateway.wire.orders import record_of

ERASURES: Final = "sealmatch-erasures"
_TOMBSTONE, _STATEMENT, _RECORD = "tombstone", "statement", "record_id"


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself."""

    revision: str
    made_at: int
    origin: str
    size: int
    """Entries in the log."""
    root: bytes
    rows: dict[str, int]
    """By table."""
    digest: Digest

    @classmethod
    def of(cls, archive: ArchiveReader) -> "Manifest":
        """Read the whole archive, and what it says. Raises ``DamagedArchive``."""
        rows, digest = archive.verify()
        return cls(rows=rows, digest=digest, **_told(archive.described))

    def describe(self) -> dict[str, Any]:
        """For an operator, to be noted beside the file."""
        return {
            "schema": self.revision,
            "madeAt": self.made_at,
            "log": {"origin": self.origin, "size": self.size, "root": self.root.hex()},
            "rows": self.rows,
            "sha256": self.digest.hex(),
        }


def make(database: Database, out: Path, now: int) -> Manifest:
    """Write a backup of a database that may be in use.

    Raises:
        CallerMisuse: there is such a file already, or the database is of another schema.
        NotWritten, OSError: the disk does not take it; nothing is left behind.
        Unavailable: the database does not answer.
    """
    with new_file(out) as file:
        with database.snapshot() as connection:
            described = portable.describe(connection, now)
            archive = ArchiveWriter(file, portable.BACKUP, described)
            portable.dump(connection, archive)
        rows, digest = archive.end()
    return Manifest(rows=rows, digest=digest, **_told(described))


def export_erasures(database: Database, out: Path, now: int) -> tuple[int, int]:
    """Write the list of all erasures; returns how many there are, and the log's signed size.

    Raises:
        As ``make``.
    """
    with new_file(out) as file:
        with database.snapshot() as connection:
            newest = stored_log.newest(connection)
            note = b"" if newest is None or newest.note is None else newest.note
            archive = ArchiveWriter(file, ERASURES, {"made_at": now, "checkpoint": note})
            archive.add(str(erasures.name), portable.rows_of(connection, erasures))
        rows, _ = archive.end()
    return rows[erasures.name], 0 if newest is None else newest.size


@dataclass
class ErasureList:
    """Erasures that a restore is given."""

    size: int
    """Of the log, when the list was written: what was erased later is not in it."""
    rows: dict[bytes, dict[str, Any]] = field(repr=False)
    """By tombstone."""

    @classmethod
    def read(cls, path: Path, keys: GatewayKeys, origin: str) -> "ErasureList":
        """Read a list; its size is that of a checkpoint that this log signed.

        Raises:
            CallerMisuse: it is of another log.
            DamagedArchive: not such a list, or not the whole of one.
        """
        with path.open("rb") as file:
            archive = ArchiveReader(file, ERASURES)
            archive.verify()
            size = _signed_size(archive.described.get("checkpoint"), keys, origin)
            names = list(erasures.columns.keys())
            try:
                found = [
                    dict(zip(names, row, strict=True)) for _, some in archive.rows() for row in some
                ]
                return cls(size, {bytes(row[_TOMBSTONE]): row for row in found})
            except (TypeError, ValueError):
                raise DamagedArchive("its rows are no erasures") from None

    def require_signed(self, keys: ChainKeys) -> None:
        """Check that this gateway signed each of them.

        Raises:
            CallerMisuse: one is somebody else's, so that a record would go which was not erased.
        """
        known = {key.key_id: key for key in (*keys.in_force, *keys.old)}
        for one in self.rows.values():
            try:
                signer = known.get(cose.named_key(one["erasure"], Erasure))
                if signer is None:
                    raise Refused("an erasure of an unknown key")
                signed = cose.verify(one["erasure"], Erasure, signer).message
                if signed.tombstone != one[_TOMBSTONE] or signed.erasure_id != one["erasure_id"]:
                    raise Refused("an erasure of another record")
            except (Refused, MalformedMessage, BodyTooLarge):
                raise CallerMisuse(
                    "the list holds an erasure that this gateway did not sign"
                ) from None


@dataclass(frozen=True)
class Restored:
    """What came of a restore."""

    manifest: Manifest
    erased: int
    """Records that were left out because they were erased after the backup."""
    erasures_size: int


def restore(
    database: Database, path: Path, given: Path | None, keys: GatewayKeys, now: int
) -> Restored:
    """Restore a backup into an empty database, all of it or nothing.

    Args:
        given: the newest list of erasures, if there is one.
        keys: the gateway's, which belong to the backup.

    Raises:
        CallerMisuse: the database is not empty; the schema is unknown; the list is no list of this
            gateway's, or older than the backup.
        DamagedArchive, NotWhole, Refused: the backup is damaged, or does not hold what it should.
        Unavailable: the database does not answer.
    """
    with path.open("rb") as file:
        archive = ArchiveReader(file, portable.BACKUP)
        manifest = Manifest.of(archive)
        portable.require_known(archive)
        listed = _listed(given, keys, manifest)
        leaving = _Leaving.out_of(archive, listed)
        listed.require_signed(keys.chain_keys)
        with database.migrating() as connection:
            portable.begin(connection)
        crash.reach("restore-begun")
        with database.migrating() as connection:
            left_out = portable.fill(connection, archive, leaving.keep)
            _check(connection, manifest, keys)
            _add_erasures(connection, listed)
            halt = halts.halt(connection, now, manifest.digest, manifest.made_at, listed.size)
            done = Concerned.object("log", str(halt.number), manifest.digest)
            register.record(connection, "restore", done, keys.signing_key, now)
            crash.reach("restore-written")
    crash.reach("restore-committed")
    return Restored(manifest, left_out.get("records", 0), listed.size)


def _told(described: dict[str, Any]) -> dict[str, Any]:
    try:
        log = described["log"]
        return {
            "revision": str(described["revision"]),
            "made_at": int(described["made_at"]),
            "origin": str(log["origin"]),
            "size": int(log["size"]),
            "root": bytes(log["root"]),
        }
    except (KeyError, TypeError, ValueError):
        raise DamagedArchive("it does not say what it is a backup of") from None


def _log_keys(keys: GatewayKeys, origin: str) -> list[NoteKey]:
    return [one.key for one in keys.log_signers(origin)]


def _signed_size(note: Any, keys: GatewayKeys, origin: str) -> int:
    if note == b"":
        return 0
    try:
        signed = SignedCheckpoint.parse(note)
    except (MalformedMessage, BodyTooLarge, TypeError):
        raise DamagedArchive("its checkpoint is none") from None
    if not signed_by(signed, _log_keys(keys, origin)):
        raise CallerMisuse("the list of erasures is of another log, or of another keystore")
    return signed.checkpoint.size


def _listed(given: Path | None, keys: GatewayKeys, manifest: Manifest) -> ErasureList:
    if given is None:
        return ErasureList(manifest.size, {})
    listed = ErasureList.read(given, keys, manifest.origin)
    if listed.size < manifest.size:
        raise CallerMisuse(
            f"the list of erasures was written at {listed.size} entries, the backup at "
            f"{manifest.size}: it holds nothing that the backup does not know. Bring a newer one"
        )
    return listed


@dataclass(frozen=True)
class _Leaving:
    """Records that do not come back."""

    records: frozenset[bytes]
    """Their ids."""

    @classmethod
    def out_of(cls, archive: ArchiveReader, listed: ErasureList) -> "_Leaving":
        """Find the erased records in the backup, and drop from the list what the backup knows."""
        leaving = set()
        try:
            columns = archive.described["columns"]
            ids, statements = (columns["records"].index(name) for name in (_RECORD, _STATEMENT))
            for table, rows in archive.rows():
                if table == "records":
                    gone = (row for row in rows if tombstone(row[statements]) in listed.rows)
                    leaving |= {bytes(row[ids]) for row in gone}
                elif table == erasures.name:
                    for row in rows:
                        listed.rows.pop(row[columns[table].index(_TOMBSTONE)], None)
        except (LookupError, TypeError, ValueError, AttributeError):
            raise DamagedArchive("its rows do not have the columns that it names") from None
        return cls(frozenset(leaving))

    def keep(self, table: str, row: dict[str, Any]) -> bool:
        """A row about such a record goes with it, and so does an order that names it. The log's
        queue only forgets whose entry it has."""
        if table == orders.name:
            order = row["ordered"]
            return not isinstance(order, bytes) or record_of(order) not in self.records
        if row.get(_RECORD) not in self.records:
            return True
        if table == "log_pending":
            row[_RECORD] = None
            return True
        return False


def _check(connection: sa.Connection, manifest: Manifest, keys: GatewayKeys) -> None:
    at = portable.log_at(connection)
    if at != (manifest.origin, manifest.size, manifest.root):
        raise DamagedArchive("its log is not the one that it says it holds")
    require_whole(connection, _log_keys(keys, manifest.origin) if manifest.origin else [])
    verify_chain(parties.list_admin_actions(connection), keys.chain_keys)


def _add_erasures(connection: sa.Connection, listed: ErasureList) -> None:
    """What the list knows and the backup does not is kept, and enters the log anew."""
    for row in listed.rows.values():
        connection.execute(erasures.insert().values(**{**row, "log_index": None}))
        stored_log.append(connection, "erasure", digest_of(row["erasure"]), row["erasure_id"])
