"""The log's growth on SQLite and PostgreSQL: order, crash states, elections, what readers see."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.sequencing.election import DatabaseElection, FileElection
from gateway.sequencing.publication import Inline, Publication, SequencerThread
from gateway.sequencing.reading import PublishedLog
from gateway.sequencing.sequencer import Alone, LogHalted, NoWitnesses, Sequencer
from gateway.store import repositories, schema
from gateway.store import translog as store
from gateway.store.database import Database
from gateway.store.translog import Deposed, OtherLog
from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.cosignature import check_signed
from gateway.translog.note import Kind, NoteSigner
from gateway.translog.tiles import Tile, bundles_of, parse_bundle, parse_tile, tiles_of
from gateway.translog.tree import Frontier, leaf_hash, verify_consistency, verify_inclusion
from gateway.wire.errors import CallerMisuse, Unavailable
from gateway.wire.host import crash
from gateway.wire.ids import Digest, digest_of
from gateway.wire.proof import Receipt
from tests.support.postgres import PostgresServer

SIGNER = NoteSigner.from_seed("gateway.example/log", Kind.ED25519, bytes(32))
POST_QUANTUM = NoteSigner.from_seed("gateway.example/log", Kind.COSIGNATURE_ML_DSA_44, bytes(32))


class Killed(BaseException):
    """What stands for a SIGKILL here: no handler of the product catches it."""


def die(point: str, one: Sequencer) -> bool:
    """Let a sequencer "die" at a crash point; whether it came there."""

    def hook(reached: str) -> None:
        if reached == point:
            raise Killed

    crash.install(hook)
    try:
        one.step()
    except Killed:
        return True
    finally:
        crash._hooks.remove(hook)
    return False


def entry(number: int) -> Digest:
    return digest_of(f"entry {number}".encode())


def queue(database: Database, first: int, count: int) -> None:
    with database.transaction() as connection:
        for number in range(first, first + count):
            store.append(connection, "admin", entry(number))


def sequencer(database: Database, witnesses: Any = None, **given: Any) -> Sequencer:
    signers = given.pop("signers", [SIGNER])
    election = given.pop("election", Alone())
    witnesses = witnesses or NoWitnesses()
    return Sequencer(database, election, signers, witnesses, lambda: 5, **given)


def newest(database: Database) -> Checkpoint:
    encoded = PublishedLog(database).checkpoint()
    assert encoded is not None
    signed = SignedCheckpoint.parse(encoded)
    assert check_signed(signed, SIGNER.key)
    return signed.checkpoint


def expected_root(count: int) -> bytes:
    tree, _ = Frontier().extend(leaf_hash(entry(n)) for n in range(count))
    return tree.root


def checkpoints(database: Database) -> list[Any]:
    with database.transaction() as connection:
        rows = connection.execute(schema.log_checkpoints.select().order_by(sa.text("size")))
        return list(rows.all())


def assert_whole(database: Database, count: int) -> None:
    """Every entry once, in order, under the newest checkpoint; all checkpoints agree."""
    log = PublishedLog(database)
    top = newest(database)
    assert (top.size, top.root) == (count, expected_root(count))
    with database.transaction() as connection:
        assert store.entries(connection, 0, count + 1) == [entry(n) for n in range(count)]
        assert not store.has_pending(connection)
        assert store.unsigned(connection) == []
    for row in checkpoints(database):
        assert row.root == expected_root(row.size)
        path = log.consistency(row.size, count)
        verify_consistency(row.size, row.root, count, top.root, path)


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
    assert second.won()
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


# Witnesses


class Scripted:
    """Witnesses that cosign when they like."""

    needed = True

    def __init__(self) -> None:
        self.key = NoteSigner.from_seed("w.example", Kind.COSIGNATURE_ED25519, bytes(range(32)))
        self.answers = False
        self.asked: list[int] = []

    def cosign(self, signed: SignedCheckpoint) -> SignedCheckpoint:
        from gateway.translog.cosignature import sign_checkpoint

        self.asked.append(signed.checkpoint.size)
        if not self.answers:
            raise Unavailable("nobody")
        return signed.with_signatures(sign_checkpoint(signed.checkpoint, self.key, 9))


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


# From record to receipt


def record(database: Database, number: int = 1) -> bytes:
    statement = f"statement {number}".encode()
    record_id = hashlib.sha256(statement).digest()[:16]
    with database.transaction() as connection:
        repositories.add_record(
            connection,
            repositories.RecordRow(
                record_id=record_id,
                kind="decision",
                outcome="MATCH",
                policy_digest=bytes(32),
                subject_handle=bytes(32),
                activation_commitment=digest_of(statement),
                statement=statement,
                expires_at=5,
            ),
        )
        store.append(connection, "decision", digest_of(statement), record_id)
    return record_id


def row_of(database: Database, record_id: bytes) -> repositories.RecordRow:
    with database.transaction() as connection:
        found = repositories.find_record(connection, record_id)
    assert found is not None
    return found


class Waits:
    """A log that does not grow; notes who waited."""

    def __init__(self, waited: list[float]) -> None:
        self.wait = waited.append

    def check(self) -> None: ...


def test_a_receipt_waits_for_its_entry(database: Database) -> None:
    queue(database, 0, 3)
    record_id = record(database)
    nobody = Publication(database, Waits([]), 0)
    nobody.wait_for(record_id)
    assert nobody.receipt(row_of(database, record_id)) is None
    publication = Publication(database, Inline(sequencer(database)), 30)
    publication.wait_for(record_id)
    row = row_of(database, record_id)
    assert row.log_index == 3
    receipt = Receipt.decode(publication.receipt(row) or b"")
    assert receipt.statement == row.statement
    assert receipt.log_proof is not None


def test_waiting_ends(database: Database) -> None:
    record_id = record(database)
    waited: list[float] = []
    publication = Publication(database, Waits(waited), 3, monotonic=lambda: float(len(waited)))
    publication.wait_for(record_id)
    assert waited == [3, 2, 1]


def test_a_record_that_the_log_does_not_prove_gets_no_receipt(database: Database) -> None:
    record_id = record(database)
    publication = Publication(database, Inline(sequencer(database)), 30)
    publication.wait_for(record_id)
    with database.transaction() as connection:
        connection.execute(schema.records.update().values(statement=b"another"))
    with pytest.raises(LogHalted):
        publication.receipt(row_of(database, record_id))


def test_a_thread_sequences_for_those_who_wait(database: Database) -> None:
    thread = SequencerThread(sequencer(database), period=0.01, pause=0.01)
    publication = Publication(database, thread, 30)
    thread.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            ids = [record(database, n) for n in range(8)]
            list(pool.map(publication.wait_for, ids))
        assert all(publication.receipt(row_of(database, one)) for one in ids)
    finally:
        thread.stop()


def test_a_thread_outlives_a_storage_that_fails_for_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = sequencer(database)
    honest, failures = one.step, [Unavailable("no"), RuntimeError("a fault of ours")]

    def step() -> bool:
        if failures:
            raise failures.pop()
        return honest()

    monkeypatch.setattr(one, "step", step)
    thread = SequencerThread(one, period=0.01, pause=0.01)
    publication = Publication(database, thread, 30)
    record_id = record(database)
    thread.start()
    try:
        publication.wait_for(record_id)
    finally:
        thread.stop()
    assert publication.receipt(row_of(database, record_id)) is not None


def test_a_halted_log_lets_nobody_begin(database: Database) -> None:
    queue(database, 0, 1)
    one = sequencer(database)
    one.step()
    with database.transaction() as connection:
        store.write_head(connection, 0, b"")
    queue(database, 1, 1)
    thread = SequencerThread(one, period=0.01)
    publication = Publication(database, thread, 30)
    publication.check()
    thread.start()
    try:
        thread._thread.join(20)
        with pytest.raises(Unavailable, match="halted"):
            publication.check()
    finally:
        thread.stop()


def test_what_was_recorded_before_the_log_existed_becomes_its_entries(url: str) -> None:
    """Migration 0003 on a database with records and actions."""
    from alembic import command
    from alembic.config import Config

    from gateway.store.database import _MIGRATIONS

    database = Database(url)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with database.transaction() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(schema.admin_actions.insert().values(number=1, action=b"action"))
        connection.execute(
            sa.text(
                "INSERT INTO records (record_id, kind, outcome, policy_digest, subject_handle,"
                " activation_commitment, statement, expires_at)"
                " VALUES (:id, 'decision', 'MATCH', :d, :d, :d, :statement, 5)"
            ),
            {"id": bytes(16), "d": bytes(32), "statement": b"statement"},
        )
    database.migrate()
    sequencer(database).step()
    with database.transaction() as connection:
        held = store.entries(connection, 0, 5)
    assert held == [digest_of(b"action"), digest_of(b"statement")]
    assert row_of(database, bytes(16)).log_index == 1
    database.close()
