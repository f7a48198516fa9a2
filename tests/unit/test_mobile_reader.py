"""A reader's folder of a session with a telephone, and ``sealmatch register --mobile``: what the
agent is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import FAILURE, REFUSED
from gateway.client.document_reader import OtherDocument, ReadingRules
from gateway.client.liveness.prompts import LANGUAGES
from gateway.client.mobile_reader import holds_mobile, mobile_told, read_mobile
from gateway.client.pictures import PictureReader
from gateway.documents.chip.certificates import CscaList
from gateway.documents.mobile.errors import IssuerNotListed, MobileRefused
from gateway.documents.reading import read_number
from gateway.vision.errors import UnreadableImage
from tests.support.chips import TODAY, Chip, authority, key, listed, name
from tests.support.chips import lay as lay_chip
from tests.support.mobiles import NUMBER, Mobile, elements, iaca, lay
from tests.unit.test_chip_reader import NOON, USAGE, Run, picture, pictures, run

__all__ = ["pictures", "run"]

RULES = ReadingRules(CscaList(), "refuse", "photographed", listed(iaca()))
LICENCE = Mobile(elements=elements(portrait=picture()))


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
def test_a_portrait_is_decoded_by_its_bytes_and_apart(
    tmp_path: Path, pictures: PictureReader, kind: str
) -> None:
    folder = lay(tmp_path, Mobile(elements=elements(portrait=picture(kind))).files())
    (folder / "device-response.cbor").rename(folder / "DeviceResponse")
    (folder / "session-transcript.cbor").rename(folder / "SESSION_TRANSCRIPT.bin")
    assert holds_mobile(folder)
    found = read_mobile(folder, RULES, pictures, NOON)
    assert (found.how, found.country) == ("mobile-verified", "UT")
    assert found.document.mobile_verified
    assert found.portrait.shape == (80, 64, 3)
    assert pictures._worker is not None, "a JPEG, too"


def test_a_damaged_portrait_is_refused(tmp_path: Path, pictures: PictureReader) -> None:
    folder = lay(tmp_path, Mobile(elements=elements(portrait=picture()[:200])).files())
    with pytest.raises(UnreadableImage):
        read_mobile(folder, RULES, pictures, NOON)


def test_half_a_session_and_two_documents_are_refused(
    tmp_path: Path, pictures: PictureReader
) -> None:
    (tmp_path / "portrait.jpg").write_bytes(picture())
    assert not holds_mobile(tmp_path)
    lay(tmp_path, LICENCE.files())
    assert read_mobile(tmp_path, RULES, pictures, NOON)

    def refused() -> str:
        with pytest.raises(MobileRefused) as found:
            read_mobile(tmp_path, RULES, pictures, NOON)
        assert found.value.step == 1
        return found.value.detail

    (tmp_path / "device_response.bin").write_bytes(b"")
    assert "two files response" in refused()
    (tmp_path / "device_response.bin").unlink()
    (tmp_path / "session-transcript.cbor").unlink()
    assert "there is no transcript" in refused()
    lay_chip(tmp_path, Chip().files())
    assert "a chip's files lie beside" in refused()


def test_it_is_the_licence_that_was_named(tmp_path: Path, pictures: PictureReader) -> None:
    folder = lay(tmp_path, LICENCE.files())
    same = read_number("driving-licence", NUMBER.lower(), TODAY)
    assert read_mobile(folder, RULES, pictures, NOON, same).document.subject == same.subject
    for named, kind in (
        (read_number("driving-licence", "UT4711-0816", TODAY), None),
        (read_number("id-card", NUMBER, TODAY), None),
        (None, "id-card"),
    ):
        with pytest.raises(OtherDocument, match="refused"):
            read_mobile(folder, RULES, pictures, NOON, named, kind)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_agent_is_told_in_each_language(language: Any) -> None:
    told = {
        mobile_told(MobileRefused(10, "one of them was changed"), language),
        mobile_told(IssuerNotListed(6, "it is not"), language),
    }
    assert len(told) == 2
    assert any("iacaFile" in one for one in told)


# --- the command ---------------------------------------------------------------------------------

ONLY = {"iacaFile": "iaca.pem", "documents": {"driving-licence": "mobile"}}


def test_a_genuine_licence_is_all_that_is_needed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "iaca.pem").write_bytes(iaca().pem)
    folder = lay(tmp_path / "session", LICENCE.files())
    status, told, err = run("--mobile", str(folder), **ONLY)
    assert (status, told["outcome"], err) == (FAILURE, "FAILED", "")
    assert "no-live.jpg" in told["reason"]
    status, told, _ = run("--mobile", str(folder), iacaFile="csca.pem")
    assert (status, told["mobileStep"]) == (REFUSED, 6), "a passport's authority is none of these"
    assert "iacaFile" in told["advice"]
    _, told, _ = run("--mobile", str(folder), iacaFile="missing.pem")
    assert told["reason"] == "counter.iacaFile: No such file or directory"


def test_a_forged_one_is_refused_with_the_step_and_never_read_otherwise(
    run: Run, tmp_path: Path
) -> None:
    stranger = authority(key("secp384r1", 26), name("UT", "IACA Elsewhere"))
    (tmp_path / "iaca.pem").write_bytes(iaca().pem + stranger.pem)
    files = LICENCE.files()
    folder = lay(tmp_path / "session", files)
    shown = picture()
    altered = files.response.replace(shown, shown[:200] + bytes([shown[200] ^ 1]) + shown[201:])
    (folder / "device-response.cbor").write_bytes(altered)
    (folder / "portrait.jpg").write_bytes(picture())
    status, told, err = run("--mobile", str(folder), **ONLY)
    assert (status, told["outcome"], err) == (REFUSED, "REFUSED", "")
    assert told["mobileStep"] == 10
    assert "new session" in told["advice"]
    assert "47110815" not in json.dumps(told)


def test_where_it_is_asked_for_no_picture_takes_its_place(run: Run, tmp_path: Path) -> None:
    (tmp_path / "iaca.pem").write_bytes(iaca().pem)
    (tmp_path / "p.jpg").write_bytes(picture())
    given = ("--id-portrait", str(tmp_path / "p.jpg"), "--id-type", "driving-licence")
    status, told, _ = run(*given, "--id-number", NUMBER, **ONLY)
    assert (status, "the mobile document alone" in told["reason"]) == (REFUSED, True)
    assert run(*given, "--id-number", NUMBER)[0] == FAILURE  # the control: it gets to the camera


@pytest.mark.parametrize(
    "given", [("--mobile", "d", "--chip", "d"), ("--mobile", "d", "--id-number", "X1234567")]
)
def test_wrong_usage(run: Run, given: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*given)
    assert caught.value.code == USAGE
