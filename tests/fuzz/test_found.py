"""What fuzzing found, each by its smallest input. A fault that is mended stays mended."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import zstandard

from gateway.client.answers import NotTheGateway
from gateway.client.gateway_client import GatewayClient
from gateway.documents.chip.certificates import Certificate
from gateway.host.keyring import HeldKey, SigningRing
from gateway.host.settings import BadConfiguration
from gateway.proofs.verify import ReceiptInvalid, verify_receipt
from gateway.server import authority_client
from gateway.server.authority_client import AuthorityClient
from gateway.vision.errors import ModelPackCorrupt, ModelPackFetchFailed
from gateway.vision.fetch import _members
from gateway.vision.manifest import parse_manifest
from gateway.wire import cbor
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError
from gateway.wire.number import UnusableNumber
from gateway.wire.requests import NonceMemory, sign_request, verify_request
from gateway.wire.subject import activation_commitment
from keys.config import AuthoritySettings
from tests.fuzz import targets_files
from tests.fuzz.mutations import frame
from tests.fuzz.registry import all_targets
from tests.fuzz.runner import run
from tests.fuzz.targets_answers import Peer
from tests.fuzz.targets_wire import HOST, find_gateway, trust
from tests.support import parties
from tests.support.chips import authority, key, name
from tests.support.fuzzing import CANARY, examine, time_limit
from tests.support.parties import DEVICE, GATEWAY, NOW
from tests.vectors import golden

BIGNUM_KEY = "a1c24901000000000000000001"
"""A map whose key is 2^64, which CBOR can only write with a tag."""


def test_a_bignum_is_no_map_key() -> None:
    with pytest.raises(MalformedMessage):
        cbor.decode(bytes.fromhex(BIGNUM_KEY))


def test_a_message_within_a_message_states_its_version() -> None:
    """Left out, it was taken for 1: the same policy with another digest."""
    policy = cbor.decode(golden.POLICY.encode())
    del policy["lanes"][0]["version"]
    with pytest.raises(MalformedMessage):
        type(golden.POLICY).decode(cbor.encode(policy))


def test_a_field_with_a_default_is_stated() -> None:
    ring = cbor.decode(SigningRing(current=HeldKey.draw(NOW)).encode())
    del ring["next"]
    with pytest.raises(MalformedMessage):
        SigningRing.decode(cbor.encode(ring))


@pytest.mark.parametrize("path", [";/v1/session-keys", "/v1/session-keys?x", "/v1/session-keys#x"])
def test_a_signature_over_one_path_counts_for_no_other(path: str) -> None:
    """Behind the host's name such a path is read as the path that was signed."""
    headers = sign_request("POST", HOST, "/v1/session-keys", b"body", GATEWAY, NOW)
    lower = {"host": HOST} | {name.lower(): value for name, value in headers.items()}
    hosts = frozenset({HOST})
    with pytest.raises(Refused):
        verify_request("POST", path, lower, b"body", hosts, find_gateway, NonceMemory(), NOW)


# --- answers of a hostile gateway or authority -----------------------------------------------


@pytest.fixture
def peer() -> Peer:
    return Peer()


def gateway_client(peer: Peer) -> GatewayClient:
    return GatewayClient(peer.client, "http://gateway.example", DEVICE, lambda: NOW)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize(
    ("status", "raised"), [(b"200", MalformedMessage), (b"500", NotTheGateway)]
)
def test_an_answer_nested_without_end_is_malformed(
    peer: Peer, opening: bytes, status: bytes, raised: type[Exception]
) -> None:
    peer.will_answer(status, b"", opening * 5000)
    with pytest.raises(raised):
        gateway_client(peer).status(golden.SESSION)


def test_a_redirection_to_no_address_is_an_error_of_the_gateway(peer: Peer) -> None:
    peer.will_answer(b"302", b"location: a:b", b"{}")
    with pytest.raises(SealmatchError):
        gateway_client(peer).status(golden.SESSION)


def test_a_redirection_to_no_address_is_an_error_of_the_authority(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authority_client, "PAUSE_SECONDS", 0)
    peer.will_answer(b"302", b"location: a:b", b"{}")
    client = AuthorityClient(peer.client, "http://authority.example", GATEWAY, lambda: NOW)
    with pytest.raises(SealmatchError):
        client.session_key(parties.session_key_request())


def _zstd_bomb() -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()


def _gzip_bomb() -> bytes:
    return gzip.compress(bytes(256 << 20), 1)


@pytest.mark.parametrize(
    ("name", "which"), [("gateway-answer", b"submit"), ("authority-answer", b"decision")]
)
@pytest.mark.parametrize(("coding", "bomb"), [(b"zstd", _zstd_bomb), (b"gzip", _gzip_bomb)])
def test_a_short_answer_does_not_unpack_into_memory(
    name: str, which: bytes, coding: bytes, bomb: Callable[[], bytes]
) -> None:
    """256 MB of zeros: 12 KB in zstd. The bound of an answer holds before it is unpacked."""
    answer = frame(which, b"200", b"content-encoding: " + coding, bomb()[: 1 << 20])

    def always(_rng: Random, _seeds: object) -> bytes:
        return answer

    target = replace(all_targets()[name], mutate=always, megabytes=16)
    assert run(target, 1, 1).findings == {}


def test_the_gateway_cannot_mark_the_counter_with_cookies(peer: Peer) -> None:
    """They would be kept without bound, and sent back in the next subscriber's session."""
    client = gateway_client(peer)
    for number in range(3):
        peer.will_answer(b"200", b"set-cookie: mark-%d=1; max-age=999999" % number, b"{}")
        client.status(golden.SESSION)
    assert len(peer.client.cookies.jar) == 0


def test_one_cookie_does_not_end_all_later_requests(peer: Peer) -> None:
    """A cookie that is not ASCII cannot be sent back: httpx then fails before every request."""
    client = gateway_client(peer)
    peer.will_answer(b"200", b"set-cookie: mark=\xe9", b"{}")
    client.status(golden.SESSION)
    assert client.status(golden.SESSION) == {}


def test_the_authority_cannot_fill_the_gateways_memory_with_cookies(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authority_client, "PAUSE_SECONDS", 0)
    client = AuthorityClient(peer.client, "http://authority.example", GATEWAY, lambda: NOW)
    for number in range(3):
        peer.will_answer(b"403", b"set-cookie: mark-%d=1; max-age=999999" % number, b"{}")
        with pytest.raises(SealmatchError):
            client.session_key(parties.session_key_request())
    assert len(peer.client.cookies.jar) == 0


# --- a worker that an input has taken over ---------------------------------------------------


@pytest.mark.parametrize(
    "found",
    [
        "00000006616e737765720000000782626f6b8200f6",
        "000000067265706561740000000582626f6b01",
        "00000005626567696e0000000582626f6b40",
        "000000047365616c0000000682626f6b183c",
        "000000046f70656e0000001082626f6b81821a07fa00bc614e",
        "000000046f70656e0000000100",
    ],
    ids=["values", "digest", "commitment", "sealed", "shares", "no-list"],
)
def test_what_no_worker_answers_ends_the_call(tmp_path: Path, found: str) -> None:
    """It was taken as it came: values of another type went on to messages and records."""
    target = all_targets()["worker-answer"]
    verdict = examine(target, target.prepare(tmp_path), bytes.fromhex(found))
    assert (verdict.outcome, verdict.finding) == ("Unavailable", None)


# --- openings and references -----------------------------------------------------------------


@pytest.mark.parametrize("reference", [" ", "é" * 128, "\t\n"])
def test_an_opening_with_an_unusable_reference_fails_step_8(reference: str) -> None:
    receipt = golden.MESSAGES["receipt"][0].encode()
    opening = golden.MESSAGES["opening"][0].model_copy(update={"activation_reference": reference})
    with pytest.raises(ReceiptInvalid) as caught:
        verify_receipt(receipt, trust(), opening, parties.SUBJECT)  # type: ignore[arg-type]
    assert caught.value.step == 11


def test_a_reference_that_is_not_unicode_is_unusable() -> None:
    """Bytes on the command line that are not UTF-8 arrive as lone surrogates."""
    with pytest.raises(UnusableNumber):
        activation_commitment("\udc88", bytes(32))


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"x = " + b"[" * 1000, b"port = " + b"1" * 4301, b"x" + b".x" * 33_000 + b" = 1"],
    ids=["nested", "long-number", "dotted-key"],
)
def test_settings_that_are_hard_to_read_are_bad_settings(tmp_path: Path, content: bytes) -> None:
    """A dotted key of 33,000 parts takes tomllib 30 s: the time is quadratic in the parts."""
    file = tmp_path / "settings.toml"
    file.write_bytes(content)
    with pytest.raises(BadConfiguration), time_limit(20):
        AuthoritySettings.read(file, {})


def test_a_long_dotted_key_in_settings_takes_no_memory(tmp_path: Path) -> None:
    """tomllib's memory is quadratic in the parts, too: 250 MB for a file of permitted length."""
    file = tmp_path / "settings.toml"
    file.write_bytes(b"x" + b".x" * 8_000 + b" = 1")
    tracemalloc.start()
    try:
        with pytest.raises(BadConfiguration):
            AuthoritySettings.read(file, {})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20


def test_a_manifests_unknown_key_is_not_repeated() -> None:
    with pytest.raises(ModelPackCorrupt) as caught:
        parse_manifest(json.dumps({CANARY: 1, "files": {CANARY: 1}}).encode())
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("entry", ["size", "GNU.sparse.map", "GNU.sparse.major"])
@pytest.mark.parametrize("value", ["nan", "-1", "0,1,2", "9" * 30])
def test_a_tarball_with_odd_headers_is_refused(entry: str, value: str) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for name in targets_files._MODELS:
            member = tarfile.TarInfo(targets_files._PREFIX + name)
            member.pax_headers = {entry: value}
            tar.addfile(member, io.BytesIO())
    with pytest.raises((ModelPackFetchFailed, ModelPackCorrupt)):
        _members(out.getvalue(), *targets_files._manifest())


def test_a_tarball_whose_member_lies_behind_itself_is_refused() -> None:
    """A size of -512 sends the reader back to the same header for ever (CVE-2025-8194)."""
    archive = bytearray(targets_files._tar()[:1536])
    archive[1024:1536] = archive[:512]
    archive[1024:1124] = b"other".ljust(100, b"\0")
    archive[1024 + 124 : 1024 + 136] = b"\xff" * 10 + b"\xfe\x00"
    archive[1024 + 148 : 1024 + 156] = b" " * 8
    checksum = f"{sum(archive[1024:1536]):06o}\0 ".encode()
    archive[1024 + 148 : 1024 + 156] = checksum
    target, packed = all_targets()["npm-tarball"], gzip.compress(bytes(archive))
    verdict = examine(replace(target, seconds=2.0), targets_files._parse_tarball, packed)
    assert verdict.finding is None


def test_a_tarball_damaged_inside_is_refused() -> None:
    (archive,) = targets_files._tarballs()
    faults = set()
    for at in range(10, len(archive)):
        try:
            _members(archive[:at] + b"\xff\xff" + archive[at + 2 :], *targets_files._manifest())
        except (ModelPackFetchFailed, ModelPackCorrupt) as error:
            faults.add(type(error))
    assert faults


def test_a_certificate_whose_name_holds_no_text_is_no_certificate() -> None:
    """An extension in the place of a name's part: the name was read, and could not be compared."""
    encoded = authority(key(), name(common="text")).der
    text = bytes.fromhex("300b06035504030c04") + b"text"
    before, after = encoded.rsplit(text, 1)  # the subject stands behind the issuer
    assert Certificate.parse(encoded).country == "UT"
    with pytest.raises(ValueError, match="no certificate"):
        Certificate.parse(before + bytes.fromhex("300b0603551d0f0101ff040100") + after)
