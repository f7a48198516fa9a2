"""Receipts of registrations without a face: verified by steps of their own, and never a match."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.inspection.people import require_enrolled
from gateway.inspection.reconcile import Activation, Discrepancy, reconcile
from gateway.proofs.fallback import (
    FALLBACK_STEPS,
    FallbackInvalid,
    VerifiedFallback,
    verify_any,
    verify_fallback,
)
from gateway.proofs.fallback_wordings import CHECKS, FALLBACK_WORDINGS, ROWS
from gateway.proofs.findings import State
from gateway.proofs.openings import OwnActivation
from gateway.proofs.printable import printable_page
from gateway.proofs.requirements import REQUIREMENTS, RequirementNotMet, check_requirements
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import STEPS, ReceiptInvalid, verify_receipt
from gateway.proofs.wordings import WORDINGS
from gateway.wire import cbor
from gateway.wire.admin import AdminAction, Verb
from gateway.wire.cose import TAG_SIGN1, VerifyKey
from gateway.wire.fallback import MEANS, REASONS
from gateway.wire.ids import RecordId
from gateway.wire.proof import Receipt
from gateway.wire.subject import Subject
from tests.support import parties
from tests.support.parties import AGENT, GATEWAY, SUPERVISOR, refused
from tests.support.receipts import (
    BAD_FALLBACKS,
    FALLBACK,
    FULL,
    FULL_TRUST,
    HONEST,
    LOG,
    OPENING,
    fallback_receipt,
    pin_supervisor,
    trust,
)
from tests.unit.test_cli_receipt_verify import MET, NOT_MET, NOT_VALID, USAGE, run, verify
from tests.vectors import golden

MINE = OPENING.model_copy(update={"consent": None})
STATED = golden.FALLBACK_STATEMENT


def fails(encoded: bytes, pinned: TrustFile | None = None, **given: object) -> int:
    with pytest.raises(FallbackInvalid) as caught:
        verify_fallback(encoded, pinned or trust(), **given)  # type: ignore[arg-type]
    assert caught.value.name == FALLBACK_STEPS[caught.value.step]
    return caught.value.step


# Steps


def test_an_honest_one_passes_all_steps() -> None:
    pinned = trust(supervisors=[pin_supervisor()], log_policy=LOG.policy(2))
    verified = verify_fallback(fallback_receipt(log=LOG), pinned, MINE, parties.SUBJECT)
    assert list(verified.notes) == list(FALLBACK_STEPS)
    assert {one.state for one in verified.notes.values()} == {State.DONE}
    assert verify_fallback(FALLBACK, trust()).supervisor is State.NOT_CHECKED, "whose word it is"


@pytest.mark.parametrize("name", BAD_FALLBACKS)
def test_what_is_wrong_fails_at_its_step(name: str) -> None:
    step, encoded = BAD_FALLBACKS[name]
    assert fails(encoded) == step


def test_pinned_supervisors_are_the_only_ones() -> None:
    """A gateway that states a supervisor of its own making is of no use then."""
    own = parties.fixed_key(SUPERVISOR.party, "drawn by the gateway")
    pinned = trust(supervisors=[pin_supervisor()])
    assert fails(fallback_receipt(supervisor=own), pinned) == 4
    assert fails(FALLBACK, trust(supervisors=[pin_supervisor(parties.fixed_key("other"))])) == 4
    rotated = trust(supervisors=[pin_supervisor(own), pin_supervisor()])
    for receipt in (FALLBACK, fallback_receipt(supervisor=own)):
        assert verify_fallback(receipt, rotated).supervisor is State.DONE


def test_openings_open_what_the_agent_committed_to() -> None:
    other = Subject.of("passport", "X1234568")
    assert fails(FALLBACK, opening=MINE, subject=other) == 10
    wrong = MINE.model_copy(update={"activation_reference": "order-2"})
    assert fails(FALLBACK, opening=wrong, subject=parties.SUBJECT) == 11
    own = OwnActivation("another order", MINE)
    assert fails(FALLBACK, activation=own) == 11
    assert fails(FALLBACK, LOG.trusted(2)) == 6


def test_either_kind_is_checked_as_what_it_is() -> None:
    assert isinstance(verify_any(FALLBACK, trust()), VerifiedFallback)
    assert verify_any(HONEST, trust()) == verify_receipt(HONEST, trust())
    for wrong, right in ((FALLBACK, verify_receipt), (HONEST, verify_fallback)):
        with pytest.raises(ReceiptInvalid) as caught:
            right(wrong, trust())
        assert caught.value.step == 1
    with pytest.raises(ReceiptInvalid):
        verify_any(b"", trust())
    assert all(STEPS[step] == FALLBACK_STEPS[step] for step in (1, 2, *range(6, 12)))


# Never a match


def unmet(encoded: bytes, pinned: TrustFile) -> set[str]:
    try:
        check_requirements(verify_any(encoded, pinned), REQUIREMENTS)
    except RequirementNotMet as error:
        return set(error.unmet)
    return set()


def test_it_shows_nothing_that_a_face_check_shows() -> None:
    logged, pinned = fallback_receipt(log=LOG), LOG.trusted(2)
    assert unmet(logged, pinned) == {
        *("match", "chip", "state-signed", "liveness", "quality", "audit", "signed-policy")
    }
    assert unmet(FULL, FULL_TRUST) == {"fallback"}, "the control: the other way round"
    assert unmet(FALLBACK, trust()) == {
        "match",
        "chip",
        "state-signed",
        "liveness",
        "quality",
        "audit",
        "witness",
        "signed-policy",
    }


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ((), NOT_MET),
        (("--require", "match"), NOT_MET),
        (("--require", "liveness"), NOT_MET),
        (("--require", "fallback,audit"), NOT_MET),
        (("--require", "fallback"), MET),
        (("--require", "valid,fallback"), MET),
        (("--require", "match,fallback"), USAGE),
    ],
)
def test_a_script_that_activates_on_status_0(
    tmp_path: Path, options: tuple[str, ...], status: int
) -> None:
    said = verify(tmp_path, FALLBACK, *options)
    assert said.status == status
    if status != USAGE:
        assert "FALLBACK" in said.out
        assert "MATCH" not in said.out.replace("NO_MATCH", "")
        assert "No face was compared" in said.out
    if status == NOT_MET:
        assert "NOT MET" in said.err
    if options in ((), ("--require", "fallback")):
        assert verify(tmp_path, HONEST, *options).status == (MET if not options else NOT_MET)


def test_the_report_for_programs(tmp_path: Path) -> None:
    said = verify(tmp_path, FALLBACK, "--json", "--require", "fallback")
    assert said.report["kind"] == "fallback"
    assert said.report["outcome"] == "FALLBACK"
    assert said.report["met"] is True
    assert said.report["means"] == ["document-in-person", "existing-account"]
    assert said.report["supervisor"] == {"state": "not-checked", "name": SUPERVISOR.party}
    assert verify(tmp_path, HONEST, "--json").report["kind"] == "decision"
    (tmp_path / "r.opening").write_bytes(MINE.encode())
    (tmp_path / "number").write_text("x-123 4567")
    given = ("--opening", tmp_path / "r.opening", "--id-type", "passport", "--json")
    whole = verify(tmp_path, FALLBACK, *given, "--id-number-file", tmp_path / "number")
    assert whole.report["document"] == whole.report["activation"] == "done"
    bad = verify(tmp_path, BAD_FALLBACKS["one key for both"][1], "--json")
    assert bad.status == NOT_VALID
    assert bad.report["failed"]["name"] == FALLBACK_STEPS[4]
    assert "FAIL  4. " in verify(tmp_path, BAD_FALLBACKS["gateway alone, no approval"][1]).out


# Other forms


def test_it_is_exported(tmp_path: Path) -> None:
    pinned, encoded = LOG.trusted(2), fallback_receipt(log=LOG)
    (tmp_path / "r").write_bytes(encoded)
    pinned.write(tmp_path / "trust.json")
    files = (tmp_path / "r", "--trust", tmp_path / "trust.json", "--out", tmp_path / "out")
    assert run("export", *files, "--format", "html").status == 0
    assert "without a face" in (tmp_path / "out").read_text()
    (tmp_path / "r").write_bytes(BAD_FALLBACKS["one key for both"][1])
    assert run("export", *files, "--format", "html").status == NOT_VALID


def test_the_statement_is_a_transparent_one() -> None:
    """What the gateway signed, with issuer and subject in its header (RFC 9943)."""
    protected, _, payload, _ = cbor.decode(
        Receipt.decode(FALLBACK).statement.removeprefix(TAG_SIGN1)
    )
    header = cbor.decode(protected)
    assert header[15] == {1: GATEWAY.party, 2: STATED.record_id.hex()}
    assert payload == STATED.encode()


def test_the_page_on_paper_ticks_no_comparison() -> None:
    for language in WORDINGS:
        words = FALLBACK_WORDINGS[language]
        assert len(words.rows) == len(ROWS)
        assert len(words.checks) == len(CHECKS)
        assert words.values.keys() == {*REASONS, *MEANS}
        page = printable_page(verify_fallback(FALLBACK, trust()), language)
        assert words.title in page
        assert WORDINGS[language].match_explained not in page
        assert f"<dt>{words.checks[0]}</dt><dd>\u25cb" in page
        assert page.count("\u2713") == 2, "both people signed; no log is pinned"


# Activations


def reconciled(activations: list[Activation], *receipts: bytes) -> list[Discrepancy]:
    kept = {}
    for one in receipts:
        stated = verify_any(one, trust()).statement
        kept[stated.message.record_id] = stated.encoded
    return [one.finding for one in reconcile(activations, kept.items(), trust())]


def test_an_activation_with_one_is_in_order() -> None:
    record = RecordId(STATED.record_id)
    used = Activation(2, record, golden.ACTIVATION, golden.ACTIVATION_SALT)
    assert reconciled([used], FALLBACK) == []
    assert reconciled([], FALLBACK) == [Discrepancy.FALLBACK_UNUSED]
    assert reconciled([used, used], FALLBACK) == [Discrepancy.USED_TWICE] * 2
    other = Activation(2, record, "order-2", golden.ACTIVATION_SALT)
    assert reconciled([other], FALLBACK) == [Discrepancy.OTHER_ACTIVATION]
    bad = BAD_FALLBACKS["one key for both"][1]
    kept = [(record, Receipt.decode(bad).statement)]
    (found,) = reconcile([used], kept, trust())
    assert found.finding is Discrepancy.INVALID_RECEIPT


# Who the two people are


def action(verb: Verb, kind: str, key: VerifyKey, at: int, *, known: bool = True) -> AdminAction:
    return golden.MESSAGES["admin-action"][0].model_copy(  # type: ignore[return-value]
        update={
            "verb": verb,
            "kind": kind,
            "party": key.party,
            "key_id": key.key_id if known else None,
            "at": at,
        }
    )


AT = STATED.recorded_at_minute
BOTH = [action("enrol", "agent", AGENT.public, AT - 9), action("enrol", "supervisor",
        SUPERVISOR.public, AT + 30)]  # fmt: skip


@pytest.mark.parametrize(
    ("actions", "missing"),
    [
        (BOTH, None),
        ([*BOTH, action("suspend", "agent", AGENT.public, AT + 20, known=False)], None),
        ([], "agent"),
        (BOTH[:1], "supervisor"),
        ([BOTH[0], action("enrol", "supervisor", AGENT.public, AT)], "supervisor"),
        ([BOTH[0], action("enrol", "agent", SUPERVISOR.public, AT)], "supervisor"),
        ([*BOTH, action("suspend", "agent", AGENT.public, AT - 1, known=False)], "agent"),
        ([BOTH[0], action("enrol", "supervisor", SUPERVISOR.public, AT + 60)], "supervisor"),
    ],
    ids=["both", "suspended later", "nobody", "one", "other key", "other kind", "suspended",
         "enrolled later"],
)  # fmt: skip
def test_they_were_enrolled_when_it_was_recorded(
    actions: list[AdminAction], missing: str | None
) -> None:
    """What a gateway that makes up its own supervisors cannot hide from a reader of the log."""
    if missing is None:
        require_enrolled(STATED, actions)
        return
    with refused(f"{missing} "):
        require_enrolled(STATED, actions)
