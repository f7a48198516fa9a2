"""``sealmatch bench retention``: what keeping, erasing and inspecting records costs as they grow.

A database is filled with signed records and their log, as a gateway keeps them. At each size these
are measured: the erasure of one record at its subject's request, with its signed erasure and its
entry (median of several); what the reaper takes for each record that is due; the removal of the
bytes of deleted rows from the database's files; and a whole inspection by the command in a process
of its own, with the most memory that it had. Wall-clock times. SQLite runs in a directory of its
own, with durable commits; with ``--database`` an empty PostgreSQL database is used, which stays
full.
"""

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from gateway.host.clock import unix_time
from gateway.host.python import python
from gateway.proofs.trust import PinnedAuthority, PinnedGateway, TrustFile
from gateway.retention.adoption import adopt
from gateway.retention.erasure import DAY, erase
from gateway.retention.reaper import Reaper
from gateway.retention.schedule import draft
from gateway.retention.scrub import scrub
from gateway.sequencing.sequencer import Alone, NoWitnesses, Sequencer
from gateway.store import log as stored_log
from gateway.store import records, totals
from gateway.store.consent_records import ConsentRow, add_consent
from gateway.store.database import Database
from gateway.translog.algorithms import SEED_BYTES
from gateway.translog.note import Kind, NoteSigner
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.evaluation import Decision
from gateway.wire.ids import (
    Commitment,
    Digest,
    KeyId,
    SubjectHandle,
    digest_of,
    new_record_id,
)
from gateway.wire.liveness import not_performed
from gateway.wire.profile import LANES, PROFILE
from gateway.wire.proof import Statement
from gateway.wire.quality import FaceQuality
from gateway.wire.sealing import SealingPrivateKey
from gateway.wire.submission import ConsentRecord

_DAYS: Final = 180
_ERASED: Final = 9
"""How many records are erased alone at each size."""
_DUE_SHARE: Final = 100
"""One record in so many is due."""
_FILLED_AT_ONCE: Final = 500
_COLUMNS: Final = (
    ("records", "records", "{:,}"),
    ("eraseMs", "erase one ms", "{:,.2f}"),
    ("reapMs", "reap one ms", "{:,.2f}"),
    ("scrubSeconds", "scrub s", "{:,.2f}"),
    ("inspectSeconds", "inspect s", "{:,.1f}"),
    ("inspectMemoryMb", "inspect MB", "{:,.0f}"),
    ("databaseBytesPerRecord", "bytes/record", "{:,.0f}"),
)


def add_parser(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = kinds.add_parser(
        "retention",
        help="erasing, removing and inspecting records",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--records", type=_sizes, default=[1000, 100_000], metavar="N,...", help="1000,100000"
    )
    parser.add_argument("--database", metavar="URL", help="an empty PostgreSQL database")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure and print."""
    with (
        tempfile.TemporaryDirectory(prefix="sealmatch-bench-") as directory,
        closing(RetentionBench(Path(directory), options.database)) as bench,
    ):
        rows = [bench.measure(size, partial(_progress, of=size)) for size in options.records]
    print(json.dumps({"retention": rows}, indent=2) if options.json else _table(rows))
    return 0


class RetentionBench:
    """One database that grows."""

    def __init__(self, directory: Path, url: str | None) -> None:
        self._directory = directory
        self._file = None if url else directory / "gateway.sqlite3"
        self._url = url or f"sqlite:///{self._file}"
        self._database = Database(self._url)
        self._database.migrate()
        self._gateway, self._authority = (
            SigningKey.generate(party) for party in ("gateway", "authority")
        )
        signer = NoteSigner.from_seed(
            "bench.example/log", Kind.ED25519, secrets.token_bytes(SEED_BYTES)
        )
        self._trust = _trust(self._gateway, self._authority, signer)
        self._sequencer = Sequencer(self._database, Alone(), [signer], NoWitnesses(), unix_time)
        self._now = unix_time()
        adopt(self._database, draft(_DAYS), self._gateway, self._now - 400 * DAY)
        self._kept = 0

    def close(self) -> None:
        self._database.close()

    def measure(self, size: int, progress: Callable[[int], None]) -> dict[str, Any]:
        """Fill up to ``size`` records, then measure."""
        while self._kept < size:
            count = min(_FILLED_AT_ONCE, size - self._kept)
            self._fill([self._made() for _ in range(count)])
            self._kept += count
            progress(self._kept)
        while self._sequencer.step():
            pass
        return {
            "records": size,
            "eraseMs": self._erase(),
            "reapMs": self._reap(max(_ERASED, size // _DUE_SHARE)),
            "scrubSeconds": _seconds(lambda: scrub(self._database)),
            **self._inspect(),
            "databaseBytesPerRecord": self._bytes() / size,
        }

    def _erase(self) -> float:
        spent = []
        for _ in range(_ERASED):
            row = self._made()
            self._fill([row])
            start = time.perf_counter()
            with self._database.writing() as connection:
                erase(connection, row, self._gateway, self._now)
            spent.append((time.perf_counter() - start) * 1e3)
        return statistics.median(spent)

    def _reap(self, count: int) -> float:
        self._fill([self._made(age=_DAYS + 1) for _ in range(count)])
        reaper = Reaper(self._database, Alone(), self._gateway, _DAYS, lambda: self._now)
        spent = _seconds(lambda: reaper.run(lift_guard=True))
        while self._sequencer.step():
            pass
        return spent / count * 1e3

    def _inspect(self) -> dict[str, Any]:
        trust = self._directory / "trust.json"
        trust.unlink(missing_ok=True)
        self._trust.write(trust)
        command = python("-m", "gateway.main", "inspect")
        given = ["--gateway-database", self._url, "--log", "database", "--trust", str(trust)]
        start = time.perf_counter()
        with subprocess.Popen(  # noqa: S603  our own command
            [*command, *given, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            said = process.stdout.read() if process.stdout is not None else b""
            _, _, used = os.wait4(process.pid, 0)
        violated = [
            line["check"] for line in json.loads(said)["lines"] if line["verdict"] == "VIOLATED"
        ]
        return {
            "inspectSeconds": time.perf_counter() - start,
            "inspectMemoryMb": used.ru_maxrss / 1024,
            "violated": violated,
        }

    def _bytes(self) -> int:
        if self._file is not None:
            return sum(one.stat().st_size for one in self._directory.glob("gateway.sqlite3*"))
        with self._database.transaction() as connection:
            query = sa.text("SELECT pg_database_size(current_database())")
            return int(connection.execute(query).scalar_one())

    def _fill(self, rows: list[records.RecordRow]) -> None:
        with self._database.writing() as connection:
            for row in rows:
                records.add_record(connection, row)
                add_consent(connection, ConsentRow.beside(row, _CONSENT))
                stored_log.append(connection, "decision", digest_of(row.statement), row.record_id)
                totals.count_outcome(connection, "MATCH", self._now)

    def _made(self, age: int = 1) -> records.RecordRow:
        """A record with a signed statement and decision of its own, decided ``age`` days ago."""
        decided_at = self._now - age * DAY
        decided_at -= decided_at % 60
        stated = _statement(self._gateway, self._authority, decided_at)
        return records.RecordRow(
            record_id=stated.record_id,
            kind="decision",
            outcome="MATCH",
            policy_digest=stated.policy_digest,
            subject_handle=SubjectHandle(secrets.token_bytes(32)),
            activation_commitment=stated.activation_commitment,
            statement=cose.sign(stated, self._gateway).encoded,
            decided_at=decided_at,
            expires_at=decided_at + _DAYS * DAY,
        )


_BLANK: Final = Digest(bytes(32))
_CONSENT: Final = ConsentRecord(
    text_version=1, language="en", purpose="sim-activation", given_at=0, salt=bytes(32)
)
_QUALITY: Final = FaceQuality(outcome="passed", measures="face-quality/1", profile_digest=_BLANK)


def _statement(gateway: SigningKey, authority: SigningKey, decided_at: int) -> Statement:
    facts: dict[str, Any] = {
        "profile": PROFILE,
        "session": secrets.token_bytes(16),
        "gateway": gateway.party,
        "authority": authority.party,
        "device": "counter",
        "issuer": "reader",
        "policy_digest": _BLANK,
    }
    decision = Decision(
        **facts,
        key_id=KeyId(_BLANK),
        outcome="MATCH",
        lanes=LANES,
        probe_digest=_BLANK,
        template_digest=_BLANK,
        template_assertion_digest=_BLANK,
        submission_assertion_digest=_BLANK,
        model_digest=_BLANK,
        evaluation_digest=_BLANK,
        seed_commitment=Commitment(_BLANK),
    )
    return Statement(
        **facts,
        record_id=new_record_id(),
        kind="decision",
        agent="agent",
        outlet="outlet",
        decided_at_minute=decided_at,
        purpose="sim-activation",
        policy_assurance="unsigned-default",
        model_id="bench/none",
        portrait_quality=_QUALITY,
        portrait_source="photographed",
        live_quality=_QUALITY,
        liveness=not_performed(),
        consent_digest=_CONSENT.digest,
        consent_text_version=1,
        subject_commitment=Commitment(_BLANK),
        activation_commitment=Commitment(secrets.token_bytes(32)),
        erasure_commitment=Commitment(_BLANK),
        decision=cose.sign(decision, authority).encoded,
        audit=None,
    )


def _trust(gateway: SigningKey, authority: SigningKey, log: NoteSigner) -> TrustFile:
    sealing = SealingPrivateKey.generate().public.raw.hex()

    def pinned(key: SigningKey) -> dict[str, str]:
        return {
            "party": key.party,
            "url": "http://127.0.0.1",
            "public_key": key.public.raw.hex(),
            "sealing_key": sealing,
        }

    return TrustFile(
        gateways=[PinnedGateway(**pinned(gateway))],
        authorities=[PinnedAuthority(**pinned(authority))],
        policies=[],
        log_policy=[f"log {log.key}", "quorum none"],
    )


def _seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _sizes(text: str) -> list[int]:
    sizes = [int(one) if one.isascii() and one.isdigit() else 0 for one in text.split(",")]
    if sizes != sorted(set(sizes)) or not 100 <= min(sizes) <= max(sizes) <= 10**8:
        raise argparse.ArgumentTypeError("numbers from 100 to 100000000, each above the last")
    return sizes


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty() or done % (20 * _FILLED_AT_ONCE) == 0:
        end = "\r" if sys.stderr.isatty() else "\n"
        print(f"{done:,} of {of:,} records", end=end, file=sys.stderr, flush=True)


def _table(rows: list[dict[str, Any]]) -> str:
    lines = ["  ".join(f"{title:>13}" for _, title, _ in _COLUMNS)]
    for row in rows:
        lines.append("  ".join(f"{form.format(row[name]):>13}" for name, _, form in _COLUMNS))
    return "\n".join(lines)
