"""``sealmatch-gateway`` and the receipt command as operators and scripts see them."""

import json
import stat
from pathlib import Path

import pytest

from gateway import main as sealmatch
from gateway.host import keystore
from gateway.host.keystore import KEYSTORE_FILE
from gateway.server.cli import main
from gateway.server.config import GatewaySettings
from gateway.server.recording import UNRECORDED
from gateway.store import totals
from gateway.store.database import Database
from gateway.wire.cose import SigningKey
from tests.support.sealed import CHEAP, passphrase_file

KEY = SigningKey.generate("x").public.raw.hex()
OTHER_KEY = SigningKey.generate("x").public.raw.hex()


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keystore, "DEFAULT_COST", CHEAP)
    for name, value in {
        "DATA_DIR": str(tmp_path / "gateway"),
        "PASSPHRASE_FILE": str(passphrase_file(tmp_path)),
        "AUTHORITY_PUBLIC_KEY": "ab" * 32,
        "MODEL_ID": "test/none",
        "MODEL_DIGEST": "cd" * 32,
    }.items():
        monkeypatch.setenv(f"SEALMATCH_GATEWAY_{name}", value)


def run(*arguments: str) -> int:
    return main(list(arguments))


def test_help_documents_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run("--help")
    assert caught.value.code == 0
    said = capsys.readouterr().out
    for name, field in GatewaySettings.model_fields.items():
        assert f"SEALMATCH_GATEWAY_{name.upper()}" in said
        assert field.description
        assert field.description[:20] in said


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["enrol"],
        ["enrol", "device"],
        ["enrol", "gateway", "name", KEY],
        ["enrol", "device", "name", "abc"],
        ["enrol", "device", "name", KEY.upper()],
        ["enrol", "device", "name", "z" * 64],
        ["suspend", "device"],
        ["--config"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2


def test_init_draws_keys_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init") == 0
    drawn = json.loads(capsys.readouterr().out)
    assert set(drawn) == {
        "party",
        "publicKey",
        "keyId",
        "sealingKey",
        "policyDigest",
        "logPolicy",
    }
    assert run("show") == 0
    assert json.loads(capsys.readouterr().out) == drawn
    (path,) = (tmp_path / "gateway").iterdir()
    assert path.name == KEYSTORE_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "gateway").stat().st_mode) == 0o700
    assert run("init") == 1
    assert "exists already" in capsys.readouterr().err
    assert run("show") == 0
    assert json.loads(capsys.readouterr().out) == drawn


@pytest.mark.parametrize("command", ["show", "serve"])
def test_without_keys_nothing_starts(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_a_key_that_others_can_read_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("init") == 0
    (tmp_path / "gateway" / KEYSTORE_FILE).chmod(0o640)
    assert run("serve") == 1
    assert "0600" in capsys.readouterr().err


def test_enrol_suspend_and_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init") == 0
    assert run("enrol", "device", "counter-1", KEY) == 0
    assert run("enrol", "device", "counter-1", KEY) == 0
    assert run("enrol", "issuer", "counter-1", OTHER_KEY) == 0
    capsys.readouterr()
    assert run("list") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"device\tcounter-1\tactive\t{KEY}",
        f"issuer\tcounter-1\tactive\t{OTHER_KEY}",
    ]
    assert run("suspend", "device", "counter-1") == 0
    assert run("list") == 0
    assert f"device\tcounter-1\tsuspended\t{KEY}" in capsys.readouterr().out
    assert run("enrol", "device", "counter-1", KEY) == 0
    assert run("list") == 0
    assert f"device\tcounter-1\tactive\t{KEY}" in capsys.readouterr().out


@pytest.mark.parametrize("version", ["0", "-1", "2147483648", "9" * 20, "1e3", "two"])
@pytest.mark.parametrize("verb", ["draft", "export", "retire"])
def test_a_version_that_no_text_can_have_is_wrong_usage(
    verb: str, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run("consent", verb, version)
    assert caught.value.code == 2
    assert "a version is a whole number" in capsys.readouterr().err.splitlines()[-1]


def test_before_there_is_a_gateway_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("list",), ("consent", "list"), ("history",)):
        assert run(*words) == 1
        assert capsys.readouterr().err.endswith("gateway does not exist: keys init makes it\n")
    assert run("init") == run("list") == 0


def test_files_as_windows_saves_them_and_files_that_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("init") == 0
    capsys.readouterr()
    assert run("consent", "draft", "2") == 0
    texts, file = "\ufeff" + capsys.readouterr().out, tmp_path / "file"
    for words, content in (
        (("enrol-all",), "\ufeffagent agent-1\r\n"),
        (("consent", "add"), texts.replace("\n", "\r\n")),
    ):
        file.write_text(content, newline="")
        assert run(*words, str(file)) == 0
        capsys.readouterr()
        for wrong, why in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
            assert run(*words, str(wrong)) == 1
            assert capsys.readouterr().err.startswith(f"sealmatch-gateway: {wrong}: {why}")
    settings = tmp_path / "gateway.toml"
    settings.write_text("\ufeffparty = 'gateway'\r\n", newline="")
    assert run("--config", str(settings), "list") == 0
    assert capsys.readouterr().out == "agent\tagent-1\tactive\t\n"


def test_outcomes_are_listed_by_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init") == 0
    capsys.readouterr()
    assert run("outcomes") == 0
    assert capsys.readouterr().out == ""
    database = Database(f"sqlite:///{tmp_path / 'gateway' / 'gateway.sqlite3'}")
    with database.transaction() as connection:
        for now, outcome in ((86_400, "MATCH"), (0, UNRECORDED), (1, UNRECORDED), (0, "EXPIRED")):
            totals.count_outcome(connection, outcome, now)
    database.close()
    assert run("outcomes") == 0
    assert capsys.readouterr().out.splitlines() == [
        "1970-01-01\tEXPIRED\t1",
        "1970-01-01\tUNRECORDED\t2",
        "1970-01-02\tMATCH\t1",
    ]


def test_enrol_with_another_key_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init") == 0
    assert run("enrol", "device", "counter-1", KEY) == 0
    assert run("enrol", "device", "counter-1", OTHER_KEY) == 1
    assert "another key" in capsys.readouterr().err


def test_suspend_of_nobody_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init") == 0
    assert run("suspend", "device", "counter-1") == 1
    assert "not enrolled" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["Counter 1", "", "-x", "x" * 64, "ä", "a\tb"])
def test_a_name_that_no_message_can_carry_is_not_enrolled(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such a party could never be named in a session request; the authority refuses it too."""
    assert run("init") == 0
    try:
        status = run("enrol", "device", "--", name, KEY)
    except SystemExit as usage:
        status = int(usage.code or 0)
    assert status in (1, 2)
    capsys.readouterr()
    assert run("list") == 0
    assert capsys.readouterr().out == ""


def test_one_key_is_one_device(capsys: pytest.CaptureFixture[str]) -> None:
    """A request names its sender by key alone: two names for one key would be a coin toss."""
    assert run("init") == 0
    assert run("enrol", "device", "counter-1", KEY) == 0
    assert run("enrol", "device", "counter-2", KEY) == 1


# Settings


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AUTHORITY_PUBLIC_KEY", "canary"),
        ("MODEL_DIGEST", "cd" * 31),
        ("MODEL_ID", "Not A Model canary"),
        ("THRESHOLD_COSINE", "1.5"),
        ("THRESHOLD_COSINE", "canary"),
        ("ACTION_COSINE", "canary"),
        ("HE_ENGINE", "canary"),
        ("PORT", "70000"),
        ("AUTHORITY_SECONDS", "0"),
        ("PARTY", "Not A Name"),
        ("RETENTION_DAYS", "0"),
    ],
)
def test_a_wrong_setting_is_named_and_not_repeated(
    variable: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(f"SEALMATCH_GATEWAY_{variable}", value)
    assert run("show") == 1
    said = capsys.readouterr().err
    assert variable.lower() in said
    assert "canary" not in said


@pytest.mark.parametrize("cosine", ["0.01", "0.2", "0.98"])
def test_an_unusable_threshold_of_the_action_lane_is_named(
    cosine: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("init") == 0
    monkeypatch.setenv("SEALMATCH_GATEWAY_ACTION_COSINE", cosine)
    assert run("show") == 1
    assert "action_cosine" in capsys.readouterr().err


@pytest.mark.parametrize("cosine", ["0.01", "0.1", "0.2", "0.96", "0.99"])
def test_a_threshold_that_the_policy_cannot_hold_is_an_error_and_no_stack_trace(
    cosine: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below about 0.33 more values would be accepted than a wrong one may land among."""
    assert run("init") == 0
    capsys.readouterr()
    monkeypatch.setenv("SEALMATCH_GATEWAY_THRESHOLD_COSINE", cosine)
    status = run("show")
    captured = capsys.readouterr()
    if status == 0:
        assert json.loads(captured.out)["policyDigest"]
    else:
        assert status == 1
        assert "threshold_cosine" in captured.err or "action_cosine" in captured.err
        assert "validation error" not in captured.err


def test_a_missing_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SEALMATCH_GATEWAY_AUTHORITY_PUBLIC_KEY")
    assert run("show") == 1
    assert "authority_public_key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [("party = ", "not valid TOML"), ("colour = 'blue'", "colour"), ("port = 'many'", "port")],
)
def test_a_wrong_file_is_named(
    tmp_path: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(content)
    assert run("--config", str(file), "show") == 1
    assert said in capsys.readouterr().err


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", str(tmp_path / "missing.toml"), "show") == 1
    assert "missing.toml" in capsys.readouterr().err


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text("party = 'from-file'\nport = 8475\n")
    assert run("--config", str(file), "init") == 0
    assert json.loads(capsys.readouterr().out)["party"] == "from-file"
    monkeypatch.setenv("SEALMATCH_GATEWAY_PARTY", "from-environment")
    assert run("show", "--config", str(file)) == 1
    assert "keys of from-file" in capsys.readouterr().err


# sealmatch receipt verify


def verify(*arguments: str | Path) -> int:
    return sealmatch.main(["receipt", "verify", *map(str, arguments)])


@pytest.mark.parametrize("content", [b"", b"x", b"{}", b'{"version": 2}', b"[" * 100_000, b"\xff"])
def test_a_trust_file_that_is_none(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    trust, receipt = tmp_path / "trust.json", tmp_path / "receipt"
    trust.write_bytes(content)
    receipt.write_bytes(b"x")
    assert verify(receipt, "--trust", trust) == 1
    assert "trust.json" in capsys.readouterr().err


def test_a_missing_receipt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.support.world import World

    with World(tmp_path) as world:
        world.trust.write(tmp_path / "trust.json")
    assert verify(tmp_path / "missing", "--trust", tmp_path / "trust.json") == 1
    assert "missing" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"\0", b"\xa0", b"\xbf" * 5000, b"\x9f" * 70_000])
def test_a_receipt_that_is_none_names_step_1(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.support.world import World

    with World(tmp_path) as world:
        world.trust.write(tmp_path / "trust.json")
    (tmp_path / "receipt").write_bytes(content)
    assert verify(tmp_path / "receipt", "--trust", tmp_path / "trust.json") == 6
    assert "FAIL  1. receipt is well-formed" in capsys.readouterr().out


def test_a_file_of_parties_is_enrolled_all_or_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("init") == 0
    file = tmp_path / "parties"
    good = f"device shop-1 {KEY}\nissuer reader-1 {OTHER_KEY}\n\nagent agent-1\n"
    for bad in (
        "device shop-2",
        f"outlet o-2 {KEY}",
        "witness w",
        f"device UP {KEY}",
        "outlet a b c",
    ):
        file.write_text(good + bad)
        assert run("enrol-all", str(file)) == 1
        assert "parties, line 5" in capsys.readouterr().err
    file.write_text(good + f"device shop-2 {KEY}")
    assert run("enrol-all", str(file)) == 1
    capsys.readouterr()
    assert run("list") == 0
    assert capsys.readouterr().out == ""
    file.write_text(good)
    assert run("enrol-all", str(file)) == 0
    assert run("list") == 0
    assert [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()] == [
        "agent-1", "shop-1", "reader-1",
    ]  # fmt: skip


def test_the_history_holds_after_the_gateways_key_was_changed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("init") == 0
    assert run("enrol", "device", "counter-1", KEY) == 0
    assert run("keys", "rotate", "signing") == 0
    assert run("keys", "rotate", "signing", "--activate") == 0
    assert run("suspend", "device", "counter-1") == 0
    capsys.readouterr()
    assert run("history") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[1:4] for line in lines] == [
        ["enrol", "device", "counter-1"], ["suspend", "device", "counter-1"],
    ]  # fmt: skip
