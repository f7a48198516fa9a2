"""The authority's keys in a token, played by SoftHSM2 (Debian's package ``softhsm2``)."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.host.keyfile import KeyFileError, create_secret
from gateway.wire import cose
from gateway.wire.errors import CallerMisuse
from gateway.wire.sealing import SealingPrivateKey
from gateway.wire.session import SessionGrant
from keys import ceremony, custody, enrolment
from keys.config import AuthoritySettings
from keys.custody import open_custody
from keys.vault import INDEX_FILE
from tests.support.parties import DEVICE, NOW, SITE_SALT, SUBJECT, stranger
from tests.support.trusted import entry
from tests.unit.test_session_key import grant as signed_grant

LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
)
PIN, LABEL = "94613058", "sealmatch-test"
INNER = SUBJECT.inner(SITE_SALT)
DAY = 86_400


def softhsm() -> Path:
    found = next((Path(p) for p in LIBRARIES if Path(p).exists()), None)
    if found is None or shutil.which("softhsm2-util") is None:
        reason = "SoftHSM2 is not installed (apt-get install softhsm2)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A token of the module's own. SoftHSM2 reads its configuration once per process."""
    found = softhsm()
    directory = tmp_path_factory.mktemp("softhsm")
    (directory / "tokens").mkdir()
    configuration = directory / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {directory / 'tokens'}\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    subprocess.run(
        [
            *("softhsm2-util", "--init-token", "--free", "--label", LABEL),
            *("--so-pin", "00000000", "--pin", PIN),
        ],
        check=True,
        capture_output=True,
    )
    yield found
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture
def settings(library: Path, tmp_path: Path) -> AuthoritySettings:
    create_secret(tmp_path / "pin", PIN.encode() + b"\n")
    return AuthoritySettings(
        data_dir=tmp_path / "data",
        party="authority.example",
        pkcs11_module=library,
        pkcs11_token_label=LABEL,
        pkcs11_pin_file=tmp_path / "pin",
    )


def objects(settings: AuthoritySettings, held: bytes) -> int:
    """How many of the token's objects have this id."""
    from pkcs11 import Attribute

    with custody.open_vault(settings) as vault:
        return len(list(vault._session.get_objects({Attribute.ID: held})))  # type: ignore[attr-defined]


def test_the_data_directory_holds_an_index_and_no_key(settings: AuthoritySettings) -> None:
    keys = ceremony.initialise(settings, NOW)
    assert {path.name for path in settings.data_dir.iterdir()} == {
        *(INDEX_FILE, "caps.sqlite3", "caps.mark")
    }
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in settings.data_dir.iterdir())
    assert all(len(held) == 16 for held in keys.all_held()), "ids, not keys"
    with pytest.raises(KeyFileError, match="exists already"):
        ceremony.initialise(settings, NOW)


def test_signs_as_a_key_in_memory_does(settings: AuthoritySettings) -> None:
    public = ceremony.initialise(settings, NOW).signing.current.public
    signing = open_custody(settings, NOW).signing
    assert signing.public.raw == public
    encoded = signed_grant(signing)
    assert cose.verify(encoded, SessionGrant, signing.public).encoded == encoded
    assert signed_grant(signing) == encoded, "Ed25519 is deterministic, in a token too"


def test_handles_are_stable_and_rotate(settings: AuthoritySettings) -> None:
    ceremony.initialise(settings, NOW)
    (first,) = open_custody(settings, NOW).handles("g", INNER)
    assert len(first) == 32
    assert open_custody(settings, NOW).handles("g", INNER) == (first,)
    assert open_custody(settings, NOW).handles("h", INNER) != (first,)
    ceremony.rotate_pepper(settings, NOW)
    current, previous = open_custody(settings, NOW).handles("g", INNER)
    assert previous == first != current
    later = NOW + settings.pepper_overlap
    assert open_custody(settings, later).handles("g", INNER) == (current,)


def test_the_sealing_key_follows_from_a_secret_in_the_token(settings: AuthoritySettings) -> None:
    """So it is the same at each start, and what was sealed to it before still opens."""
    first = ceremony.initialise(settings, NOW).sealing.current
    (sealing,) = open_custody(settings, NOW).sealing
    assert sealing.public.raw == first.public
    assert open_custody(settings, NOW).sealing[0].raw == sealing.raw
    index = (settings.data_dir / INDEX_FILE).read_bytes()
    assert not any(part in index for part in (sealing.raw[:64], sealing.raw[64:]))
    rotated = ceremony.rotate_sealing_key(settings, NOW).sealing.current
    current, former = open_custody(settings, NOW).sealing
    assert former.raw == sealing.raw
    assert current.public.raw == rotated.public != first.public
    later = NOW + settings.sealing_overlap
    assert [key.raw for key in open_custody(settings, later).sealing] == [current.raw]
    assert objects(settings, first.held) == 1
    ceremony.drop_previous_sealing_key(settings, NOW)
    assert objects(settings, first.held) == 0
    assert objects(settings, rotated.held) == 1


def test_an_index_that_names_another_sealing_key_is_refused(settings: AuthoritySettings) -> None:
    """A thief's own public key, or the pepper as the secret: neither gets published."""
    keys = ceremony.initialise(settings, NOW)
    for forged in (
        {"public": SealingPrivateKey.generate().public.raw},
        {"held": keys.peppers.current.held},
    ):
        current = keys.sealing.current.model_copy(update=forged)
        sealing = keys.sealing.model_copy(update={"current": current})
        with custody.open_vault(settings) as vault:
            vault.replace(keys.model_copy(update={"sealing": sealing}))
        for use in (lambda: open_custody(settings, NOW), lambda: ceremony.read_keys(settings)):
            with pytest.raises(KeyFileError, match="not that of the public key beside it"):
                use()


def test_nothing_secret_leaves_the_token(settings: AuthoritySettings) -> None:
    from pkcs11 import Attribute
    from pkcs11.exceptions import AttributeSensitive

    keys = ceremony.initialise(settings, NOW)
    with custody.open_vault(settings) as vault:
        session = vault._session  # type: ignore[attr-defined]
        for held in keys.all_held():
            for found in session.get_objects({Attribute.ID: held}):
                if found.object_class.name == "PUBLIC_KEY":
                    continue
                assert found[Attribute.SENSITIVE]
                assert not found[Attribute.EXTRACTABLE]
                assert found[Attribute.PRIVATE]
                with pytest.raises(AttributeSensitive):
                    found[Attribute.VALUE]


def test_rotation_in_the_token_destroys_what_is_dropped(settings: AuthoritySettings) -> None:
    first = ceremony.initialise(settings, NOW)
    staged = ceremony.stage_signing_key(settings, NOW)
    with pytest.raises(CallerMisuse, match="staged already"):
        ceremony.stage_signing_key(settings, NOW)
    assert objects(settings, first.signing.current.held) == 2, "private and public"
    activated = ceremony.activate_signing_key(settings, NOW)
    assert objects(settings, first.signing.current.held) == 0
    assert staged.signing.next is not None
    assert open_custody(settings, NOW).signing.public.raw == staged.signing.next.public
    assert activated.signing.old_public == (first.signing.current.public,)
    pepper = first.peppers.current.held
    ceremony.rotate_pepper(settings, NOW)
    assert objects(settings, pepper) == 1
    ceremony.drop_previous_pepper(settings, NOW)
    assert objects(settings, pepper) == 0


def test_an_index_that_names_another_key_is_refused(settings: AuthoritySettings) -> None:
    """Whoever can write the data directory cannot have another public key published."""
    keys = ceremony.initialise(settings, NOW)
    mine = keys.signing.current
    forged = mine.model_copy(update={"public": b"\x01" * 32})
    signing = keys.signing.model_copy(update={"current": forged})
    with custody.open_vault(settings) as vault:
        vault.replace(keys.model_copy(update={"signing": signing}))
    for use in (lambda: open_custody(settings, NOW), lambda: ceremony.read_keys(settings)):
        with pytest.raises(KeyFileError, match="not the index's"):
            use()
    (settings.data_dir / INDEX_FILE).write_bytes(b"damaged")
    with pytest.raises(KeyFileError, match="is damaged"):
        open_custody(settings, NOW)


def test_wrong_pin_missing_token_missing_library(
    settings: AuthoritySettings, tmp_path: Path
) -> None:
    create_secret(tmp_path / "wrong", b"00000001")
    for changes in (
        {"pkcs11_pin_file": tmp_path / "wrong"},
        {"pkcs11_token_label": "another"},
        {"pkcs11_module": tmp_path / "nothing.so"},
        {"pkcs11_token_label": None},
    ):
        with pytest.raises(KeyFileError) as caught:
            open_custody(settings.model_copy(update=changes), NOW)
        assert PIN not in str(caught.value)
        assert "00000001" not in str(caught.value)


def test_nothing_secret_shows(settings: AuthoritySettings) -> None:
    keys = ceremony.initialise(settings, NOW)
    opened = open_custody(settings, NOW)
    shown = (
        f"{keys!r} {opened!r} {opened.pepper!r} {opened.sealing!r} {ceremony.describe(keys, NOW)}"
    )
    assert PIN not in shown
    for held in keys.all_held():
        assert held.hex() not in shown


def test_enrolments_are_signed_in_the_token(settings: AuthoritySettings) -> None:
    """And nobody who can write the index makes a key of their own the next one."""
    keys = ceremony.initialise(settings, NOW)
    enrolment.enrol(settings, [entry("device", DEVICE)], NOW)
    ceremony.stage_signing_key(settings, NOW)
    ceremony.activate_signing_key(settings, NOW)
    enrolment.suspend(settings, "device", DEVICE.party, None, NOW)
    history = enrolment.open_trust(settings, NOW).history()
    assert [a.verb for a in history] == ["enrol", "enrol", "suspend", "suspend"]
    assert history[1].kind == "authority"
    with custody.open_vault(settings) as vault:
        held = vault.load()
        thief = held.signing.current.model_copy(
            update={"public": stranger(settings.party).public.raw}
        )
        signing = held.signing.model_copy(update={"next": thief})
        vault.replace(held.model_copy(update={"signing": signing}))
    with pytest.raises(KeyFileError, match="not the index's"):
        enrolment.open_trust(settings, NOW)
    assert keys.signing.next is None
