"""Activations against receipts: each kind of deviation is found, and nothing else is."""

import io

import pytest

from gateway.inspection.reconcile import (
    Activation,
    BadActivationList,
    Discrepancy,
    read_activations,
    reconcile,
)
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.evaluation import Decision
from gateway.wire.ids import RecordId
from gateway.wire.liveness import not_performed
from gateway.wire.proof import Statement
from gateway.wire.subject import activation_commitment
from tests.support.parties import QUALITY

GATEWAY, AUTHORITY = SigningKey.generate("gateway"), SigningKey.generate("authority")
STRANGER = SigningKey.generate("gateway")
SALT = b"s" * 32
D = b"d" * 32


def statement(number: int, reference: str, outcome: str = "MATCH", signer=GATEWAY) -> bytes:
    decision = Decision(
        profile="bgv8192-1",
        session=bytes([number]) * 16,
        gateway="gateway",
        authority="authority",
        device="device",
        issuer="issuer",
        outcome=outcome,
        lanes=1,
        **{
            name: D
            for name in Decision.model_fields
            if name.endswith("_digest") or name in ("key_id", "seed_commitment")
        },
    )
    return cose.sign(
        Statement(
            record_id=bytes([number]) * 16,
            kind="decision",
            profile="bgv8192-1",
            session=bytes([number]) * 16,
            gateway="gateway",
            authority="authority",
            device="device",
            issuer="issuer",
            agent="agent",
            outlet="outlet",
            decided_at_minute=60,
            purpose="sim-activation",
            policy_digest=D,
            policy_assurance="unsigned-default",
            model_id="m/x",
            portrait_quality=QUALITY,
            live_quality=QUALITY,
            liveness=not_performed(),
            consent_digest=D,
            consent_text_version=1,
            subject_commitment=D,
            activation_commitment=activation_commitment(reference, SALT),
            decision=cose.sign(decision, AUTHORITY).encoded,
            audit=None,
        ),
        signer,
    ).encoded


def activation(number: int, reference: str) -> Activation:
    return Activation(number + 1, RecordId(bytes([number]) * 16), reference, SALT)


def findings(activations: list[Activation], statements: list[bytes]) -> list[Discrepancy]:
    found = reconcile(activations, statements, [GATEWAY.public], [AUTHORITY.public])
    return [one.finding for one in found]


def test_activations_that_fit_their_receipts_are_silent() -> None:
    kept = [statement(1, "+86 1"), statement(2, "+86 2"), statement(3, "x", outcome="NO_MATCH")]
    assert findings([activation(1, "+86 1"), activation(2, "+86 2")], kept) == []


@pytest.mark.parametrize(
    ("activations", "statements", "expected"),
    [
        ([activation(9, "+86 1")], [], [Discrepancy.NO_RECEIPT]),
        (
            [activation(1, "+86 1")],
            [statement(1, "+86 1", outcome="NO_MATCH")],
            [Discrepancy.NOT_A_MATCH],
        ),
        ([activation(1, "+86 2")], [statement(1, "+86 1")], [Discrepancy.OTHER_ACTIVATION]),
        (
            [activation(1, "+86 1"), activation(1, "+86 1")],
            [statement(1, "+86 1")],
            [Discrepancy.USED_TWICE] * 2,
        ),
        ([], [statement(1, "+86 1")], [Discrepancy.NO_ACTIVATION]),
        (
            [activation(1, "+86 1")],
            [statement(1, "+86 1", signer=STRANGER)],
            [Discrepancy.INVALID_RECEIPT],
        ),
    ],
    ids=lambda value: value[0].name if value and isinstance(value[0], Discrepancy) else "",
)
def test_each_deviation_is_found(
    activations: list[Activation], statements: list[bytes], expected: list[Discrepancy]
) -> None:
    assert findings(activations, statements) == expected


def test_the_list_is_read_strictly() -> None:
    head = "record_id,activation_reference,activation_salt\n"
    good = read_activations(io.StringIO(f"{head}{'01' * 16},+86 1,{SALT.hex()}\n"))
    assert good[0].reference == "+86 1"
    for bad in (
        "",
        "record_id\n",
        f"{head}01,x,{SALT.hex()}\n",
        f"{head}{'01' * 16},,{'0' * 64}\n",
    ):
        with pytest.raises(BadActivationList):
            read_activations(io.StringIO(bad))
