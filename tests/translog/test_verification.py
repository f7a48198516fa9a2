"""What an attacker could hand to a verifier, and the step that stops it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.cosignature import sign_checkpoint
from gateway.translog.note import Kind
from gateway.translog.policy import TrustedLog, TrustedWitness, TrustPolicy
from gateway.translog.proof import LogProof
from gateway.translog.verification import (
    LogProofInvalid,
    Window,
    verify_checkpoint,
    verify_log_proof,
)
from tests.support.parties import NOW
from tests.support.translog import grown, signer, witness

LOG = grown(21)
KINDS = (Kind.COSIGNATURE_ED25519, Kind.COSIGNATURE_ML_DSA_44, Kind.COSIGNATURE_ED25519)
WITNESSES = [witness(n, kind) for n, kind in enumerate(KINDS)]
POLICY = TrustPolicy.simple(
    [TrustedLog(signer().key)],
    [TrustedWitness(f"w{n}", one.key) for n, one in enumerate(WITNESSES)],
    2,
)
ENTRY = LOG.entries[4]
HONEST = LOG.prove(4, witnesses=WITNESSES)


def refused_at(encoded: bytes, policy: TrustPolicy = POLICY, entry: bytes = ENTRY, **given) -> int:
    with pytest.raises(LogProofInvalid) as caught:
        verify_log_proof(encoded, entry, policy, **given)
    return caught.value.step


def test_an_honest_proof_is_accepted_and_says_who_saw_it() -> None:
    found = verify_log_proof(bytes(HONEST), ENTRY, POLICY)
    assert found.index == 4
    assert found.witnessed.cosigned == {"w0": NOW, "w1": NOW, "w2": NOW}
    assert found.witnessed.log == signer().key
    assert verify_checkpoint(bytes(HONEST.signed), POLICY) == found.witnessed


def test_two_of_three_witnesses_are_enough_and_one_is_not() -> None:
    for some in (WITNESSES[:2], WITNESSES[1:]):
        verify_log_proof(bytes(LOG.prove(4, witnesses=some)), ENTRY, POLICY)
    for one in WITNESSES:
        assert refused_at(bytes(LOG.prove(4, witnesses=[one]))) == 3
        # Twice the same witness is one witness.
        twice = LOG.signed(witnesses=[one, one]).with_signatures(
            sign_checkpoint(LOG.checkpoint(), one, NOW + 1)
        )
        assert refused_at(bytes(replace(HONEST, signed=twice))) == 3


def test_however_often_a_witness_cosigns_it_counts_once() -> None:
    for one in WITNESSES:
        often = LOG.signed(witnesses=[one]).with_signatures(
            *(sign_checkpoint(LOG.checkpoint(), one, NOW + later) for later in range(1, 9))
        )
        assert len(often.note.signed_by(one.key)) == 9
        assert refused_at(bytes(replace(HONEST, signed=often))) == 3
        other = next(w for w in WITNESSES if w is not one)
        both = often.with_signatures(sign_checkpoint(LOG.checkpoint(), other, NOW))
        found = verify_log_proof(bytes(replace(HONEST, signed=both)), ENTRY, POLICY).witnessed
        assert sorted(found.cosigned.values()) == [NOW, NOW + 8], "of each, its latest"


def test_a_stranger_among_the_witnesses_is_passed_over() -> None:
    strangers = [*WITNESSES[:2], witness(9)]
    found = verify_log_proof(bytes(LOG.prove(4, witnesses=strangers)), ENTRY, POLICY)
    assert set(found.witnessed.cosigned) == {"w0", "w1"}
    assert refused_at(bytes(LOG.prove(4, witnesses=[WITNESSES[0], witness(9)]))) == 3


def _root(signed: SignedCheckpoint) -> SignedCheckpoint:
    """Another root under the old signatures."""
    changed = replace(signed.checkpoint, root=bytes(32))
    return SignedCheckpoint.make(changed, *signed.note.signatures)


def _size(signed: SignedCheckpoint) -> SignedCheckpoint:
    changed = replace(signed.checkpoint, size=22)
    return SignedCheckpoint.make(changed, *signed.note.signatures)


def _origin(signed: SignedCheckpoint) -> SignedCheckpoint:
    changed = replace(signed.checkpoint, origin="other.example/log")
    return SignedCheckpoint.make(changed, *signed.note.signatures)


def _unsigned(signed: SignedCheckpoint) -> SignedCheckpoint:
    return SignedCheckpoint.make(signed.checkpoint, *signed.note.signatures[1:])


def _spoilt(signed: SignedCheckpoint) -> SignedCheckpoint:
    """One more cosignature of a known witness, over something else."""
    line = sign_checkpoint(Checkpoint("a", 1, bytes(32)), WITNESSES[2], NOW)
    return signed.with_signatures(line)


@pytest.mark.parametrize(
    ("alter", "step"), [(_root, 2), (_size, 2), (_origin, 2), (_unsigned, 2), (_spoilt, 3)]
)
def test_an_altered_checkpoint_is_refused(
    alter: Callable[[SignedCheckpoint], SignedCheckpoint], step: int
) -> None:
    assert refused_at(bytes(replace(HONEST, signed=alter(HONEST.signed)))) == step


def test_another_log_of_the_same_name_is_refused() -> None:
    impostor = grown(21, signers=[signer(label="impostor")])
    assert refused_at(bytes(impostor.prove(4, witnesses=WITNESSES))) == 2


def test_the_witnesses_cannot_stand_in_for_the_log() -> None:
    signed = SignedCheckpoint.make(
        LOG.checkpoint(), *(sign_checkpoint(LOG.checkpoint(), one, NOW) for one in WITNESSES)
    )
    assert refused_at(bytes(replace(HONEST, signed=signed))) == 2


def test_another_entry_index_or_path_is_refused() -> None:
    assert refused_at(bytes(HONEST), entry=b"entry 5") == 5
    assert refused_at(bytes(replace(HONEST, index=5))) == 5
    assert refused_at(bytes(replace(HONEST, index=21))) == 5
    assert refused_at(bytes(replace(HONEST, path=HONEST.path[1:]))) == 5
    assert refused_at(bytes(replace(HONEST, path=(*HONEST.path, bytes(32))))) == 5


def test_a_stale_checkpoint_does_not_hold_the_entry() -> None:
    stale = LOG.signed(4, WITNESSES)
    assert refused_at(bytes(replace(HONEST, signed=stale))) == 5


def test_cosignatures_out_of_time_do_not_count() -> None:
    inside = Window(NOW - 10, NOW)
    verify_log_proof(bytes(HONEST), ENTRY, POLICY, inside)
    for time in (NOW - 11, NOW + 1):
        assert refused_at(bytes(LOG.prove(4, witnesses=WITNESSES, time=time)), window=inside) == 4


def test_nonsense_is_refused_at_the_first_step() -> None:
    assert refused_at(b"") == 1
    assert refused_at(b"\xff" * 300_000) == 1
    empty = Checkpoint(LOG.origin, 0, bytes(32))
    lines = [sign_checkpoint(empty, one, NOW) for one in (signer(), *WITNESSES)]
    with pytest.raises(LogProofInvalid) as caught:
        verify_checkpoint(bytes(SignedCheckpoint.make(empty, *lines)), POLICY)
    assert caught.value.step == 1


def test_a_log_may_sign_with_ml_dsa_and_change_its_keys() -> None:
    both = [signer(), signer(kind=Kind.COSIGNATURE_ML_DSA_44)]
    log = grown(21, signers=both)
    for keys in ([both[0]], [both[1]], both):
        policy = TrustPolicy.simple([TrustedLog(one.key) for one in keys], [], 0)
        verify_log_proof(bytes(log.prove(4)), ENTRY, policy)
    proof = LogProof.parse(bytes(log.prove(4)))
    assert len(proof.signed.note.signatures) == 2
