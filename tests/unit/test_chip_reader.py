"""A folder with a chip's files, and ``sealmatch register --chip``: what the agent is told."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gateway.cli import FAILURE, REFUSED, register
from gateway.client.document_reader import (
    ReadDocument,
    ReadingRules,
    chip_told,
    holds_chip,
    read_document,
)
from gateway.client.liveness.prompts import LANGUAGES
from gateway.client.pictures import PictureReader
from gateway.documents.chip.errors import ChipRefused
from gateway.documents.policy import DocumentNotAccepted
from gateway.documents.reading import read_number
from gateway.main import main
from gateway.server.consent import draft
from gateway.vision.errors import UnreadableImage
from gateway.vision.images import decode_image
from tests.support.chips import (
    CARD,
    NOW,
    TODAY,
    Chip,
    authority,
    key,
    lay,
    listed,
    name,
    utopia,
)
from tests.unit.test_proofs_trust import content

NOON = int(NOW.timestamp())
STRANGER = authority(key("secp384r1", 5), name("UT", "CSCA Elsewhere"))


def picture(kind: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((64, 80)).convert("RGB").save(out, kind, **options)
    return out.getvalue()


def rules(where: str = "refuse", *authorities: Any) -> ReadingRules:
    return ReadingRules(listed(*(authorities or (utopia(),))), where, "photographed")


@pytest.fixture(scope="module")
def pictures() -> Any:
    with PictureReader() as reader:
        yield reader


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
def test_a_chip_s_portrait_is_decoded_by_its_bytes_and_apart(
    tmp_path: Path, pictures: PictureReader, kind: str
) -> None:
    chip = Chip(picture=picture(kind))
    folder = lay(tmp_path, chip.files(), ("sod.bin", "EF_DG1.BIN", "0102"))
    assert holds_chip(folder)
    found = read_document(folder, rules(), pictures, NOON)
    assert (found.how, found.country, found.document.chip_verified) == ("chip-verified", "UT", True)
    assert found.portrait.shape == (80, 64, 3)
    assert pictures._worker is not None  # the control: a JPEG file of the agent's starts none
    if kind == "JPEG":
        assert np.array_equal(found.portrait, decode_image(chip.picture))


def test_a_chip_s_portrait_that_is_no_picture_is_refused(
    tmp_path: Path, pictures: PictureReader
) -> None:
    for number, bad in enumerate((picture()[:200], b"\xff\xd8\xff\xe0" + bytes(99), b"BM" * 99)):
        folder = lay(tmp_path / str(number), Chip(picture=bad).files())
        with pytest.raises(UnreadableImage):
            read_document(folder, rules(), pictures, NOON)


def test_half_a_chip_is_a_chip_that_fails(tmp_path: Path, pictures: PictureReader) -> None:
    (tmp_path / "portrait.jpg").write_bytes(picture())
    assert not holds_chip(tmp_path)
    (tmp_path / "EF.DG2").write_bytes(Chip(picture=picture()).dg2())
    assert holds_chip(tmp_path)
    with pytest.raises(ChipRefused) as found:
        read_document(tmp_path, rules(), pictures, NOON)
    assert "no EF.SOD and no EF.DG1" in found.value.detail
    lay(tmp_path, Chip(picture=picture()).files())
    (tmp_path / "dg1.bin").write_bytes(Chip(zone=CARD).dg1())
    with pytest.raises(ChipRefused) as found:
        read_document(tmp_path, rules(), pictures, NOON)
    assert "two files EF.DG1" in found.value.detail


def test_a_chip_is_of_the_document_that_was_named(tmp_path: Path, pictures: PictureReader) -> None:
    folder = lay(tmp_path, Chip(picture=picture()).files())
    same = read_number("passport", "L898902C3", TODAY)
    assert read_document(folder, rules(), pictures, NOON, same).document.subject == same.subject
    other = read_number("passport", "L898902C4", TODAY)
    with pytest.raises(DocumentNotAccepted) as found:
        read_document(folder, rules(), pictures, NOON, other)
    assert "another document" in found.value.detail


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_agent_is_told_in_each_language(
    tmp_path: Path, pictures: PictureReader, language: Any
) -> None:
    told = [chip_told(ChipRefused(10, "it was changed"), language)]
    folder = lay(tmp_path, Chip(picture=picture(), by=STRANGER).files())
    with pytest.raises(ChipRefused) as refused:
        read_document(folder, rules(), pictures, NOON)
    told.append(chip_told(refused.value, language))
    read = read_document(folder, rules("read"), pictures, NOON)
    assert (read.how, read.document.chip_verified) == ("read", False)
    told.append(chip_told(read, language))
    assert len(set(told)) == 3
    assert None not in told
    verified = ReadDocument(read.document, read.portrait, "chip-verified", "")
    assert chip_told(verified, language) is None


# --- the command ---------------------------------------------------------------------------------

Run = Callable[..., tuple[int, dict[str, Any], str]]
USAGE = 2
ONLY_CHIPS = {"documents": {"passport": "chip"}}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``sealmatch register`` at a counter whose camera is missing."""
    monkeypatch.setattr(register, "unix_time", lambda: NOON)
    (tmp_path / "csca.pem").write_bytes(utopia().pem)

    def started(*arguments: str, **policy: Any) -> tuple[int, dict[str, Any], str]:
        trust = content()
        del trust["counter"]["documents"]
        texts = draft(2, 180)
        (tmp_path / "consent").write_bytes(texts.encode())
        consent = {"consentFile": "consent", "consentDigest": texts.digest.hex()}
        trust["counter"] |= {"cscaFile": "csca.pem"} | consent | policy
        (tmp_path / "trust.json").write_text(json.dumps(trust))
        files = {"trust": "trust.json", "live": "no-live.jpg", "receipt": "receipt"}
        given = [part for name_, file in files.items() for part in (f"--{name_}", tmp_path / file)]
        status = main(["register", *arguments, *map(str, given), "--json", "--consent-shown"])
        out, err = capsys.readouterr()
        return status, json.loads(out), err

    return started


def test_a_genuine_chip_is_all_that_is_needed(run: Run, tmp_path: Path) -> None:
    folder = lay(tmp_path / "chip", Chip(picture=picture()).files())
    status, told, err = run("--chip", str(folder), **ONLY_CHIPS)
    assert (status, told["outcome"], err) == (FAILURE, "FAILED", "")
    assert "no-live.jpg" in told["reason"]


def test_a_forged_chip_is_refused_with_the_step_and_never_read_otherwise(
    run: Run, tmp_path: Path
) -> None:
    files = Chip(picture=picture()).files()
    folder = lay(tmp_path / "chip", files)
    (folder / "EF.DG2").write_bytes(Chip(picture=picture(quality=30)).dg2())
    (folder / "portrait.jpg").write_bytes(picture())
    for policy in ({}, {"chipsNotListed": "read"}, ONLY_CHIPS, {"pictures": "read"}):
        status, told, err = run("--chip", str(folder), **policy)
        assert (status, told["outcome"], told["chipStep"], err) == (REFUSED, "REFUSED", 10, "")
        assert "EF.DG2 is the one that was signed: it was changed" in told["reason"]
        assert "tampered" in told["advice"]
        assert "L898902C3" not in json.dumps(told)


def test_a_chip_of_an_unlisted_issuer_is_what_the_policy_says(run: Run, tmp_path: Path) -> None:
    folder = lay(tmp_path / "chip", Chip(picture=picture(), by=STRANGER).files())
    status, told, err = run("--chip", str(folder))
    assert (status, told["chipStep"], "cscaFile" in told["advice"]) == (REFUSED, 6, True)
    status, told, err = run("--chip", str(folder), chipsNotListed="read")
    assert (status, "NOT verified" in err) == (FAILURE, True)
    assert "no-live.jpg" in told["reason"]
    status, told, err = run("--chip", str(folder), chipsNotListed="read", **ONLY_CHIPS)
    assert (status, "the chip alone, verified" in told["reason"]) == (REFUSED, True)
    status, told, err = run("--chip", str(folder), cscaFile=None)
    assert (status, told["chipStep"]) == (REFUSED, 6)


def test_where_chips_are_asked_for_no_picture_takes_their_place(run: Run, tmp_path: Path) -> None:
    (tmp_path / "p.jpg").write_bytes(picture())
    given = ("--id-portrait", str(tmp_path / "p.jpg"), "--id-type", "passport", "--id-number")
    status, told, _ = run(*given, "L898902C3", **ONLY_CHIPS)
    assert (status, "the chip alone, verified" in told["reason"]) == (REFUSED, True)
    assert run(*given, "L898902C3")[0] == FAILURE  # the control: it gets to the camera


def test_a_list_that_is_none_says_so(run: Run, tmp_path: Path) -> None:
    folder = lay(tmp_path / "chip", Chip(picture=picture()).files())
    (tmp_path / "none.pem").write_bytes(b"no list")
    _, told, _ = run("--chip", str(folder), cscaFile="none.pem")
    assert told["reason"] == "counter.cscaFile: certificate 1: this is no certificate"
    _, told, _ = run("--chip", str(folder), cscaFile="missing.pem")
    assert told["reason"] == "counter.cscaFile: No such file or directory"


@pytest.mark.parametrize(
    "given",
    [("--chip", "d", "--id-portrait", "p"), ("--id-portrait", "p"), (),
     ("--id-portrait", "p", "--id-number", "X1234567"), ("--chip", "d", "--id-number", "X1234567")],
)  # fmt: skip
def test_wrong_usage(run: Run, given: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*given)
    assert caught.value.code == USAGE
