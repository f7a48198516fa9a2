"""``sealmatch receipt export`` and ``page``: other forms of a receipt, of valid ones only."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest

from gateway.cli import NOT_VALID
from gateway.main import main
from gateway.proofs.printable import printable_page, reference
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import verify_receipt
from gateway.proofs.wordings import CHECKS, ROWS, WORDINGS, Wording
from gateway.translog.cose_receipt import sign_root
from gateway.wire.evaluation import Outcome
from gateway.wire.liveness import LivenessOutcome
from gateway.wire.proof import Receipt
from gateway.wire.quality import QualityOutcome
from gateway.wire.submission import PortraitSource
from tests.support.parties import SUBJECT
from tests.support.receipts import FULL, FULL_TRUST, HONEST, LOG, OPENING, receipt, trust

SIGNED = LOG.proof(Receipt.decode(HONEST).statement)
LOGGED = receipt(
    log_proof=bytes(
        replace(
            SIGNED,
            signed=SIGNED.signed.with_signatures(sign_root(SIGNED.signed.checkpoint, LOG.key)),
        )
    )
)


def run(directory: Path, encoded: bytes, *options: str, pinned: TrustFile | None = None) -> int:
    (directory / "receipt.cbor").write_bytes(encoded)
    (pinned or LOG.trusted()).write(directory / "trust.json")
    files = [str(directory / name) for name in ("receipt.cbor", "trust.json", "out")]
    return main(["receipt", "export", files[0], "--trust", files[1], "--out", files[2], *options])


@pytest.mark.parametrize("language", sorted(WORDINGS))
def test_the_printable_page_says_what_the_receipt_says(tmp_path: Path, language: str) -> None:
    assert run(tmp_path, LOGGED, "--format", "html", "--language", language) == 0
    page = (tmp_path / "out").read_text(encoding="utf-8")
    stated = verify_receipt(LOGGED, LOG.trusted()).statement
    for part in (
        "2023-11-14 22:13 UTC",
        stated.message.record_id.hex(),
        stated.digest.hex(),
        "4 / 7 (gateway.example/log)",
        WORDINGS[language].match_explained,
    ):
        assert part in page
    assert not re.search(r"(src|href)=|url\(|<script", page)


def test_a_refusal_is_not_printed_as_a_match() -> None:
    refused = verify_receipt(receipt(decision={"outcome": "NO_MATCH"}), TRUST_WITHOUT_LOG)
    page = printable_page(refused)
    assert WORDINGS["en"].no_match_explained in page
    assert WORDINGS["en"].match_explained not in page


def ticked(page: str) -> list[str]:
    return re.findall(r"<dt>([^<]*)</dt><dd>\u2713", page)


@pytest.mark.parametrize("words", WORDINGS.values(), ids=WORDINGS)
def test_paper_ticks_nothing_that_did_not_take_place(words: Wording) -> None:
    language = next(name for name, one in WORDINGS.items() if one is words)
    assert (len(words.rows), len(words.checks)) == (len(ROWS), len(CHECKS))
    comparison, portrait, liveness, quality, log, *_ = words.checks
    everything = printable_page(verify_receipt(FULL, FULL_TRUST), language)
    assert ticked(everything) == list(words.checks)
    alone = printable_page(verify_receipt(LOGGED, LOG.trusted()), language)
    assert ticked(alone) == [comparison, portrait, quality, log]
    assert alone.count(f"\u25cb {words.not_performed}") == 3, "liveness, witnesses, audit"
    nobody = printable_page(verify_receipt(FULL, trust()), language)
    assert ticked(nobody) == [comparison, portrait, liveness, quality]
    assert nobody.count(words.not_checked) == 4
    refused = verify_receipt(receipt(decision={"outcome": "NO_MATCH"}), TRUST_WITHOUT_LOG)
    assert ticked(printable_page(refused, language)) == [portrait, quality]
    shown = verify_receipt(receipt({"portrait_source": "mobile-verified"}), TRUST_WITHOUT_LOG)
    assert ticked(printable_page(shown, language)) == [comparison, portrait, quality]
    for source in ("read", "photographed"):
        told = verify_receipt(receipt({"portrait_source": source}), TRUST_WITHOUT_LOG)
        page = printable_page(told, language)
        assert ticked(page) == [comparison, quality]
        assert f"\u25cb {words.values[source]}" in page


def test_paper_has_words_for_every_value_in_every_language() -> None:
    english = WORDINGS["en"]
    for words in WORDINGS.values():
        assert words.values.keys() == english.values.keys()
        assert {*get_args(Outcome), *get_args(LivenessOutcome), *get_args(QualityOutcome)} | {
            *get_args(PortraitSource)
        } <= set(words.values)
        if words is not english:
            assert not set(words.values.values()) & set(english.values.values())
            assert not set(words.rows + words.checks) & set(english.rows + english.checks)
    told = str(vars(WORDINGS["es"]))
    assert "hashes con clave" in told
    assert "p\u00fablico" not in told, "the log is closed"


def test_the_page_holds_nothing_of_the_opening(tmp_path: Path) -> None:
    run(tmp_path, LOGGED, "--format", "html")
    page = (tmp_path / "out").read_text(encoding="utf-8")
    for secret in (SUBJECT.number, OPENING.activation_reference, OPENING.subject_salt.hex()):
        assert secret not in page


def test_the_code_names_the_receipt() -> None:
    """Read by OpenCV, which did not write it."""
    verified = verify_receipt(LOGGED, LOG.trusted())
    [path] = re.findall(r'd="([^"]+)"', printable_page(verified))
    found, _, _ = cv2.QRCodeDetectorAruco().detectAndDecode(drawn(path))
    assert found == reference(verified)


def drawn(path: str, scale: int = 8) -> np.ndarray:
    """Horizontal strokes of height 1, as segno writes them, as pixels."""
    cells: set[tuple[int, int]] = set()
    x = y = 0.0
    for command, arguments in re.findall(r"([MmhH])([-\d. ]+)", path):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", arguments)]
        if command in "Mm":
            x, y = (numbers[0], numbers[1]) if command == "M" else (x + numbers[0], y + numbers[1])
        else:
            cells |= {(int(x) + step, int(y)) for step in range(int(numbers[0]))}
            x += numbers[0]
    side = max(max(cell) for cell in cells) + 5
    image = np.full((side, side), 255, np.uint8)
    for column, row in cells:
        image[row, column] = 0
    return np.kron(image, np.ones((scale, scale), np.uint8))


def test_cose_is_written(tmp_path: Path) -> None:
    assert run(tmp_path, LOGGED, "--format", "cose") == 0
    assert (tmp_path / "out").read_bytes()[:1] == b"\xd2"


def test_a_receipt_that_does_not_verify_is_not_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for form in ("html", "cose"):
        assert run(tmp_path, LOGGED[:-1] + b"x", "--format", form) == NOT_VALID
        assert "FAIL" in capsys.readouterr().out
        assert not (tmp_path / "out").exists()


def test_cose_without_a_log_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, HONEST, "--format", "cose", pinned=TRUST_WITHOUT_LOG) != 0
    assert "log proof" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_check_page_is_written(tmp_path: Path) -> None:
    LOG.trusted().write(tmp_path / "trust.json")
    page = tmp_path / "check.html"
    arguments = ["--trust", str(tmp_path / "trust.json"), "--out", str(page)]
    assert main(["receipt", "page", *arguments]) == 0
    assert LOG.key.key.public.hex() in page.read_text(encoding="utf-8")


TRUST_WITHOUT_LOG = LOG.trusted().model_copy(update={"log_policy": None})
