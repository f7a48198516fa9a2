"""The sequencer: gives entries their places, fixes the tree, signs it, publishes it.

The states of an entry, each on the disk before the next begins:

    queued      by the transaction that wrote the record (``gateway.store.log.append``)
    fixed       it has an index; tree and root of the new size are committed, unsigned
    signed      the log's signature over exactly that root is committed
    published   as many witnesses cosigned as the policy wants; now it may be seen

Rules:
- A root is committed before it is signed, and a size has one root for ever. After a crash the same
  root is signed again, so no two checkpoints of this log ever disagree.
- There is one sequencer at a time. Processes that believe they are elected meet at the head's row.
  Its epoch lets only the last elected one write. The election is for speed, the epoch for safety.
- A database that does not lead to what was signed before is not continued (``guard``), nor a tree
  whose edge does not give its root. That needs a human.

Protocol, section 10.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import sqlalchemy as sa

from gateway.host import crash
from gateway.sequencing.announced import Announced
from gateway.sequencing.guard import Guard, LogHalted, Unguarded
from gateway.store import log as store
from gateway.store.database import Database
from gateway.store.log import Deposed, StoredCheckpoint
from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.cose_receipt import makes_cose_receipts, sign_root
from gateway.translog.cosignature import sign_checkpoint
from gateway.translog.note import NoteSigner
from gateway.translog.tiles import TILE_HEIGHT, TILE_WIDTH
from gateway.translog.tree import HASH_BYTES, Frontier, Node, leaf_hash
from gateway.wire.errors import CallerMisuse

BATCH: Final = 1024
"""Entries that get their places in one transaction."""


class Election(Protocol):
    """Who sequences, among the processes that share a database."""

    def won(self) -> bool:
        """Whether this process is elected; tries to be if nobody is. Raises ``Unavailable``."""
        ...

    def resign(self) -> None:
        """Let another one be elected."""
        ...


class Witnesses(Protocol):
    """Whose cosignatures a checkpoint needs before it is published."""

    @property
    def needed(self) -> bool:
        """Whether it needs any."""
        ...

    def cosign(self, signed: SignedCheckpoint) -> SignedCheckpoint:
        """The checkpoint with cosignatures.

        Raises:
            Unavailable: too few witnesses cosigned; try again.
        """
        ...


class NoWitnesses:
    """A log without witnesses: the log's signature alone."""

    needed = False

    def latest(self) -> list[tuple[str, SignedCheckpoint]]:
        return []

    def cosign(self, signed: SignedCheckpoint) -> SignedCheckpoint:
        return signed


class Alone:
    """The election of the only candidate."""

    def won(self) -> bool:
        return True

    def resign(self) -> None:
        """Nobody else is there."""


class Sequencer:
    """One candidate for the sequencing of one log."""

    def __init__(
        self,
        database: Database,
        election: Election,
        signers: Sequence[NoteSigner],
        witnesses: Witnesses,
        clock: Callable[[], int],
        batch: int = BATCH,
        guard: Guard | None = None,
    ) -> None:
        """Prepare.

        Args:
            signers: the log's keys, all of one name, which is the log's origin.
            guard: keeps an older database from being continued; None: nothing does.

        Raises:
            CallerMisuse: keys of several names, or none.
        """
        if len({signer.key.name for signer in signers}) != 1:
            raise CallerMisuse("a log has one origin, and a key of that name")
        self._database = database
        self._election = election
        self._signers = signers
        self._origin = signers[0].key.name
        self._witnesses = witnesses
        self._clock = clock
        self._batch = batch
        self._guard = guard or Unguarded()
        self.announced = Announced()
        """What this process has published."""
        self._epoch: int | None = None
        self._unsigned = True
        self._fixed: StoredCheckpoint | None = None
        """All that is unsigned, if that is what was fixed just now."""
        self._published_size = 0
        """Of the newest published checkpoint, since the election."""
        self._signed_size = 0

    def step(self) -> bool:
        """Bring waiting entries one state further, if this process is elected.

        Returns:
            Whether anything was sequenced or published; the caller may then step again.

        Raises:
            Unavailable: storage or witnesses do not answer; nothing is lost.
            OtherLog, LogHalted: this cannot go on.
            InDoubt: this goes on when an operator has settled the matter.
        """
        self._guard.look()
        if not self._elected():
            return False
        try:
            self._sign_fixed()  # what a predecessor left
            sequenced = self._fix_batch()
            self._sign_fixed()
            return self._publish() or sequenced
        except Deposed:
            self._epoch = None
            return False

    @property
    def leads(self) -> bool:
        """Whether this process was elected when it last looked."""
        return self._epoch is not None

    def resign(self) -> None:
        """Let another process sequence."""
        self._epoch = None
        self._election.resign()

    def _elected(self) -> bool:
        if not self._election.won():
            self._epoch = None
        elif self._epoch is None:
            with self._database.transaction() as connection:
                epoch = store.elect(connection, self._origin)
                published = store.published_size(connection)
            self._guard.require_newest()  # an election later, somebody else may have signed more
            self._epoch = epoch
            self._unsigned, self._fixed = True, None
            self._published_size = published
        return self._epoch is not None

    def _fix_batch(self) -> bool:
        """Queued -> fixed."""
        with self._database.transaction() as connection:
            if not store.has_pending(connection):
                return False
        with self._database.writing() as connection:
            head = store.lock_head(connection, self._epoch or 0)
            batch = store.pending(connection, self._batch)
            if not batch:
                return False
            self._unsigned, self._fixed = True, None
            tree = _frontier(head, store.root_of(connection, head.size))
            self._check_grows(tree.size)
            grown, complete = tree.extend(leaf_hash(one.entry) for one in batch)
            tiles = _tiles(connection, complete)
            store.give_indexes(connection, tree.size, batch)
            store.write_tiles(connection, tiles)
            store.write_head(connection, grown.size, b"".join(grown.hashes))
            store.fix_checkpoint(connection, grown.size, grown.root)
            crash.reach("sequencer-batch-written")
        crash.reach("sequencer-batch-committed")
        self._fixed = StoredCheckpoint(grown.size, grown.root, None, published=False)
        indexes = [(one.row, n) for n, one in enumerate(batch, tree.size) if one.row is not None]
        self.announced.place(indexes, tiles)
        return True

    def _sign_fixed(self) -> None:
        """Fixed -> signed."""
        if not self._unsigned:
            return
        fixed = [] if self._fixed is None else [self._fixed]
        if not fixed:
            with self._database.transaction() as connection:
                fixed = store.unsigned(connection)
        for one in fixed:
            self._check_grows(one.size)
            signed = self._sign(one)
            note = bytes(signed)
            self._signed_size = one.size
            crash.reach("sequencer-checkpoint-signed")
            self._guard.signed(signed)
            with self._database.writing() as connection:
                store.lock_head(connection, self._epoch or 0)
                kept = store.store_signature(
                    connection, one.size, note, published=not self._witnesses.needed
                )
                crash.reach("sequencer-signature-written")
            crash.reach("sequencer-signature-committed")
            if kept and not self._witnesses.needed:
                self._announce(signed)
        self._unsigned, self._fixed = False, None

    def _announce(self, signed: SignedCheckpoint) -> None:
        """A checkpoint was published. No smaller one ever comes after it, so it is the first over
        all that lies beyond the one before."""
        self.announced.publish(self._published_size, signed)
        self._published_size = signed.checkpoint.size

    def _sign(self, fixed: StoredCheckpoint) -> SignedCheckpoint:
        checkpoint = Checkpoint(self._origin, fixed.size, fixed.root)
        now = self._clock()
        lines = [sign_checkpoint(checkpoint, signer, now) for signer in self._signers]
        for_cose = [
            sign_root(checkpoint, one) for one in self._signers if makes_cose_receipts(one.key)
        ]
        return SignedCheckpoint.make(checkpoint, *lines, *for_cose)

    def _publish(self) -> bool:
        """Signed -> published, for the newest; older ones are under it.

        Witnesses may be slow, and a successor may have published a larger tree meanwhile. Receipts
        were made from that one, and none may be made differently afterwards.
        """
        if not self._witnesses.needed:
            return False
        with self._database.transaction() as connection:
            newest = store.newest(connection)
        if newest is None or newest.note is None or newest.published:
            return False
        cosigned = self._witnesses.cosign(SignedCheckpoint.parse(newest.note))
        crash.reach("sequencer-cosigned")
        with self._database.transaction() as connection:
            store.lock_head(connection, self._epoch or 0)
            published = store.publish(connection, newest.size, bytes(cosigned))
        crash.reach("sequencer-published")
        if published:
            self._announce(cosigned)
        return published

    def _check_grows(self, size: int) -> None:
        if size < self._signed_size:
            raise LogHalted("the stored log is smaller than what was signed: an old database?")


def _frontier(head: store.Head, root: bytes | None) -> Frontier:
    """The right edge of the stored tree, which must have the root that was fixed for its size."""
    hashes = [head.edge[i : i + HASH_BYTES] for i in range(0, len(head.edge), HASH_BYTES)]
    try:
        tree = Frontier(head.size, tuple(hashes))
    except CallerMisuse:
        raise LogHalted("the stored edge of the log does not fit its size") from None
    if (tree.root if tree.size else None) != root:
        raise LogHalted("the stored edge of the log does not give the root that was fixed")
    return tree


def _tiles(
    connection: sa.Connection, complete: Sequence[tuple[Node, bytes]]
) -> dict[tuple[int, int], bytes]:
    """The tiles that grow by these subtrees, as they are afterwards."""
    grown: dict[tuple[int, int], bytes] = {}
    for node, computed in complete:
        level, between = divmod(node.level, TILE_HEIGHT)
        if between:
            continue
        number, place = divmod(node.index, TILE_WIDTH)
        if (level, number) not in grown:
            grown[level, number] = store.tile(connection, level, number)
        if len(grown[level, number]) != place * HASH_BYTES:
            raise LogHalted("a stored tile does not have the width that the log's size gives")
        grown[level, number] += computed
    return grown
