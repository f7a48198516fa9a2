"""A counter from nothing: its keys, what the operators enrol, its trust file, and consent."""

import argparse
import base64
import json
import stat
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gateway.cli.consenting import agreed
from gateway.client import counter_keys
from gateway.client.consent import NotAgreed
from gateway.host import keyfile
from gateway.host.fingerprint import fingerprint
from gateway.host.keyfile import load_signing_key
from gateway.main import main
from gateway.proofs.consent import ConsentTexts
from gateway.proofs.trust import TrustFile, UnusableTrustFile
from gateway.server.consent import draft
from tests.support import parties
from tests.support.parties import AUTHORITY, GATEWAY
from tests.support.receipts import APPROVAL, pin_operator
from tests.unit.test_proofs_trust import content
from tests.vectors.ordered import FIRST, SECOND

SCHEMA = Path(counter_keys.__file__).parents[1] / "docs" / "trust.schema.json"
TEXTS = draft(2, 180)
NAMES = ("--device", "device-17", "--issuer", "reader-17", "--agent", "agent-4", "--outlet", "o-2")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    assert main(["counter", "init", "--dir", str(tmp_path / "c"), *NAMES]) == 0
    return tmp_path / "c"


def pinned(directory: Path, texts: ConsentTexts = TEXTS) -> Path:
    """The counter's trust file, from what two operators printed."""
    gateway: dict[str, Any] = {
        "party": GATEWAY.party,
        "publicKey": GATEWAY.public.raw.hex(),
        "sealingKey": parties.sealing_key().public.raw.hex(),
        "policyDigest": "ab" * 32,
        "policyApproval": base64.b64encode(APPROVAL).decode(),
        "operators": [pin_operator(one).model_dump(by_alias=True) for one in (FIRST, SECOND)],
        "logPolicy": ["quorum none"],
    }
    authority = {
        "party": AUTHORITY.party,
        "publicKey": AUTHORITY.public.raw.hex(),
        "nextPublicKey": "cd" * 32,
        "sealingKey": parties.authority_sealing_key().public.raw.hex(),
        "peppers": [],
    }
    for name, shown in (("gateway", gateway), ("authority", authority)):
        (directory.parent / name).write_text(json.dumps(shown))
    (directory.parent / "consent").write_text(json.dumps(json.loads(texts.encode())))
    given = {
        "dir": directory,
        "gateway": directory.parent / "gateway",
        "gateway-url": "https://g.example",
        "authority": directory.parent / "authority",
        "authority-url": "https://a.example",
        "consent": directory.parent / "consent",
    }
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    assert main(["counter", "pin", *words]) == 0
    return directory / "trust.json"


def test_a_counter_s_keys_are_private_and_drawn_once(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    keys = {path.name: path.read_bytes() for path in directory.iterdir()}
    files = {"device.key", "issuer.key", "agent.key", "site-salt.key", "counter.json"}
    assert keys.keys() == files
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in directory.iterdir())
    capsys.readouterr()
    assert main(["counter", "init", "--dir", str(directory), *NAMES]) == 1
    assert "not overwritten" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == keys
    assert [path.name for path in directory.parent.iterdir()] == ["c"]


@pytest.mark.parametrize("failing", [1, 2])
def test_what_fails_half_way_leaves_nothing(
    failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    honest = keyfile.create_secret

    def fail(path: Path, secret: bytes) -> None:
        made.append(path)
        if len(made) == failing:
            raise OSError(28, "No space left on device", str(path))
        honest(path, secret)

    monkeypatch.setattr(counter_keys, "create_secret", fail)
    assert main(["counter", "init", "--dir", str(tmp_path / "c"), *NAMES]) == 1
    assert made
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".c.new-killed"
    left.mkdir()
    (left / "device.key").write_bytes(bytes(32))
    assert main(["counter", "init", "--dir", str(tmp_path / "c"), *NAMES]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


@pytest.mark.parametrize("name", ["Device 17", "", "x" * 64, "../x"])
def test_a_name_that_cannot_be_enrolled_makes_no_keys(name: str, tmp_path: Path) -> None:
    words = ["--device", name, *NAMES[2:]]
    assert main(["counter", "init", "--dir", str(tmp_path / "c"), *words]) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_request_has_a_command_for_each_party_and_fingerprints(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    out = ["--out", str(directory.parent)]
    assert main(["counter", "enrol-request", "--dir", str(directory), *out]) == 0
    said = capsys.readouterr().out
    device = load_signing_key(directory / "device.key", "device-17").public
    for server in ("gateway", "authority"):
        command = f"sealmatch-{server} --config {server}.toml enrol device device-17"
        assert f"{command} {device.raw.hex()}" in said
    agent = load_signing_key(directory / "agent.key", "agent-4").public
    command = "sealmatch-gateway --config gateway.toml enrol agent agent-4"
    assert f"{command} {agent.raw.hex()}\n" in said
    assert fingerprint(agent.raw) in said
    assert "sealmatch-authority --config authority.toml enrol agent" not in said
    assert fingerprint(device.raw) in said
    for secret in directory.glob("*.key"):
        assert secret.read_bytes().hex() not in said
    lines = (directory.parent / "gateway.enrol").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["device", "issuer", "agent", "outlet"]
    assert len((directory.parent / "authority.enrol").read_text().splitlines()) == 2


def test_a_key_that_others_can_read_is_not_enrolled(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "issuer.key").chmod(0o640)
    assert main(["counter", "enrol-request", "--dir", str(directory)]) == 1
    assert "issuer.key is open to others" in capsys.readouterr().err


def test_pinning_gives_a_trust_file_with_both_keys_of_a_rotation(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = TrustFile.read(pinned(directory))
    said = capsys.readouterr().out
    for operator in (FIRST, SECOND):  # a gateway could name two that it has made itself
        assert f"operator  {operator.party}  {fingerprint(operator.public.raw)}  by the" in said
    assert trust.gateways[0].public_key == GATEWAY.public.raw.hex()
    assert [one.public_key for one in trust.authorities] == [AUTHORITY.public.raw.hex(), "cd" * 32]
    assert trust.policies == ["ab" * 32]
    assert trust.operators == [pin_operator(FIRST), pin_operator(SECOND)]
    assert trust.approvals == (APPROVAL,)
    assert trust.counter is not None
    assert trust.counter.consent_digest == TEXTS.digest.hex()
    assert (directory / (trust.counter.consent_file or "")).read_bytes() == TEXTS.encode()


def test_what_is_no_output_of_keys_show_is_not_pinned(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pinned(directory)
    before = (directory / "trust.json").read_bytes()
    authority = directory.parent / "authority"
    words = ["--gateway", str(authority), "--gateway-url", "x", "--authority", str(authority)]
    words += ["--authority-url", "x", "--consent", str(directory.parent / "consent")]
    assert main(["counter", "pin", "--dir", str(directory), *words]) == 1
    assert "policyDigest" in capsys.readouterr().err
    assert (directory / "trust.json").read_bytes() == before


# --- the schema ------------------------------------------------------------------------------


def test_the_published_schema_is_the_code_s() -> None:
    assert SCHEMA.read_bytes() == TrustFile.schema_document(), "write schema_document() there"


def test_every_member_of_a_trust_file_is_described() -> None:
    schema = json.loads(SCHEMA.read_bytes())
    for part in (schema, *schema["$defs"].values()):
        assert all("description" in member for member in part["properties"].values())


def test_real_trust_files_follow_the_schema(directory: Path) -> None:
    check = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_bytes())).validate
    check(json.loads(pinned(directory).read_text()))
    check(content())
    for wrong in ({"gateways": []}, {"unknown": 1}, {"policies": ["x"]}):
        with pytest.raises(jsonschema.ValidationError):
            check(content() | wrong)


# --- consent ---------------------------------------------------------------------------------


class Terminal:
    """Standard input of an agent who types one line."""

    def __init__(self, line: str, *, terminal: bool = True) -> None:
        self._line, self._terminal = line, terminal

    def isatty(self) -> bool:
        return self._terminal

    def readline(self, _: int = -1) -> str:
        return self._line


def ask(trust: Path, language: str = "en", *, shown: bool = False) -> int:
    options = argparse.Namespace(trust=trust, language=language, consent_shown=shown)
    return agreed(options, TrustFile.read(trust)).version


@pytest.mark.parametrize("language", ["en", "zh", "es"])
def test_the_person_reads_text_period_and_the_other_way_before_agreeing(
    language: str,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trust = pinned(directory)
    monkeypatch.setattr("sys.stdin", Terminal("Yes\n"))
    capsys.readouterr()
    assert ask(trust, language) == 2
    out, err = capsys.readouterr()
    assert out == "", "standard output is for the result"
    text = TEXTS.texts[language]
    assert err.index(text.text) < err.index("180") < err.index(text.without_face)
    assert main(["counter", "consent", "--dir", str(directory), "--language", language]) == 0
    assert capsys.readouterr().out.strip() in err


@pytest.mark.parametrize("line", ["no\n", "\n", "", "yess\n"])
def test_without_a_yes_nothing_is_captured_and_the_other_way_is_offered(
    line: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(line))
    with pytest.raises(NotAgreed) as caught:
        ask(pinned(directory))
    assert caught.value.advice == TEXTS.texts["en"].without_face


def test_a_script_says_that_the_text_was_shown(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust = pinned(directory)
    monkeypatch.setattr("sys.stdin", Terminal("yes\n", terminal=False))
    with pytest.raises(NotAgreed, match="nobody can be asked"):
        ask(trust)
    assert ask(trust, shown=True) == 2


def test_another_text_than_the_pinned_one_is_never_shown(directory: Path) -> None:
    trust = pinned(directory)
    own = directory / "consent-2.json"
    own.write_bytes(own.read_bytes().replace(b"are not kept", b"are kept").replace(b"180", b"181"))
    with pytest.raises(UnusableTrustFile, match="consentDigest"):
        ask(trust, shown=True)
    own.write_bytes(json.dumps(json.loads(TEXTS.encode())).encode())
    assert ask(trust, shown=True) == 2, "the words count, not the layout"


def test_a_language_without_a_text_is_no_consent(directory: Path) -> None:
    english = TEXTS.model_copy(update={"texts": {"en": TEXTS.texts["en"]}})
    trust = pinned(directory, english)
    with pytest.raises(UnusableTrustFile, match="no text in es; it has: en"):
        ask(trust, "es", shown=True)
    assert ask(trust, shown=True) == 2


def test_a_trust_file_without_consent_texts_registers_nobody(tmp_path: Path) -> None:
    (tmp_path / "trust.json").write_text(json.dumps(content()))
    with pytest.raises(UnusableTrustFile, match="consentFile"):
        ask(tmp_path / "trust.json", shown=True)
