"""A deployment to be inspected: database, log, authority's directory, trust file, without servers.

Everything in it is what the servers write, by their own code, so a clean one is clean. A test
plants one thing and inspects again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self
from unittest import mock

import sqlalchemy as sa

from gateway.host import keystore
from gateway.inspection.checks import ALL
from gateway.inspection.evidence import Evidence, opened
from gateway.inspection.inspection import inspect
from gateway.inspection.lines import Check, Line, Progress, Verdict
from gateway.inspection.log_sources import database_log
from gateway.sequencing.sequencer import Alone, Sequencer
from gateway.server import consent, register
from gateway.store import log as stored_log
from gateway.store import totals
from gateway.store.consent_records import ConsentRow, add_consent
from gateway.store.database import Database
from gateway.store.records import RecordRow, add_record
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.cosignature import sign_checkpoint
from gateway.wire import cose
from gateway.wire.ids import digest_of
from keys.audits import AuditLedger
from keys.caps_store import create_caps
from tests.support.parties import (
    AUDITOR,
    AUTHORITY,
    DEVICE,
    GATEWAY,
    ISSUER,
    NOW,
    Clock,
    fixed_bytes,
)
from tests.support.postgres import PostgresServer
from tests.support.receipts import LOG, trust
from tests.support.sealed import CHEAP, PASSPHRASE
from tests.support.trusted import SignedTrust
from tests.vectors import golden

RETENTION_DAYS = 180
DAY = 86_400
OUTLETS = ("outlet-3", "outlet-4")
SALT = fixed_bytes("inspected/salt")


class Cosigning:
    """Both witnesses of ``LOG`` cosign at once."""

    needed = True

    def cosign(self, signed: SignedCheckpoint) -> SignedCheckpoint:
        lines = [sign_checkpoint(signed.checkpoint, one, NOW) for one in LOG.witnesses]
        return signed.with_signatures(*lines)

    def latest(self) -> list[tuple[str, SignedCheckpoint]]:
        return []


class Inspected:
    """One deployment, at rest unless a test opens its database."""

    def __init__(self, directory: Path, url: str | None = None) -> None:
        """``url``: a PostgreSQL database; None: SQLite in the gateway's directory."""
        self.directory = directory
        self.gateway = directory / "gateway"
        self.authority = directory / "authority"
        for one in (self.gateway, self.authority):
            one.mkdir(mode=0o700)
        self.url = url or f"sqlite:///{self.gateway / 'gateway.sqlite3'}"
        self.trust = trust(log_policy=LOG.policy(2))
        self.numbers = iter(range(10**9))
        self._make_gateway()
        self._make_authority()

    @classmethod
    def copied(cls, other: Inspected, directory: Path, url: str | None = None) -> Self:
        """A copy of a deployment at rest. ``url``: of the copy of its PostgreSQL database."""
        made = cls.__new__(cls)
        made.__dict__ |= vars(other)
        made.directory = directory
        made.gateway, made.authority = directory / "gateway", directory / "authority"
        for one, there in ((other.gateway, made.gateway), (other.authority, made.authority)):
            shutil.copytree(one, there)
        made.url = url or f"sqlite:///{made.gateway / 'gateway.sqlite3'}"
        return made

    def _make_gateway(self) -> None:
        entries = [
            register.Entry("device", DEVICE.party, DEVICE.public.raw),
            register.Entry("issuer", ISSUER.party, ISSUER.public.raw),
            register.Entry("agent", golden.STATEMENT.agent, None),
            *(register.Entry("outlet", one, None) for one in OUTLETS),
        ]
        with self.database() as database:
            database.migrate()
            register.enrol(database, entries, GATEWAY, NOW)
            consent.add(database, consent.draft(2, RETENTION_DAYS), RETENTION_DAYS, GATEWAY, NOW)
        self._seal(self.gateway)

    def _make_authority(self) -> None:
        listed = SignedTrust(self.authority / "trust.json", AUTHORITY)
        listed.add("gateway", GATEWAY).add("device", DEVICE).add("issuer", ISSUER)
        listed.add("auditor", AUDITOR)
        AuditLedger(self.authority / "audits.sqlite3", 3, Clock())
        create_caps(self.authority / "caps.sqlite3", NOW)
        self._seal(self.authority)

    def _seal(self, directory: Path) -> None:
        """A keystore; an inspection reads its header and never opens it."""
        with mock.patch.object(keystore, "DEFAULT_COST", CHEAP):
            content = keystore.KeystoreHeader(
                memory_kib=keystore.MIN_MEMORY_KIB,
                iterations=1,
                lanes=1,
                salt=SALT[:16],
                nonce=SALT[:12],
            )
            passphrase = bytearray(PASSPHRASE.encode())
            keystore.create_keystore(directory / keystore.KEYSTORE_FILE, content, passphrase)

    @contextmanager
    def database(self) -> Iterator[Database]:
        database = Database(self.url)
        try:
            yield database
        finally:
            database.close()

    def register(
        self,
        count: int,
        outcome: str = "MATCH",
        outlet: str = OUTLETS[0],
        policy: Mapping[str, bytes | str | None] = MappingProxyType({}),
    ) -> list[bytes]:
        """Records of decisions, as the gateway writes them; returns their signed statements.
        ``policy``: what they say of their policy."""
        made = [self.statement(outcome, outlet, policy) for _ in range(count)]
        with self.database() as database, database.writing() as connection:
            for stated, signed in made:
                row = self._row(stated, signed, outcome)
                add_record(connection, row)
                add_consent(connection, ConsentRow.beside(row, golden.CONSENT))
                stored_log.append(connection, "decision", digest_of(signed), stated.record_id)
                totals.count_outcome(connection, outcome, NOW)
                totals.count_liveness(connection, {"passed": 1, "attempts": 2, "seconds": 7}, NOW)
        return [signed for _, signed in made]

    def statement(
        self,
        outcome: str,
        outlet: str,
        policy: Mapping[str, bytes | str | None] = MappingProxyType({}),
    ) -> tuple[Any, bytes]:
        number = next(self.numbers)
        decision = golden.DECISION.model_copy(update={"outcome": outcome})
        stated = golden.STATEMENT.model_copy(
            update={
                "decision": cose.sign(decision, AUTHORITY).encoded,
                "record_id": fixed_bytes(f"inspected/record/{number}", 16),
                "activation_commitment": fixed_bytes(f"inspected/activation/{number}"),
                "outlet": outlet,
                "decided_at_minute": NOW - NOW % 60,
                **policy,
            }
        )
        return stated, cose.sign(stated, GATEWAY).encoded

    def _row(self, stated: Any, signed: bytes, outcome: str) -> RecordRow:
        return RecordRow(
            record_id=stated.record_id,
            kind="decision",
            outcome=outcome,
            policy_digest=stated.policy_digest,
            subject_handle=fixed_bytes(f"handle/{stated.record_id.hex()}"),
            activation_commitment=stated.activation_commitment,
            statement=signed,
            decided_at=stated.decided_at_minute,
            expires_at=stated.decided_at_minute + RETENTION_DAYS * DAY,
        )

    def publish(self) -> None:
        """The log takes what waits, and witnesses cosign it."""
        with self.database() as database:
            one = Sequencer(database, Alone(), [LOG.key], Cosigning(), lambda: NOW)
            while one.step():
                pass

    def execute(self, *statements: str, **values: Any) -> None:
        """Somebody writes into the database who is not the gateway."""
        with self.database() as database, database.writing() as connection:
            for statement in statements:
                connection.execute(sa.text(statement), values)

    @contextmanager
    def evidence(self, **given: Any) -> Iterator[Evidence]:
        """Everything that an inspector is given, but for the changes."""
        with opened(self.url) as database:
            found = {
                "now": NOW + 60,
                "database_given": database,
                "authority_given": self.authority,
                "log_given": database_log(database),
                "trust_given": self.trust.encode(),
                "paths": (self.gateway,) if database.file is None else (),
            }
            yield Evidence(**(found | given))

    def inspect(self, checks: Sequence[Check] = ALL, **given: Any) -> tuple[Line, ...]:
        with self.evidence(**given) as evidence:
            return inspect(evidence, checks, Progress())

    def write_trust(self) -> Path:
        path = self.directory / "trust.json"
        self.trust.write(path)
        return path


def violated(lines: Iterable[Line]) -> dict[str, tuple[str, ...]]:
    """What is violated: ids of checks, with what was found."""
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        if line.verdict is Verdict.VIOLATED:
            found[line.check] = (*found.get(line.check, ()), *line.found)
    return found


def own_database(server: PostgresServer, template: str | None = None) -> str:
    """The URL of a PostgreSQL database whose owner owns no other one; a copy if told of what."""
    url = server.new_database()
    name = _name(url)
    server.execute(f"CREATE ROLE {name}")
    if template is not None:
        server.execute(f"DROP DATABASE {name}")
        server.execute(f"CREATE DATABASE {name} TEMPLATE {_name(template)}")
    server.execute(f"ALTER DATABASE {name} OWNER TO {name}")
    return url


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]
