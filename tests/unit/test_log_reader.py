"""Following a log: what an honest one shows, and each way in which one that lies is caught."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection.log_reader import (
    MAX_BUNDLE_BYTES,
    LogDisagrees,
    LoggedReceipt,
    LogSource,
    Reading,
    Seen,
    read_log,
)
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.cosignature import sign_checkpoint
from gateway.translog.policy import TrustedLog, TrustedWitness, TrustPolicy
from gateway.translog.tiles import Tile, encode_bundle
from gateway.translog.verification import Window
from gateway.wire.errors import MalformedMessage, Unavailable
from gateway.wire.ids import Digest, digest_of
from tests.support.parties import NOW
from tests.support.translog import MemoryLog, signer, witness

POLICY = TrustPolicy.simple([TrustedLog(signer().key)], [], 0)


def entry(number: int) -> Digest:
    return digest_of(f"entry {number}".encode())


def log_of(count: int, changed: int | None = None) -> MemoryLog:
    """``changed``: the index of an entry that is another one."""
    log = MemoryLog()
    log.append(*(entry(n + 10_000 if n == changed else n) for n in range(count)))
    return log


@dataclass
class Served:
    """A server of a log, and what was asked of it."""

    log: MemoryLog
    note: bytes = b""
    alter: Callable[[str, bytes], bytes | None] = lambda _path, data: data
    asked: list[str] = field(default_factory=list)

    def fetch(self, path: str, limit: int) -> bytes | None:
        self.asked.append(path)
        if path == "checkpoint":
            data = self.note or bytes(self.log.signed())
        else:
            tile = Tile.parse(path)
            assert limit == MAX_BUNDLE_BYTES
            if tile.index * 256 + tile.width > len(self.log.entries):
                return None
            data = self.log.tile(tile)
        return self.alter(path, data)

    @property
    def source(self) -> LogSource:
        return LogSource(self.fetch)


def read(log: MemoryLog, seen: Seen | None = None, *receipts: LoggedReceipt) -> Reading:
    return read_log(Served(log).source, POLICY, seen, receipts)


def receipt(log: MemoryLog, index: int, size: int, name: str = "receipt") -> LoggedReceipt:
    return LoggedReceipt(name, Digest(log.entries[index]), index, log.checkpoint(size))


def fails(step: int, *given: object, log: MemoryLog | None = None, **served: object) -> str:
    server = Served(log or log_of(300), **served)  # type: ignore[arg-type]
    with pytest.raises(LogDisagrees) as failed:
        read_log(server.source, POLICY, *given)  # type: ignore[arg-type]
    assert failed.value.step == step, failed.value
    return failed.value.reason


@given(st.lists(st.integers(0, 600), min_size=1, max_size=4), st.data())
def test_an_honest_log_agrees_at_every_size_and_from_every_size(
    sizes: list[int], data: st.DataObject
) -> None:
    whole, seen = log_of(max(sizes)), None
    for size in sorted(sizes):
        log = log_of(size)
        held = [
            receipt(whole, data.draw(st.integers(0, over - 1)), over)
            for over in data.draw(
                st.lists(st.integers(1, size), max_size=3) if size else st.just([])
            )
        ]
        reading = read(log, seen, *held)
        assert reading.witnessed.checkpoint == log.checkpoint()
        assert reading.before == (None if seen is None else seen.frontier.size)
        seen = Seen.parse(bytes(reading.seen))
        assert seen == reading.seen


def test_only_new_entries_are_read_again() -> None:
    seen = read(log_of(600)).seen
    server = Served(log_of(700))
    assert read_log(server.source, POLICY, seen).before == 600
    assert server.asked == ["checkpoint", "tile/entries/002.p/188"]
    server = Served(log_of(600))
    assert read_log(server.source, POLICY, seen).before == 600
    assert server.asked == ["checkpoint"]


def test_a_log_that_grows_while_it_is_read() -> None:
    """Its checkpoint asked for a partial bundle that is full by now."""
    server = Served(log_of(512), note=bytes(log_of(400).signed()))
    server.alter = lambda path, data: None if ".p/" in path else data
    assert read_log(server.source, POLICY).seen.frontier.size == 400


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    read_log(Served(log_of(600)).source, POLICY, tell=lambda *done: told.append(done))
    assert told == [(256, 600), (512, 600), (600, 600)]


def test_a_checkpoint_that_is_not_trusted_is_step_1() -> None:
    stranger = MemoryLog(signers=[signer(label="stranger")])
    assert "none of the log's trusted keys signed it" in fails(1, log=stranger)
    fails(1, note=b"garbage")
    demanding = TrustPolicy.simple(
        [TrustedLog(signer().key)], [TrustedWitness("w", witness(1).key)], 1
    )
    with pytest.raises(LogDisagrees, match="cosigned") as failed:
        read_log(Served(log_of(3)).source, demanding)
    assert failed.value.step == 1
    note = bytes(log_of(3).signed(witnesses=[witness(1)]))
    reading = read_log(Served(log_of(3), note=note).source, demanding)
    assert set(reading.witnessed.cosigned) == {"w"}


def test_a_tree_that_shrank_or_was_replaced_is_step_2() -> None:
    seen = read(log_of(300)).seen
    assert fails(2, seen, log=log_of(299)) == "it had 300 entries and has 299"
    assert fails(2, seen, log=log_of(300, changed=7)) == "there are two trees of 300 entries"
    foreign = MemoryLog(signers=[signer("other.example/log")], origin="other.example/log")
    policy = TrustPolicy.simple([TrustedLog(signer("other.example/log").key)], [], 0)
    with pytest.raises(LogDisagrees, match="another origin"):
        read_log(Served(foreign).source, policy, seen)


def test_a_successor_begins_with_the_entries_of_the_log_that_was_closed() -> None:
    """And where entries were lost with the old log, its reader sees that."""
    seen = read(log_of(300)).seen
    new = signer("gateway.example/log-2")
    policy = TrustPolicy.simple([TrustedLog(new.key)], [], 0)

    def successor(size: int, **changed: int) -> Reading:
        log = MemoryLog(signers=[new], origin="gateway.example/log-2")
        for entry in log_of(size, **changed).entries:
            log.append(entry)
        return read_log(Served(log).source, policy, seen, successor=True)

    reading = successor(310)
    assert (reading.before, reading.seen.checkpoint.origin) == (300, "gateway.example/log-2")
    with pytest.raises(LogDisagrees, match=r"2\..*it had 300 entries and has 299"):
        successor(299)
    with pytest.raises(LogDisagrees, match="lead to another root"):
        successor(310, changed=299)


@pytest.mark.parametrize("size", [31, 33, 0])
def test_anything_but_a_hash_is_step_3(size: int) -> None:
    """A gateway that hides something in its log, properly signed."""
    log = log_of(20)
    log.append(bytes(size))
    assert fails(3, log=log) == f"entry 20 has {size} bytes"


@pytest.mark.parametrize(
    "alter",
    [
        lambda path, data: data[:-1] if "entries" in path else data,
        lambda path, data: data + b"\0" if "entries" in path else data,
        lambda path, data: None if "entries/001" in path else data,
        lambda path, data: encode_bundle([bytes(32)]) if "entries" in path else data,
    ],
    ids=["short", "long", "missing", "narrow"],
)
def test_a_bundle_that_is_none_is_step_3(alter: Callable[[str, bytes], bytes | None]) -> None:
    fails(3, alter=alter)


def test_entries_that_are_not_those_signed_are_step_4() -> None:
    honest = log_of(300)
    reason = fails(4, log=log_of(300, changed=299), note=bytes(honest.signed()))
    assert reason == "they lead to another root"


def test_a_history_that_was_rewritten_is_step_4() -> None:
    """The new tree is signed, and larger; the entries that were seen are not in it."""
    seen = read(log_of(290)).seen
    reason = fails(4, seen, log=log_of(300, changed=289))
    assert reason == "they lead to another root"
    held = receipt(log_of(300, changed=289), 5, 300)
    reason = fails(4, seen, [held], log=log_of(300, changed=289))
    assert reason == "the first 290 entries are not those that were seen before"


def test_a_receipt_of_another_tree_is_step_5() -> None:
    """Two people were shown two logs: seen by whoever holds a receipt against the other log."""
    shown, other = log_of(300), log_of(300, changed=12)
    assert fails(5, None, [receipt(other, 3, 200)], log=shown).startswith(
        "receipt is of another tree"
    )
    assert fails(5, None, [receipt(other, 12, 200)], log=shown) == "entry 12 is not that of receipt"
    assert "larger" in fails(5, None, [receipt(log_of(301), 12, 301)], log=shown)
    foreign = replace(receipt(shown, 3, 200).over, origin="other.example/log")
    elsewhere = replace(receipt(shown, 3, 200), over=foreign)
    assert "other.example/log" in fails(5, None, [elsewhere], log=shown)
    assert read(shown, None, receipt(shown, 3, 200), receipt(shown, 3, 4)).before is None


def test_actions_that_are_not_in_the_log_or_in_another_order_are_step_6() -> None:
    log = log_of(300)
    there = [Digest(log.entries[n]) for n in (0, 7, 256, 299)]
    seen = read(log_of(280)).seen
    assert read_log(Served(log).source, POLICY, seen, actions=there).before == 280
    for wrong, number in (
        ([entry(10_007)], 1),
        ([*there[:2], entry(10_007), there[3]], 3),
        ([there[1], there[0]], 2),
        ([*there, there[3]], 5),
        ([*there, entry(300)], 5),
    ):
        with pytest.raises(LogDisagrees, match=f"action {number} of {len(wrong)}") as failed:
            read_log(Served(log).source, POLICY, actions=wrong)
        assert failed.value.step == 6


def test_a_log_that_does_not_answer_has_not_lied() -> None:
    def silent(path: str, data: bytes) -> bytes:
        if "entries" in path:
            raise Unavailable("the log does not answer")
        return data

    with pytest.raises(Unavailable):
        read_log(Served(log_of(300), alter=silent).source, POLICY)
    with pytest.raises(Unavailable, match="no log here"):
        read_log(Served(log_of(300), alter=lambda _path, _data: None).source, POLICY)


def test_evidence_is_what_log_and_witnesses_signed() -> None:
    honest = log_of(300)
    seen, fork = read(honest).seen, log_of(300, changed=7)
    with pytest.raises(LogDisagrees) as forked:
        read_log(Served(fork).source, POLICY, seen)
    assert forked.value.evidence == bytes(fork.signed())
    with pytest.raises(LogDisagrees) as unsigned:
        read_log(Served(honest, note=b"garbage").source, POLICY, seen)
    assert unsigned.value.evidence is None


def test_a_checkpoint_that_nobody_cosigned_lately_is_step_1() -> None:
    policy = TrustPolicy.simple(
        [TrustedLog(signer().key)], [TrustedWitness("w", witness(1).key)], 1
    )
    log = log_of(30)
    source = Served(log, note=bytes(log.signed(witnesses=[witness(1)], time=NOW))).source
    assert read_log(source, policy, window=Window(NOW - 5, NOW + 5)).before is None
    with pytest.raises(LogDisagrees, match="in time") as late:
        read_log(source, policy, window=Window(NOW + 1, NOW + 9))
    assert late.value.step == 1


@pytest.mark.parametrize("kilobytes", [1, 60])
def test_no_checkpoint_that_is_accepted_is_too_long_to_remember(kilobytes: int) -> None:
    """Extension lines are the log's own: they must not destroy what its reader remembers."""
    log = log_of(3)
    long = replace(log.checkpoint(), extensions=("\u00e9" * (512 * kilobytes - 300),))
    note = bytes(SignedCheckpoint.make(long, sign_checkpoint(long, signer(), NOW)))
    seen = read_log(Served(log, note=note).source, POLICY).seen
    assert Seen.parse(bytes(seen)) == seen


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"version": 1, "checkpoint": 5, "edge": []}',
        b'{"version": 1, "checkpoint": "x", "edge": []}',
        b"[" * 100_000,
        b" " * 200_000,
    ],
)
def test_a_memory_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        Seen.parse(data)


def test_a_damaged_memory_is_refused() -> None:
    good = bytes(read(log_of(300)).seen)
    edge = read(log_of(300)).seen.frontier.hashes[0].hex().encode()
    assert Seen.parse(good).frontier.size == 300
    for bad in (
        good.replace(edge, bytes(reversed(edge))),
        good.replace(b'"' + edge + b'", ', b""),
        good.replace(b'"version": 1', b'"version": 2'),
        good.replace(
            b64encode(bytes(log_of(300).signed())), b64encode(bytes(log_of(301).signed()))
        ),
    ):
        assert bad != good
        with pytest.raises(MalformedMessage):
            Seen.parse(bad)
