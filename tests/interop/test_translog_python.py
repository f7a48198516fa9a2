"""Other people's Python: ``proofbundle verify-proof`` reads our proofs, ``pymerkle`` our tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pymerkle
import pytest
from proofbundle import cli
from pymerkle.proof import InclusionProof

from gateway.translog import tree
from gateway.translog.note import Kind
from gateway.translog.policy import TrustedLog, TrustedWitness, TrustPolicy
from gateway.translog.verification import LogProofInvalid, verify_log_proof
from tests.support.processes import PATIENCE
from tests.support.tampering import Offered, honest, tampered
from tests.support.translog import grown

KINDS = [Kind.COSIGNATURE_ED25519, Kind.COSIGNATURE_ML_DSA_44]


def _arguments(directory: Path, offered: Offered) -> list[str]:
    """The command line of a stranger who trusts what ``offered`` says."""
    (directory / "receipt.tlog-proof").write_bytes(bytes(offered.proof))
    (directory / "entry").write_bytes(offered.entry)
    witnesses = [item for one in offered.witnesses for item in ("--witness-vkey", str(one.key))]
    return [
        *("verify-proof", str(directory / "receipt.tlog-proof")),
        *("--payload-file", str(directory / "entry"), "--log-vkey", str(offered.log.key)),
        *("--expected-origin", offered.origin, "--threshold", str(offered.quorum)),
        *witnesses,
    ]


def _proofbundle(directory: Path, offered: Offered) -> bool:
    try:
        return cli.main(_arguments(directory, offered)) == 0
    except SystemExit as status:
        return status.code == 0


def _ours(offered: Offered) -> bool:
    try:
        policy = TrustPolicy.simple(
            [TrustedLog(offered.log.key)],
            [TrustedWitness(f"w{n}", one.key) for n, one in enumerate(offered.witnesses)],
            offered.quorum,
        )
        found = verify_log_proof(bytes(offered.proof), offered.entry, policy)
    except LogProofInvalid:
        return False
    return found.witnessed.checkpoint.origin == offered.origin


def test_the_command_of_a_stranger_accepts_our_proof(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "proofbundle.cli", *_arguments(tmp_path, honest())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tampered()["wrong leaf"]
    command = [sys.executable, "-m", "proofbundle.cli", *_arguments(tmp_path, wrong)]
    assert (
        subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE).returncode != 0
    )


@pytest.mark.parametrize("kind", KINDS)
def test_proofbundle_accepts_what_is_honest(tmp_path: Path, kind: Kind) -> None:
    assert _proofbundle(tmp_path, honest(kind))
    assert _proofbundle(tmp_path, honest(None))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", sorted(tampered()))
def test_proofbundle_and_we_refuse_what_is_tampered(tmp_path: Path, fault: str, kind: Kind) -> None:
    offered = tampered(kind)[fault]
    assert not _ours(offered)
    assert not _proofbundle(tmp_path, offered)


def test_pymerkle_grows_the_same_tree_and_accepts_our_proofs() -> None:
    log = grown(90)
    theirs = pymerkle.InmemoryTree(algorithm="sha256")
    for size, entry in enumerate(log.entries, 1):
        theirs.append_entry(entry)
        root = log.checkpoint(size).root
        assert theirs.get_root() == root
        for index in {0, size // 3, size - 1}:
            leaf = tree.leaf_hash(log.entries[index])
            ours = [leaf, *tree.prove_inclusion(index, size, log.hashes)]
            shape = theirs.prove_inclusion(index + 1, size)
            proof = InclusionProof("sha256", True, size, index + 1, shape.rule, ours)
            pymerkle.verify_inclusion(leaf, root, proof, index=index + 1, size=size)
            for wrong in ((tree.leaf_hash(b"another"), root), (leaf, bytes(32))):
                with pytest.raises(pymerkle.InvalidProof):
                    pymerkle.verify_inclusion(*wrong, proof)


def test_pymerkle_finds_our_roots_consistent_and_others_not() -> None:
    """Its consistency proofs have a form of their own, so that they are its own here."""
    log = grown(60)
    theirs = pymerkle.InmemoryTree(algorithm="sha256")
    theirs.append_entries(log.entries)
    for size in range(1, 61, 7):
        for old in range(1, size + 1, 3):
            old_root, root = log.checkpoint(old).root, log.checkpoint(size).root
            proof = theirs.prove_consistency(old, size)
            pymerkle.verify_consistency(old_root, root, proof)
            for wrong in ((bytes(32), root), (old_root, bytes(32))):
                with pytest.raises(pymerkle.InvalidProof):
                    pymerkle.verify_consistency(*wrong, proof)
