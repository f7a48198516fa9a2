"""The log's growth on SQLite and PostgreSQL: order, crash states, elections, what readers see."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.sequencing.guard import LogHalted
from gateway.sequencing.reading import PublishedLog
from gateway.sequencing.sequencer import Sequencer
from gateway.store import log as store
from gateway.store import schema
from gateway.store.database import Database
from gateway.store.election import DatabaseElection, FileElection
from gateway.store.log import Deposed, OtherLog
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.cosignature import check_signed
from gateway.translog.note import Kind, NoteSigner
from gateway.translog.tiles import Tile, bundles_of, parse_bundle, parse_tile, tiles_of
from gateway.translog.tree import leaf_hash, verify_consistency, verify_inclusion
from gateway.wire.errors import CallerMisuse, Unavailable
from tests.support.postgres import PostgresServer
from tests.support.processes import until
from tests.support.sequencing import (
    POST_QUANTUM,
    SIGNER,
    Scripted,
    assert_whole,
    checkpoints,
    die,
    entry,
    newest,
    queue,
    sequencer,
)


def test_entries_get_their_places_in_the_order_of_the_queue(database: Database) -> None:
    one = sequencer(database)
    sizes = (1, 1, 3, 250, 1, 256, 1, 300)
    done = 0
    for count in sizes:
        queue(database, done, count)
        done += count
        assert one.step() is True
        assert one.step() is False
        assert_whole(database, done)
    assert [row.size for row in checkpoints(database)] == [1, 2, 5, 255, 256, 512, 513, 813]


def test_a_long_queue_is_taken_in_batches(database: Database) -> None:
    queue(database, 0, 25)
    one = sequencer(database, batch=10)
    while one.step():
        pass
    assert [row.size for row in checkpoints(database)] == [10, 20, 25]
    assert_whole(database, 25)


def test_each_entry_is_proven_and_the_same_proof_is_given_for_ever(database: Database) -> None:
    log, one = PublishedLog(database), sequencer(database)
    first: dict[int, bytes] = {}
    for start, count in ((0, 5), (5, 1), (6, 300), (306, 17)):
        assert log.proof(start) is None
        queue(database, start, count)
        one.step()
        for index in (start, start + count - 1, start // 2):
            proof = log.proof(index)
            assert proof is not None
            over = proof.signed.checkpoint
            verify_inclusion(leaf_hash(entry(index)), index, over.size, over.root, proof.path)
            assert first.setdefault(index, bytes(proof)) == bytes(proof)


def test_tiles_and_bundles_are_those_of_the_published_tree(database: Database) -> None:
    log, one = PublishedLog(database), sequencer(database)
    assert log.checkpoint() is None
    assert log.tile(Tile(0, 0, 1)) is None
    for start, count in ((0, 200), (200, 100), (300, 230)):
        queue(database, start, count)
        one.step()
    leaves = [leaf_hash(entry(n)) for n in range(530)]
    for size in (200, 300, 530):
        for tile in tiles_of(size):
            content = log.tile(tile)
            assert content is not None
            hashes = parse_tile(content, tile.width)
            if tile.level == 0:
                assert hashes == leaves[tile.index * 256 :][: tile.width]
        for tile in bundles_of(size):
            bundle = parse_bundle(log.tile(tile) or b"", tile.width)
            assert bundle == [entry(tile.index * 256 + n) for n in range(tile.width)]
    for beyond in (Tile(0, 2, 19), Tile(0, 3, 1), Tile(1, 0, 3), Tile(2, 0, 1), Tile(63, 0, 1)):
        assert log.tile(beyond) is None
    assert log.tile(Tile(0, 2, 19, entries=True)) is None


POINTS = [
    "sequencer-batch-written",
    "sequencer-batch-committed",
    "sequencer-checkpoint-signed",
    "sequencer-signature-written",
    "sequencer-signature-committed",
]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("times", [1, 2])
def test_a_successor_finishes_what_a_dead_sequencer_began(
    database: Database, point: str, times: int
) -> None:
    queue(database, 0, 3)
    sequencer(database).step()
    queue(database, 3, 4)
    assert die(point, sequencer(database))
    if times == 2:
        queue(database, 7, 1)
        assert die(point, sequencer(database))
    queue(database, 6 + times, 3 - times)
    successor = sequencer(database)
    while successor.step():
        pass
    assert_whole(database, 9)


def test_what_was_fixed_is_signed_again_and_nothing_else_of_that_size(
    database: Database,
) -> None:
    """The signature was made and lost: the next one is over the same root, byte for byte."""
    queue(database, 0, 4)
    assert die("sequencer-checkpoint-signed", sequencer(database))
    (fixed,) = checkpoints(database)
    assert (fixed.size, fixed.note) == (4, None)
    queue(database, 4, 1)
    sequencer(database).step()
    first, _second = checkpoints(database)
    assert first.root == fixed.root
    assert SignedCheckpoint.parse(first.note).checkpoint.root == fixed.root


def test_who_is_elected_again_finishes_what_another_began(database: Database) -> None:
    """With nothing else in the queue: an unsigned batch does not wait for the next entry."""
    first, log = sequencer(database), PublishedLog(database)
    queue(database, 0, 1)
    first.step()
    first.resign()
    queue(database, 1, 2)
    assert die("sequencer-batch-committed", sequencer(database))
    assert SignedCheckpoint.parse(log.checkpoint() or b"").checkpoint.size == 1
    first.step()
    assert SignedCheckpoint.parse(log.checkpoint() or b"").checkpoint.size == 3
    assert_whole(database, 3)


def test_no_smaller_tree_is_signed_than_was_signed_before(database: Database) -> None:
    """An old database came back, with a batch that nobody had signed yet."""
    one = sequencer(database)
    queue(database, 0, 3)
    one.step()
    one.resign()
    with database.transaction() as connection:
        connection.execute(schema.log_checkpoints.delete())
        store.fix_checkpoint(connection, 2, bytes(32))
    with pytest.raises(LogHalted):
        one.step()
    (fixed,) = checkpoints(database)
    assert fixed.note is None


def test_nothing_is_seen_before_it_is_signed(
    database: Database,
) -> None:
    queue(database, 0, 4)
    assert die("sequencer-batch-committed", sequencer(database))
    log = PublishedLog(database)
    assert log.checkpoint() is None
    assert log.proof(0) is None
    assert log.tile(Tile(0, 0, 1)) is None


def test_only_the_last_elected_sequencer_can_write(database: Database) -> None:
    """Both believe to be elected; the first one's transaction fails whole, and it may run again."""
    first, second = sequencer(database), sequencer(database)
    queue(database, 0, 2)
    first.step()
    queue(database, 2, 1)
    assert second.step() is True
    queue(database, 3, 1)
    assert first.step() is False, "deposed: it has written nothing"
    assert_epoch(database, 2)
    assert first.step() is True, "elected once more"
    assert_whole(database, 4)


def assert_epoch(database: Database, epoch: int) -> None:
    with database.transaction() as connection:
        assert connection.execute(sa.select(schema.log_head.c.epoch)).scalar() == epoch
        with pytest.raises(Deposed):
            store.lock_head(connection, epoch - 1)


@pytest.mark.usefixtures("patient")
def test_many_writers_and_two_rivals_make_one_log(url: str, database: Database) -> None:
    """Eight threads queue while two sequencers, each elected at every step, fight for the head."""
    rivals = [sequencer(database, batch=7) for _ in range(2)]
    stopped = threading.Event()

    def write(writer: int) -> None:
        for number in range(25):
            with database.transaction() as connection:
                store.append(connection, "admin", entry(1000 * writer + number))

    def fight(rival: Sequencer) -> None:
        while not stopped.is_set():
            try:
                rival.step()
            except Unavailable:
                continue

    with ThreadPoolExecutor(10) as pool:
        fights = [pool.submit(fight, rival) for rival in rivals]
        for done in [pool.submit(write, n) for n in range(8)]:
            done.result()
        stopped.set()
        for one in fights:
            one.result()
    last = sequencer(database)
    while last.step():
        pass
    with database.transaction() as connection:
        held = store.entries(connection, 0, 1000)
    assert sorted(held) == sorted(entry(1000 * w + n) for w in range(8) for n in range(25))
    log, top = PublishedLog(database), newest(database)
    assert top.size == 200
    for row in checkpoints(database):
        path = log.consistency(row.size, top.size)
        verify_consistency(row.size, row.root, top.size, top.root, path)


def test_one_process_is_elected(url: str, database: Database, tmp_path: Path) -> None:
    def candidate() -> Any:
        if url.startswith("sqlite"):
            return FileElection(tmp_path / "log.lock")
        return DatabaseElection(database)

    first, second = candidate(), candidate()
    assert first.won()
    assert first.won()
    assert not second.won()
    first.resign()
    until(second.won)  # a server notices the end of a session in its own time
    assert not first.won()
    second.resign()


def test_an_elected_session_that_the_server_ended_is_not_elected(
    postgresql: PostgresServer,
) -> None:
    database = Database(postgresql.new_database())
    election = DatabaseElection(database)
    assert election.won()
    assert election._session is not None
    name = str(election._session.engine.url.database)
    postgresql.execute(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l"
        " JOIN pg_database d ON d.oid = l.database"
        f" WHERE l.locktype = 'advisory' AND d.datname = '{name}'"
    )
    with pytest.raises(Unavailable):
        election.won()
    assert election.won(), "and may be elected again"
    election.resign()
    database.close()


def test_a_log_keeps_its_origin(database: Database) -> None:
    sequencer(database).step()
    other = NoteSigner.from_seed("other.example/log", Kind.ED25519, bytes(32))
    with pytest.raises(OtherLog):
        sequencer(database, signers=[other]).step()
    with pytest.raises(CallerMisuse):
        sequencer(database, signers=[SIGNER, other])
    with pytest.raises(CallerMisuse):
        sequencer(database, signers=[])


def test_every_key_of_the_log_signs(database: Database) -> None:
    queue(database, 0, 1)
    sequencer(database, signers=[SIGNER, POST_QUANTUM]).step()
    signed = SignedCheckpoint.parse(PublishedLog(database).checkpoint() or b"")
    assert check_signed(signed, SIGNER.key) == [None]
    assert check_signed(signed, POST_QUANTUM.key) == [5]


def test_a_database_that_went_back_is_not_continued(database: Database) -> None:
    """Its running sequencer remembers what it signed."""
    one = sequencer(database)
    queue(database, 0, 3)
    one.step()
    with database.transaction() as connection:
        for table in (schema.log_checkpoints, schema.log_entries, schema.log_tiles):
            connection.execute(table.delete())
        store.write_head(connection, 0, b"")
    queue(database, 50, 1)
    with pytest.raises(LogHalted):
        one.step()
    assert checkpoints(database) == [], "not even a root is fixed"


@pytest.mark.parametrize(
    ("size", "edge"),
    [(2, b""), (3, bytes(64)), (0, bytes(32)), (4, bytes(32)), (0, b"")],
    ids=["no-edge", "smaller", "edge-of-nothing", "other-edge", "emptied"],
)
def test_a_log_that_does_not_fit_together_is_not_continued(
    database: Database, size: int, edge: bytes
) -> None:
    queue(database, 0, 4)
    sequencer(database).step()
    with database.transaction() as connection:
        store.write_head(connection, size, edge)
    queue(database, 4, 1)
    with pytest.raises(LogHalted):
        sequencer(database).step()
    assert newest(database).size == 4


def test_nothing_is_published_before_the_witnesses_cosigned(database: Database) -> None:
    witnesses = Scripted()
    one, log = sequencer(database, witnesses), PublishedLog(database)
    for number in range(3):
        queue(database, number, 1)
        with pytest.raises(Unavailable):
            one.step()
        assert log.checkpoint() is None
        assert log.proof(0) is None
    witnesses.answers = True
    assert one.step() is True
    assert one.step() is False
    assert witnesses.asked == [1, 2, 3, 3]
    proof = log.proof(0)
    assert proof is not None
    assert proof.signed.checkpoint.size == 3, "the first that was published"
    assert check_signed(proof.signed, witnesses.key.key) == [9]
    queue(database, 3, 1)
    one.step()
    assert bytes(log.proof(0) or b"") == bytes(proof)


@pytest.mark.parametrize("point", ["sequencer-cosigned", "sequencer-published"])
def test_witnesses_are_asked_again_after_a_crash(database: Database, point: str) -> None:
    witnesses = Scripted()
    witnesses.answers = True
    queue(database, 0, 2)
    assert die(point, sequencer(database, witnesses))
    sequencer(database, witnesses).step()
    assert newest(database).size == 2


class Slow(Scripted):
    """Witnesses that answer after ``meanwhile``, once."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self.answers = True
        self._meanwhile: Callable[[], object] | None = meanwhile

    def cosign(self, signed: SignedCheckpoint) -> SignedCheckpoint:
        cosigned, meanwhile = super().cosign(signed), self._meanwhile
        self._meanwhile = None
        if meanwhile is not None:
            meanwhile()
        return cosigned


@pytest.mark.parametrize("guarded", [True, False])
def test_what_was_cosigned_for_a_predecessor_changes_no_receipt(
    database: Database, guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited for witnesses and was deposed; its successor published more, and receipts were made
    from that. The older checkpoint must not come into sight any more."""
    log, proofs = PublishedLog(database), []

    def succeed() -> None:
        queue(database, 2, 3)
        witnesses = Scripted()
        witnesses.answers = True
        assert sequencer(database, witnesses).step() is True
        proofs.append(bytes(log.proof(0) or b""))
        if not guarded:
            monkeypatch.setattr(store, "lock_head", lambda *_: None)

    queue(database, 0, 2)
    first = sequencer(database, Slow(succeed))
    assert first.step() is not guarded
    assert newest(database).size == 5
    same = bytes(log.proof(0) or b"") == proofs[0]
    assert same is guarded, "the control: without the guard the receipt is another one"
