"""What a witness cosigns, and the answer to everything else (C2SP tlog-witness)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.cosignature import sign_checkpoint
from gateway.translog.note import Kind
from gateway.translog.witnessing import (
    NOTHING,
    AddCheckpoint,
    Remembered,
    SizeConflict,
    check_growth,
    check_origin,
    cosignatures,
    encode_answer,
)
from gateway.wire.errors import (
    BodyTooLarge,
    MalformedMessage,
    NotConsistent,
    Refused,
    SealmatchError,
    UnknownLog,
)
from tests.support.parties import NOW
from tests.support.translog import MemoryLog, grown, signer, witness

LOG = grown(50)
KEYS = [signer().key]


def request(old: int, size: int, log: MemoryLog = LOG) -> AddCheckpoint:
    return AddCheckpoint(old, log.consistency(old, size), log.signed(size))


def remembered(size: int) -> Remembered:
    return Remembered(size, LOG.checkpoint(size).root, NOW)


@given(st.integers(0, 50), st.integers(0, 50))
def test_an_honest_log_is_cosigned_at_every_step(one: int, other: int) -> None:
    old, size = min(one, other), max(one, other)
    made = request(old, size)
    assert AddCheckpoint.parse(bytes(made)) == made
    assert check_origin(made, KEYS) == [made.signed.note.signatures[0]]
    check_growth(made, remembered(old) if old else NOTHING)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("old 20\n", ""),
        ("old 20\n", "old  20\n"),
        ("old 20\n", "old 020\n"),
        ("old 20\n", "old -1\n"),
        ("old 20\n", "Old 20\n"),
        ("old 20\n", "old 20\r\n"),
        ("old 20\n", "old 20\nAAAA\n"),
        ("old 20\n", "old 20\n" + "A" * 43 + "=\n" * 64),
        ("\n\n", "\n"),
        ("\n\n", "\n\n\n"),
        ("\n50\n", "\n050\n"),
    ],
)
def test_a_request_has_one_form(was: str, becomes: str) -> None:
    text = bytes(request(20, 50)).decode()
    assert was in text
    with pytest.raises(MalformedMessage):
        AddCheckpoint.parse(text.replace(was, becomes, 1).encode())


def test_a_request_is_bounded() -> None:
    with pytest.raises(BodyTooLarge):
        AddCheckpoint.parse(b"a" * 200_000)


def test_unknown_logs_and_keys() -> None:
    with pytest.raises(UnknownLog):
        check_origin(request(0, 50), [])
    with pytest.raises(Refused):
        check_origin(request(0, 50), [signer(label="another").key])
    # A wrong signature of a known key spoils a checkpoint that another known key signed well.
    both = [signer(), signer(label="second")]
    made = request(0, 50, grown(50, signers=both))
    other = sign_checkpoint(LOG.checkpoint(49), both[1], NOW)
    spoilt = replace(made, signed=made.signed.with_signatures(other))
    assert len(check_origin(made, [one.key for one in both])) == 2
    with pytest.raises(Refused):
        check_origin(spoilt, [one.key for one in both])


def refused(made: AddCheckpoint, seen: Remembered) -> type[SealmatchError]:
    with pytest.raises(SealmatchError) as caught:
        check_growth(made, seen)
    return caught.type


def test_old_sizes_are_compared_in_the_order_of_the_specification() -> None:
    shrunk = replace(request(20, 50), old=51)
    assert refused(shrunk, remembered(20)) is MalformedMessage
    with pytest.raises(SizeConflict) as conflict:
        check_growth(request(20, 50), remembered(30))
    assert conflict.value.size == 30
    with pytest.raises(SizeConflict) as conflict:
        check_growth(request(20, 50), NOTHING)
    assert conflict.value.size == 0


def test_what_does_not_extend_the_remembered_tree_is_not_consistent() -> None:
    forked = MemoryLog()
    forked.append(b"another history", *LOG.entries[1:])
    made = request(20, 50)
    for wrong in (
        request(20, 50, forked),
        replace(request(50, 50), signed=forked.signed(50)),
        replace(made, proof=made.proof[:-1]),
        replace(made, proof=(*made.proof, bytes(32))),
        replace(made, proof=()),
        replace(request(50, 50), proof=(bytes(32),)),
    ):
        assert refused(wrong, remembered(wrong.old)) is NotConsistent
    assert refused(replace(request(0, 50), proof=(bytes(32),)), NOTHING) is NotConsistent
    empty = SignedCheckpoint.make(Checkpoint(LOG.origin, 0, bytes(32)))
    assert refused(AddCheckpoint(0, (), empty), NOTHING) is NotConsistent


def test_a_log_believes_the_cosignatures_of_keys_that_it_knows() -> None:
    checkpoint = LOG.checkpoint()
    signers = [witness(1), witness(2, Kind.COSIGNATURE_ML_DSA_44), witness(3)]
    lines = [sign_checkpoint(checkpoint, one, NOW) for one in signers]
    answer = encode_answer(lines)
    known = [one.key for one in signers[:2]]
    assert cosignatures(answer, checkpoint, known) == [(line, NOW) for line in lines[:2]]
    with pytest.raises(Refused):
        cosignatures(answer, LOG.checkpoint(49), known)
    for wrong in (b"", answer[:-1], answer + b"\n", b"x" + answer, b"\xff\n"):
        with pytest.raises(MalformedMessage):
            cosignatures(wrong, checkpoint, known)
    with pytest.raises(BodyTooLarge):
        cosignatures(answer * 100, checkpoint, known)
