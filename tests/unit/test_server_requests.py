"""Whose request it is, and for whom: clocks, storage faults and hostile headers at a server."""

from collections.abc import Callable

import pytest

from gateway.host.clock import unix_time
from gateway.host.signed import listening_hosts
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import Refused, Unavailable
from gateway.wire.requests import WINDOW, NonceMemory, sign_request, verify_request

DEVICE = SigningKey.generate("device")
HOST, PATH = "gateway.example", "/face-verification/v0.1/sessions"
HOSTS = frozenset({HOST})


def find_device(key_id: bytes) -> VerifyKey | None:
    return DEVICE.public if key_id == DEVICE.public.key_id else None


def signed(created: int) -> dict[str, str]:
    headers = sign_request("POST", HOST, PATH, b"body", DEVICE, created)
    return {"host": HOST} | {name.lower(): value for name, value in headers.items()}


def receive(
    created: int,
    now: int,
    find: Callable[[bytes], VerifyKey | None] = find_device,
    **changed: str,
) -> VerifyKey:
    lower = signed(created)
    for name, value in changed.items():
        lower[name.replace("_", "-")] = value
    return verify_request("POST", PATH, lower, b"body", HOSTS, find, NonceMemory(), now)


@pytest.mark.parametrize("ahead", [-WINDOW, -30, -6, 0, 4, 6, 30, WINDOW])
def test_clocks_may_differ_by_the_window(ahead: int) -> None:
    """The sender's clock is ahead of, or behind, the receiver's."""
    now = unix_time()
    assert receive(now + ahead, now).party == "device"


@pytest.mark.parametrize("ahead", [-WINDOW - 1, WINDOW + 1])
def test_clocks_may_not_differ_by_more(ahead: int) -> None:
    now = unix_time()
    with pytest.raises(Refused):
        receive(now + ahead, now)


def test_the_receivers_clock_is_the_one_that_was_passed_in() -> None:
    """Audits and tests replay other days; nothing may look at the machine's own clock."""
    assert receive(2_000_000_000, 2_000_000_000).party == "device"
    assert receive(1_000_000_000, 1_000_000_000).party == "device"


def test_a_storage_that_fails_while_the_key_is_looked_up_is_no_refusal() -> None:
    """503, which is worth repeating; a 403 would tell an enrolled device that it is a stranger."""

    def broken(_: bytes) -> VerifyKey | None:
        raise Unavailable("the storage does not answer; try again later")

    with pytest.raises(Unavailable):
        receive(unix_time(), unix_time(), broken)


@pytest.mark.parametrize(
    "changed",
    [
        {"signature": ""},
        {"signature": "sealmatch=:AAAA:"},
        {"signature": "sealmatch=1"},
        {"signature": "\xff\xfe" * 40},
        {"signature_input": ""},
        {"signature_input": "sealmatch=()"},
        {"signature_input": 'sealmatch=("@method");created=1;keyid="00";tag="sealmatch"'},
        {"signature_input": 'sealmatch=("@method");created=1;keyid="zz";tag="sealmatch"'},
        {"signature_input": 'sealmatch=("@status");created=1;keyid="00";tag="sealmatch"'},
        {"signature_input": "sealmatch=" + "(" * 5000},
        {"signature_input": 'sealmatch=("@method");created=' + "9" * 400},
        {"signature_input": 'sealmatch=("@method");created=99999999999;tag="sealmatch"'},
        {"content_digest": ""},
        {"content_digest": "sha-256=:AAAA:"},
        {"content_digest": "sha-256=1, sha-512=2"},
        {"content_digest": "(" * 5000},
    ],
    ids=str,
)
def test_hostile_headers_are_refused_and_nothing_else(changed: dict[str, str]) -> None:
    with pytest.raises(Refused):
        receive(unix_time(), unix_time(), **{k: v[:8000] for k, v in changed.items()})


def test_a_nonce_counts_once() -> None:
    nonces, now = NonceMemory(), unix_time()
    headers = signed(now)
    verify_request("POST", PATH, headers, b"body", HOSTS, find_device, nonces, now)
    for later in (now, now + WINDOW):
        with pytest.raises(Refused):
            verify_request("POST", PATH, headers, b"body", HOSTS, find_device, nonces, later)


def test_a_full_memory_of_nonces_turns_away_and_recovers() -> None:
    nonces = NonceMemory(3)
    for number in range(3):
        nonces.use(str(number), 1000)
    with pytest.raises(Unavailable):
        nonces.use("another", 1000)
    with pytest.raises(Refused):
        nonces.use("1", 1000 + 2 * WINDOW)
    nonces.use("another", 1000 + 2 * WINDOW + 2)


@pytest.mark.parametrize(
    ("scheme", "server", "hosts"),
    [
        ("http", ("127.0.0.1", 8470), {"127.0.0.1:8470", "localhost:8470"}),
        ("http", ("::1", 8470), {"[::1]:8470", "localhost:8470"}),
        ("http", ("127.0.0.1", 80), {"127.0.0.1", "localhost"}),
        ("https", ("192.0.2.7", 443), {"192.0.2.7"}),
        ("https", ("192.0.2.7", 8470), {"192.0.2.7:8470"}),
        ("https", ("2001:db8::1", 8470), {"[2001:db8::1]:8470"}),
        ("http", ("/run/sealmatch.socket", None), set()),
        ("http", None, set()),
    ],
)
def test_a_server_that_is_not_told_is_reached_at_the_address_it_listens_on(
    scheme: str, server: tuple[str, int | None] | None, hosts: set[str]
) -> None:
    assert listening_hosts({"scheme": scheme, "server": server}) == hosts


@pytest.mark.parametrize("what", ["method", "path", "body"])
def test_a_signature_is_for_one_request(what: str) -> None:
    now = unix_time()
    headers = signed(now)
    request = {"method": "POST", "path": PATH, "body": b"body"}
    request[what] = {"method": "PUT", "path": PATH + "/", "body": b"bodx"}[what]
    with pytest.raises(Refused):
        verify_request(
            str(request["method"]),
            str(request["path"]),
            headers,
            bytes(request["body"]),  # type: ignore[arg-type]
            HOSTS,
            find_device,
            NonceMemory(),
            now,
        )
