"""The authority's and the gateway's ceremonies over a sealed keystore, and what shows."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.host import keystore, sealed_keys
from gateway.host.keyfile import KeyFileError, create_secret
from gateway.host.keystore import KEYSTORE_FILE, KeystoreClosed
from gateway.server import cli as gateway_cli
from gateway.server import custody as gateway_keys
from gateway.server.config import GatewaySettings
from gateway.wire.errors import CallerMisuse
from keys import ceremony, cli
from keys.config import AuthoritySettings
from keys.custody import open_custody
from keys.vault import AuthorityKeys
from tests.support.parties import NOW, SITE_SALT, SUBJECT
from tests.support.sealed import no_settings, passphrase_file

INNER = SUBJECT.inner(SITE_SALT)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    no_settings(monkeypatch)


@pytest.fixture
def settings(tmp_path: Path) -> AuthoritySettings:
    return AuthoritySettings(
        data_dir=tmp_path / "data",
        party="authority.example",
        passphrase_file=passphrase_file(tmp_path),
    )


@pytest.fixture
def gateway_settings(tmp_path: Path) -> GatewaySettings:
    return GatewaySettings(
        data_dir=tmp_path / "gateway",
        party="gateway.example",
        passphrase_file=passphrase_file(tmp_path, name="gateway-passphrase"),
        authority_public_key="ab" * 32,
        model_id="m",
        model_digest="cd" * 32,
    )


def secrets_of(keys: AuthorityKeys) -> set[bytes]:
    return set(keys.all_held())


# The authority's keystore


def test_init_leaves_one_sealed_file_and_counters(settings: AuthoritySettings) -> None:
    keys = ceremony.initialise(settings, NOW)
    names = sorted(one.name for one in settings.data_dir.iterdir())
    assert names == ["caps.mark", "caps.sqlite3", KEYSTORE_FILE]
    only = settings.data_dir / KEYSTORE_FILE
    assert stat.S_IMODE(only.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
    assert len(secrets_of(keys)) == 3
    for secret in secrets_of(keys):
        assert secret not in only.read_bytes()
    opened = open_custody(settings, NOW)
    assert opened.signing.public.raw == keys.signing.current.public
    assert opened.signing.party == "authority.example"
    assert opened.handles("g", INNER) == open_custody(settings, NOW).handles("g", INNER)
    (sealing,) = opened.sealing
    assert sealing.public.raw == keys.sealing.current.public
    assert sealing.raw not in only.read_bytes()


def test_init_never_overwrites_and_asks_for_no_passphrase_first(
    settings: AuthoritySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ceremony.initialise(settings, NOW)
    before = (settings.data_dir / KEYSTORE_FILE).read_bytes()

    def never(*_: object, **__: object) -> bytearray:
        raise AssertionError("asked for a passphrase in vain")

    monkeypatch.setattr(sealed_keys, "obtain", never)
    with pytest.raises(KeyFileError, match="exists already"):
        ceremony.initialise(settings, NOW)
    assert (settings.data_dir / KEYSTORE_FILE).read_bytes() == before


def test_a_wrong_passphrase_opens_and_changes_nothing(
    settings: AuthoritySettings, tmp_path: Path
) -> None:
    ceremony.initialise(settings, NOW)
    before = (settings.data_dir / KEYSTORE_FILE).read_bytes()
    wrong = settings.model_copy(
        update={"passphrase_file": passphrase_file(tmp_path, "another passphrase", "wrong")}
    )
    for attempt in (
        lambda: open_custody(wrong, NOW),
        lambda: ceremony.read_keys(wrong),
        lambda: ceremony.stage_signing_key(wrong, NOW),
        lambda: ceremony.rotate_pepper(wrong, NOW),
        lambda: ceremony.rotate_sealing_key(wrong, NOW),
    ):
        with pytest.raises(KeystoreClosed, match="wrong passphrase, or the file was altered"):
            attempt()
    assert (settings.data_dir / KEYSTORE_FILE).read_bytes() == before


def test_anothers_keystore_is_not_used(settings: AuthoritySettings) -> None:
    ceremony.initialise(settings, NOW)
    other = settings.model_copy(update={"party": "other.example"})
    with pytest.raises(KeyFileError, match="another party"):
        open_custody(other, NOW)


def test_without_a_keystore_bare_keys_are_not_taken(settings: AuthoritySettings) -> None:
    for name in ("signing.key", "pepper.key"):
        create_secret(settings.data_dir / name, bytes(32))
    with pytest.raises(KeyFileError, match=r"keystore\.sealed cannot be read"):
        open_custody(settings, NOW)


def test_the_passphrase_is_wiped(
    settings: AuthoritySettings,
    gateway_settings: GatewaySettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[bytearray] = []
    obtain = sealed_keys.obtain  # type: ignore[attr-defined]

    def watched(*arguments: Any, **named: Any) -> bytearray:
        given.append(obtain(*arguments, **named))
        return given[-1]

    monkeypatch.setattr(sealed_keys, "obtain", watched)
    ceremony.initialise(settings, NOW)
    open_custody(settings, NOW)
    gateway_keys.initialise(gateway_settings, NOW)
    gateway_keys.keystore(gateway_settings).stage_signing_key(NOW)
    gateway_keys.read_keys(gateway_settings)
    assert len(given) == 5
    assert not any(any(buffer) for buffer in given)


# The gateway's keystore


def test_the_gateways_keys_are_sealed_and_rotate(gateway_settings: GatewaySettings) -> None:
    first = gateway_keys.initialise(gateway_settings, NOW)
    (only,) = gateway_settings.data_dir.iterdir()
    assert only.name == KEYSTORE_FILE
    assert first.sealing not in only.read_bytes()
    signing, sealing = gateway_keys.open_keys(gateway_settings)
    assert signing.public.raw == first.signing.current.public
    assert sealing.raw == first.sealing
    staged = gateway_keys.keystore(gateway_settings).stage_signing_key(NOW)
    assert staged.signing.next is not None
    assert gateway_keys.open_keys(gateway_settings)[0].public == signing.public
    gateway_keys.keystore(gateway_settings).activate_signing_key()
    after, same_sealing = gateway_keys.open_keys(gateway_settings)
    assert after.public.raw == staged.signing.next.public
    assert same_sealing.raw == sealing.raw
    with pytest.raises(KeyFileError, match="exists already"):
        gateway_keys.initialise(gateway_settings, NOW)
    with pytest.raises(KeyFileError, match="another party"):
        gateway_keys.open_keys(gateway_settings.model_copy(update={"party": "other"}))


def test_a_keystore_of_before_the_log_opens_and_takes_a_log_key(
    gateway_settings: GatewaySettings,
) -> None:
    made = gateway_keys.initialise(gateway_settings, NOW)
    path = gateway_settings.data_dir / KEYSTORE_FILE
    assert gateway_settings.passphrase_file is not None
    word = bytearray(gateway_settings.passphrase_file.read_bytes().strip())
    old = gateway_keys.KeysWithoutLog(party=made.party, signing=made.signing, sealing=made.sealing)
    keystore.replace_keystore(path, old, word)
    read = gateway_keys.read_keys(gateway_settings)
    assert read == made.model_copy(update={"log": ()})
    with pytest.raises(KeyFileError, match="keys add-log"):
        read.log_signers("gateway.example/log")
    for algorithm in ("ed25519", "ml-dsa-44", "ed25519", "ed25519"):
        gateway_keys.add_log_key(gateway_settings, algorithm, NOW)
    read = gateway_keys.read_keys(gateway_settings)
    assert read.signing == made.signing
    signers = read.log_signers("gateway.example/log")
    assert len({bytes(signer.key.public) for signer in signers}) == 4
    with pytest.raises(CallerMisuse):
        gateway_keys.add_log_key(gateway_settings, "ed25519", NOW)


def test_one_servers_keystore_is_not_the_others(
    settings: AuthoritySettings, gateway_settings: GatewaySettings
) -> None:
    """With the same passphrase, even: the content is of another kind."""
    ceremony.initialise(settings, NOW)
    gateway_settings.data_dir.mkdir()
    (settings.data_dir / KEYSTORE_FILE).rename(gateway_settings.data_dir / KEYSTORE_FILE)
    with pytest.raises(KeystoreClosed):
        gateway_keys.open_keys(gateway_settings)


# What shows


def forms(secret: bytes) -> tuple[str, ...]:
    import base64

    return (secret.hex(), base64.b64encode(secret).decode(), repr(secret)[2:-1])


def test_no_secret_in_what_is_shown_or_in_a_repr(
    settings: AuthoritySettings, gateway_settings: GatewaySettings
) -> None:
    ceremony.initialise(settings, NOW)
    ceremony.rotate_pepper(settings, NOW)
    ceremony.rotate_sealing_key(settings, NOW)
    keys = ceremony.stage_signing_key(settings, NOW)
    theirs = gateway_keys.initialise(gateway_settings, NOW)
    assert len(secrets_of(keys)) == 6
    opened = open_custody(settings, NOW)
    published = gateway_keys.log_policy(theirs, "gateway/log", None)
    texts = (
        json.dumps(ceremony.describe(keys, NOW)),
        json.dumps(gateway_keys.describe(theirs, published)),
        repr(keys),
        repr(theirs),
        repr(opened),
        repr(opened.pepper),
        repr(opened.sealing),
        str(gateway_keys.open_keys(gateway_settings)),
    )
    expanded = [part for key in opened.sealing for part in (key.raw[:64], key.raw[64:])]
    everything = [*secrets_of(keys), *expanded, theirs.signing.current.held, theirs.sealing]
    for secret in everything:
        for form in forms(secret):
            assert not any(form in text for text in texts)


# The commands


def authority(settings: AuthoritySettings, *arguments: str) -> int:
    return cli.main(
        [
            *(*arguments, "--data-dir", str(settings.data_dir)),
            *("--passphrase-file", str(settings.passphrase_file)),
        ]
    )


def test_the_ceremony_by_commands(
    settings: AuthoritySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> dict[str, Any]:
        assert authority(settings, *arguments) == 0
        return dict(json.loads(capsys.readouterr().out))

    first = run("keys", "init")
    assert first.keys() == {
        *("party", "publicKey", "keyId", "sealingKey", "sealingKeys", "peppers")
    }
    assert run("keys", "show") == run("show") == first
    staged = run("keys", "rotate", "signing")
    assert run("keys", "show") == staged
    activated = run("keys", "rotate", "signing", "--activate")
    assert activated["publicKey"] == staged["nextPublicKey"]
    assert activated["oldPublicKeys"] == [first["publicKey"]]
    assert len(run("keys", "rotate", "pepper")["peppers"]) == 2
    assert len(run("keys", "rotate", "pepper", "--drop-previous")["peppers"]) == 1
    rotated = run("keys", "rotate", "sealing")
    assert rotated["sealingKey"] != first["sealingKey"]
    assert len(rotated["sealingKeys"]) == 2
    dropped = run("keys", "rotate", "sealing", "--drop-previous")
    assert dropped["sealingKey"] == rotated["sealingKey"]
    assert len(dropped["sealingKeys"]) == 1
    assert authority(settings, "keys", "rotate", "signing", "--activate") == 1
    assert capsys.readouterr().err == "sealmatch-authority: no next signing key is staged\n"


def test_the_gateways_ceremony_by_commands(
    gateway_settings: GatewaySettings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in gateway_settings.model_dump(exclude_defaults=True).items():
        monkeypatch.setenv(f"SEALMATCH_GATEWAY_{name.upper()}", str(value))

    def run(*arguments: str) -> dict[str, Any]:
        assert gateway_cli.main([*arguments]) == 0
        return dict(json.loads(capsys.readouterr().out))

    first = run("keys", "init")
    assert first.keys() == {
        *("party", "publicKey", "keyId", "sealingKey", "policyDigest", "logPolicy")
    }
    assert len(run("keys", "add-log", "--algorithm", "ml-dsa-44")["logPolicy"]) == 3
    first = run("keys", "show")
    assert run("show") == run("keys", "show") == first
    staged = run("keys", "rotate", "signing")
    assert run("keys", "rotate", "signing", "--activate")["publicKey"] == staged["nextPublicKey"]
    assert gateway_cli.main(["init"]) == 1
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize("main", [cli.main, gateway_cli.main])
@pytest.mark.parametrize(
    "arguments",
    [["keys"], ["keys", "rotate"], ["keys", "rotate", "pepperoni"], ["keys", "export"]],
)
def test_usage_is_status_2(
    main: Callable[[list[str]], int], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    capsys.readouterr()
