"""A gateway's operator at work without a server: keys, a database of either kind, a log that grows.

What is recorded are statements of random bytes. Everything else is the product's own.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.host import crash
from gateway.retention.erasure import erase
from gateway.sequencing.guard import DatabaseGuard, Mark
from gateway.sequencing.publication import Inline, Publication
from gateway.sequencing.sequencer import Alone, NoWitnesses, Sequencer
from gateway.server import custody, register
from gateway.server.config import GatewaySettings
from gateway.store import log as stored_log
from gateway.store import records
from gateway.store.database import Database
from gateway.store.records import RecordRow
from gateway.store.schema import metadata
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.policy import TrustedLog
from gateway.wire.cose import SigningKey
from gateway.wire.ids import RecordId, digest_of
from gateway.wire.proof import Receipt
from tests.support.parties import NOW
from tests.support.postgres import PostgresServer
from tests.support.sealed import sealed_gateway

DAY = 24 * 3600


class Site:
    """One gateway with its data directory."""

    def __init__(self, directory: Path, url: str | None = None, **settings: Any) -> None:
        """``url``: of an empty PostgreSQL database; None: SQLite."""
        directory.mkdir(mode=0o700, exist_ok=True)
        self.settings: GatewaySettings = sealed_gateway(
            directory,
            party="gateway.example",
            authority_public_key="ab" * 32,
            model_id="test/none",
            model_digest="cd" * 32,
            database_url=url,
            **settings,
        )
        self.now = NOW
        self._migrated: object = "nothing yet"
        self._opened: tuple[bytes, custody.GatewayKeys] | None = None

    def copied(self, directory: Path) -> Site:
        """The same gateway on SQLite as it is now, in a directory of its own."""
        shutil.copytree(self.settings.data_dir, directory)
        return self.on(None, data_dir=directory, passphrase_file=directory / "passphrase")

    def on(self, url: str | None, **changed: Any) -> Site:
        """The same gateway, with the same keys and directory, on another database."""
        other = object.__new__(Site)
        given = {"database_url": url, **changed}
        other.settings = self.settings.model_copy(update=given)
        other.now = self.now
        other._migrated, other._opened = "nothing yet", self._opened
        return other

    @contextmanager
    def database(self) -> Iterator[Database]:
        with closing(Database(self.settings.database)) as database:
            if self._which() != self._migrated:
                database.migrate()
                self._migrated = self._which()
            yield database

    def _which(self) -> object:
        """Which database it is: another file may have come in its place."""
        if self.settings.database_url is not None:
            return self.settings.database_url
        path = self.settings.data_dir / "gateway.sqlite3"
        return path.stat().st_ino if path.exists() else None

    @property
    def keys(self) -> custody.GatewayKeys:
        sealed = (self.settings.data_dir / "keystore.sealed").read_bytes()
        if self._opened is None or self._opened[0] != sealed:
            self._opened = sealed, custody.read_keys(self.settings)
        return self._opened[1]

    @property
    def key(self) -> SigningKey:
        return self.keys.signing_key

    @property
    def log(self) -> TrustedLog:
        """As a verifier pins it."""
        return TrustedLog(self.keys.log_signers(self.settings.origin)[0].key)

    def sequencer(self, database: Database, witnesses: Any = None) -> Sequencer:
        signers = self.keys.log_signers(self.settings.origin)
        witnesses = witnesses or NoWitnesses()
        keys = [one.key for one in signers]
        guard = DatabaseGuard(
            database, Mark(self.settings.data_dir), keys, witnesses, lambda: self.now
        )
        return Sequencer(database, Alone(), signers, witnesses, lambda: self.now, guard=guard)

    def record(self, count: int, *, sequenced: bool = True) -> list[RecordRow]:
        """Records with statements of their own, logged and published unless told otherwise."""
        made = [_row(self.now) for _ in range(count)]
        with self.database() as database:
            with database.transaction() as connection:
                for row in made:
                    records.add_record(connection, row)
                    digest = digest_of(row.statement)
                    stored_log.append(connection, "decision", digest, row.record_id)
            if sequenced:
                self.sequencer(database).step()
        return made

    def enrol(self, party: str) -> None:
        """An action of the operator's, logged and published."""
        with self.database() as database:
            register.enrol(database, [register.Entry("agent", party, None)], self.key, self.now)
            self.sequencer(database).step()

    def erase(self, row: RecordRow) -> None:
        with self.database() as database:
            with database.writing() as connection:
                erase(connection, row, self.key, self.now)
            self.sequencer(database).step()

    def newest(self) -> SignedCheckpoint:
        """The newest signed checkpoint."""
        with self.database() as database, database.transaction() as connection:
            found = stored_log.newest(connection)
        assert found is not None
        assert found.note is not None
        return SignedCheckpoint.parse(found.note)

    def receipt(self, record: RecordId) -> Receipt:
        with self.database() as database:
            publication = Publication(database, Inline(self.sequencer(database)), 0)
            with database.transaction() as connection:
                row = records.find_record(connection, record)
            assert row is not None
            encoded = publication.receipt(row)
        assert encoded is not None
        return Receipt.decode(encoded)

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table."""
        with self.database() as database, database.transaction() as connection:
            return {table.name: rows(connection, table) for table in metadata.sorted_tables}


def rows(connection: sa.Connection, table: sa.Table) -> list[tuple[Any, ...]]:
    found = connection.execute(table.select().order_by(*table.primary_key.columns))
    return [tuple(row) for row in found]


def new_url(kind: str, server: Callable[[], PostgresServer]) -> str | None:
    """An empty database of a kind, as ``Site`` takes it."""
    return server().new_database() if kind == "postgresql" else None


def killed_at(point: str, work: Callable[[], object]) -> bool:
    """Let a process of its own do some work and die by SIGKILL at a crash point; whether it came
    there. It is forked: nothing that it opened is used here."""
    pid = os.fork()
    if pid == 0:
        try:
            crash.install(lambda reached: _die(reached == point))
            work()
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def _die(now: bool) -> None:
    if now:
        os.kill(os.getpid(), signal.SIGKILL)


def _row(now: int) -> RecordRow:
    return RecordRow(
        record_id=RecordId(secrets.token_bytes(16)),
        kind="decision",
        outcome="MATCH",
        policy_digest=digest_of(b"policy"),
        subject_handle=secrets.token_bytes(32),  # type: ignore[arg-type]
        activation_commitment=secrets.token_bytes(32),  # type: ignore[arg-type]
        statement=secrets.token_bytes(700),
        decided_at=now,
        expires_at=now + 180 * DAY,
    )
