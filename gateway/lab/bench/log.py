"""``sealmatch bench log``: what the transparency log costs as it grows.

Entries are queued and sequenced as in the gateway, batch by batch, each batch with a signed
checkpoint on the disk. At every power of ten these are measured: one entry alone, from queue to
published checkpoint; proofs of entries anywhere in the log, made and verified; hashes and bytes of
the longest proof; bytes of the database.
Times are wall-clock medians, those of appending a mean. SQLite runs in a directory of its own, with
durable commits.
"""

import argparse
import json
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from gateway.host.clock import unix_time
from gateway.sequencing.reading import PublishedLog
from gateway.sequencing.sequencer import BATCH, Alone, NoWitnesses, Sequencer
from gateway.store import log as store
from gateway.store.database import Database
from gateway.translog.algorithms import SEED_BYTES
from gateway.translog.note import Kind, NoteSigner
from gateway.translog.policy import NO_QUORUM, TrustedLog, TrustPolicy
from gateway.translog.verification import verify_log_proof
from gateway.wire.ids import Digest, digest_of

_ALONE, _PROOFS = 9, 50
"""How many entries are appended alone, and how many proofs are made, at each size."""

_COLUMNS: Final = (
    ("entries", "entries", "{:,}"),
    ("appendMicroseconds", "append us/entry", "{:,.1f}"),
    ("aloneMs", "one alone ms", "{:,.2f}"),
    ("proveMs", "prove ms", "{:,.3f}"),
    ("verifyMs", "verify ms", "{:,.3f}"),
    ("proofHashes", "hashes", "{:,}"),
    ("proofBytes", "proof bytes", "{:,}"),
    ("databaseBytesPerEntry", "disk bytes/entry", "{:,.0f}"),
)


def add_parser(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = kinds.add_parser(
        "log",
        help="appending to the transparency log, and proving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--entries", type=_entries, default=1_000_000, metavar="N", help="default 1000000"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure and print."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="sealmatch-bench-") as directory:
        bench = LogBench(Path(directory))
        for size in _milestones(options.entries):
            rows.append(bench.measure(size, lambda done: _progress(done, options.entries)))
        bench.close()
    print(json.dumps({"log": rows}, indent=2) if options.json else _table(rows))
    return 0


class LogBench:
    """One growing log."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "log.sqlite3"
        self._database = Database(f"sqlite:///{self._path}")
        self._database.migrate()
        seed = secrets.token_bytes(SEED_BYTES)
        signer = NoteSigner.from_seed("bench.example/log", Kind.ED25519, seed)
        self._policy = TrustPolicy((TrustedLog(signer.key),), (), (), NO_QUORUM)
        self._sequencer = Sequencer(self._database, Alone(), [signer], NoWitnesses(), unix_time)
        self._published = PublishedLog(self._database)
        self._size = 0

    def close(self) -> None:
        self._database.close()

    def measure(self, size: int, progress: Callable[[int], None]) -> dict[str, Any]:
        """Grow to ``size`` entries, then measure."""
        before, start = self._size, time.perf_counter()
        while self._size < size - _ALONE:
            self._append(min(BATCH, size - _ALONE - self._size))
            progress(self._size)
        spent, grown = time.perf_counter() - start, max(1, self._size - before)
        alone = []
        for _ in range(_ALONE):
            start = time.perf_counter()
            self._append(1)
            alone.append(_since(start))
        return {
            "entries": self._size,
            "appendMicroseconds": spent / grown * 1e6,
            "aloneMs": statistics.median(alone),
            **self._prove(),
            "databaseBytesPerEntry": self._bytes() / self._size,
        }

    def _append(self, count: int) -> None:
        entries = [_entry(n) for n in range(self._size, self._size + count)]
        with self._database.transaction() as connection:
            for entry in entries:
                store.append(connection, "decision", entry)
        self._sequencer.step()
        self._size += count

    def _prove(self) -> dict[str, Any]:
        """Make and verify proofs of random entries under the newest checkpoint."""
        made, verified, sizes, hashes = [], [], [], []
        for _ in range(_PROOFS):
            index = secrets.randbelow(self._size)
            start = time.perf_counter()
            proof = self._published.proof(index, newest=True)
            made.append(_since(start))
            if proof is None:
                raise RuntimeError("the log does not prove its own entry")
            encoded = bytes(proof)
            start = time.perf_counter()
            verify_log_proof(encoded, _entry(index), self._policy)
            verified.append(_since(start))
            sizes.append(len(encoded))
            hashes.append(len(proof.path))
        return {
            "proveMs": statistics.median(made),
            "verifyMs": statistics.median(verified),
            "proofHashes": max(hashes),
            "proofBytes": max(sizes),
        }

    def _bytes(self) -> int:
        return sum(path.stat().st_size for path in self._path.parent.glob("log.sqlite3*"))


def _entry(number: int) -> Digest:
    return digest_of(number.to_bytes(8, "big"))


def _since(start: float) -> float:
    """Milliseconds since ``start``."""
    return (time.perf_counter() - start) * 1e3


def _milestones(entries: int) -> Iterator[int]:
    size = 100
    while size < entries:
        yield size
        size *= 10
    yield entries


def _entries(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 100 <= int(text) <= 10**9:
        raise argparse.ArgumentTypeError("a number from 100 to 1000000000")
    return int(text)


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty() or done % (64 * BATCH) < BATCH:
        end = "\r" if sys.stderr.isatty() else "\n"
        print(f"{done:,} of {total:,} entries", end=end, file=sys.stderr, flush=True)


def _table(rows: list[dict[str, Any]]) -> str:
    lines = ["  ".join(f"{title:>16}" for _, title, _ in _COLUMNS)]
    for row in rows:
        lines.append("  ".join(f"{form.format(row[name]):>16}" for name, _, form in _COLUMNS))
    return "\n".join(lines)
