"""Rotation of the authority's keys: what signs, which handles are found, which dealings open."""

import hashlib
import hmac
from pathlib import Path

import pytest

from gateway.wire.errors import CallerMisuse, Refused
from gateway.wire.ids import KeyId, SessionId
from gateway.wire.sealing import Sealed, SealingPrivateKey, SealingPublicKey
from keys import ceremony
from keys.config import AuthoritySettings
from keys.custody import Custody, open_custody
from keys.vault import MemoryMacKey
from tests.support.parties import AUTHORITY, NOW, PEPPER, SITE_SALT, SUBJECT, fixed_bytes
from tests.support.sealed import no_settings, passphrase_file

DAY = 86_400
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
        pepper_overlap_days=10,
        sealing_overlap_days=5,
    )


# The signing key


def test_staging_publishes_and_does_not_sign(settings: AuthoritySettings) -> None:
    first = ceremony.initialise(settings, NOW)
    staged = ceremony.stage_signing_key(settings, NOW + DAY)
    assert staged.signing.next is not None
    shown = ceremony.describe(staged, NOW + DAY)
    assert shown["publicKey"] == first.signing.current.public.hex()
    assert shown["nextPublicKey"] == staged.signing.next.public.hex() != shown["publicKey"]
    assert open_custody(settings, NOW).signing.public.raw == first.signing.current.public


def test_a_staged_key_is_not_replaced(settings: AuthoritySettings) -> None:
    ceremony.initialise(settings, NOW)
    staged = ceremony.stage_signing_key(settings, NOW)
    with pytest.raises(CallerMisuse, match="staged already"):
        ceremony.stage_signing_key(settings, NOW)
    assert ceremony.read_keys(settings) == staged


def test_activating_signs_with_the_new_key_and_drops_the_old_one(
    settings: AuthoritySettings,
) -> None:
    first = ceremony.initialise(settings, NOW)
    staged = ceremony.stage_signing_key(settings, NOW)
    activated = ceremony.activate_signing_key(settings, NOW)
    assert staged.signing.next is not None
    assert open_custody(settings, NOW).signing.public.raw == staged.signing.next.public
    assert first.signing.current.held not in activated.encode()
    shown = ceremony.describe(activated, NOW)
    assert "nextPublicKey" not in shown
    assert shown["oldPublicKeys"] == [first.signing.current.public.hex()]
    with pytest.raises(CallerMisuse, match="no next signing key"):
        ceremony.activate_signing_key(settings, NOW)


def test_old_public_keys_are_remembered_but_not_for_ever(settings: AuthoritySettings) -> None:
    ceremony.initialise(settings, NOW)
    for _ in range(10):
        ceremony.stage_signing_key(settings, NOW)
        keys = ceremony.activate_signing_key(settings, NOW)
    assert len(set(keys.signing.old_public)) == 8
    assert keys.signing.current.public not in keys.signing.old_public


def test_rotation_leaves_the_peppers_alone(settings: AuthoritySettings) -> None:
    ceremony.initialise(settings, NOW)
    before = open_custody(settings, NOW).handles("g", INNER)
    ceremony.stage_signing_key(settings, NOW)
    ceremony.activate_signing_key(settings, NOW)
    assert open_custody(settings, NOW).handles("g", INNER) == before


# Peppers and handles


def test_handles_are_the_keyed_hash_of_gateway_and_subject() -> None:
    name = b"gateway.example"
    data = len(name).to_bytes(2, "big") + name + INNER
    older = fixed_bytes("older pepper")
    custody = Custody(AUTHORITY, MemoryMacKey(PEPPER), MemoryMacKey(older))
    assert custody.handles("gateway.example", INNER) == (
        hmac.new(PEPPER, data, hashlib.sha256).digest(),
        hmac.new(older, data, hashlib.sha256).digest(),
    )


def test_handles_of_two_carriers_or_periods_have_nothing_in_common() -> None:
    pepper, following = MemoryMacKey(PEPPER), MemoryMacKey(fixed_bytes("next"))
    now, later = Custody(AUTHORITY, pepper), Custody(AUTHORITY, following, pepper)
    (mine,) = now.handles("a", INNER)
    (theirs,) = now.handles("b", INNER)
    assert mine != theirs
    assert now.handles("a", INNER) == (mine,)
    current, previous = later.handles("a", INNER)
    assert previous == mine
    assert current not in (mine, theirs)
    assert now.handles("ab", INNER) != now.handles("a", b"b" + INNER[:-1])


def test_a_rotation_keeps_old_handles_findable_for_the_overlap(
    settings: AuthoritySettings,
) -> None:
    ceremony.initialise(settings, NOW)
    (first,) = open_custody(settings, NOW).handles("g", INNER)
    ceremony.rotate_pepper(settings, NOW)
    current, previous = open_custody(settings, NOW).handles("g", INNER)
    assert previous == first != current
    last_moment = NOW + 10 * DAY - 1
    assert open_custody(settings, last_moment).handles("g", INNER) == (current, previous)
    assert open_custody(settings, last_moment + 1).handles("g", INNER) == (current,)


def test_the_pepper_before_the_previous_is_gone(settings: AuthoritySettings) -> None:
    first = ceremony.initialise(settings, NOW).peppers.current.held
    second = ceremony.rotate_pepper(settings, NOW).peppers.current.held
    third = ceremony.rotate_pepper(settings, NOW + 1)
    assert third.peppers.previous is not None
    assert third.peppers.previous.held == second
    assert first not in third.encode()
    assert len({first, second, third.peppers.current.held}) == 3


def test_a_pepper_past_its_overlap_goes_at_the_next_change(settings: AuthoritySettings) -> None:
    ceremony.initialise(settings, NOW)
    ceremony.rotate_pepper(settings, NOW)
    within = ceremony.stage_signing_key(settings, NOW + 9 * DAY)
    assert within.peppers.previous is not None
    after = ceremony.activate_signing_key(settings, NOW + 10 * DAY)
    assert after.peppers.previous is None
    assert ceremony.read_keys(settings) == after


def test_the_overlap_can_be_ended(settings: AuthoritySettings) -> None:
    ceremony.initialise(settings, NOW)
    rotated = ceremony.rotate_pepper(settings, NOW)
    dropped = ceremony.drop_previous_pepper(settings, NOW)
    assert dropped.peppers.current == rotated.peppers.current
    assert dropped.peppers.previous is None
    assert len(open_custody(settings, NOW).handles("g", INNER)) == 1


def test_ages_of_peppers_are_shown(settings: AuthoritySettings) -> None:
    ceremony.initialise(settings, NOW)
    keys = ceremony.rotate_pepper(settings, NOW + 3 * DAY)
    assert ceremony.describe(keys, NOW + 5 * DAY)["peppers"] == [
        {"use": "current", "ageDays": 2},
        {"use": "previous", "ageDays": 5},
    ]


# The sealing key


SESSION, KEY_ID = SessionId(fixed_bytes("session", 16)), KeyId(fixed_bytes("key id"))


def opens(key: SealingPrivateKey | Custody, public: str) -> bool:
    """Whether a key opens a dealing that is sealed to a public key as it is shown."""
    to = SealingPublicKey(bytes.fromhex(public))
    sealed = to.seal(Sealed.DEALING, b"dealt", SESSION, KEY_ID)
    try:
        return key.open(Sealed.DEALING, sealed, SESSION, KEY_ID) == b"dealt"
    except Refused:
        return False


def test_the_key_that_is_shown_is_the_one_that_opens(settings: AuthoritySettings) -> None:
    shown = ceremony.describe(ceremony.initialise(settings, NOW), NOW)["sealingKey"]
    (first,) = open_custody(settings, NOW).sealing
    assert opens(first, shown)
    (again,) = open_custody(settings, NOW).sealing
    assert again.raw == first.raw, "at each start the same key"


def test_a_former_sealing_key_opens_for_its_overlap(settings: AuthoritySettings) -> None:
    before = ceremony.describe(ceremony.initialise(settings, NOW), NOW)["sealingKey"]
    rotated = ceremony.rotate_sealing_key(settings, NOW + DAY)
    after = ceremony.describe(rotated, NOW + 3 * DAY)
    assert after["sealingKeys"] == [
        {"use": "current", "ageDays": 2},
        {"use": "previous", "ageDays": 3},
    ]
    current, former = open_custody(settings, NOW + DAY).sealing
    assert opens(current, after["sealingKey"])
    assert opens(former, before)
    assert not opens(current, before)
    assert not opens(former, after["sealingKey"])
    last_moment = NOW + 6 * DAY - 1
    assert len(open_custody(settings, last_moment).sealing) == 2
    (only,) = open_custody(settings, last_moment + 1).sealing
    assert only.raw == current.raw


def test_dealings_open_under_either_key_during_the_overlap_and_no_longer(
    settings: AuthoritySettings,
) -> None:
    """Issuers pin the former key until they get the new trust file."""
    before = ceremony.describe(ceremony.initialise(settings, NOW), NOW)["sealingKey"]
    rotated = ceremony.rotate_sealing_key(settings, NOW)
    after = ceremony.describe(rotated, NOW)["sealingKey"]
    within, beyond = open_custody(settings, NOW + DAY), open_custody(settings, NOW + 9 * DAY)
    assert [opens(within, key) for key in (before, after)] == [True, True]
    assert [opens(beyond, key) for key in (before, after)] == [False, True]
    sealed = SealingPublicKey(bytes.fromhex(after)).seal(Sealed.PROBE, b"dealt", SESSION, KEY_ID)
    with pytest.raises(Refused) as caught:
        within.open(Sealed.DEALING, sealed, SESSION, KEY_ID)
    assert caught.value.detail == "the sealed dealing does not open"


def test_a_former_sealing_key_goes_at_the_next_rotation_or_change(
    settings: AuthoritySettings,
) -> None:
    first = ceremony.initialise(settings, NOW).sealing.current
    second = ceremony.rotate_sealing_key(settings, NOW).sealing.current
    third = ceremony.rotate_sealing_key(settings, NOW + 1)
    assert third.sealing.previous == second
    assert first.held not in third.encode()
    assert len({first.held, second.held, third.sealing.current.held}) == 3
    within = ceremony.rotate_pepper(settings, NOW + 5 * DAY)
    assert within.sealing == third.sealing
    after = ceremony.rotate_pepper(settings, NOW + 1 + 5 * DAY)
    assert after.sealing.previous is None
    assert after.peppers.previous is not None, "its overlap is another"
    assert ceremony.read_keys(settings) == after


def test_the_overlap_of_a_sealing_key_can_be_ended(settings: AuthoritySettings) -> None:
    before = ceremony.initialise(settings, NOW)
    rotated = ceremony.rotate_sealing_key(settings, NOW)
    assert (rotated.signing, rotated.peppers) == (before.signing, before.peppers)
    dropped = ceremony.drop_previous_sealing_key(settings, NOW)
    assert dropped.sealing.all() == (rotated.sealing.current,)
    (only,) = open_custody(settings, NOW).sealing
    assert only.public.raw == rotated.sealing.current.public


def test_the_sealing_key_is_the_documented_expansion(settings: AuthoritySettings) -> None:
    """A backup's secret must give the same key in every release."""
    held = ceremony.initialise(settings, NOW).sealing.current.held
    label, expanded, block = b"sealmatch/authority-sealing-key/1", b"", b""
    key = hmac.digest(held, label, "sha256")
    for number in (1, 2, 3):  # HKDF-Expand, RFC 5869
        block = hmac.digest(key, block + label + bytes([number]), "sha256")
        expanded += block
    (sealing,) = open_custody(settings, NOW).sealing
    assert sealing.raw == expanded
