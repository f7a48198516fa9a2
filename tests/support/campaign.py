"""Servers killed again and again while counters register: what may never come of it.

Both servers, a witness, and on PostgreSQL a second gateway that may sequence too. Counters register
without pause, verify every receipt against the trust file (the log's key and a quorum of one
witness), and keep it. ``check`` then holds all receipts and everything stored against each other:

- every receipt handed out is of an entry that the log still has, at that index;
- all checkpoints ever seen, in receipts and in the database, are of one growing tree;
- every record and every operator's action has its entry, once, and nothing waits any more;
- nothing of a probe or embedding is in a file of either server.
"""

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from gateway.cli import local
from gateway.proofs.verify import verify_receipt
from gateway.store import repositories, schema, translog
from gateway.store.database import Database
from gateway.translog.note import NoteKey
from gateway.translog.policy import TrustedLog, TrustedWitness, TrustPolicy
from gateway.translog.proof import LogProof
from gateway.translog.tree import Frontier, leaf_hash
from gateway.wire.errors import SealmatchError
from gateway.wire.ids import digest_of
from gateway.wire.proof import Receipt
from gateway.witness.config import WitnessSettings
from gateway.witness.logs import KnownLogs
from tests.e2e.test_faults import revive
from tests.support.crashing import points
from tests.support.deployment import Counter, Observed, free_port_pair, pair
from tests.support.steps import Steps
from tests.support.witnesses import public_keys, running_witness, sealed_witness

AUTHORITY, GATEWAY, RIVAL = 0, 1, 2
CLIENTS = 2
PATIENCE = 90
"""Seconds within which a registration succeeds after a restart, on a loaded machine."""
SAMPLES = 12
LIFTED = {
    "SEALMATCH_AUTHORITY_DEVICE_DECISIONS": "100000",
    "SEALMATCH_AUTHORITY_SUBJECT_DECISIONS": "1000",
    "SEALMATCH_AUTHORITY_FAILURES_TO_LOCK": "1000",
    "SEALMATCH_AUTHORITY_WORKERS": "1",
    "SEALMATCH_GATEWAY_WORKERS": "1",
}


class Witnessed(Observed):
    """A deployment whose log needs one witness."""

    witness: WitnessSettings

    def _keys(
        self, command: Sequence[str], directory: Path, environment: dict[str, str]
    ) -> dict[str, Any]:
        shown = super()._keys(command, directory, environment)
        if directory != self.directories.gateway:
            return shown
        log = NoteKey.parse(shown["logPolicy"][0].split(" ")[1])
        self._start_witness(log)
        return super()._keys(command, directory, self._gateway_environment(""))

    def _start_witness(self, log: NoteKey) -> None:
        directory = self.directories.root / "witness"
        directory.mkdir(mode=0o700)
        self.witness = sealed_witness(directory)
        KnownLogs(self.witness.logs_file).add(log)
        self._stack = contextlib.ExitStack()
        url, self.witness_process = self._stack.enter_context(running_witness(self.witness))
        key = public_keys(self.witness)[0]
        policy = TrustPolicy.simple([TrustedLog(log)], [TrustedWitness("w", key, url)], 1)
        path = self.directories.root / "witnesses.txt"
        path.write_bytes(bytes(policy))
        self._settings["log_witnesses"] = str(path)

    def stop(self) -> None:
        super().stop()
        if hasattr(self, "_stack"):
            self._stack.close()


class Campaign:
    """Counters at work in a deployment that is not left in peace."""

    def __init__(self, root: Path, database_url: str | None = None, seed: int = 1) -> None:
        self.rng = random.Random(seed)
        self.tally: Tally[str] = Tally()
        self.receipts: list[bytes] = []
        self.samples: list[bytes] = []
        self.faults: list[BaseException] = []
        self._root = root
        self._url = database_url
        self._steps = Steps(root / "steps")
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._rival: local.Server | None = None

    def __enter__(self) -> Self:
        self._stack = contextlib.ExitStack()
        before = dict(os.environ)
        self._stack.callback(lambda: (os.environ.clear(), os.environ.update(before)))
        os.environ.update({**LIFTED, **self._steps.environment()})
        settings = {"activations_per_subject": "1000", "authority_seconds": "5"}
        if self._url is not None:
            settings["database_url"] = self._url
        state = self._root / "state"
        self.deployment = self._stack.enter_context(
            Witnessed(state, port=free_port_pair(), **settings)
        )
        self._stack.callback(self._stop_rival)
        self._start_rival()
        self._threads = [threading.Thread(target=self._register) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        self._stack.callback(self._end)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def kill_at_random(self) -> str:
        """One SIGKILL of one server while requests are in flight; then it is started again."""
        time.sleep(self.rng.random() * 0.7)
        which = self.rng.choice([AUTHORITY, GATEWAY, GATEWAY] + [RIVAL] * (self._rival is not None))
        self._kill(which)
        self._revive()
        return ("authority", "gateway", "second gateway")[which]

    def kill_at(self, point: str) -> None:
        """A server dies at a labelled point; then it is started again.

        Raises:
            AssertionError: no server came there.
        """
        self._steps.arm(point)
        self._steps.wait(PATIENCE)
        for server in self._servers():
            with contextlib.suppress(Exception):
                server.process.wait(0.2)
        self._steps.disarm()
        self._revive()

    def registered(self, more: int = 1) -> None:
        """Wait until so many further registrations have succeeded."""
        goal, deadline = len(self.receipts) + more, time.monotonic() + PATIENCE
        while len(self.receipts) < goal:
            assert not self.faults, self.faults
            assert time.monotonic() < deadline, "registrations no longer succeed"
            time.sleep(0.05)

    def check(self) -> dict[str, int]:
        """End all registrations, then hold everything against everything."""
        self.registered()
        self._end()
        assert not self.faults, self.faults
        with self._database() as database:
            self._wait_until_sequenced(database)
            found = _check_stored(database, self.receipts, self.deployment.trust)
        self._check_leaks()
        return {"receipts": len(self.receipts), **found, **self.tally}

    # The servers

    def _servers(self) -> list[local.Server]:
        rival = [] if self._rival is None else [self._rival]
        return [*self.deployment._servers, *rival]

    def _kill(self, which: int) -> None:
        server = self._servers()[which]
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait(20)

    def _revive(self) -> None:
        revive(self.deployment)
        if self._rival is not None and self._rival.process.poll() is not None:
            self._stop_rival()
            self._start_rival()

    def _start_rival(self) -> None:
        """A second gateway on the same PostgreSQL, with the same keys; it serves no counter."""
        if self._url is None:
            return
        environment = self.deployment._gateway_environment("http://127.0.0.1:1")
        command = [*local._GATEWAY, "serve"]
        directory = self.deployment.directories.gateway
        self._rival = local.Server(
            command, directory, **{**environment, "SEALMATCH_GATEWAY_PORT": "0"}
        )
        self._rival.wait_ready()

    def _stop_rival(self) -> None:
        if self._rival is not None:
            self._rival.stop()
            self._rival = None

    # The counters

    def _register(self) -> None:
        counter = Counter(self.deployment)
        template, probe = pair(0.7)
        with contextlib.closing(counter):
            while not self._stopped.is_set():
                try:
                    done = counter.register(template, probe)
                except (SealmatchError, httpx.HTTPError) as error:
                    self.tally[type(error).__name__] += 1
                    time.sleep(0.2)
                except BaseException as error:  # noqa: BLE001  told by ``registered``
                    self.faults.append(error)
                    return
                else:
                    with self._lock:
                        self.receipts.append(done.receipt)
                        if len(self.samples) < SAMPLES:
                            self.samples.append(done.submission.probe[5000:5032])

    def _end(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    # What is left

    @contextlib.contextmanager
    def _database(self) -> Iterator[Database]:
        beside = self.deployment.directories.gateway / "gateway.sqlite3"
        database = Database(self._url or f"sqlite:///{beside}")
        try:
            yield database
        finally:
            database.close()

    def _wait_until_sequenced(self, database: Database) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            with database.transaction() as connection:
                newest = translog.newest_published(connection)
                size = translog.head(connection).size
                if not translog.has_pending(connection) and newest and newest.size == size:
                    return
            assert time.monotonic() < deadline, "the log does not come to rest"
            time.sleep(0.05)

    def _check_leaks(self) -> None:
        embeddings = [vector.tobytes()[:64] for vector in pair(0.7)]
        directories = self.deployment.directories
        for directory in (directories.gateway, directories.authority):
            for path in directory.rglob("*"):
                content = path.read_bytes() if path.is_file() else b""
                for one in (*self.samples, *embeddings):
                    assert one not in content, f"{path.name} holds something biometric"


def _check_stored(database: Database, receipts: Sequence[bytes], trust: Any) -> dict[str, int]:
    with database.transaction() as connection:
        size = translog.head(connection).size
        entries = translog.entries(connection, 0, size + 1)
        checkpoints = connection.execute(schema.log_checkpoints.select()).all()
        records = repositories.all_records(connection)
        actions = repositories.list_admin_actions(connection)
        assert translog.unsigned(connection) == []
    assert len(entries) == size == len(set(entries))
    roots = _roots(entries)
    for row in checkpoints:
        assert roots[row.size] == bytes(row.root), "two checkpoints disagree"
    for record in records:
        assert record.log_index is not None, "a record without its entry"
        assert entries[record.log_index] == digest_of(record.statement)
    assert {digest_of(action) for action in actions} <= set(entries)
    assert len(entries) == len(records) + len(actions), "an entry of nothing"
    for encoded in receipts:
        receipt = Receipt.decode(encoded)
        proof = LogProof.parse(receipt.log_proof or b"")
        over = proof.signed.checkpoint
        assert roots[over.size] == over.root, "a receipt's checkpoint is of another tree"
        assert entries[proof.index] == digest_of(receipt.statement), "a receipt's entry is missing"
    verify_receipt(receipts[-1], trust)
    return {"records": len(records), "entries": size, "checkpoints": len(checkpoints)}


def _roots(entries: Sequence[bytes]) -> list[bytes]:
    """The root of every size of the tree."""
    tree, roots = Frontier(), [Frontier().root]
    for entry in entries:
        tree, _ = tree.extend([leaf_hash(entry)])
        roots.append(tree.root)
    return roots


def labelled() -> list[str]:
    """The crash points of both servers and the sequencer."""
    prefixes = ("gateway-", "authority-", "sequencer-")
    return sorted(point for point in points() if point.startswith(prefixes))
