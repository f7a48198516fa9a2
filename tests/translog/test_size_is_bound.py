"""A proof has one valid length for its place: a shorter or longer one leads to no root at all.

Each check is held against RFC 6962's recursion, read backwards. A proof of the wrong length is
offered with *every* root that it could lead to, so that nothing but the length can refuse it: leaf
0 of four is no member of a tree whose root is that of two leaves.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from gateway.translog.tree import (
    EMPTY_ROOT,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from gateway.wire.errors import Refused
from tests.support.parties import fixed_bytes
from tests.support.translog import grown, root_after, roots_after

SIZES = range(1, 10)
LENGTHS = range(6)
LEAF = leaf_hash(b"entry")
PATH = [fixed_bytes(f"sibling/{n}") for n in range(max(LENGTHS) + 1)]


def climbs(start: bytes, siblings: Sequence[bytes]) -> Iterator[bytes]:
    """Every root that these siblings lead to, each of them on the left or the right."""
    for sides in itertools.product((True, False), repeat=len(siblings)):
        computed = start
        for left, sibling in zip(sides, siblings, strict=True):
            computed = node_hash(sibling, computed) if left else node_hash(computed, sibling)
        yield computed


def climbs_of_two(start: bytes, siblings: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The same for an old and a new root: what stands on the right is of the new tree alone."""
    for sides in itertools.product((True, False), repeat=len(siblings)):
        old = new = start
        for left, sibling in zip(sides, siblings, strict=True):
            if left:
                old, new = node_hash(sibling, old), node_hash(sibling, new)
            else:
                new = node_hash(new, sibling)
        yield old, new


@contextmanager
def refused(reason: str) -> Iterator[None]:
    with pytest.raises(Refused) as caught:
        yield
    assert reason in caught.value.detail


def included(index: int, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    try:
        verify_inclusion(LEAF, index, size, root, path)
    except Refused:
        return False
    return True


def consistent(old: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    try:
        verify_consistency(old, old_root, size, root, path)
    except Refused:
        return False
    return True


def test_an_inclusion_proof_has_one_length_and_one_root() -> None:
    accepted = 0
    for size, count in itertools.product(SIZES, LENGTHS):
        path = PATH[:count]
        offered = set(climbs(LEAF, path))
        for index in range(size):
            expected = root_after(LEAF, index, size, path)
            found = {root for root in offered if included(index, size, root, path)}
            assert found == ({expected} - {None}), (index, size, count)
            accepted += len(found)
        for outside in (-1, size, size + 1):
            assert not any(included(outside, size, root, path) for root in offered)
    assert accepted == sum(SIZES), "the control: every place has its proof"


def test_a_consistency_proof_has_one_length_and_one_pair_of_roots() -> None:
    accepted = 0
    for size, count in itertools.product(SIZES, LENGTHS):
        for old in range(1, size):
            known = old & (old - 1) == 0  # then the old root itself is the first hash
            start, path = (LEAF, PATH[:count]) if known else (PATH[0], PATH[1 : count + 1])
            proof = path if known else [start, *path]
            expected = roots_after(old, size, proof, LEAF)
            offered = set(climbs_of_two(start, path))
            offered |= {(bytes(32), new) for _, new in offered}
            offered |= {(old_root, bytes(32)) for old_root, _ in offered}
            found = {pair for pair in offered if consistent(old, pair[0], size, pair[1], proof)}
            assert found == ({expected} - {None}), (old, size, count)
            accepted += len(found)
    assert accepted == sum(size - 1 for size in SIZES), "the control: every pair has its proof"


def test_the_first_leaf_of_four_is_not_proven_by_a_root_of_two() -> None:
    log = grown(4)
    first, second = (leaf_hash(entry) for entry in log.entries[:2])
    of_two = log.checkpoint(2).root
    verify_inclusion(first, 0, 2, of_two, [second])
    with refused("too short"):
        verify_inclusion(first, 0, 4, of_two, [second])
    with refused("too long"):
        verify_inclusion(first, 0, 1, of_two, [second])


def test_a_tree_is_not_extended_by_one_that_says_it_is_larger() -> None:
    """The larger tree's root is one that the proof does lead to; its size is a lie."""
    log = grown(8)
    two, four = log.checkpoint(2).root, log.checkpoint(4).root
    proof = log.consistency(2, 4)
    verify_consistency(2, two, 4, four, proof)
    for size in (5, 8):
        with refused("too short"):
            verify_consistency(2, two, size, four, proof)
    with refused("too long"):
        verify_consistency(2, two, 4, four, [*proof, bytes(32)])


def test_no_tree_extends_a_larger_one() -> None:
    """Whatever the roots: a log that shrank is never consistent."""
    for old, size, count in itertools.product(SIZES, range(9), LENGTHS):
        if size < old:
            for of_old, of_new in climbs_of_two(LEAF, PATH[:count]):
                for root in (of_old, of_new, LEAF, EMPTY_ROOT):
                    assert not consistent(old, of_old, size, root, PATH[:count])
    verify_consistency(2, LEAF, 2, LEAF, [])


def test_equal_sizes_and_the_empty_tree_take_no_proof() -> None:
    log = grown(3)
    root = log.checkpoint().root
    verify_consistency(3, root, 3, root, [])
    verify_consistency(0, log.checkpoint(0).root, 3, root, [])
    with refused("too long"):
        verify_consistency(3, root, 3, root, [root])
    with refused("same size"):
        verify_consistency(3, bytes(32), 3, root, [])
    with refused("same size"):
        verify_consistency(0, root, 3, root, [])
    with refused("too short"):
        verify_consistency(3, root, 4, root, [])
