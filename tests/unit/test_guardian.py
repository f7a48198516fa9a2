"""A guardian agrees in a minor's place: who needs one, what is shown, who can tell afterwards."""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.consenting import agreed
from gateway.cli.guardian import (
    Guardianship,
    NoGuardian,
    add_guardian_arguments,
    guardianship,
    require_guardian_usage,
)
from gateway.cli.subject import add_subject_arguments, document_of
from gateway.client.consent import NotAgreed
from gateway.documents.policy import DocumentNotAccepted
from gateway.documents.reading import read_zone
from gateway.main import main
from gateway.proofs.trust import CounterFiles, TrustFile
from gateway.proofs.verify import ReceiptInvalid, verify_receipt
from gateway.server.consent import draft
from gateway.wire.proof import Opening
from gateway.wire.subject import Subject, guardian_salt
from tests.support import receipts
from tests.support.parties import SUBJECT
from tests.support.rights import Subscriber
from tests.support.samples import occasion, pair
from tests.support.world import World
from tests.unit.test_mrz import card, passport
from tests.unit.test_proofs_trust import content
from tests.vectors import golden

TODAY = datetime.date(2026, 11, 27)
CHILD, ADULT = passport("AB700001", birth="120101"), passport("AB700002", birth="900101")
TEXTS = draft(2, 180)
GUARDIAN = Subject.of("passport", "GU4RD14N")


# How old somebody is, at least


@pytest.mark.parametrize(
    ("birth", "age"),
    [
        ("121127", 14),
        ("121128", 13),
        ("900101", 36),
        ("261127", 0),
        ("261128", 99),
        ("12<<<<", 13),
        ("1211<<", 13),
        ("1210<<", 14),
        ("26<<<<", 0),
        ("<<<<<<", None),
        ("<<1127", None),
    ],
)
def test_an_age_is_never_too_high(birth: str, age: int | None) -> None:
    """Where the zone leaves something open it is the youngest that it can be."""
    for zone in (passport("AB700001", birth=birth), card("AB700001", birth=birth)):
        document = read_zone(zone, TODAY)
        assert document.age == age
        assert "age" not in repr(document)
        assert birth not in repr(document)


# Who agrees


def trust(below: int | None, **more: Any) -> TrustFile:
    given = content()
    given["counter"] |= {"guardianBelowAge": below, "documents": None, **more}
    return TrustFile.model_validate_json(json.dumps(given))


def options_of(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_subject_arguments(parser, required=True)
    add_guardian_arguments(parser)
    options = parser.parse_args(arguments)
    require_guardian_usage(parser, options)
    return options


def given(directory: Path, name: str, text: str) -> str:
    (directory / name).write_text(text)
    return str(directory / name)


def who(directory: Path, zone: str, *more: str, below: int | None = 14) -> Guardianship:
    options = options_of("--mrz", given(directory, "zone", zone), *more)
    return guardianship(options, document_of(options, TODAY), trust(below), TODAY)


def test_a_minor_needs_a_guardian_where_the_operator_says_so(tmp_path: Path) -> None:
    assert who(tmp_path, CHILD, below=None) == Guardianship(False, None), "by default nobody asks"
    assert who(tmp_path, CHILD, below=14) == Guardianship(False, None), "14 is not below 14"
    assert who(tmp_path, CHILD, below=15) == Guardianship(True, None)
    assert who(tmp_path, ADULT, below=18) == Guardianship(False, None)
    assert who(tmp_path, ADULT, "--minor") == Guardianship(True, None), "the agent's word"
    zone = given(tmp_path, "guardian", passport("GU4RD14N"))
    found = who(tmp_path, CHILD, "--guardian-mrz", zone, below=18)
    assert found == Guardianship(True, GUARDIAN)
    assert "GU4RD14N" not in repr(found)


def test_who_typed_the_number_says_that_it_is_a_minor_s(tmp_path: Path) -> None:
    number = given(tmp_path, "number", "AB700001")
    named = ("--id-type", "passport", "--id-number-file", number)
    guardian = given(tmp_path, "guardian", "GU4RD14N")
    theirs = ("--guardian-id-type", "passport", "--guardian-id-number-file", guardian)
    options = options_of(*named, "--minor", *theirs)
    found = guardianship(options, document_of(options, TODAY), trust(14), TODAY)
    assert found == Guardianship(True, GUARDIAN)
    options = options_of(*named, *theirs)
    with pytest.raises(NoGuardian, match="request is refused") as caught:
        guardianship(options, document_of(options, TODAY), trust(14), TODAY)
    assert caught.value.detail.endswith("; --minor says so")


def test_not_everybody_is_a_guardian(tmp_path: Path) -> None:
    for zone, why in ((CHILD, "own"), (passport("AB700009", birth="130101"), "minor too")):
        other = given(tmp_path, "guardian", zone)
        with pytest.raises(NoGuardian) as caught:
            who(tmp_path, CHILD, "--guardian-mrz", other, below=18)
        assert why in caught.value.detail
    expired = given(tmp_path, "guardian", passport("AB700009", expiry="200101"))
    with pytest.raises(DocumentNotAccepted):
        who(tmp_path, CHILD, "--guardian-mrz", expired, below=18)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--guardian-id-type", "passport"),
        ("--guardian-id-number-file", "x"),
        ("--guardian-mrz", "-"),
    ],
)
def test_half_a_guardian_is_wrong_usage(wrong: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as caught:
        options_of("--mrz", "-", *wrong)
    assert caught.value.code == 2


# What is shown


class Terminal:
    def __init__(self, line: str) -> None:
        self._line = line

    def isatty(self) -> bool:
        return True

    def readline(self, _: int = -1) -> str:
        return self._line


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    (tmp_path / "consent.json").write_bytes(TEXTS.encode())
    pinned = trust(14).counter
    assert pinned is not None
    own = pinned.model_copy(
        update={"consent_file": "consent.json", "consent_digest": TEXTS.digest.hex()}
    )
    path = tmp_path / "trust.json"
    trust(14).model_copy(update={"counter": own}).write(path)
    assert isinstance(own, CounterFiles)
    return path


def ask(path: Path, person: Guardianship, language: str = "en", *, shown: bool = False) -> int:
    options = argparse.Namespace(trust=path, language=language, consent_shown=shown)
    return agreed(options, TrustFile.read(path), person).version


@pytest.mark.parametrize(
    ("language", "addressed"), [("en", "parent or guardian"), ("zh", "监护人"), ("es", "tutela")]
)
def test_the_guardian_is_addressed_and_reads_the_same_text(
    counter: Path,
    language: str,
    addressed: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    assert ask(counter, Guardianship(True, GUARDIAN), language) == 2
    shown = capsys.readouterr().err
    assert addressed in shown
    assert TEXTS.texts[language].text in shown
    assert "Does the guardian agree?" in shown
    assert ask(counter, Guardianship(False, None), language) == 2
    assert addressed not in capsys.readouterr().err
    where = ("--dir", str(counter.parent), "--language", language, "--guardian")
    assert main(["counter", "consent", *where]) == 0
    assert capsys.readouterr().out.strip() in shown


@pytest.mark.parametrize("shown", [False, True])
def test_a_minor_without_a_guardian_gets_the_way_without_a_face(
    counter: Path, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    with pytest.raises(NotAgreed, match="minor") as caught:
        ask(counter, Guardianship(True, None), shown=shown)
    assert caught.value.advice == TEXTS.texts["en"].without_face


# Who can tell afterwards


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("guardian")) as world:
        yield world


def registered(world: World, guardian: Subject | None) -> tuple[Subscriber, Subject]:
    asked = replace(occasion(), guardian=guardian)
    return Subscriber(world, world.client.register(*pair(0.7), asked)), asked.subject


def test_the_opening_shows_that_a_guardian_agreed_and_which_one(world: World) -> None:
    somebody, subject = registered(world, GUARDIAN)
    receipt, opening = somebody.done.receipt, somebody.done.opening
    verified = verify_receipt(receipt, world.trust, opening, subject, guardian=GUARDIAN)
    assert verified.consent is not None
    assert verified.consent.given_by == "guardian"
    assert verify_receipt(receipt, world.trust).consent is None, "the receipt alone does not say"
    other = Subject.of("passport", "GU4RD15N")
    with pytest.raises(ReceiptInvalid, match="not the guardian"):
        verify_receipt(receipt, world.trust, opening, subject, guardian=other)
    own, subject = registered(world, None)
    verified = verify_receipt(own.done.receipt, world.trust, own.done.opening, subject)
    assert verified.consent is not None
    assert (verified.consent.given_by, verified.consent.guardian_commitment) == ("subject", None)
    with pytest.raises(ReceiptInvalid, match="not the guardian"):
        verify_receipt(own.done.receipt, world.trust, own.done.opening, subject, guardian=GUARDIAN)


def test_the_consent_in_the_opening_is_the_one_that_was_given(world: World) -> None:
    """Nobody makes a guardian's consent of their own, or the other way round, afterwards."""
    somebody, subject = registered(world, None)
    theirs, _ = registered(world, GUARDIAN)
    exchanged = somebody.done.opening.model_copy(update={"consent": theirs.done.opening.consent})
    with pytest.raises(ReceiptInvalid, match="another consent"):
        verify_receipt(somebody.done.receipt, world.trust, exchanged, subject)
    damaged = somebody.done.opening.model_copy(update={"consent": b"\xa0"})
    with pytest.raises(ReceiptInvalid, match="step 10"):
        verify_receipt(somebody.done.receipt, world.trust, damaged, subject)
    without = somebody.done.opening.model_copy(update={"consent": None})
    assert verify_receipt(somebody.done.receipt, world.trust, without, subject).consent is None


def test_neither_receipt_nor_gateway_can_say_who_the_guardian_is(world: World) -> None:
    """The commitment is salted with what the subscriber alone has; the gateway keeps neither."""
    somebody, _ = registered(world, GUARDIAN)
    opening = somebody.done.opening
    consent = Opening.decode(opening.encode()).consented
    assert consent is not None
    commitment = consent.guardian_commitment
    assert commitment == GUARDIAN.commitment(guardian_salt(opening.subject_salt))
    assert commitment != GUARDIAN.commitment(opening.subject_salt), "a label of its own"
    assert commitment not in somebody.done.receipt
    (row,) = [one for one in world.rows("consents") if one.record_id == somebody.record_id]
    assert (row.given_by, row.digest) == ("guardian", consent.digest)
    with world.database.transaction() as connection:
        kept = [
            value
            for table in ("records", "consents", "sessions", "log_entries")
            for found in connection.exec_driver_sql(f"SELECT * FROM {table}")
            for value in found
            if isinstance(value, bytes)
        ]
    assert not any(commitment in value for value in kept)
    assert any(consent.digest in value for value in kept), "the search finds what is there"


def verified(directory: Path, opening: Opening, *more: str, consent: Any) -> tuple[int, list[str]]:
    """``receipt verify`` with an opening; exit status and arguments."""
    encoded = receipts.receipt(statement={"consent_digest": consent.digest})
    (directory / "r").write_bytes(encoded)
    (directory / "r.opening").write_bytes(opening.encode())
    (directory / "number").write_text(SUBJECT.number)
    receipts.trust().write(directory / "trust.json")
    named = ["--id-type", SUBJECT.document_type, "--id-number-file", str(directory / "number")]
    where = [str(directory / "r"), "--trust", str(directory / "trust.json")]
    shown = [*where, "--opening", str(directory / "r.opening"), *named]
    return main(["receipt", "verify", *shown, *more]), where


def test_a_report_says_it_with_the_opening_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commitment = GUARDIAN.commitment(guardian_salt(receipts.OPENING.subject_salt))
    agreed_to = golden.CONSENT_OF_GUARDIAN.model_copy(update={"guardian_commitment": commitment})
    opening = receipts.OPENING.model_copy(update={"consent": agreed_to.encode()})
    status, where = verified(tmp_path, opening, consent=agreed_to)
    assert status == 0
    assert "given by a guardian in the person's place" in capsys.readouterr().out
    given(tmp_path, "guardian", "GU4RD14N")
    theirs = ("--guardian-id-type", "passport", "--guardian-id-number-file")
    named = (*theirs, str(tmp_path / "guardian"), "--json")
    assert verified(tmp_path, opening, *named, consent=agreed_to)[0] == 0
    told = json.loads(capsys.readouterr().out)
    assert told["consent"] == {"state": "done", "givenBy": "guardian", "language": "de"}
    (tmp_path / "guardian").write_text("GU4RD15N")
    assert verified(tmp_path, opening, *named, consent=agreed_to)[0] == 6
    assert "GU4RD" not in capsys.readouterr().out
    assert main(["receipt", "verify", *where]) == 0
    assert "guardian" not in capsys.readouterr().out
    assert verified(tmp_path, receipts.OPENING, consent=golden.CONSENT)[0] == 0
    assert "given by the person" in capsys.readouterr().out
