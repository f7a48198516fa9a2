"""The trust file: what a verifier pins, read strictly, with errors that name the field."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.proofs.trust import TrustFile, UnusableTrustFile
from tests.support import parties
from tests.support.parties import AUTHORITY, GATEWAY, OTHER_GATEWAY
from tests.support.receipts import APPROVAL

KEY = GATEWAY.public.raw.hex()
SEALING = parties.sealing_key().public.raw.hex()
AUTHORITY_SEALING = parties.authority_sealing_key().public.raw.hex()


def content() -> dict[str, Any]:
    return {
        "version": 1,
        "gateways": [
            {
                "party": GATEWAY.party,
                "url": "https://g.example",
                "publicKey": KEY,
                "sealingKey": SEALING,
            }
        ],
        "authorities": [
            {
                "party": AUTHORITY.party,
                "url": "https://a.example",
                "publicKey": AUTHORITY.public.raw.hex(),
                "sealingKey": AUTHORITY_SEALING,
            }
        ],
        "policies": ["ab" * 32],
        "auditors": [{"party": "auditor-1", "publicKey": "cd" * 32}],
        "supervisors": [{"party": "supervisor-1", "publicKey": "ef" * 32}],
        "operators": [{"party": "operator-1", "publicKey": "ab" * 32}],
        "policyApprovals": [base64.b64encode(APPROVAL).decode()],
        "counter": {
            "device": "device-17",
            "deviceKeyFile": "device.key",
            "issuer": "reader-17",
            "issuerKeyFile": "issuer.key",
            "siteSaltFile": "site.salt",
            "assertionsFile": "counts",
            "assertionsPerDocument": 5,
            "mismatchesFile": "mismatches",
            "mismatchesToLock": 4,
            "lockSeconds": 600,
            "documents": {"passport": "mrz", "hk-id": "any", "driving-licence": "mobile"},
            "chipsNotListed": "refuse",
            "pictures": "photographed",
            "expiredGraceDays": 30,
            "agent": "agent-4",
            "outlet": "outlet-2",
        },
    }


def read(tmp_path: Path, value: object) -> TrustFile:
    path = tmp_path / "trust.json"
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return TrustFile.read(path)


def without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}


def test_reads_and_writes_the_same(tmp_path: Path) -> None:
    trust = read(tmp_path, content())
    trust.write(tmp_path / "again.json")
    assert TrustFile.read(tmp_path / "again.json") == trust
    written = json.loads((tmp_path / "again.json").read_text(), object_hook=without_nulls)
    assert written == content()


def test_pins_are_keys(tmp_path: Path) -> None:
    trust = read(tmp_path, content())
    assert trust.gateway(GATEWAY.party).verify_key == GATEWAY.public
    assert trust.gateway(GATEWAY.party).sealing == parties.sealing_key().public
    assert trust.authority(AUTHORITY.party).verify_key == AUTHORITY.public
    assert trust.authority_sealing(AUTHORITY.party) == parties.authority_sealing_key().public


def test_roles_are_kept_apart(tmp_path: Path) -> None:
    trust = read(tmp_path, content())
    for missing in (AUTHORITY.party, OTHER_GATEWAY.party, "hunter2"):
        with pytest.raises(UnusableTrustFile, match="no pinned gateway") as caught:
            trust.gateway(missing)
        assert "hunter2" not in str(caught.value)
    with pytest.raises(UnusableTrustFile, match="no pinned authority"):
        trust.authority(GATEWAY.party)
    with pytest.raises(UnusableTrustFile, match="no pinned authority"):
        trust.authority_sealing(GATEWAY.party)


def test_a_verifier_needs_no_counter(tmp_path: Path) -> None:
    value = content()
    del value["counter"]
    assert read(tmp_path, value).counter is None


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("version",), 2, "version"),
        (("gateways",), [], "gateways"),
        (("authorities",), [], "authorities"),
        (("policies",), ["AB" * 32], "policies.0"),
        (("policies",), ["ab" * 31], "policies.0"),
        (("policies",), None, "policies"),
        (("secretField",), "hunter2", "secretField"),
        (("gateways", 0, "publicKey"), KEY[:-1], "gateways.0.publicKey"),
        (("gateways", 0, "publicKey"), KEY.upper(), "gateways.0.publicKey"),
        (("gateways", 0, "sealingKey"), SEALING[:-2], "gateways.0.sealingKey"),
        (("gateways", 0, "party"), "Hunter2", "gateways.0.party"),
        (("gateways", 0, "note"), "hunter2", "gateways.0.note"),
        (("authorities", 0, "publicKey"), "zz" * 32, "authorities.0.publicKey"),
        (("authorities", 0, "sealingKey"), AUTHORITY_SEALING[:-2], "authorities.0.sealingKey"),
        (("authorities", 0, "sealingKey"), None, "authorities.0.sealingKey"),
        (("counter", "agent"), "", "counter.agent"),
    ],
)
def test_a_wrong_field_is_named_and_not_repeated(
    tmp_path: Path, path: tuple[Any, ...], value: object, named: str
) -> None:
    whole = content()
    part: Any = whole
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    with pytest.raises(UnusableTrustFile, match=named) as caught:
        read(tmp_path, whole)
    assert "hunter2" not in str(caught.value).lower()


@pytest.mark.parametrize("name", ["gateways", "authorities", "policies"])
def test_a_missing_field_is_named(tmp_path: Path, name: str) -> None:
    whole = content()
    del whole[name]
    with pytest.raises(UnusableTrustFile, match=name):
        read(tmp_path, whole)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"version": 1'])
def test_what_is_no_trust_file_is_said(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnusableTrustFile, match=r"trust\.json: it is no(t)? JSON"):
        read(tmp_path, data)


def test_each_fault_says_what_is_wrong(tmp_path: Path) -> None:
    whole = content()
    del whole["policies"]
    whole["note"] = 1
    whole["gateways"][0]["publicKey"] = KEY[:-1]
    with pytest.raises(UnusableTrustFile) as caught:
        read(tmp_path, whole)
    told = str(caught.value)
    assert told.startswith(f"{tmp_path}/trust.json: ")
    assert "policies is missing" in told
    assert "note is no field of a trust file" in told
    assert "gateways.0.publicKey: string should match pattern '^[0-9a-f]{64}$'" in told
    assert KEY[:-1] not in told


def test_an_editors_mark_at_the_beginning_is_no_fault(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbf" + json.dumps(content()).encode()).version == 1


def test_a_missing_or_unreadable_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnusableTrustFile, match="No such file"):
        TrustFile.read(tmp_path / "nothing.json")
    with pytest.raises(UnusableTrustFile, match="Is a directory"):
        TrustFile.read(tmp_path)


def test_a_huge_file_is_not_parsed(tmp_path: Path) -> None:
    padded = json.dumps(content()).encode() + b" " * 256 * 1024
    with pytest.raises(UnusableTrustFile, match="too large"):
        read(tmp_path, padded)


def test_snake_case_names_are_not_a_second_spelling_beside_the_first(tmp_path: Path) -> None:
    """A file that says a key twice, once in each spelling, must not choose silently."""
    whole = content()
    whole["gateways"][0]["public_key"] = OTHER_GATEWAY.public.raw.hex()
    with pytest.raises(UnusableTrustFile):
        read(tmp_path, whole)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (("a", "ab"), ("a", "cd"), "stands there twice"),
        (("a", "ab"), ("b", "ab"), "stands there twice"),
        (("a", "ab"), ("b", "cd"), "is no approval"),
    ],
)
def test_one_person_is_not_two_operators(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str], told: str
) -> None:
    whole = content()
    whole["operators"] = [{"party": name, "publicKey": key * 32} for name, key in (first, second)]
    if told == "is no approval":
        read(tmp_path, whole)  # the control: these two are two people
        whole["policyApprovals"] = [base64.b64encode(b"no approval").decode()]
    with pytest.raises(UnusableTrustFile, match=told):
        read(tmp_path, whole)
