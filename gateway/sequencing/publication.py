"""From a record to its receipt, and to any entry's proof: runs the sequencer, waits for it, joins
statement and proof.

A receipt exists only when its entry stands under a published checkpoint. Whoever asks earlier waits
a little. If the receipt is still not there, they are told that the decision is recorded and to ask
again.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from gateway.host.metrics import stage
from gateway.sequencing.announced import Announced
from gateway.sequencing.guard import LogHalted
from gateway.sequencing.reading import PublishedLog
from gateway.sequencing.sequencer import Sequencer
from gateway.store import log as stored_log
from gateway.store import records
from gateway.store.database import Database
from gateway.store.halts import InDoubt
from gateway.translog.tree import leaf_hash, verify_inclusion
from gateway.wire.errors import Refused, Unavailable
from gateway.wire.ids import Digest, RecordId, digest_of
from gateway.wire.proof import Receipt

log = logging.getLogger("sealmatch.log")

_RECHECK_SECONDS: Final = 0.05
"""How often a process that does not sequence itself looks whether another one has, however many
answers wait in it."""
_REMINDED_SECONDS: Final = 0.1
_RESTING_SECONDS: Final = 1.0
"""How often a process that sequences looks into the database all the same."""


class SequencerThread:
    """Runs a sequencer: at once for an entry that comes alone, in batches for many."""

    def __init__(self, sequencer: Sequencer, period: float, pause: float = 1.0) -> None:
        """Prepare.

        Args:
            period: seconds from one batch to the next, and between looks at the queue.
            pause: seconds after a fault of storage or witnesses.
        """
        self._sequencer = sequencer
        self._period = period
        self._pause = pause
        self._stopping = threading.Event()
        self._wanted = threading.Event()
        self._moved = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)
        self._halted = False
        self._doubt: str | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish the step that runs, if any does, then let others sequence."""
        self._stopping.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join()
        self._sequencer.resign()

    def check(self) -> None:
        """Raise ``LogHalted`` if nothing is sequenced here, now or for ever."""
        if self._halted or self._doubt is not None:
            raise LogHalted("the log is halted; see the operator's log")

    def wait(self, seconds: float) -> None:
        """Ask for a step; return when one has published something, or after ``seconds`` (at most
        0.1, or 0.05 where another process sequences): it may have been published just before."""
        longest = _REMINDED_SECONDS if self.leads else _RECHECK_SECONDS
        with self._moved:
            self._wanted.set()
            self._moved.wait(min(seconds, longest))

    @property
    def leads(self) -> bool:
        """Whether this process sequences."""
        return self._sequencer.leads

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait(self._period)
            self._wanted.clear()
            rest, moved = self._period, False
            try:
                moved = self._sequencer.step()
                self._settled()
            except InDoubt as error:
                self._note_doubt(str(error))
                rest = self._pause
            except Unavailable as error:
                log.warning("sequencer: %s", error)
                rest = self._pause
            except (LogHalted, stored_log.OtherLog) as error:
                log.critical("the log is halted, no session is opened: %s", error)
                self._halted = True
                return
            except Exception as error:  # noqa: BLE001  one fault must not end all receipts
                log.error("sequencer: %s", type(error).__name__)
                rest = self._pause
            if moved:
                self._tell()
            self._stopping.wait(rest)

    def _note_doubt(self, why: str) -> None:
        """Said once; an operator settles it, while this goes on to look."""
        if self._doubt != why:
            log.critical("the log is halted, no session is opened: %s", why)
        self._doubt = why

    def _settled(self) -> None:
        if self._doubt is not None:
            log.warning("the log goes on: an operator has settled what it was halted for")
        self._doubt = None

    def _tell(self) -> None:
        with self._moved:
            self._moved.notify_all()


class Inline:
    """Sequences in the thread that waits: one process without a server."""

    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer
        self._lock = threading.Lock()

    leads = True

    def wait(self, _seconds: float) -> None:
        with self._lock:
            self._sequencer.step()

    def check(self) -> None:
        """Nothing to check: if the log halts, ``wait`` raises."""


class Growth(Protocol):
    """How a process sees the log grow."""

    @property
    def leads(self) -> bool:
        """Whether it grows here, so that what is published was announced before."""
        ...

    def wait(self, seconds: float) -> None:
        """Let up to some seconds pass, in which the log may grow."""
        ...

    def check(self) -> None:
        """Raise ``LogHalted`` if the log will not grow any more."""
        ...


class Publication:
    """Gives out receipts."""

    def __init__(
        self,
        database: Database,
        growth: Growth,
        seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        announced: Announced | None = None,
    ) -> None:
        """Prepare.

        Args:
            seconds: how long an answer may be held back for its receipt.
            announced: by the sequencer of this process.
        """
        self._database = database
        self._is_told = announced is not None
        self._announced = announced or Announced()
        self._published = PublishedLog(database, self._announced)
        self._growth = growth
        self._seconds = seconds
        self._monotonic = monotonic
        self._looking = threading.Lock()
        self._next_look, self._seen = 0.0, 0

    def check(self) -> None:
        """Raise ``Unavailable`` if there will be no receipts: then nothing may be decided."""
        try:
            self._growth.check()
        except LogHalted as error:
            raise Unavailable(str(error)) from None

    def receipt(self, record: records.RecordRow) -> bytes | None:
        """The receipt of a record, always the same bytes; None while there is none yet.

        Raises:
            Unavailable: the storage does not answer.
            LogHalted: what is stored proves nothing; better no receipt than a worthless one.
        """
        index = record.log_index
        if index is None:
            index = self._announced.index(record.record_id)
        proof = self.proof(index, digest_of(record.statement))
        return proof and Receipt(statement=record.statement, log_proof=proof).encode()

    def proof(self, index: int | None, entry: Digest) -> bytes | None:
        """A log proof of an entry, always the same bytes; None while there is none yet.

        Args:
            index: the entry's; None: it has none yet.

        Raises:
            As ``receipt``.
        """
        proof = None if index is None else self._published.proof(index)
        if proof is None:
            return None
        over = proof.signed.checkpoint
        try:
            verify_inclusion(leaf_hash(entry), proof.index, over.size, over.root, proof.path)
        except Refused:
            raise LogHalted("the stored log does not prove the entry") from None
        return bytes(proof)

    @stage("publication")
    def wait_for(self, row: RecordId, kind: stored_log.EntryKind = "decision") -> None:
        """Return when the proof of a row's entry is there, or when that takes too long.

        Args:
            row: a record's id, or that of what ``kind`` says the entry is of.

        Raises:
            Unavailable: the storage does not answer.
        """
        now = self._monotonic()
        until, look, seen = now + self._seconds, now, -1
        while not self._is_announced(row):
            if now >= look:  # another process may have published it
                look = now + (_RESTING_SECONDS if self._is_told and self._growth.leads else 0)
                size, before = self._size(now), seen
                seen = size
                if size != before and self._is_published(row, kind):
                    return
            if now >= until:
                return
            self._growth.wait(until - now)
            now = self._monotonic()

    def _is_announced(self, row: RecordId) -> bool:
        index = self._announced.index(row)
        return index is not None and self._announced.over(index) is not None

    def _size(self, now: float) -> int:
        """How far the log is published; looked up now and then for all who wait."""
        with self._looking:
            if now >= self._next_look:
                self._seen = self._published.newest_size()
                self._next_look = now + _RECHECK_SECONDS
            return self._seen

    def _is_published(self, row: RecordId, kind: stored_log.EntryKind) -> bool:
        with self._database.transaction() as connection:
            return stored_log.is_published(connection, row, kind)
