"""How a command is told of a document: files, standard input, a terminal, and the policy."""

import argparse
import datetime
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import register, subject
from gateway.documents.reading import Document
from gateway.main import main
from gateway.server.consent import draft
from gateway.wire.number import UnusableNumber
from gateway.wire.subject import Subject
from tests.unit.test_mrz import CARD, PASSPORT, passport
from tests.unit.test_proofs_trust import content

TODAY = datetime.date(2026, 11, 27)
NOON = int(datetime.datetime(2026, 11, 27, 12).timestamp())  # of this machine's time zone
FAILURE, USAGE, REFUSED = 1, 2, 5


class Stdin(io.TextIOWrapper):
    """Standard input, or a terminal at which somebody types."""

    def __init__(self, typed: bytes, *, terminal: bool) -> None:
        super().__init__(io.BytesIO(typed), "utf-8")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def options_of(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    subject.add_subject_arguments(parser, required=True)
    return parser.parse_args(arguments)


def document(*arguments: str) -> Document:
    return subject.document_of(options_of(*arguments), TODAY)


# --- where it comes from -------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--id-type", "--document-type"])
def test_a_number_from_a_file(tmp_path: Path, option: str) -> None:
    (tmp_path / "n").write_bytes("\ufeffAB700001\r\n".encode())
    read = document(option, "passport", "--id-number-file", str(tmp_path / "n"))
    assert read.subject == Subject.of("passport", "AB700001")


@pytest.mark.parametrize("terminal", [False, True])
def test_a_number_from_standard_input_or_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool
) -> None:
    monkeypatch.setattr("sys.stdin", Stdin("A123456（3）\n".encode(), terminal=terminal))
    read = document("--id-type", "hk-id", "--id-number-file", "-")
    assert read.subject == Subject.of("id-card", "A1234563")
    assert capsys.readouterr() == ("", "document number: " if terminal else "")


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("zone", [PASSPORT, CARD])
def test_a_zone_from_standard_input_or_a_terminal(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, zone: str
) -> None:
    """Whoever types it is not asked for more than it has."""
    after = "\nthe next question's answer\n" if terminal else ""
    stdin = Stdin(f"{zone}{after}".encode(), terminal=terminal)
    monkeypatch.setattr("sys.stdin", stdin)
    assert document("--mrz", "-").expires == datetime.date(2012, 4, 15)
    assert stdin.readline() == after.strip() + "\n" * terminal


def test_an_empty_line_ends_what_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Stdin(f"{PASSPORT[:44]}\n\n".encode(), terminal=True))
    with pytest.raises(UnusableNumber, match="these have 44"):
        document("--mrz", "-")


@pytest.mark.parametrize(
    ("written", "why"),
    [(b"AB700003\nAB700004\n", "more than one line"), (b"AB1" + b" " * 5000, "more than 4096"),
     ("１１０１".encode("gb18030"), "GB 18030")],
)  # fmt: skip
def test_a_file_that_holds_no_number_is_refused(tmp_path: Path, written: bytes, why: str) -> None:
    (tmp_path / "n").write_bytes(written)
    with pytest.raises(UnusableNumber, match=why):
        document("--id-type", "passport", "--id-number-file", str(tmp_path / "n"))


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "n").write_bytes(b"\xff\xff")
    with pytest.raises(UnusableNumber, match=f"^{tmp_path / 'n'}: "):
        subject.read_text(str(tmp_path / "n"))


def test_a_receipt_s_subject_needs_no_form_and_no_date() -> None:
    """Receipts outlive the rules by which their numbers were read."""
    old = options_of("--id-type", "passport", "--id-number", "AB70000312")
    assert subject.subject_of(old) == Subject.of("passport", "AB70000312")
    with pytest.raises(UnusableNumber, match="at most 9"):
        subject.document_of(old, TODAY)


def test_a_receipt_s_subject_from_a_zone(tmp_path: Path) -> None:
    (tmp_path / "z").write_text(PASSPORT)
    assert subject.subject_of(options_of("--mrz", str(tmp_path / "z"))) == Subject.of(
        "passport", "L898902C3"
    )


# --- the command ---------------------------------------------------------------------------

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``sealmatch register`` at a counter whose portrait file is missing, on a certain day."""
    monkeypatch.setattr(register, "unix_time", lambda: NOON)

    def started(*arguments: str, stdin: str = "", **policy: Any) -> tuple[int, dict[str, Any]]:
        trust = content()
        del trust["counter"]["expiredGraceDays"], trust["counter"]["documents"]
        trust["counter"] |= policy
        texts = draft(2, 180)
        trust["counter"] |= {"consentFile": "consent", "consentDigest": texts.digest.hex()}
        (tmp_path / "consent").write_bytes(texts.encode())
        (tmp_path / "trust.json").write_text(json.dumps(trust))
        monkeypatch.setattr("sys.stdin", Stdin(stdin.encode(), terminal=False))
        files = {"trust": "trust.json", "id-portrait": "no-portrait", "live": "no-live.jpg",
                 "receipt": "receipt"}  # fmt: skip
        given = [part for name, file in files.items() for part in (f"--{name}", tmp_path / file)]
        status = main(["register", *arguments, *map(str, given), "--json", "--consent-shown"])
        out, err = capsys.readouterr()
        assert err == ""
        return status, json.loads(out)

    return started


@pytest.mark.parametrize(
    ("expiry", "policy", "status", "reason"),
    [("261127", {}, FAILURE, "no-portrait"), ("261126", {}, REFUSED, "the document has expired"),
     ("261028", {"expiredGraceDays": 30}, FAILURE, "no-portrait"),
     ("261027", {"expiredGraceDays": 30}, REFUSED, "the document has expired"),
     ("120415", {"expiredGraceDays": None}, FAILURE, "no-portrait")],
)  # fmt: skip
def test_an_expired_document_is_refused_before_anything_else_is_read(
    run: Run, expiry: str, policy: dict[str, Any], status: int, reason: str
) -> None:
    ended, told = run("--mrz", "-", stdin=passport("X7654321", expiry=expiry), **policy)
    assert ended == status
    assert told["outcome"] == ("REFUSED" if status == REFUSED else "FAILED")
    assert reason in told["reason"]
    assert "7654321" not in json.dumps(told)


ONLY = {"documents": {"passport": "mrz", "hk-id": "any"}}


@pytest.mark.parametrize(
    ("given", "typed", "policy", "outcome", "reason"),
    [(("--id-type", "other", "--id-number-file", "-"), "A1234563", ONLY, "REFUSED",
      "accepts no other, but: passport, hk-id"),
     (("--id-type", "passport", "--id-number-file", "-"), "X7654321", ONLY, "REFUSED", "(MRZ)"),
     (("--id-type", "hk-id", "--id-number-file", "-"), "A123456(3)", ONLY, "FAILED", "no-portrait"),
     (("--mrz", "-"), passport("X7654321"), ONLY, "FAILED", "no-portrait"),
     (("--mrz", "-"), CARD, ONLY, "REFUSED", "accepts no id-card"),
     (("--mrz", "-"), passport("X7654321"), {"documents": {"visa": "any"}}, "FAILED",
      "counter.documents: unknown kinds of document: visa")],
)  # fmt: skip
def test_a_counter_accepts_the_kinds_that_its_policy_names(
    run: Run, given: tuple[str, ...], typed: str, policy: dict[str, Any], outcome: str, reason: str
) -> None:
    _, told = run(*given, stdin=typed, **policy)
    assert told["outcome"] == outcome
    assert reason in told["reason"]


def test_a_number_that_its_document_cannot_have_is_a_failure_that_says_why(run: Run) -> None:
    status, told = run("--id-type", "cn-resident-id", "--id-number-file", "-",
                       stdin="110105194912310021")  # fmt: skip
    assert (status, told["outcome"]) == (FAILURE, "FAILED")
    assert "check digit does not fit" in told["reason"]
    assert "11010519" not in json.dumps(told)


def test_a_number_without_its_kind_is_wrong_usage(run: Run) -> None:
    with pytest.raises(SystemExit) as caught:
        run("--id-number-file", "-", stdin="AB700001")
    assert caught.value.code == USAGE
