"""``settings``: the settings in force are printed whole, without a secret, an account or a path."""

import json
from pathlib import Path

import pytest

from gateway.host.in_force import InForce
from gateway.server import cli
from gateway.server.config import GatewaySettings
from gateway.wire.errors import MalformedMessage
from keys import cli as authority_cli

SETTINGS = f"""\
party = "carrier.example"
data_dir = "/srv/hidden-place/gateway"
database_url = "postgresql+pg8000://somebody:pass-word@database.example/records"
authority_public_key = "{"a" * 64}"
model_id = "a-model"
model_digest = "{"b" * 64}"
retention_days = 90
"""


@pytest.fixture
def printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    (tmp_path / "gateway.toml").write_text(SETTINGS)
    assert cli.main(["settings", "--config", str(tmp_path / "gateway.toml")]) == 0
    return capsys.readouterr().out


def test_all_settings_are_printed_with_what_was_given(printed: str) -> None:
    read = InForce.decode(printed.encode())
    assert read.server == "sealmatch-gateway"
    assert set(read.settings) == set(GatewaySettings.model_fields)
    days, seconds = read.settings["retention_days"], read.settings["log_wait_seconds"]
    assert (days.value, days.origin, days.is_set) == (90, "given", True)
    assert (seconds.value, seconds.origin, seconds.is_set) == (10, "default", True)
    assert not read.settings["auditor_url"].is_set


def test_no_account_and_no_path_is_printed(printed: str) -> None:
    assert "hidden-place" in SETTINGS
    for secret in ("hidden-place", "somebody", "pass-word", "database.example", "/"):
        assert secret not in printed.replace('"http://127.0.0.1:8471"', ""), secret
    settings = InForce.decode(printed.encode()).settings
    for name in ("data_dir", "database_url"):
        assert (settings[name].value, settings[name].is_set) == (None, True)


def test_the_authority_has_the_same_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "authority.toml").write_text('data_dir = "/d"\naudit_one_in = 7\n')
    assert authority_cli.main(["settings", "--config", str(tmp_path / "authority.toml")]) == 0
    read = InForce.decode(capsys.readouterr().out.encode())
    assert read.settings["audit_one_in"].value == 7
    assert read.settings["subject_decisions"].value == 5
    assert read.settings["data_dir"].is_set


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("settings 1", "settings 2"),
        ('"default"', '"guess"'),
        ('"set": true', '"set": 1'),
        ('"a-model"', '["a-model"]'),
        ('"a-model"', "1e999"),
        ('"a-model"', "NaN"),
        ('"a-model"', '"a\\u001bmodel"'),
        ("{", "["),
        ('"product"', '"produce"'),
    ],
)
def test_what_no_server_prints_is_not_read(printed: str, before: str, after: str) -> None:
    changed = printed.replace(before, after, 1)
    assert changed != printed
    with pytest.raises(MalformedMessage):
        InForce.decode(changed.encode())
    with pytest.raises(MalformedMessage):
        InForce.decode(b"[" * 70_000)
    assert json.loads(printed)
