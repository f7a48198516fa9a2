"""A receipt, checked by a stranger: every step fails alone and says its number."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.proofs.approval import approval_digest
from gateway.proofs.findings import Finding, State
from gateway.proofs.openings import OwnActivation
from gateway.proofs.statement import Circumstances, entry_digest, make_receipt, make_statement
from gateway.proofs.verify import (
    STEPS,
    ReceiptInvalid,
    VerifiedReceipt,
    verify_receipt,
)
from gateway.translog.note import Kind, NoteSigner
from gateway.wire import cose
from gateway.wire.cose import Signed
from gateway.wire.evaluation import Decision
from gateway.wire.orders import AgreedOrder
from gateway.wire.proof import Opening, Receipt, Statement
from gateway.wire.subject import Subject
from tests.support import parties
from tests.support.parties import (
    AUDITOR,
    AUTHORITY,
    GATEWAY,
    NOW,
    OTHER_GATEWAY,
    SUBJECT,
    fixed_bytes,
)
from tests.support.receipts import (
    APPROVAL,
    BAD_APPROVALS,
    FULL,
    FULL_TRUST,
    HONEST,
    LOG,
    MALLORY,
    OPENING,
    OTHER_POLICY,
    POLICY,
    Log,
    approval,
    approving,
    audited,
    fails,
    logged,
    pin_auditor,
    pin_authority,
    pin_gateway,
    receipt,
    signed_policy,
    trust,
)
from tests.vectors import golden
from tests.vectors.ordered import DAY


def test_honest_receipt_passes_every_step() -> None:
    heard: dict[int, Finding] = {}
    result = verify_receipt(HONEST, trust(), OPENING, SUBJECT, heard.__setitem__)
    assert isinstance(result, VerifiedReceipt)
    assert list(heard) == [1, 2, 3, 4, 5, 6, 10, 11, 12, 13]
    assert result.notes == heard
    assert heard[1].text == f"record {golden.RECORD_ID.hex()}"
    assert [heard[n].text for n in (2, 3, 4)] == [GATEWAY.party, AUTHORITY.party, "MATCH"]
    assert heard[5].text == "unsigned-default"
    assert heard[6].text == "none; not checked, the trust file pins no log"
    assert result.statement.message == golden.STATEMENT
    assert result.decision.message == golden.DECISION
    assert receipt() == HONEST


def test_without_an_opening_its_two_steps_are_not_claimed() -> None:
    assert list(verify_receipt(HONEST, trust()).notes) == [1, 2, 3, 4, 5, 6, 12, 13]


def test_no_match_is_proven_in_the_same_way() -> None:
    result = verify_receipt(receipt(decision={"outcome": "NO_MATCH"}), trust())
    assert result.notes[4].text == "NO_MATCH"


@pytest.mark.parametrize(
    "encoded",
    [b"", b"\xa0", HONEST[:-1], HONEST + b"\0", bytes(len(HONEST)), HONEST * 20,
     golden.STATEMENT.encode(), golden.SIGNED_STATEMENT.encoded,
     Receipt(statement=b"\xd2", log_proof=None).encode(),
     Receipt(statement=golden.SIGNED_DECISION.encoded, log_proof=None).encode()],
    ids=["empty", "map", "cut", "longer", "zeros", "too-large", "bare-statement",
         "bare-signed", "statement-cut", "decision-for-statement"],
)  # fmt: skip
def test_step_1_well_formed(encoded: bytes) -> None:
    fails(1, encoded)


def test_step_2_gateway_is_pinned_and_signed() -> None:
    assert "no pinned gateway" in fails(2, HONEST, trust(gateways=[pin_gateway(OTHER_GATEWAY)]))
    stranger = parties.stranger(GATEWAY.party)
    fails(2, HONEST, trust(gateways=[pin_gateway(stranger)]))
    fails(2, receipt(gateway=stranger))
    fails(2, receipt(gateway=AUTHORITY))
    fails(2, receipt({"gateway": OTHER_GATEWAY.party}))


def test_step_2_another_pinned_gateway_cannot_sign_in_its_name() -> None:
    both = trust(gateways=[pin_gateway(), pin_gateway(OTHER_GATEWAY)])
    fails(2, receipt(gateway=OTHER_GATEWAY), both)
    assert verify_receipt(HONEST, both).notes[2].text == GATEWAY.party


def test_step_2_a_changed_statement_under_the_old_signature() -> None:
    encoded = bytearray(golden.SIGNED_STATEMENT.encoded)
    place = encoded.index(b"sim-activation")
    encoded[place : place + 3] = b"esi"
    fails(2, Receipt(statement=bytes(encoded), log_proof=None).encode())


def test_step_3_authority_is_pinned_and_signed() -> None:
    stranger = parties.stranger(AUTHORITY.party)
    fails(3, HONEST, trust(authorities=[pin_authority(stranger)]))
    fails(3, HONEST, trust(authorities=[pin_authority(parties.fixed_key("other-authority"))]))
    fails(3, receipt(authority=stranger))
    fails(3, receipt(authority=GATEWAY))  # the gateway cannot decide by itself
    fails(3, receipt({"authority": "other-authority"}))
    fails(3, receipt({"decision": b"\xd2"}))
    fails(3, receipt({"decision": golden.SIGNED_GRANT.encoded}))


def test_step_3_an_outcome_turned_round_under_the_old_signature() -> None:
    decided = golden.DECISION.model_copy(update={"outcome": "NO_MATCH"})
    signed = cose.sign(decided, AUTHORITY).encoded
    forged = cose.sign(golden.DECISION, AUTHORITY).encoded[:-64] + signed[-64:]
    fails(3, receipt({"decision": forged}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("profile", "bgv8192-1"),
        ("session", bytes(16)),
        ("gateway", "other-gateway.example"),
        ("authority", "other-authority"),
        ("device", "device-18"),
        ("issuer", "reader-18"),
        ("policy_digest", OTHER_POLICY.digest),
    ],
)
def test_step_4_both_speak_of_the_same(field: str, value: object) -> None:
    """A decision about another session, truly signed, does not serve this statement."""
    assert field.partition("_")[0] in fails(4, receipt(decision={field: value}))


def test_step_4_covers_every_field_that_both_have() -> None:
    shared = Statement.model_fields.keys() & Decision.model_fields.keys() - {"version"}
    assert shared == {"profile", "session", "gateway", "authority", "device", "issuer",
                      "policy_digest"}  # fmt: skip


def test_step_5_policy_is_accepted() -> None:
    fails(5, HONEST, trust(policies=[]))
    fails(5, HONEST, trust(policies=[OTHER_POLICY.digest.hex()]))


def test_step_5_both_lanes_were_decided() -> None:
    """An authority that decided by the probe alone must not pass for one that saw the movements."""
    assert "lanes" in fails(5, receipt(decision={"lanes": 1}))
    assert golden.DECISION.lanes == 2, "the control"


def test_step_6_a_malformed_log_proof_is_not_passed_over() -> None:
    for proof in (b"", b"c2sp.org/tlog-proof@v1\n"):
        fails(6, receipt(log_proof=proof))
        fails(6, receipt(log_proof=proof), LOG.trusted())


def test_a_logged_receipt_passes_every_step() -> None:
    encoded = LOG.receipt(witnesses=2)
    result = verify_receipt(encoded, LOG.trusted(2), OPENING, SUBJECT)
    assert list(result.notes) == list(STEPS) == list(range(1, 14))
    assert result.notes[7].text == "gateway.example/log"
    assert result.notes[8].text == "one.example, two.example"
    assert result.notes[9].text == "entry 3 of 7"
    passed = {n: found for n, found in result.notes.items() if n not in (12, 13)}
    assert {found.state for found in passed.values()} == {State.DONE}


def test_what_did_not_take_place_or_was_not_checked_is_no_check_that_was_passed() -> None:
    alone = verify_receipt(LOG.receipt(), LOG.trusted())
    assert "asks for none" in alone.notes[8].text
    assert (alone.log, alone.witnesses) == (State.DONE, State.NOT_PERFORMED)
    assert (alone.liveness, alone.audit) == (State.NOT_PERFORMED, State.NOT_PERFORMED)
    unpinned = verify_receipt(audited(), trust())
    assert unpinned.notes[6].state is State.NOT_CHECKED
    assert (unpinned.log, unpinned.witnesses, unpinned.audit) == (State.NOT_CHECKED,) * 3
    done = verify_receipt(FULL, FULL_TRUST)
    assert (done.log, done.witnesses, done.liveness, done.audit) == (State.DONE,) * 4
    cosigned = verify_receipt(LOG.receipt(witnesses=1), LOG.trusted(0))
    assert cosigned.witnesses is State.DONE, "nobody asked for it; it took place"


def test_step_6_a_receipt_without_proof_is_refused_where_a_log_is_pinned() -> None:
    assert "has none" in fails(6, HONEST, LOG.trusted())


def test_step_6_says_that_a_proof_was_not_checked() -> None:
    assert "not checked" in verify_receipt(LOG.receipt(), trust()).notes[6].text


def test_step_7_only_the_pinned_log_counts() -> None:
    other = Log("other.example/log")
    assert "origin" in fails(7, other.receipt(), LOG.trusted())
    impostor = Log()
    impostor.key = NoteSigner.from_seed("gateway.example/log", Kind.ED25519, fixed_bytes("x"))
    assert "keys signed it" in fails(7, impostor.receipt(), LOG.trusted())


def test_step_8_the_quorum_is_reached() -> None:
    for cosigned, wanted in ((0, 1), (1, 2)):
        fails(8, LOG.receipt(witnesses=cosigned), LOG.trusted(wanted))
    stranger = Log()
    stranger.witnesses = [
        NoteSigner.from_seed(name, Kind.COSIGNATURE_ED25519, fixed_bytes(f"not {name}"))
        for name in ("one.example", "two.example")
    ]
    fails(8, stranger.receipt(witnesses=2), LOG.trusted(1))


def test_step_9_the_statement_itself_is_in_the_log() -> None:
    fails(9, LOG.receipt(index=2), LOG.trusted())
    of_another = LOG.proof(b"another statement")
    fails(9, logged(of_another), LOG.trusted())
    honest = LOG.proof(Receipt.decode(HONEST).statement)
    fails(9, logged(replace(honest, path=honest.path[:-1])), LOG.trusted())
    fails(9, logged(replace(honest, path=(*honest.path, honest.path[0]))), LOG.trusted())
    fails(9, logged(replace(honest, path=honest.path[::-1])), LOG.trusted())


def test_a_trust_file_whose_log_policy_is_none_is_refused() -> None:
    for lines in ([], ["quorum two"], ["log nothing", "quorum none"]):
        with pytest.raises(ValidationError, match="logPolicy"):
            trust(log_policy=lines)


@pytest.mark.parametrize(
    "subject",
    [None, Subject.of("passport", "X1234568"), Subject.of("id-card", "X1234567")],
    ids=["none", "other-number", "other-document"],
)
def test_step_10_subject_opens(subject: Subject | None) -> None:
    fails(10, HONEST, opening=OPENING, subject=subject)


def test_step_10_opening_of_another_receipt() -> None:
    other = OPENING.model_copy(update={"subject_salt": fixed_bytes("other")})
    fails(10, HONEST, opening=other, subject=SUBJECT)


@pytest.mark.parametrize(
    "changes",
    [
        {"activation_reference": "+49 151 00000001"},
        {"activation_salt": fixed_bytes("other")},
        {"activation_reference": " "},
        {"activation_reference": "é" * 128},
    ],
    ids=["other-number", "other-salt", "blank", "too-long-in-utf8"],
)
def test_step_11_activation_opens(changes: dict[str, Any]) -> None:
    """An opening comes from outside: whatever it holds, the step fails and nothing else."""
    opening = OPENING.model_copy(update=changes)
    assert Opening.decode(opening.encode()) == opening
    with pytest.raises(ReceiptInvalid) as caught:
        verify_receipt(HONEST, trust(), opening, SUBJECT)
    assert caught.value.step == 11


OWN = OPENING.of_activation(golden.RECORD_ID)


def activation_of(reference: str, **changes: Any) -> OwnActivation:
    return OwnActivation(reference, OWN.model_copy(update=changes))


def test_a_carrier_finds_its_order_without_any_document() -> None:
    for own in (activation_of(golden.ACTIVATION), OwnActivation(golden.ACTIVATION, OPENING)):
        found = verify_receipt(HONEST, trust(), activation=own).notes
        assert found[11].text == "the receipt is about this activation"
        assert 10 not in found, "no document was asked for"
    assert SUBJECT.number not in str(OWN.to_map())
    assert OPENING.subject_salt not in OWN.to_map().values()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (activation_of("order-2"), "another number or order"),
        (OwnActivation("order-2", OPENING), "another number or order"),
        (activation_of("order-2", activation_reference="order-2"), "another receipt, or altered"),
        (activation_of(golden.ACTIVATION, activation_salt=fixed_bytes("x")), "or altered"),
        (activation_of(golden.ACTIVATION, record_id=bytes(16)), "that of another receipt"),
        (activation_of(" "), "1 to 128 bytes"),
    ],
    ids=["order", "by-subscriber", "own-words", "salt", "record", "blank"],
)
def test_step_11_the_receipt_of_another_order(given: OwnActivation, why: str) -> None:
    """An agent hands in a genuine receipt, with an opening that fits it or the order at hand."""
    reason = fails(11, HONEST, activation=given)
    assert why in reason
    assert "order-2" not in reason


def test_with_both_the_carriers_own_order_counts() -> None:
    """The subscriber's opening names the number itself: it must not answer for the carrier's."""
    assert verify_receipt(
        HONEST, trust(), OPENING, SUBJECT, activation=activation_of(golden.ACTIVATION)
    )
    with pytest.raises(ReceiptInvalid) as caught:
        verify_receipt(HONEST, trust(), OPENING, SUBJECT, activation=activation_of("order-2"))
    assert caught.value.step == 11


def test_reasons_tell_no_number_or_salt() -> None:
    for subject in (Subject.of("passport", "X1234568"), None):
        reason = fails(10, HONEST, opening=OPENING, subject=subject)
        assert "X1234568" not in reason
        assert OPENING.subject_salt.hex() not in reason


def refused_whole(encoded: bytes) -> None:
    with pytest.raises(ReceiptInvalid):
        verify_receipt(encoded, trust(), OPENING, SUBJECT)


@given(place=st.integers(0, len(HONEST) - 1), byte=st.integers(1, 255))
@settings(max_examples=600)
def test_any_altered_byte_is_refused(place: int, byte: int) -> None:
    altered = bytearray(HONEST)
    altered[place] ^= byte
    refused_whole(bytes(altered))


def test_step_12_an_audited_receipt() -> None:
    result = verify_receipt(audited(), trust(auditors=[pin_auditor()]))
    assert result.audited
    repeated = f"{AUDITOR.party} repeated the evaluation"
    assert result.notes[12].text == f"{repeated} and verified what issuer and device signed"
    on_word = verify_receipt(
        audited({"assertions_verified": False}), trust(auditors=[pin_auditor()])
    )
    assert on_word.notes[12].text == repeated


def test_step_12_whoever_pins_no_auditor_is_told_that_nothing_was_checked() -> None:
    for encoded in (audited(), audited(auditor=parties.stranger(AUDITOR.party))):
        result = verify_receipt(encoded, trust())
        assert not result.audited
        assert result.notes[12].text.startswith("not checked")
    assert not verify_receipt(HONEST, trust(auditors=[pin_auditor()])).audited


def test_step_12_report_of_another_evaluation_or_by_another_signer() -> None:
    pinned = trust(auditors=[pin_auditor()])
    other = fixed_bytes("another evaluation")
    assert "another evaluation" in fails(12, audited({"evaluated_digest": other}), pinned)
    # A decision other than the one whose evaluation was repeated: every field but the outcome.
    for name in golden.EVALUATED.model_dump(exclude={"version", "profile", "lanes"}):
        value = getattr(golden.DECISION, name)
        changed = f"x{value}" if isinstance(value, str) else bytes(len(value))
        shared = {name: changed} if name in golden.STATEMENT.model_dump() else {}
        if name in ("gateway", "authority", "policy_digest"):
            continue  # earlier steps
        encoded = audited(statement=shared, decision={name: changed})
        assert "another evaluation" in fails(12, encoded, pinned)
    assert verify_receipt(audited(decision={"outcome": "NO_MATCH"}), pinned).audited
    assert "not signed" in fails(12, audited(auditor=parties.stranger(AUDITOR.party)), pinned)
    assert "no pinned auditor" in fails(12, audited({"auditor": "somebody"}), pinned)
    foreign = receipt({"audit": golden.SIGNED_DECISION.encoded})
    assert "AuditReport" in fails(12, foreign, pinned)


def test_step_12_both_keys_of_an_auditor_that_rotates() -> None:
    new = parties.fixed_key(AUDITOR.party, "auditor/new")
    pinned = trust(auditors=[pin_auditor(), pin_auditor(new)])
    for key in (AUDITOR, new):
        assert verify_receipt(audited(auditor=key), pinned).audited


@given(st.integers(0, len(HONEST) - 1), st.integers(0, 40), st.binary(max_size=40))
@settings(max_examples=300)
def test_any_replaced_piece_is_refused(place: int, width: int, piece: bytes) -> None:
    altered = HONEST[:place] + piece + HONEST[place + width :]
    if altered != HONEST:
        refused_whole(altered)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    refused_whole(data)


def given_circumstances() -> Circumstances:
    return Circumstances(
        POLICY,
        golden.TEMPLATE,
        golden.SUBMISSION_ASSERTION,
        golden.CONSENT,
        golden.STATEMENT.liveness,
    )


@pytest.mark.parametrize(("second", "minute"), [(0, 0), (1, 0), (59, 0), (60, 60)])
def test_statement_is_the_golden_one(second: int, minute: int) -> None:
    """From decision and circumstances to the vector's very bytes; the time is cut to the minute."""
    start = NOW - NOW % 60
    made = make_statement(
        Signed(golden.DECISION, golden.SIGNED_DECISION.encoded),
        given_circumstances(),
        golden.RECORD_ID,
        start + second,
        GATEWAY,
    )
    expected = golden.STATEMENT.model_copy(update={"decided_at_minute": start + minute})
    assert made.message == expected
    assert made.encoded == cose.sign(expected, GATEWAY).encoded
    assert make_receipt(made.encoded) == Receipt(statement=made.encoded, log_proof=None)
    assert entry_digest(made) == made.digest


def test_a_receipt_carries_nothing_that_leads_to_the_person() -> None:
    for secret in (
        SUBJECT.number.encode(),
        SUBJECT.inner(parties.SITE_SALT),
        OPENING.subject_salt,
        OPENING.activation_salt,
        OPENING.activation_reference.encode(),
    ):
        assert secret not in HONEST


# Step 13


@pytest.mark.parametrize("name", BAD_APPROVALS)
def test_step_13_what_two_pinned_operators_did_not_sign_before(name: str) -> None:
    """Each is named by the gateway's statement, and given to the verifier."""
    approved, reason = BAD_APPROVALS[name]
    assert reason in fails(13, signed_policy(approved), approving(approved))


def test_step_13_two_operators_signed_it() -> None:
    found = verify_receipt(signed_policy(), approving(APPROVAL))
    assert (found.policy, found.notes[13].text) == (State.DONE, "operator-1, operator-2")
    assert found.notes[5].text == "signed"
    unsigned = verify_receipt(HONEST, trust())
    assert unsigned.policy is State.NOT_PERFORMED
    other = verify_receipt(signed_policy(), approving(approval({"number": 2})))
    assert other.policy is State.NOT_CHECKED


def test_step_13_a_policy_that_had_been_replaced() -> None:
    """A gateway that goes back to what was once approved, before a verifier who has both."""
    later = approval({"number": 2}, {"agreed_at": NOW - DAY // 2})
    reason = fails(13, signed_policy(), approving(APPROVAL, later))
    assert "another policy in force by then" in reason
    for other in (
        approval({"number": 2}, {"agreed_at": NOW - 600}),  # the session was open
        approval({"number": 2}, {"agreed_at": NOW - DAY // 2}, second=MALLORY),
    ):
        assert verify_receipt(signed_policy(), approving(APPROVAL, other)).policy is State.DONE
    assert verify_receipt(signed_policy(later), approving(APPROVAL, later)).policy is State.DONE


def test_step_13_two_policies_of_one_number() -> None:
    """Two operators were made to sign again what the gateway said had failed, or its database was
    put back: the one that they agreed to later counts."""
    again = approval({"order_id": bytes(16)}, {"agreed_at": NOW - DAY // 2})
    assert "by then" in fails(13, signed_policy(), approving(APPROVAL, again))
    assert verify_receipt(signed_policy(again), approving(APPROVAL, again)).policy is State.DONE
    just_now = approval({"order_id": bytes(16)}, {"agreed_at": NOW - 600})
    assert verify_receipt(signed_policy(), approving(APPROVAL, just_now)).policy is State.DONE


def test_step_13_no_file_that_a_gateway_hands_over_hides_a_later_approval() -> None:
    """It has the later approval's agreement, and so its name, beside another order."""
    later = approval({"number": 2}, {"agreed_at": NOW - DAY // 2})
    agreement = AgreedOrder.decode(later).agreement
    swapped = AgreedOrder(order=AgreedOrder.decode(APPROVAL).order, agreement=agreement).encode()
    assert approval_digest(swapped) == approval_digest(later)
    assert "by then" in fails(13, signed_policy(), approving(APPROVAL, later))  # the control
    given = approving(APPROVAL, later).with_approval(swapped)
    assert "by then" in fails(13, signed_policy(), given)
    assert verify_receipt(signed_policy(later), given).policy is State.DONE


def test_a_gateway_that_calls_its_thresholds_signed_names_an_approval() -> None:
    """And one without an approval cannot: such a statement is malformed."""
    for changes in ({"policy_assurance": "signed"}, {"policy_approval": bytes(32)}):
        fails(1, receipt(changes))
