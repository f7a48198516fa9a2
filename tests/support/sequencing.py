"""A log's growth, step by step, and what must hold after each."""

from typing import Any

import sqlalchemy as sa

from gateway.host import crash
from gateway.sequencing.reading import PublishedLog
from gateway.sequencing.sequencer import Alone, NoWitnesses, Sequencer
from gateway.store import log as store
from gateway.store import schema
from gateway.store.database import Database
from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.cosignature import check_signed
from gateway.translog.note import Kind, NoteSigner
from gateway.translog.tree import Frontier, leaf_hash, verify_consistency
from gateway.wire.errors import Unavailable
from gateway.wire.ids import Digest, digest_of

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


class Scripted:
    """Witnesses that cosign when they like."""

    needed = True

    def __init__(self) -> None:
        self.key = NoteSigner.from_seed("w.example", Kind.COSIGNATURE_ED25519, bytes(range(32)))
        self.answers = False
        self.asked: list[int] = []

    def latest(self) -> list[tuple[str, SignedCheckpoint]]:
        return []

    def cosign(self, signed: SignedCheckpoint) -> SignedCheckpoint:
        from gateway.translog.cosignature import sign_checkpoint

        self.asked.append(signed.checkpoint.size)
        if not self.answers:
            raise Unavailable("nobody")
        return signed.with_signatures(sign_checkpoint(signed.checkpoint, self.key, 9))
