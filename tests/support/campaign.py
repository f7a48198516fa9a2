"""Servers killed again and again while counters register: what may never come of it.

Gateway, authority, auditor and witness, and on PostgreSQL a second gateway that may sequence too.
One evaluation in two is audited. Counters register without pause, verify every receipt against the
trust file (the log's key and a quorum of one witness), and keep it. Before each, somebody is
registered without a face. After two in five the record is erased, or the consent withdrawn; one in
five is made old, and the gateways' reaper removes it.
``check`` holds all receipts and everything stored against each other (``aftermath``), and what
passed about audits against the records (``audits_seen``).
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter as Tally
from pathlib import Path
from typing import Final, Self

import httpx

from gateway.client.registration import Registration
from gateway.lab.deployment.servers import Server
from gateway.store import schema
from gateway.store.database import Database
from gateway.translog.note import NoteKey
from gateway.translog.policy import TrustedLog, TrustedWitness, TrustPolicy
from gateway.wire.errors import SealmatchError
from gateway.wire.proof import Receipt
from gateway.wire.rights import Wish
from gateway.witness.config import WitnessSettings
from gateway.witness.logs import KnownLogs
from tests.support.aftermath import Aftermath, check_leaks
from tests.support.audits_seen import AuditsSeen
from tests.support.counter import Counter
from tests.support.crashing import points
from tests.support.observed import Observed
from tests.support.processes import PATIENCE, free_ports
from tests.support.reviving import AUDITOR, AUTHORITY, GATEWAY, revive
from tests.support.samples import pair
from tests.support.steps import Steps
from tests.support.witnesses import public_keys, sealed_witness

CLIENTS = 2
WISHES: Final[tuple[Wish | None, ...]] = (None, "erase", None, "withdraw", "copy")
"""What is asked for after a registration, in turn."""
AGED: Final = 2
"""Of these, the registration that is made old."""
AUDIT_ONE_IN = 2
SAMPLES = 12
BACKUP_POINTS = ("backup-table-written", "new-file-written")
RESTORE_POINTS = ("restore-begun", "restore-rows-written", "restore-written", "restore-committed")
"""In their order. After the last one, nothing is missing."""
LIFTED = {
    "SEALMATCH_AUTHORITY_DEVICE_DECISIONS": "100000",
    "SEALMATCH_AUTHORITY_SUBJECT_DECISIONS": "1000",
    "SEALMATCH_AUTHORITY_FAILURES_TO_LOCK": "1000",
    "SEALMATCH_AUTHORITY_AUDIT_UNANSWERED": "1000",
    "SEALMATCH_AUTHORITY_WORKERS": "1",
    "SEALMATCH_GATEWAY_WORKERS": "1",
    "SEALMATCH_GATEWAY_REAP_SECONDS": "1",
}
"""Every kill costs an attempt, and one in two leaves a demand unanswered."""


class Witnessed(Observed):
    """A deployment whose log needs one witness."""

    witness: WitnessSettings
    witness_server: Server | None = None

    def prepare(self) -> None:
        super().prepare()
        self._start_witness(NoteKey.parse(self.gateway.keys.shown["logPolicy"][0].split(" ")[1]))
        del self.gateway.keys  # it shows the witness as well, now

    def _start_witness(self, log: NoteKey) -> None:
        directory = self.directories.root / "witness"
        directory.mkdir(mode=0o700)
        self.witness = sealed_witness(directory)
        KnownLogs(self.witness.logs_file).add(log)
        port = self.start_witness()
        key = public_keys(self.witness)[0]
        witness = TrustedWitness("w", key, f"http://127.0.0.1:{port}")
        policy = TrustPolicy.simple([TrustedLog(log)], [witness], 1)
        path = self.directories.root / "witnesses.txt"
        path.write_bytes(bytes(policy))
        self.gateway.settings["log_witnesses"] = str(path)

    def start_witness(self) -> int:
        """Start the witness, at the next port but two, and return its port."""
        command = [sys.executable, "-m", "gateway.witness.cli", "serve"]
        settings = {
            "DATA_DIR": str(self.witness.data_dir),
            "PASSPHRASE_FILE": str(self.witness.passphrase_file),
            "PORT": str(int(self.gateway.settings["port"]) + 3),
            "REQUESTS_PER_SECOND": "1000",
            "BURST": "10000",
        }
        environment = {f"SEALMATCH_WITNESS_{name}": value for name, value in settings.items()}
        self.witness_server = Server(command, self.witness.data_dir, **environment)
        return self.witness_server.wait_ready()

    def revive(self) -> None:
        """Start again what was killed."""
        if self.witness_server is not None and self.witness_server.process.poll() is not None:
            self.witness_server.stop()
            self.start_witness()
        revive(self)

    def stop(self) -> None:
        super().stop()
        if self.witness_server is not None:
            self.witness_server.stop()


class Campaign:
    """Counters at work in a deployment that is not left in peace."""

    def __init__(
        self,
        root: Path,
        database_url: str | None = None,
        seed: int = 1,
        *,
        database_files: Path | None = None,
    ) -> None:
        """``database_files``: where PostgreSQL keeps what it is given."""
        self.rng = random.Random(seed)
        self.tally: Tally[str] = Tally()
        self.receipts: list[bytes] = []
        self.erased: list[bytes] = []
        """Receipts of records of which somebody was told that they are gone."""
        self.without_face: list[bytes] = []
        """Receipts of registrations without a face."""
        self.samples: list[bytes] = []
        self.faults: list[BaseException] = []
        self.audits = AuditsSeen()
        self.kills: Tally[str] = Tally()
        self._disks = [root] if database_files is None else [root, database_files]
        self._root = root
        self._url = database_url
        self._steps = Steps(root / "steps")
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._rival: Server | None = None

    def __enter__(self) -> Self:
        self._stack = contextlib.ExitStack()
        before = dict(os.environ)
        self._stack.callback(lambda: (os.environ.clear(), os.environ.update(before)))
        os.environ.update({**LIFTED, **self._steps.environment()})
        settings = {
            "activations_per_subject": "1000",
            "authority_seconds": "60",
            "auditor_seconds": "60",
            **{f"fallbacks_per_{kind}": "10000" for kind in ("agent", "supervisor", "device")},
            "subject_requests_per_device": "10000",
        }
        if self._url is not None:
            settings["database_url"] = self._url
        state = self._root / "state"
        self.deployment = self._stack.enter_context(
            Witnessed(state, port=free_ports(4), audit_one_in=AUDIT_ONE_IN, **settings)
        )
        self._forget_schedule()
        self.deployment.proxy.behaviour = self.audits
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
        servers = self._servers()
        which = self.rng.choice(["gateway", *servers])  # which has the most to lose
        os.kill(servers[which].process.pid, signal.SIGKILL)
        servers[which].process.wait(PATIENCE)
        self.kills[which] += 1
        self._revive()
        return which

    def kill_at(self, point: str) -> None:
        """A server dies at a labelled point; then it is started again.

        Raises:
            AssertionError: no server came there.
        """
        self._steps.arm(point)
        self._steps.wait(PATIENCE)
        self.kills[self._one_that_died()] += 1
        self._steps.disarm()
        self._revive()

    def back_up_and_restore(self, renewed: str | None = None) -> None:
        """The gateway loses its database, and gets it back from a backup; both are killed at each
        of their labelled points first. Nothing is lost: the backup is the last thing before.

        Args:
            renewed: the URL of an empty database; None: SQLite, whose files are put aside.
        """
        gateway, number = self.deployment.gateway, self.kills["backup"] + 1
        self._stop_rival()
        gateway.stop()
        out = self._root / f"backup-{number}"
        for point in BACKUP_POINTS:
            self._killed_at(point, "backup", str(out))
        self._operate("backup", str(out))
        if renewed is None:
            aside = self._root / f"lost-{number}"
            aside.mkdir()
            for file in self._gateway_files.glob("gateway.sqlite3*"):
                file.rename(aside / file.name)
        else:
            self._url = gateway.settings["database_url"] = renewed
        for point in RESTORE_POINTS:
            self._killed_at(point, "restore", str(out))
        self._operate("log", "resume")  # the witness vouches
        gateway.launch()
        gateway.ready()
        self._start_rival()
        self.registered()

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
        with contextlib.closing(self._database()) as database:
            left = Aftermath.of(database)
        left.check_log()
        left.check_receipts(self.receipts, self.deployment.trust)
        left.check_receipts(self.without_face, self.deployment.trust)
        assert all(map(left.is_erased, self.erased)), "erased, and there"
        left.check_witness(self.deployment.witness)
        embeddings = [vector.tobytes()[:64] for vector in pair(0.7)]
        check_leaks([*self.samples, *embeddings], self._disks)
        gone = [Receipt.decode(one).statement for one in self.receipts if left.is_erased(one)]
        audits = self.audits.check(
            [*(one.statement for one in left.records if one.kind == "decision"), *gone],
            self.deployment.directories.authority / "audits.sqlite3",
            unseen=CLIENTS * self.kills["authority"],
        )
        return {
            "receipts": len(self.receipts),
            "receipts without a face": len(self.without_face),
            "records": len(left.records),
            "erasures": len(left.left),
            "entries": len(left.entries),
            "checkpoints": len(left.checkpoints),
            **audits,
            **{f"kills of the {name}": count for name, count in sorted(self.kills.items())},
            **self.tally,
        }

    # The servers

    def _servers(self) -> dict[str, Server]:
        running, witness = self.deployment.servers, self.deployment.witness_server
        named = {
            "authority": running[AUTHORITY],
            "auditor": running[AUDITOR],
            "gateway": running[GATEWAY],
            "witness": witness,
            "second gateway": self._rival,
        }
        return {name: server for name, server in named.items() if server is not None}

    def _operate(self, *words: str) -> int:
        """An operator's command at the gateway; its exit status."""
        gateway = self.deployment.gateway
        done = subprocess.run(
            [*gateway.program, *words],
            env={**os.environ, **gateway.environment()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode

    def _killed_at(self, point: str, *words: str) -> None:
        self._steps.arm(point)
        assert self._operate(*words) == -signal.SIGKILL, f"{words} never came to {point}"
        self._steps.disarm()
        self.kills[words[0]] += 1

    def _one_that_died(self) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for name, server in self._servers().items():
                if server.process.poll() is not None:
                    return name
            time.sleep(0.01)
        raise AssertionError("a server came to the point and lives")

    def _revive(self) -> None:
        self.deployment.revive()
        if self._rival is not None and self._rival.process.poll() is not None:
            self._stop_rival()
            self._start_rival()

    def _start_rival(self) -> None:
        """A second gateway on the same PostgreSQL, with the same keys; it serves no counter."""
        if self._url is None:
            return
        gateway = self.deployment.gateway
        environment = gateway.environment(authority_url="http://127.0.0.1:1", port="0")
        self._rival = Server([*gateway.program, "serve"], self._gateway_files, **environment)
        self._rival.wait_ready()

    def _stop_rival(self) -> None:
        if self._rival is not None:
            self._rival.stop()
            self._rival = None

    @property
    def _gateway_files(self) -> Path:
        return self.deployment.directories.gateway

    # The counters

    def _register(self) -> None:
        counter = Counter(self.deployment)
        template, probe = pair(0.7)
        with contextlib.closing(counter):
            while not self._stopped.is_set():
                try:
                    self._record(counter)
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
                        turn = len(self.receipts) % len(WISHES)
                        if len(self.samples) < SAMPLES:
                            self.samples.append(done.submission.sealed_probe[5000:5032])
                    self._wish(counter, done, WISHES[turn])
                    if turn == AGED:
                        self._age(done)

    def _wish(self, counter: Counter, done: Registration, wish: Wish | None) -> None:
        if wish is None:
            return
        try:
            gone = counter.ask(done, wish).erasure is not None
        except (SealmatchError, httpx.HTTPError) as error:
            self.tally[f"{wish}: {type(error).__name__}"] += 1
        else:
            if gone:
                self.erased.append(done.receipt)

    def _age(self, done: Registration) -> None:
        """Let a record be due, as months later."""
        with contextlib.closing(self._database()) as database, database.writing() as connection:
            mine = schema.records.c.record_id == done.record_id
            connection.execute(schema.records.update().where(mine).values(expires_at=1))

    def _forget_schedule(self) -> None:
        """Records go when their column says, as before a schedule was adopted: months do not pass
        here, and by a schedule a record goes no sooner than its signed time says."""
        with contextlib.closing(self._database()) as database, database.writing() as connection:
            connection.execute(schema.retention_schedules.delete())

    def _database(self) -> Database:
        return Database(self._url or f"sqlite:///{self._gateway_files / 'gateway.sqlite3'}")

    def _record(self, counter: Counter) -> None:
        """A registration without a face; tried until it is known how it ended."""
        request = counter.without_face()
        while not self._stopped.is_set():
            try:
                receipt = counter.record(request)
            except (SealmatchError, httpx.HTTPError) as error:
                self.tally[f"without a face: {type(error).__name__}"] += 1
                time.sleep(0.2)
            else:
                self.without_face.append(receipt)
                return

    def _end(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(PATIENCE)


def labelled() -> list[str]:
    """The crash points of all servers and the sequencer."""
    prefixes = ("gateway-", "authority-", "auditor-", "sequencer-", "witness-", "reaper-")
    return sorted(point for point in points() if point.startswith(prefixes))
