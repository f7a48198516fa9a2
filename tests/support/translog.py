"""Logs in memory, and the tree of RFC 6962 written a second time, straight from its recursion."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.translog import tree
from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.cosignature import sign_checkpoint
from gateway.translog.note import Kind, NoteSigner
from gateway.translog.proof import LogProof
from gateway.translog.tiles import Tile, encode_bundle, encode_tile
from gateway.translog.tree import Frontier, Node, leaf_hash
from tests.support.parties import NOW, fixed_bytes

ORIGIN = "log.example/sealmatch"


# --- RFC 6962, section 2.1, as it is written -------------------------------------------------


def mth(entries: Sequence[bytes]) -> bytes:
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    k = _k(len(entries))
    return hashlib.sha256(b"\1" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = _k(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def proof(m: int, entries: Sequence[bytes]) -> list[bytes]:
    return _subproof(m, entries, True)


def _subproof(m: int, entries: Sequence[bytes], known: bool) -> list[bytes]:
    if m == len(entries):
        return [] if known else [mth(entries)]
    k = _k(len(entries))
    if m <= k:
        return [*_subproof(m, entries[:k], known), mth(entries[k:])]
    return [*_subproof(m - k, entries[k:], False), mth(entries[:k])]


def _k(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


# --- the same, read backwards: what a proof leads to -------------------------------------------


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def root_after(leaf: bytes, m: int, n: int, hashes: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof of leaf ``m`` of ``n`` leads to; None for another length."""
    if n == 1:
        return None if hashes else leaf
    if not hashes:
        return None
    k = _k(n)
    below = root_after(leaf, m if m < k else m - k, k if m < k else n - k, hashes[:-1])
    if below is None:
        return None
    return _node(below, hashes[-1]) if m < k else _node(hashes[-1], below)


def roots_after(
    m: int, n: int, hashes: Sequence[bytes], old_root: bytes, known: bool = True
) -> tuple[bytes, bytes] | None:
    """The old and new root that a consistency proof leads to; None for another length."""
    if m == n:
        if known:
            return None if hashes else (old_root, old_root)
        return (hashes[0], hashes[0]) if len(hashes) == 1 else None
    if not hashes:
        return None
    k = _k(n)
    if m <= k:
        below = roots_after(m, k, hashes[:-1], old_root, known)
        return None if below is None else (below[0], _node(below[1], hashes[-1]))
    below = roots_after(m - k, n - k, hashes[:-1], old_root, False)
    return None if below is None else (_node(hashes[-1], below[0]), _node(hashes[-1], below[1]))


# --- a log in memory -------------------------------------------------------------------------


def signer(name: str = ORIGIN, kind: Kind = Kind.ED25519, label: str = "log") -> NoteSigner:
    return NoteSigner.from_seed(name, kind, fixed_bytes(f"translog-{label}-{kind}"))


def witness(number: int, kind: Kind = Kind.COSIGNATURE_ED25519) -> NoteSigner:
    return signer(f"witness{number}.example", kind, f"witness-{number}")


@dataclass
class MemoryLog:
    """A log that holds everything."""

    signers: Sequence[NoteSigner] = field(default_factory=lambda: [signer()])
    origin: str = ORIGIN
    entries: list[bytes] = field(default_factory=list)
    nodes: dict[Node, bytes] = field(default_factory=dict)
    frontier: Frontier = field(default_factory=Frontier)

    def append(self, *entries: bytes) -> None:
        self.entries += entries
        self.frontier, new = self.frontier.extend(map(leaf_hash, entries))
        self.nodes.update(new)

    def hashes(self, nodes: Sequence[Node]) -> list[bytes]:
        return [self.nodes[node] for node in nodes]

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = len(self.entries) if size is None else size
        return Checkpoint(self.origin, size, tree.root(size, self.hashes))

    def signed(
        self, size: int | None = None, witnesses: Sequence[NoteSigner] = (), time: int = NOW
    ) -> SignedCheckpoint:
        checkpoint = self.checkpoint(size)
        lines = [sign_checkpoint(checkpoint, one, time) for one in (*self.signers, *witnesses)]
        return SignedCheckpoint.make(checkpoint, *lines)

    def prove(
        self,
        index: int,
        size: int | None = None,
        witnesses: Sequence[NoteSigner] = (),
        time: int = NOW,
    ) -> LogProof:
        signed = self.signed(size, witnesses, time)
        inclusion = tree.prove_inclusion(index, signed.checkpoint.size, self.hashes)
        return LogProof(index, inclusion, signed)

    def consistency(self, old: int, size: int | None = None) -> tuple[bytes, ...]:
        return tree.prove_consistency(old, self.checkpoint(size).size, self.hashes)

    def tile(self, tile: Tile) -> bytes:
        """A tile or entry bundle, as a server of the log has it."""
        start = tile.index * 256
        if tile.entries:
            return encode_bundle(self.entries[start : start + tile.width])
        level = 8 * tile.level
        return encode_tile([self.nodes[Node(level, start + i)] for i in range(tile.width)])


def grown(count: int, **given) -> MemoryLog:
    """A log of ``count`` entries."""
    log = MemoryLog(**given)
    log.append(*(f"entry {n}".encode() for n in range(count)))
    return log
