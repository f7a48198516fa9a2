"""The authority's own trust list: replaced whole, noticed at once, and closed when broken."""

import json
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.host import keyfile
from gateway.wire.errors import CallerMisuse, Refused
from keys.trust_file import TrustListDamaged
from tests.support import parties
from tests.support.parties import AUTHORITY, DEVICE, GATEWAY, ISSUER, OTHER_GATEWAY, refused
from tests.support.processes import PATIENCE
from tests.support.trusted import SignedTrust


def trusting(path: Path) -> SignedTrust:
    return SignedTrust(path, AUTHORITY)


def listing(kind: str, party: str, key: str) -> bytes:
    one = {"kind": kind, "party": party, "public_key": key}
    return json.dumps({"version": 2, "parties": [one], "history": []}).encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trust.json"


def test_nobody_is_trusted_without_a_list(path: Path) -> None:
    found = trusting(path)
    assert found.parties() == []
    assert found.gateway_by_key_id(GATEWAY.public.key_id) is None
    with refused("gateway gateway.example is not enrolled"):
        found.key("gateway", GATEWAY.party)


def test_enrolled_in_one_role_is_trusted_in_that_role(path: Path) -> None:
    found = trusting(path)
    found.add("gateway", GATEWAY)
    found.add("device", DEVICE)
    assert found.key("gateway", GATEWAY.party) == GATEWAY.public
    assert found.key("device", DEVICE.party) == DEVICE.public
    assert found.gateway_by_key_id(GATEWAY.public.key_id) == GATEWAY.public
    assert found.gateway_by_key_id(DEVICE.public.key_id) is None  # a device is no gateway
    for kind, party in (("issuer", GATEWAY.party), ("gateway", DEVICE.party)):
        with refused("is not enrolled"):
            found.key(kind, party)  # type: ignore[arg-type]


def test_one_name_may_serve_in_two_roles_with_two_keys(path: Path) -> None:
    found = trusting(path)
    found.add("device", parties.fixed_key("shop"))
    found.add("issuer", parties.fixed_key("shop", "shop/issuer"))
    assert found.key("device", "shop") != found.key("issuer", "shop")


def test_another_key_for_the_same_name_is_refused(path: Path) -> None:
    found = trusting(path)
    found.add("gateway", GATEWAY)
    found.add("gateway", GATEWAY)  # the same again changes nothing
    with pytest.raises(CallerMisuse, match="another key"):
        found.add("gateway", parties.stranger(GATEWAY.party))
    assert found.key("gateway", GATEWAY.party) == GATEWAY.public
    assert len(found.parties()) == 1


def test_a_running_service_notices_at_the_next_look(path: Path) -> None:
    running, operator = trusting(path), trusting(path)
    operator.add("gateway", GATEWAY)
    operator.add("issuer", ISSUER)
    assert running.key("gateway", GATEWAY.party) == GATEWAY.public
    for _ in range(20):  # however quickly one change follows another
        operator.remove("gateway", GATEWAY.party)
        assert running.gateway_by_key_id(GATEWAY.public.key_id) is None
        with refused("not enrolled"):
            running.key("gateway", GATEWAY.party)
        assert running.key("issuer", ISSUER.party) == ISSUER.public
        operator.add("gateway", GATEWAY)
        assert running.key("gateway", GATEWAY.party) == GATEWAY.public


def test_a_deleted_list_trusts_nobody(path: Path) -> None:
    found = trusting(path)
    found.add("gateway", GATEWAY)
    path.unlink()
    with pytest.raises(TrustListDamaged, match=r"trust\.json is gone"):
        found.key("gateway", GATEWAY.party)
    with refused("not enrolled"):
        trusting(path).key("gateway", GATEWAY.party)


def test_who_is_not_there_cannot_be_suspended(path: Path) -> None:
    found = trusting(path)
    with pytest.raises(CallerMisuse, match="not enrolled"):
        found.remove("gateway", GATEWAY.party)
    found.add("gateway", GATEWAY)
    with pytest.raises(CallerMisuse):
        found.remove("device", GATEWAY.party)
    assert found.key("gateway", GATEWAY.party)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"version": 1, "parties": []}',
        b'{"version": 2, "history": [], "parties": [], "more": 1}',
        listing("witness", "a", "00" * 32),
        listing("device", "A", "00" * 32),
        listing("device", "a", "00"),
    ],
    ids=["empty", "cut", "array", "bytes", "version", "unknown-key", "kind", "name", "key"],
)
def test_a_broken_list_trusts_nobody_not_even_from_memory(path: Path, content: bytes) -> None:
    found = trusting(path)
    found.add("gateway", GATEWAY)
    assert found.key("gateway", GATEWAY.party)
    path.write_bytes(content)
    for _ in range(2):  # not only at the first look
        with pytest.raises(TrustListDamaged, match=r"trust\.json: not a valid trust list"):
            found.key("gateway", GATEWAY.party)
        with pytest.raises(TrustListDamaged):
            found.gateway_by_key_id(GATEWAY.public.key_id)
    with pytest.raises(TrustListDamaged):
        found.add("gateway", OTHER_GATEWAY)  # would throw away what it could not read
    assert path.read_bytes() == content


def test_two_keys_overlap_while_a_party_rotates(path: Path) -> None:
    new = parties.fixed_key(GATEWAY.party, "gateway/new")
    found = trusting(path).add("gateway", GATEWAY)
    found.add("gateway", new, overlap=True)
    both = found.key("gateway", GATEWAY.party).candidates
    assert [key.raw for key in both] == [GATEWAY.public.raw, new.public.raw]
    for key in (GATEWAY, new):
        assert found.gateway_by_key_id(key.public.key_id) == key.public
    with pytest.raises(CallerMisuse, match="two keys"):
        found.add("gateway", parties.stranger(GATEWAY.party), overlap=True)
    found.remove("gateway", GATEWAY.party, GATEWAY.public.raw.hex())
    assert found.key("gateway", GATEWAY.party) == new.public
    assert found.gateway_by_key_id(GATEWAY.public.key_id) is None
    with pytest.raises(CallerMisuse, match="with this key"):
        found.remove("gateway", GATEWAY.party, GATEWAY.public.raw.hex())
    found.remove("gateway", GATEWAY.party)
    assert trusting(path).parties() == []


def test_a_key_has_one_name(path: Path) -> None:
    """A device under two names would have the caps of both."""
    found = trusting(path)
    same = replace(DEVICE, party="device-of-another-name")
    with pytest.raises(CallerMisuse, match="another name"):
        found.add("device", DEVICE, same)  # both at once
    assert found.parties() == [], "all or none"
    found.add("device", DEVICE)
    with pytest.raises(CallerMisuse, match="another name"):
        found.add("device", same)  # later
    other = parties.fixed_key("device-18")
    found.add("device", other)
    borrowed = replace(DEVICE, party=other.party)
    with pytest.raises(CallerMisuse, match="another name"):
        found.add("device", borrowed, overlap=True)
    assert found.key("device", other.party) == other.public
    found.add("issuer", same)  # the control: in another role a key is another party's


def test_replaced_in_one_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash before the last step leaves the old list and no litter."""
    found = trusting(path)
    found.add("gateway", GATEWAY)
    before = path.read_bytes()

    def crash(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(keyfile.os, "fsync", crash)  # type: ignore[attr-defined]
        with pytest.raises(OSError, match="No space"):
            found.add("gateway", OTHER_GATEWAY)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["trust.json"]
    assert found.gateway_by_key_id(OTHER_GATEWAY.public.key_id) is None
    found.add("gateway", OTHER_GATEWAY)
    assert path.stat().st_ino  # a new file took the name of the old one
    assert {p.party for p in trusting(path).parties()} == {GATEWAY.party, OTHER_GATEWAY.party}


@pytest.mark.slow
def test_readers_never_see_half_a_list(path: Path) -> None:
    operator, running = trusting(path), trusting(path)
    operator.add("issuer", ISSUER)
    stop = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                assert running.key("issuer", ISSUER.party) == ISSUER.public
        except BaseException as error:  # noqa: BLE001  handed to the test's own thread
            failures.append(error)

    readers = [threading.Thread(target=read, daemon=True) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(25):
        operator.add("gateway", GATEWAY)
        operator.remove("gateway", GATEWAY.party)
    stop.set()
    for reader in readers:
        reader.join(PATIENCE)
    assert failures == []


def test_the_list_is_the_owner_s_to_write(path: Path) -> None:
    before = os.umask(0)
    try:
        trusting(path).add("gateway", GATEWAY)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) & 0o022 == 0


def test_names_are_no_key_material(path: Path) -> None:
    found = trusting(path)
    found.add("gateway", GATEWAY)
    with pytest.raises(Refused) as caught:
        found.key("gateway", "x" * 63)
    assert str(caught.value) == "the request is refused"
