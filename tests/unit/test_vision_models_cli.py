"""``sealmatch models`` as a person or a script sees it: text and exit status."""

import argparse
import shutil
from pathlib import Path

import pytest

from gateway.cli import models
from gateway.vision.pack import default_pack_directory
from tests.faces_data import pipeline


def _run(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="sealmatch")
    models.configure(parser)
    args = parser.parse_args(arguments)
    status: int = args.run(args)
    return status


@pytest.mark.parametrize("arguments", [[], ["burn"], ["fetch", "--from"], ["check", "extra"]])
def test_wrong_usage_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        _run(*arguments)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_check_of_a_missing_pack_advises(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("check", "--pack", str(tmp_path)) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no model pack" in captured.err
    assert "sealmatch models fetch" in captured.err


def test_fetch_from_a_wrong_file_fails_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.tgz"
    wrong.write_bytes(b"something else")
    destination = tmp_path / "models" / "pack"
    assert _run("fetch", "--from", str(wrong), "--dest", str(destination)) == 1
    assert "SHA-256" in capsys.readouterr().err
    assert not destination.parent.exists()


def test_list_names_the_default_pack_and_what_is_wrong_with_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEALMATCH_MODELS", str(tmp_path))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{}")
    assert _run("list") == 0
    printed = capsys.readouterr().out
    assert "faceplugin-0.0.1  not fetched  (default)" in printed
    assert "broken  unusable" in printed


@pytest.mark.pack
def test_check_states_identity_licence_and_thresholds(capsys: pytest.CaptureFixture[str]) -> None:
    pipeline()
    assert _run("check") == 0
    captured = capsys.readouterr()
    for expected in (
        "faceplugin-0.0.1/fr_feature",
        "MIT",
        "WARNING",
        "cosine 0.341 at a false match rate of 0.001",
    ):
        assert expected in captured.out
    assert captured.err == ""


@pytest.mark.pack
def test_check_notices_an_altered_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline()
    altered = tmp_path / "pack"
    shutil.copytree(default_pack_directory(), altered)
    model = altered / "fr_eye.onnx"
    body = bytearray(model.read_bytes())
    body[1000] ^= 1
    model.write_bytes(bytes(body))
    assert _run("check", "--pack", str(altered)) == 1
    assert "fr_eye.onnx is not the file" in capsys.readouterr().err
