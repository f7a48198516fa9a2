"""What a reader of a log takes from a gateway, and from its own disk."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from gateway.inspection.log_reader import LogSource, Seen, read_log
from gateway.translog.policy import TrustedLog, TrustPolicy
from gateway.translog.tiles import Tile
from gateway.translog.tree import Frontier
from gateway.wire.ids import digest_of
from tests.fuzz.making import stateless, target
from tests.fuzz.mutations import frame, framed, scramble, unframe, words_of
from tests.fuzz.targets_wire import promise
from tests.support.fuzzing import CANARY, Target
from tests.support.translog import MemoryLog, signer

SIZE: Final = 300
_POLICY: Final = TrustPolicy.simple([TrustedLog(signer().key)], [], 0)
_WORDS: Final = words_of(
    b"\n", b"\n\n", b"300", b"299", b"256", b"0", b"-1", b"1" * 5000, b'"', b"\\", b"{", b"[",
    b"}", b"]", b"[" * 5000, b"null", b"NaN", b"1e999", b'"edge"', b'"version"', b'"checkpoint"',
    b"\\u0000", b"\\ud800", b"\\udcff", b"\xff", b"00" * 32, "\u2014 ".encode(), CANARY.encode(),
)  # fmt: skip


@cache
def _log(salt: str = "") -> MemoryLog:
    log = MemoryLog()
    log.append(
        *(digest_of(f"entry {n}{salt if n == SIZE - 1 else ''}".encode()) for n in range(SIZE))
    )
    return log


def _bundles(log: MemoryLog) -> list[bytes]:
    return [log.tile(Tile(0, 0, 256, entries=True)), log.tile(Tile(0, 1, SIZE - 256, entries=True))]


@cache
def _served() -> tuple[bytes, ...]:
    honest, other = _log(), _log("x")
    return tuple(
        frame(bytes(note), *_bundles(log))
        for note, log in (
            (honest.signed(), honest),
            (other.signed(), honest),
            (honest.signed(), other),
        )
    )


def _read(data: bytes) -> None:
    note, first, second = unframe(data, 3)
    shown = {
        "checkpoint": note,
        "tile/entries/000": first,
        f"tile/entries/001.p/{SIZE - 256}": second,
    }
    reading = read_log(LogSource(lambda path, _limit: shown.get(path)), _POLICY)
    signed = [one.checkpoint() for one in (_log(), _log("x"))]
    promise(reading.witnessed.checkpoint in signed, "a checkpoint that was never signed")
    promise(reading.seen.frontier.root == reading.witnessed.checkpoint.root, "another tree")


@cache
def _memories() -> tuple[bytes, ...]:
    seen = [Seen(bytes(_log().signed(n)), _frontier(n)) for n in (0, 1, 255, SIZE)]
    return tuple(map(bytes, seen))


def _frontier(size: int) -> Frontier:
    log = MemoryLog()
    log.append(*_log().entries[:size])
    return log.frontier


def _remember(data: bytes) -> None:
    seen = Seen.parse(data)
    promise(Seen.parse(bytes(seen)) == seen, "what was written reads differently")


def targets() -> Sequence[Target]:
    """All targets of this module."""

    return (
        target("log-reading", _served, framed(_WORDS, scramble, scramble), stateless(_read), 40),
        target("log-memory", _memories, _WORDS, stateless(_remember), 40),
    )
