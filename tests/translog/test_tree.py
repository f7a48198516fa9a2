"""The tree against RFC 6962's own recursion, and proofs that do not fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.translog import tree
from gateway.translog.tree import Frontier, Node, leaf_hash, verify_consistency, verify_inclusion
from gateway.wire.errors import CallerMisuse, Refused
from tests.support import translog
from tests.support.translog import grown

LOG = grown(70)
ENTRIES = LOG.entries
SIZES = st.integers(1, len(ENTRIES))


def test_roots_and_proofs_are_those_of_the_rfc() -> None:
    for size in range(len(ENTRIES) + 1):
        assert tree.root(size, LOG.hashes) == translog.mth(ENTRIES[:size])
        for index in range(size):
            made = tree.prove_inclusion(index, size, LOG.hashes)
            assert list(made) == translog.path(index, ENTRIES[:size])
        for old in range(1, size + 1):
            made = tree.prove_consistency(old, size, LOG.hashes)
            assert list(made) == translog.proof(old, ENTRIES[:size])


def test_every_proof_verifies() -> None:
    for size in range(1, len(ENTRIES) + 1):
        root = tree.root(size, LOG.hashes)
        for index in range(size):
            proof = tree.prove_inclusion(index, size, LOG.hashes)
            verify_inclusion(leaf_hash(ENTRIES[index]), index, size, root, proof)
        for old in range(size + 1):
            proof = tree.prove_consistency(old, size, LOG.hashes)
            verify_consistency(old, tree.root(old, LOG.hashes), size, root, proof)


@given(st.data())
def test_an_altered_inclusion_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(SIZES)
    index = data.draw(st.integers(0, size - 1))
    proof = list(tree.prove_inclusion(index, size, LOG.hashes))
    root, leaf = tree.root(size, LOG.hashes), leaf_hash(ENTRIES[index])
    wrong_index = data.draw(st.integers(-1, 80).filter(lambda i: i != index))
    with pytest.raises(Refused):
        verify_inclusion(leaf, wrong_index, size, root, proof)
    with pytest.raises(Refused):
        verify_inclusion(leaf_hash(b"another"), index, size, root, proof)
    with pytest.raises(Refused):
        verify_inclusion(leaf, index, size, bytes(32), proof)
    with pytest.raises(Refused):
        verify_inclusion(leaf, index, size, root, [*proof, bytes(32)])
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        with pytest.raises(Refused):
            verify_inclusion(leaf, index, size, root, proof[:place] + proof[place + 1 :])
        altered = [*proof[:place], bytes(32), *proof[place + 1 :]]
        with pytest.raises(Refused):
            verify_inclusion(leaf, index, size, root, altered)


@given(st.data())
def test_an_altered_consistency_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(SIZES)
    old = data.draw(st.integers(0, size))
    proof = list(tree.prove_consistency(old, size, LOG.hashes))
    old_root, root = tree.root(old, LOG.hashes), tree.root(size, LOG.hashes)
    with pytest.raises(Refused):
        verify_consistency(old, bytes(32), size, root, proof)
    if old:
        with pytest.raises(Refused):
            verify_consistency(old, old_root, size, bytes(32), proof)
    with pytest.raises(Refused):
        verify_consistency(old, old_root, size, root, [*proof, bytes(32)])
    if size > old:
        with pytest.raises(Refused):
            verify_consistency(size, root, old, old_root, proof)
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        with pytest.raises(Refused):
            verify_consistency(old, old_root, size, root, proof[:place] + proof[place + 1 :])
        altered = [*proof[:place], bytes(32), *proof[place + 1 :]]
        with pytest.raises(Refused):
            verify_consistency(old, old_root, size, root, altered)


@given(st.lists(st.integers(0, 12), max_size=8))
def test_appending_in_batches_gives_the_same_tree(batches: list[int]) -> None:
    frontier = Frontier()
    complete: dict[Node, bytes] = {}
    for count in batches:
        entries = [f"entry {n}".encode() for n in range(frontier.size, frontier.size + count)]
        frontier, new = frontier.extend(map(leaf_hash, entries))
        assert not complete.keys() & dict(new).keys()
        complete.update(new)
    size = sum(batches)
    made = grown(size)
    assert frontier.root == translog.mth(made.entries)
    assert complete == made.nodes
    assert Frontier(size, tuple(made.hashes(tree.cover((0, size))))) == frontier


def test_a_leaf_is_no_inner_node() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != tree.node_hash(left, right)


def test_callers_cannot_ask_for_what_is_not_there() -> None:
    for index, size in ((-1, 1), (1, 1), (0, 0), (0, 2**63)):
        with pytest.raises(CallerMisuse):
            tree.prove_inclusion(index, size, LOG.hashes)
    for old, size in ((2, 1), (-1, 1), (0, 2**63)):
        with pytest.raises(CallerMisuse):
            tree.prove_consistency(old, size, LOG.hashes)
    with pytest.raises(CallerMisuse):
        Frontier(3, (bytes(32),))


def test_proofs_grow_with_the_logarithm() -> None:
    for size in (2**20, 2**20 + 1, 2**40 - 1, 2**63 - 1):
        for index in (0, size // 3, size - 1):
            assert len(tree.inclusion_ranges(index, size)) <= size.bit_length()
            assert len(tree.consistency_ranges(index + 1, size)) <= size.bit_length() + 1
