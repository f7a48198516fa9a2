"""The Merkle tree of RFC 6962, section 2.1: hashes, proofs, and checks that raise.

Rule: a leaf and an inner node never hash alike (prefixes 0x00 and 0x01), and a proof has exactly
one valid length for its index and sizes.

Proofs are computed from *complete subtrees*: ``Node(level, index)`` spans the leaves
``[index << level, (index + 1) << level)``, and its hash never changes once all of them exist. A
``HashSource`` looks up a batch of them, in memory, in a database or in tiles. It is asked once per
proof, for a number of nodes that grows at most with the square of the tree's height.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.wire.errors import CallerMisuse, Refused

HASH_BYTES: Final = 32
MAX_PATH: Final = 63
"""Hashes in the longest proof (C2SP ``tlog-witness`` takes no more)."""
MAX_SIZE: Final = 2**63 - 1
"""Leaves in the largest tree."""
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

Range = tuple[int, int]
"""Leaves from the first number up to the second, without the second."""


@dataclass(frozen=True, order=True, slots=True)
class Node:
    """A complete subtree of ``2**level`` leaves, the ``index``-th of its level from the left."""

    level: int
    index: int


HashSource = Callable[[Sequence[Node]], Sequence[bytes]]
"""Gives the hashes of the nodes, in their order."""


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def cover(leaves: Range) -> list[Node]:
    """The complete subtrees that make up a subtree of the recursion in RFC 6962, left to right."""
    start, end = leaves
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def fold(hashes: Sequence[bytes]) -> bytes:
    """Root over the hashes of a ``cover``; without any hash, the root of the empty tree."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def root(size: int, source: HashSource) -> bytes:
    """Root hash of the first ``size`` leaves."""
    return fold(source(cover((0, size))))


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The subtrees whose roots are PATH(index, D[size]), from the leaf's sibling upwards."""
    if not 0 <= index < size <= MAX_SIZE:
        raise CallerMisuse("the tree has no such leaf")
    ranges: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        left, right = (start, middle), (middle, end)
        (start, end), sibling = (left, right) if index < middle else (right, left)
        ranges.append(sibling)
    return ranges[::-1]


def consistency_ranges(old: int, size: int) -> list[Range]:
    """The subtrees whose roots are PROOF(old, D[size]) (RFC 6962, section 2.1.2)."""
    if not 0 <= old <= size <= MAX_SIZE:
        raise CallerMisuse("a tree is consistent with smaller ones only")
    if old in (0, size):
        return []
    ranges: list[Range] = []
    start, end, known = 0, size, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start, known = middle, False
    return [*([] if known else [(start, end)]), *reversed(ranges)]


def prove_inclusion(index: int, size: int, source: HashSource) -> tuple[bytes, ...]:
    """Inclusion proof of leaf ``index`` in the tree of ``size`` leaves."""
    return _hashes(inclusion_ranges(index, size), source)


def prove_consistency(old: int, size: int, source: HashSource) -> tuple[bytes, ...]:
    """Consistency proof from the tree of ``old`` leaves to that of ``size``."""
    return _hashes(consistency_ranges(old, size), source)


def verify_inclusion(
    leaf: bytes, index: int, size: int, root_hash: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the leaf with this hash stands at ``index`` of the tree (RFC 9162, 2.1.3.2).

    Raises:
        Refused: it does not, or the proof has another length than this place in the tree needs.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise Refused("inclusion proof: the tree has no such leaf")
    node, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise Refused("inclusion proof: too long")
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise Refused("inclusion proof: too short")
    if computed != root_hash:
        raise Refused("inclusion proof: leads to another root")


def verify_consistency(
    old: int, old_root: bytes, size: int, root_hash: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of ``size`` leaves extends that of ``old`` (RFC 9162, 2.1.4.2).

    Raises:
        Refused: it does not, or the proof has another length than these sizes need.
    """
    if not 0 <= old <= size <= MAX_SIZE:
        raise Refused("consistency proof: the tree shrank")
    if old in (0, size):
        if proof:
            raise Refused("consistency proof: too long")
        if old_root != (root_hash if old == size else EMPTY_ROOT):
            raise Refused("consistency proof: another tree of the same size")
        return
    _climb(old, old_root, size, root_hash, proof)


@dataclass(frozen=True)
class Frontier:
    """The right edge of a tree: its size and the hashes of its ``cover``, enough to append."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if len(self.hashes) != self.size.bit_count():
            raise CallerMisuse("a frontier has one hash for every set bit of its size")

    @property
    def root(self) -> bytes:
        return fold(self.hashes)

    def extend(self, leaves: Iterable[bytes]) -> tuple["Frontier", list[tuple[Node, bytes]]]:
        """Append leaf hashes; also return every subtree that became complete, with its hash."""
        size, hashes, complete = self.size, list(self.hashes), []
        for leaf in leaves:
            node, computed = Node(0, size), leaf
            complete.append((node, computed))
            while node.index & 1:
                node = Node(node.level + 1, node.index >> 1)
                computed = node_hash(hashes.pop(), computed)
                complete.append((node, computed))
            hashes.append(computed)
            size += 1
        return Frontier(size, tuple(hashes)), complete


def _climb(old: int, old_root: bytes, size: int, root_hash: bytes, proof: Sequence[bytes]) -> None:
    path = list(proof)
    if old & (old - 1) == 0:
        # The old tree is itself a complete subtree: the verifier knows its hash.
        path.insert(0, old_root)
    if not path:
        raise Refused("consistency proof: too short")
    node, last = old - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    of_old = of_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise Refused("consistency proof: too long")
        if node & 1 or node == last:
            of_old, of_new = node_hash(sibling, of_old), node_hash(sibling, of_new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            of_new = node_hash(of_new, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise Refused("consistency proof: too short")
    if of_old != old_root or of_new != root_hash:
        raise Refused("consistency proof: leads to another root")


def _split(size: int) -> int:
    """The largest power of two smaller than ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def _hashes(ranges: Sequence[Range], source: HashSource) -> tuple[bytes, ...]:
    covers = [cover(leaves) for leaves in ranges]
    looked_up = iter(source([node for nodes in covers for node in nodes]))
    return tuple(fold([next(looked_up) for _ in nodes]) for nodes in covers)
