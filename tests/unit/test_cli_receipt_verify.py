"""``sealmatch receipt verify && activate``: what passes, what does not, and which it was."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import gateway.cli.register
from gateway.main import main
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import verify_receipt
from gateway.wire import cbor
from gateway.wire.liveness import not_performed
from tests.support.parties import SUBJECT
from tests.support.receipts import (
    APPROVAL,
    FULL,
    FULL_TRUST,
    HONEST,
    LOG,
    OPENING,
    approval,
    audited,
    pin_auditor,
    receipt,
    signed_policy,
    trust,
)
from tests.vectors import golden

MET, NOT_CHECKED, USAGE, NOT_MET, NOT_VALID = 0, 1, 2, 3, 6
PHOTOGRAPHED = receipt({"portrait_source": "photographed"})
MOBILE = receipt({"portrait_source": "mobile-verified"})
NO_MATCH = receipt(decision={"outcome": "NO_MATCH"})
FULL_TRUSTED = FULL_TRUST.model_copy(update={"log_policy": None})
ACTIVATION = OPENING.of_activation(golden.RECORD_ID)


@dataclass
class Said:
    status: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


def run(*arguments: object, stdin: str = "") -> Said:
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        try:
            status = main(["receipt", *map(str, arguments)])
        except SystemExit as usage:
            status = int(str(usage.code))
    return Said(status, out.getvalue(), err.getvalue())


def verify(
    directory: Path,
    encoded: bytes,
    *options: object,
    pinned: TrustFile | None = None,
    stdin: str = "",
) -> Said:
    (directory / "r").write_bytes(encoded)
    (pinned or trust()).write(directory / "trust.json")
    files = (directory / "r", "--trust", directory / "trust.json")
    return run("verify", *files, *options, stdin=stdin)


def test_an_impostor_is_not_activated_by_a_careless_caller(tmp_path: Path) -> None:
    refused = verify(tmp_path, NO_MATCH)
    assert refused.status == NOT_MET
    assert "NOT MET: match is required, and the outcome is NO_MATCH." in refused.err
    assert "FAIL" not in refused.out, "the receipt itself is valid"
    assert verify(tmp_path, HONEST).status == MET
    assert verify(tmp_path, NO_MATCH, "--require", "valid").status == MET


@pytest.mark.parametrize("wanted", ["match", "liveness", "witness", "audit", "match,audit"])
def test_to_ask_for_more_never_drops_the_match(tmp_path: Path, wanted: str) -> None:
    alone = receipt({"liveness": golden.LIVENESS}, {"outcome": "NO_MATCH"})
    told = verify(tmp_path, alone, "--require", wanted, "--json").report
    assert told["unmet"]["match"] == "the outcome is NO_MATCH"
    assert "match" in told["required"]


@pytest.mark.parametrize(
    ("encoded", "pinned", "wanted", "why"),
    [
        (HONEST, trust(), "liveness", "no liveness check was performed"),
        (PHOTOGRAPHED, trust(), "chip", "the portrait was photographed"),
        (
            receipt({"portrait_source": "read"}),
            trust(),
            "chip",
            "the portrait was read as data, and no issuing State vouches for it",
        ),
        (MOBILE, trust(), "chip", "the portrait came out of a mobile document, not out of a chip"),
        (PHOTOGRAPHED, trust(), "state-signed", "the portrait was photographed"),
        (HONEST, trust(), "witness", "not checked, because the trust file pins no log"),
        (LOG.receipt(), LOG.trusted(), "witness", "no pinned witness cosigned"),
        (HONEST, trust(), "audit", "this evaluation was not audited"),
        (audited(), trust(), "audit", "not checked, because the trust file pins no auditor"),
        (HONEST, FULL_TRUSTED, "signed-policy", "nobody signed the match policy"),
        (
            signed_policy(),
            trust(policy_approvals=FULL_TRUST.policy_approvals),
            "signed-policy",
            "not checked, because operators' keys or their approval are not at hand",
        ),
    ],
    ids=[
        *(
            "liveness",
            "photographed",
            "read",
            "mobile",
            "not-state-signed",
            "no-log",
            "no-witness",
            "no-audit",
            "no-auditor",
        ),
        *("no-operator-signed", "no-operator-pinned"),
    ],
)
def test_what_did_not_take_place_or_cannot_be_checked_meets_no_requirement(
    tmp_path: Path, encoded: bytes, pinned: TrustFile, wanted: str, why: str
) -> None:
    told = verify(tmp_path, encoded, "--require", wanted, "--json", pinned=pinned)
    assert told.status == NOT_MET
    assert told.report["unmet"] == {wanted: why}
    assert told.report["valid"] is True
    assert verify(tmp_path, encoded, "--require", "match", pinned=pinned).status == MET


def test_a_receipt_that_shows_all_meets_all(tmp_path: Path) -> None:
    wanted = "match, chip, state-signed, liveness,witness,audit,signed-policy"
    done = verify(tmp_path, FULL, "--require", wanted, "--json", pinned=FULL_TRUST)
    assert done.status == MET
    told = done.report
    asked = ["match", "chip", "state-signed", "liveness", "witness", "audit", "signed-policy"]
    assert told["required"] == asked
    assert verify(tmp_path, MOBILE, "--require", "match,state-signed").status == MET
    assert told["portrait"] == {"source": "chip-verified"}
    assert told["unmet"] == {}
    for name in ("liveness", "log", "witnesses", "audit"):
        assert told[name]["state"] == "done"
    assert told["policy"]["found"] == "operator-1, operator-2"
    assert told["witnesses"]["names"] == ["one.example", "two.example"]
    assert {step["state"] for step in told["steps"]} == {"done"}


def test_no_line_is_ok_for_what_did_not_take_place(tmp_path: Path) -> None:
    lines = verify(tmp_path, LOG.receipt(), pinned=LOG.trusted()).out.splitlines()
    assert [line.split()[0] for line in lines if line[6:9] in ("8. ", "12.")] == ["none", "none"]
    unpinned = verify(tmp_path, audited()).out.splitlines()
    assert [line.split()[0] for line in unpinned if line[6:9] in ("6. ", "12.")] == ["?", "?"]
    full = verify(tmp_path, FULL, pinned=FULL_TRUST).out
    assert full.count("\nok ") == 10, "the control: steps 2 to 9, 12 and 13"


def test_not_valid_is_not_the_same_as_not_met_or_not_checked(tmp_path: Path) -> None:
    altered = HONEST[:-80] + bytes([HONEST[-80] ^ 1]) + HONEST[-79:]
    bad = verify(tmp_path, altered)
    assert bad.status == NOT_VALID
    assert "FAIL  " in bad.out
    assert f"{tmp_path / 'r'}: the receipt is NOT valid." in bad.err
    told = verify(tmp_path, altered, "--json").report
    assert (told["checked"], told["valid"], told["met"]) == (True, False, False)
    assert set(told["failed"]) == {"step", "name", "reason"}
    for garbage in (b"", b"no receipt", HONEST[:-1], bytes(300_000)):
        assert verify(tmp_path, garbage).status == NOT_VALID


@pytest.mark.parametrize("json_too", [(), ("--json",)], ids=["text", "json"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, json_too: tuple[str, ...]) -> None:
    (tmp_path / "r").write_bytes(HONEST)
    (tmp_path / "folder").mkdir()
    (tmp_path / "damaged").write_text("{")
    trust().write(tmp_path / "trust.json")
    for name, pins, wrong, why in (
        ("missing", "trust.json", "missing", "No such file"),
        ("folder", "trust.json", "folder", "Is a directory"),
        ("r", "missing", "missing", "No such file"),
        ("r", "damaged", "damaged", "JSON"),
        ("r", "r", "r", ""),
    ):
        done = run("verify", tmp_path / name, "--trust", tmp_path / pins, *json_too)
        assert done.status == NOT_CHECKED
        said = done.report["reason"] if json_too else done.err
        assert f"{tmp_path / wrong}: " in said
        assert why in said
        assert "None" not in said
        if json_too:
            assert done.report["checked"] is False


PENDING = cbor.encode({"opening": b"", "expected": bytes(32), "version": 1})


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (OPENING.encode(), "the subscriber's opening"),
        (ACTIVATION.encode(), "an activation opening"),
        (PENDING, "a registration without an answer"),
    ],
    ids=["subscriber", "activation", "pending"],
)
def test_another_file_in_the_receipts_place_is_recognised(
    tmp_path: Path, given: bytes, what: str
) -> None:
    done = verify(tmp_path, given)
    assert done.status == NOT_CHECKED
    assert what in done.err


def with_order(directory: Path, order: str, opening: bytes | None, *options: object) -> Said:
    beside = directory / "r.activation"
    beside.unlink(missing_ok=True)
    if opening is not None:
        beside.write_bytes(opening)
    return verify(directory, HONEST, "--activation-file", "-", *options, stdin=order)


def test_a_carrier_checks_that_the_receipt_is_for_its_order(tmp_path: Path) -> None:
    done = with_order(tmp_path, f" {golden.ACTIVATION}\n", ACTIVATION.encode())
    assert done.status == MET
    assert "ok    11. activation opens" in done.out
    assert "10. subject opens" not in done.out
    other = with_order(tmp_path, "order-2", ACTIVATION.encode())
    assert other.status == NOT_VALID
    assert "FAIL  11. activation opens: the receipt is about another number or order" in other.out
    for said in (done, other):
        assert golden.ACTIVATION not in said.out + said.err
        assert "order-2" not in said.out + said.err


def test_an_opening_of_the_subscriber_from_earlier_serves_the_carrier_too(tmp_path: Path) -> None:
    assert with_order(tmp_path, golden.ACTIVATION, OPENING.encode()).status == MET
    assert with_order(tmp_path, "order-2", OPENING.encode()).status == NOT_VALID


@pytest.mark.parametrize(
    ("opening", "why"),
    [
        (None, "No such file"),
        (b"", "it is empty"),
        (HONEST, "it is a receipt, and not an activation opening"),
        (b"{}", "it is not an activation opening, or it is damaged"),
        (ACTIVATION.encode()[:-1], "or it is damaged"),
        (OPENING.encode()[:-1], "or it is damaged"),
        (PENDING, "a registration without an answer"),
    ],
    ids=["missing", "empty", "receipt", "json", "cut", "old-cut", "pending"],
)
def test_what_is_no_activation_opening_is_refused_by_its_name(
    tmp_path: Path, opening: bytes | None, why: str
) -> None:
    done = with_order(tmp_path, golden.ACTIVATION, opening)
    assert done.status == NOT_CHECKED
    assert f"{tmp_path / 'r.activation'}: " in done.err
    assert why in done.err


def test_the_activations_opening_opens_no_document(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(ACTIVATION.encode())
    (tmp_path / "o").write_bytes(OPENING.encode())
    document = ("--id-type", SUBJECT.document_type, "--id-number-file", "-")
    wrong = verify(tmp_path, HONEST, "--opening", tmp_path / "a", *document, stdin=SUBJECT.number)
    assert wrong.status == NOT_CHECKED
    assert "it is an activation opening, and not the subscriber's opening" in wrong.err
    right = verify(tmp_path, HONEST, "--opening", tmp_path / "o", *document, stdin=SUBJECT.number)
    assert right.status == MET
    (tmp_path / "order").write_text("order-2")
    both = ("--activation-file", tmp_path / "order")
    foreign = verify(
        tmp_path, HONEST, "--opening", tmp_path / "o", *document, *both, stdin=SUBJECT.number
    )
    assert foreign.status == NOT_VALID, "its own order, and not the one in the opening"


def test_the_counter_writes_an_opening_for_each_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``register`` leaves beside the receipt is what ``verify`` looks for there."""
    done = SimpleNamespace(
        outcome="MATCH",
        record_id=golden.RECORD_ID,
        receipt=HONEST,
        opening=OPENING,
        liveness=not_performed(),
        verified=verify_receipt(HONEST, trust()),
        submission=SimpleNamespace(liveness_evidence=None),
        standing=None,
    )
    monkeypatch.setattr(gateway.cli.register, "_register", lambda *_: done)
    trust().write(tmp_path / "trust.json")
    files = ["--trust", f"{tmp_path}/trust.json", "--receipt", f"{tmp_path}/r"]
    pictures = ["--id-portrait", "x", "--live", "y", "--id-type", "passport", "--id-number", "x"]
    assert main(["register", *files, *pictures]) == MET
    (tmp_path / "order").write_text(golden.ACTIVATION)
    order = ("--activation-file", tmp_path / "order")
    assert run("verify", tmp_path / "r", "--trust", tmp_path / "trust.json", *order).status == MET
    carriers = tmp_path / "r.activation"
    assert carriers.read_bytes() == ACTIVATION.encode()
    for private in (carriers, tmp_path / "r.opening"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "options",
    [
        ("--require", ""),
        ("--require", "match,"),
        ("--require", "no-match"),
        ("--require", "valid,match"),
        ("--activation-opening", "x"),
        ("--opening", "x"),
        ("--opening", "x", "--id-type", "passport", "--id-number-file", "-",
         "--activation-file", "-"),
    ],
)  # fmt: skip
def test_usage(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert verify(tmp_path, HONEST, *options).status == USAGE


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_reader_that_has_seen_enough_changes_nothing(
    tmp_path: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """As ``| head`` does: the pipe is closed, and the status still says what was found."""
    (tmp_path / "r").write_bytes(NO_MATCH)
    trust().write(tmp_path / "trust.json")
    arguments = ["receipt", "verify", f"{tmp_path}/r", "--trust", f"{tmp_path}/trust.json"]
    reader, writer = os.pipe()
    os.close(reader)
    with (
        os.fdopen(writer, "w", buffering=1) as closed,
        contextlib.redirect_stdout(closed),
    ):
        assert main([*arguments, *options]) == NOT_MET
    assert "Broken pipe" not in capsys.readouterr().err


def test_audit_and_log_are_told_apart(tmp_path: Path) -> None:
    """An audit by one that is pinned, without any log: each is said for itself."""
    told = verify(tmp_path, audited(), "--json", pinned=trust(auditors=[pin_auditor()])).report
    assert told["audit"]["state"] == "done"
    assert told["log"] == {"state": "not-checked"}
    assert told["witnesses"] == {"state": "not-checked", "names": []}
    assert told["document"] == told["activation"] == "not-checked"


def test_the_operators_approval_is_given_beside_the_trust_file(tmp_path: Path) -> None:
    pins = FULL_TRUSTED.model_copy(update={"policy_approvals": []})
    wanted = ("--require", "signed-policy")
    told = verify(tmp_path, signed_policy(), *wanted, pinned=pins)
    assert (told.status, "?     13. match policy is signed" in told.out) == (NOT_MET, True)
    (tmp_path / "approval").write_bytes(APPROVAL)
    given = ("--policy", tmp_path / "approval")
    told = verify(tmp_path, signed_policy(), *wanted, *given, pinned=pins)
    assert told.status == MET
    assert "policy signed  operator-1, operator-2" in told.out
    (tmp_path / "approval").write_bytes(approval({"number": 7}))  # a real one of other times
    told = verify(tmp_path, signed_policy(), *wanted, *given, pinned=pins)
    assert (told.status, "not among those given" in told.out) == (NOT_MET, True)
    (tmp_path / "approval").write_bytes(b"no approval")
    assert verify(tmp_path, signed_policy(), *given, pinned=pins).status == NOT_CHECKED
