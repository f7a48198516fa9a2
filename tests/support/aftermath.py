"""What is left after servers were killed again and again, held against each other.

- Every receipt handed out is of an entry that the log still has, at that index;
- all checkpoints ever seen, in receipts, by the witness and in the database, are of one tree;
- every record, erasure, withdrawal and operator's action has its entry, once; nothing waits any
  more, and each record is counted once, erased or not;
- a record is there or its erasure is, never both, and nothing of an erased one is anywhere else;
- nothing of a probe or embedding is in any file.
"""

import time
from collections import Counter as Tally
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.proofs.fallback import verify_any
from gateway.proofs.trust import TrustFile
from gateway.store import log as stored_log
from gateway.store import parties, records, schema
from gateway.store.database import Database
from gateway.store.records import all_records
from gateway.translog.proof import LogProof
from gateway.translog.tree import Frontier, leaf_hash
from gateway.wire.erasure import tombstone
from gateway.wire.ids import Digest, digest_of
from gateway.wire.proof import Receipt
from gateway.witness.config import WitnessSettings
from gateway.witness.memory import WitnessMemory
from tests.support.processes import PATIENCE


@dataclass(frozen=True)
class Aftermath:
    """A gateway's database, read when no registration is in flight."""

    entries: Sequence[bytes]
    roots: Sequence[bytes]
    """By size of the tree."""
    checkpoints: dict[int, bytes]
    records: Sequence[records.RecordRow]
    consents: frozenset[bytes]
    """Of which records there are consents."""
    left: Sequence[Any]
    """What erasures left."""
    withdrawals: Sequence[Any]
    actions: Sequence[bytes]
    counted: dict[str, int]

    @classmethod
    def of(cls, database: Database) -> "Aftermath":
        """Wait until nothing is left to sequence, and read everything."""
        _wait_until_sequenced(database)
        with database.transaction() as connection:
            assert stored_log.unsigned(connection) == []
            size = stored_log.head(connection).size
            entries = stored_log.entries(connection, 0, size + 1)
            checkpoints = connection.execute(schema.log_checkpoints.select()).all()
            counters = schema.outcome_counters.c
            sums = sa.select(counters.outcome, sa.func.sum(counters.count))
            counted = connection.execute(sums.group_by(counters.outcome)).all()
            records = all_records(connection)
            actions = parties.list_admin_actions(connection)
            consents = connection.execute(sa.select(schema.consents.c.record_id)).scalars().all()
            left = connection.execute(schema.erasures.select()).all()
            withdrawals = connection.execute(schema.withdrawals.select()).all()
        assert len(entries) == size == len(set(entries))
        return cls(
            entries,
            _roots(entries),
            {row.size: bytes(row.root) for row in checkpoints},
            records,
            frozenset(map(bytes, consents)),
            left,
            withdrawals,
            actions,
            {outcome: int(count) for outcome, count in counted},
        )

    def check_log(self) -> None:
        """One tree; every entry is of something, and everything has its entry."""
        for size, root in self.checkpoints.items():
            assert self.roots[size] == root, "two checkpoints disagree"
        for record in self.records:
            assert record.log_index is not None, "a record without its entry"
            assert self.entries[record.log_index] == digest_of(record.statement)
        assert {digest_of(action) for action in self.actions} <= set(self.entries)
        for row in self.left:
            assert self.entries[row.log_index] == digest_of(row.erasure), "an erasure without entry"
        for row in self.withdrawals:
            assert self.entries[row.log_index] == digest_of(row.withdrawal)
        erased = 2 * len(self.left)  # its own entry, and that of the record that is gone
        of_something = len(self.records) + len(self.actions) + erased + len(self.withdrawals)
        assert len(self.entries) == of_something, "an entry of nothing"
        outcomes = Tally(record.outcome for record in self.records)
        counted = {name: self.counted.get(name, 0) for name in ("MATCH", "NO_MATCH", "FALLBACK")}
        assert not outcomes - Tally(counted), "a record that is not counted"
        assert sum(counted.values()) == len(self.records) + len(self.left), (
            "each record is counted once"
        )
        of_decisions = {one.record_id for one in self.records if one.kind == "decision"}
        assert self.consents == of_decisions, "a consent is there with its record, and goes with it"

    def is_erased(self, receipt: bytes) -> bool:
        """Whether the receipt's record was erased. It is that, or it is there: never both."""
        statement = Receipt.decode(receipt).statement
        there = any(record.statement == statement for record in self.records)
        gone = [row for row in self.left if row.tombstone == tombstone(statement)]
        assert len(gone) == 1 - there, "half an erasure"
        return not there

    def check_receipts(self, receipts: Iterable[bytes], trust: TrustFile) -> None:
        """All that were handed out are of entries of this tree; they verify."""
        for encoded in receipts:
            receipt = Receipt.decode(encoded)
            proof = LogProof.parse(receipt.log_proof or b"")
            over = proof.signed.checkpoint
            assert self.roots[over.size] == over.root, "a receipt's checkpoint is of another tree"
            entry: Digest = digest_of(receipt.statement)
            assert self.entries[proof.index] == entry, "a receipt's entry is missing"
            self.is_erased(encoded)
            verify_any(encoded, trust)

    def check_witness(self, settings: WitnessSettings) -> None:
        """What it cosigned last is of this tree, and not older than what was published."""
        memory = WitnessMemory(settings.memory_file)
        try:
            with memory._ledger.transaction() as connection:
                (kept,) = connection.execute("SELECT size, root FROM cosigned").fetchall()
        finally:
            memory.close()
        assert self.roots[kept[0]] == kept[1], "the witness has cosigned another tree"
        assert kept[0] >= max(self.checkpoints), "the witness has forgotten what it cosigned"


def check_leaks(samples: Sequence[bytes], disks: Iterable[Path]) -> None:
    """None of these bytes is in a file."""
    assert samples
    for path in (path for disk in disks for path in disk.rglob("*")):
        content = _content(path)
        assert not any(one in content for one in samples), f"{path.name} holds something biometric"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:  # a running database drops files of its own
        return b""


def _wait_until_sequenced(database: Database) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        with database.transaction() as connection:
            newest = stored_log.newest_published(connection)
            size = stored_log.head(connection).size
            resting = not stored_log.has_pending(connection) and not stored_log.unsigned(connection)
            if resting and newest and newest.size == size:
                return
        assert time.monotonic() < deadline, "the log does not come to rest"
        time.sleep(0.05)


def _roots(entries: Sequence[bytes]) -> list[bytes]:
    """The root of every size of the tree."""
    tree, roots = Frontier(), [Frontier().root]
    for entry in entries:
        tree, _ = tree.extend([leaf_hash(entry)])
        roots.append(tree.root)
    return roots
