"""``sealmatch-authority``: what it prints, what it refuses, and its exit status."""

import json
from pathlib import Path

import pytest

from gateway.host.keystore import KEYSTORE_FILE
from keys.cli import main
from keys.config import AuthoritySettings
from keys.custody import Custody, open_custody
from tests.support import parties
from tests.support.parties import DEVICE, GATEWAY
from tests.support.sealed import no_settings, passphrase_file

KEY = GATEWAY.public.raw.hex()


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_settings(monkeypatch)
    monkeypatch.setenv("SEALMATCH_AUTHORITY_PASSPHRASE_FILE", str(passphrase_file(tmp_path)))


def opened(tmp_path: Path) -> Custody:
    return open_custody(
        AuthoritySettings(data_dir=tmp_path / "data", passphrase_file=tmp_path / "passphrase"), 0
    )


def run(tmp_path: Path, *arguments: str) -> int:
    return main(["--data-dir", str(tmp_path / "data"), *arguments])


def test_init_prints_the_public_key_and_nothing_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "init") == 0
    printed = capsys.readouterr().out
    custody = opened(tmp_path)
    public = custody.signing.public
    assert json.loads(printed) == {
        "party": "authority",
        "publicKey": public.raw.hex(),
        "keyId": public.key_id.hex(),
        "sealingKey": custody.sealing[0].public.raw.hex(),
        "sealingKeys": [{"use": "current", "ageDays": 0}],
        "peppers": [{"use": "current", "ageDays": 0}],
    }
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    assert run(tmp_path, "show") == 0
    assert capsys.readouterr().out == printed


def test_init_twice_fails_and_keeps_the_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "init")
    before = opened(tmp_path).signing.public
    capsys.readouterr()
    assert run(tmp_path, "init") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("sealmatch-authority: ")
    assert "keystore.sealed exists already" in captured.err
    assert opened(tmp_path).signing.public == before


def test_enrol_list_suspend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, "init")
    capsys.readouterr()
    assert run(tmp_path, "enrol", "gateway", GATEWAY.party, KEY) == 0
    assert run(tmp_path, "enrol", "device", DEVICE.party, DEVICE.public.raw.hex()) == 0
    assert run(tmp_path, "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"gateway\t{GATEWAY.party}\t{KEY}" in lines
    assert len(lines) == 2
    assert run(tmp_path, "suspend", "gateway", GATEWAY.party) == 0
    capsys.readouterr()
    run(tmp_path, "list")
    assert capsys.readouterr().out == f"device\t{DEVICE.party}\t{DEVICE.public.raw.hex()}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("enrol", "gateway", GATEWAY.party, parties.stranger(GATEWAY.party).public.raw.hex()),
        ("enrol", "gateway", "Upper", KEY),
        ("enrol", "gateway", "short-key", KEY[:-2]),
        ("enrol", "gateway", "upper-key", KEY.upper()),
        ("suspend", "device", GATEWAY.party),
    ],
)
def test_what_cannot_be_done_is_said_with_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    run(tmp_path, "init")
    run(tmp_path, "enrol", "gateway", GATEWAY.party, KEY)
    before = (tmp_path / "data" / "trust.json").read_bytes()
    capsys.readouterr()
    assert run(tmp_path, *arguments) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("sealmatch-authority: ")
    assert "Traceback" not in captured.err
    assert (tmp_path / "data" / "trust.json").read_bytes() == before


@pytest.mark.parametrize("command", ["show", "serve"])
def test_without_keys_nothing_is_shown_or_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run(tmp_path, command) == 1
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_data_dir_is_required_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show"]) == 1
    assert "data_dir" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["unknown"], ["enrol"], ["enrol", "witness", "a", KEY], ["init", "extra"]]
)
def test_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_options_after_the_command_and_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f'data_dir = "{tmp_path / "wrong"}"\nparty = "other-authority"')
    assert main(["init", "--config", str(file), "--data-dir", str(tmp_path / "data")]) == 0
    assert json.loads(capsys.readouterr().out)["party"] == "other-authority"
    assert (tmp_path / "data" / KEYSTORE_FILE).exists()
    assert not (tmp_path / "wrong").exists()


def test_help_documents_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "SEALMATCH_AUTHORITY_SESSION_SECONDS" in capsys.readouterr().out


def test_history_lists_what_was_done_and_its_head(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "init")
    run(tmp_path, "enrol", "gateway", GATEWAY.party, KEY)
    capsys.readouterr()
    assert run(tmp_path, "history") == 0
    line, head = capsys.readouterr().out.splitlines()
    assert line.endswith(f"enrol\tgateway\t{GATEWAY.party}\t{GATEWAY.public.key_id.hex()}")
    noted = head.removeprefix("head\t")
    other = parties.fixed_key(GATEWAY.party, "gateway/next").public.raw.hex()
    assert run(tmp_path, "enrol", "gateway", GATEWAY.party, other, "--overlap") == 0
    assert run(tmp_path, "suspend", "gateway", GATEWAY.party, KEY) == 0
    capsys.readouterr()
    assert run(tmp_path, "history", "--contains", noted) == 0
    verbs = [text.split("\t")[1] for text in capsys.readouterr().out.splitlines()[:-1]]
    assert verbs == ["enrol", "enrol", "suspend"]
    assert run(tmp_path, "history", "--contains", "00" * 32) == 0, "the beginning of every history"
    assert run(tmp_path, "history", "--contains", "ab" * 32) == 1
    assert "does not contain that head" in capsys.readouterr().err
    run(tmp_path, "list")
    assert capsys.readouterr().out == f"gateway\t{GATEWAY.party}\t{other}\n"


def test_a_list_that_was_edited_is_neither_shown_nor_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "init")
    run(tmp_path, "enrol", "gateway", GATEWAY.party, KEY)
    path = tmp_path / "data" / "trust.json"
    path.write_text(path.read_text().replace(KEY, DEVICE.public.raw.hex()))
    for command in ("list", "history", "serve"):
        capsys.readouterr()
        assert run(tmp_path, command) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert "trust.json: its parties are not those that its history leaves" in said.err


def test_a_file_of_parties_is_enrolled_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "init")
    capsys.readouterr()
    listed = f"gateway\t{GATEWAY.party}\t{KEY}\ndevice\t{DEVICE.party}\t{DEVICE.public.raw.hex()}\n"
    (tmp_path / "parties").write_text(listed)
    assert run(tmp_path, "enrol-all", str(tmp_path / "parties")) == 0
    run(tmp_path, "list")
    assert capsys.readouterr().out == listed
