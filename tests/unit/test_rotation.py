"""During a rotation a party has two pinned keys: either counts, and no third one does."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.he.session_key import verify_session_key
from gateway.host.settings import BadConfiguration
from gateway.proofs.trust import TrustFile, UnusableTrustFile
from gateway.proofs.verify import verify_receipt
from gateway.server.config import GatewaySettings
from gateway.wire import cose
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import CallerMisuse
from gateway.wire.session import SessionGrant
from tests.support.parties import AUTHORITY, GATEWAY, NOW, fixed_key, refused, stranger
from tests.support.receipts import fails, pin_authority, pin_gateway, receipt, trust
from tests.unit.test_session_key import EXPECTED, KEY, grant

OLD, NEW = AUTHORITY, fixed_key(AUTHORITY.party, "authority.example/next")
NEXT_GATEWAY = fixed_key(GATEWAY.party, "gateway.example/next")
THIRD = stranger(AUTHORITY.party)


def both(first: SigningKey = OLD, second: SigningKey = NEW) -> VerifyKey:
    return VerifyKey.pinned(first.party, [first.public.raw.hex(), second.public.raw.hex()])


# Signed objects


@pytest.mark.parametrize("signed_by", [OLD, NEW])
@pytest.mark.parametrize("pinned", [both(), both(NEW, OLD)])
def test_either_pinned_key_counts(signed_by: SigningKey, pinned: VerifyKey) -> None:
    encoded = grant(signed_by)
    assert cose.verify(encoded, SessionGrant, pinned).encoded == encoded


def test_no_other_key_counts() -> None:
    with refused("not signed by authority.example's key"):
        cose.verify(grant(THIRD), SessionGrant, both())
    with refused("not signed by authority.example's key"):
        cose.verify(grant(NEW), SessionGrant, OLD.public)
    with refused("not signed by authority.example's key"):
        cose.verify(grant(OLD), SessionGrant, NEW.public)


def test_the_key_that_the_header_names_must_have_signed() -> None:
    """One key's id over the other's signature: both are pinned, and still it is refused."""
    header = cose._split(grant(OLD))[0]
    _, payload, _ = cose._split(grant(NEW))
    signature = NEW.private.sign(cose._to_be_signed(header, payload))
    forged = cose.TAG_SIGN1 + cose.cbor.encode([header, {}, payload, signature])  # type: ignore[attr-defined]
    with refused("does not verify"):
        cose.verify(forged, SessionGrant, both())


def test_pinned_keys_are_one_or_two() -> None:
    one = OLD.public.raw.hex()
    assert VerifyKey.pinned(OLD.party, [one]) == OLD.public
    assert VerifyKey.pinned(OLD.party, [one, one]) == OLD.public
    assert [key.raw for key in both().candidates] == [OLD.public.raw, NEW.public.raw]
    for wrong in ([], [one, NEW.public.raw.hex(), THIRD.public.raw.hex()]):
        with pytest.raises(CallerMisuse):
            VerifyKey.pinned(OLD.party, wrong)


# Session grants, at client and issuer


def test_a_grant_by_the_new_key_needs_the_new_key_pinned() -> None:
    expected = replace(EXPECTED, authority_key=both())
    for signed_by in (OLD, NEW):
        verify_session_key(grant(signed_by), KEY.half.encoded, expected, NOW)
    with refused("not signed by"):
        verify_session_key(grant(NEW), KEY.half.encoded, EXPECTED, NOW)
    with refused("not signed by"):
        verify_session_key(grant(THIRD), KEY.half.encoded, expected, NOW)


def test_the_gateways_setting_takes_two_keys(tmp_path: Path) -> None:
    old, new = (key.public.raw.hex() for key in (OLD, NEW))
    rest = {"DATA_DIR": "/d", "MODEL_ID": "m", "MODEL_DIGEST": "ab" * 32}
    rest["AUTHORITY_PARTY"] = AUTHORITY.party

    def read(keys: str) -> VerifyKey:
        values = {**rest, "AUTHORITY_PUBLIC_KEY": keys}
        named = {f"SEALMATCH_GATEWAY_{name}": value for name, value in values.items()}
        return GatewaySettings.read(None, named).authority_key

    assert read(old) == OLD.public
    assert read(f"{old},{new}") == both()
    for wrong in ("", f"{old},", f"{old},{new},{old}", f"{old} {new}", f"{old},{new[:-1]}"):
        with pytest.raises(BadConfiguration, match="authority_public_key"):
            read(wrong)


# Receipts


def test_old_and_new_receipts_verify_while_both_keys_are_pinned() -> None:
    pinned = trust(
        authorities=[pin_authority(NEW), pin_authority(OLD)],
        gateways=[pin_gateway(), pin_gateway(NEXT_GATEWAY)],
    )
    for authority in (OLD, NEW):
        for gateway in (GATEWAY, NEXT_GATEWAY):
            verify_receipt(receipt(authority=authority, gateway=gateway), pinned)
    fails(3, receipt(authority=THIRD), pinned)
    fails(2, receipt(gateway=stranger(GATEWAY.party)), pinned)


def test_who_pins_one_key_accepts_one_key() -> None:
    verify_receipt(receipt(authority=OLD), trust())
    fails(3, receipt(authority=NEW), trust())
    fails(2, receipt(gateway=NEXT_GATEWAY), trust())
    after = trust(authorities=[pin_authority(NEW)])
    verify_receipt(receipt(authority=NEW), after)
    fails(3, receipt(authority=OLD), after)


def test_a_trust_file_lists_a_party_twice_and_not_three_times(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    twice = trust(authorities=[pin_authority(OLD), pin_authority(NEW)])
    twice.write(path)
    assert TrustFile.read(path).authority_key(OLD.party) == both()
    content = json.loads(path.read_text())
    content["authorities"].append(content["authorities"][0])
    path.write_text(json.dumps(content))
    with pytest.raises(UnusableTrustFile, match="a party is listed more than twice"):
        TrustFile.read(path)
