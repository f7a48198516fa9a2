"""Signed requests: every part counts, once, now, from a known sender."""

import base64
import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire import request_form, requests
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import CallerMisuse, Refused, Unavailable
from gateway.wire.requests import WINDOW, NonceMemory, host_of, sign_request, verify_request
from tests.support import parties
from tests.support.parties import GATEWAY, NOW, refused
from tests.support.processes import PATIENCE

METHOD, HOST, PATH, BODY = "POST", "authority.example:8471", "/v1/session-keys", b"\xa1\x00\x01"
KNOWN = {GATEWAY.public.key_id: GATEWAY.public}


def headers_of(
    method: str = METHOD,
    path: str = PATH,
    body: bytes = BODY,
    key: SigningKey = GATEWAY,
    now: int = NOW,
    host: str = HOST,
) -> dict[str, str]:
    """As they travel: the transport writes the host that was signed into ``Host``."""
    made = sign_request(method, host, path, body, key, now)
    return {"host": host} | {name.lower(): value for name, value in made.items()}


def verify(headers: dict[str, str], **changes: Any) -> VerifyKey:
    given: dict[str, Any] = {
        "method": METHOD,
        "path": PATH,
        "headers": headers,
        "body": BODY,
        "hosts": frozenset({HOST}),
        "find": KNOWN.get,
        "nonces": NonceMemory(),
        "now": NOW,
    }
    return verify_request(**(given | changes))


def test_honest_request_names_its_sender() -> None:
    assert verify(headers_of()) == GATEWAY.public


def test_empty_body_is_signed_too() -> None:
    headers = headers_of("GET", "/v1/x", b"")
    assert verify(headers, method="GET", path="/v1/x", body=b"") == GATEWAY.public
    with refused():
        verify(headers, method="GET", path="/v1/x", body=b"x")


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"method": "post"},
        {"path": "/v1/blinded-rows"},
        {"path": PATH + "/"},
        {"path": "/V1/session-keys"},
        {"path": "/v1/session%2Dkeys"},
        {"body": b""},
        {"body": BODY + b"\0"},
        {"body": b"\xa1\x00\x02"},
    ],
    ids=str,
)
def test_each_covered_part_counts(change: dict[str, Any]) -> None:
    with refused():
        verify(headers_of(), **change)


@pytest.mark.parametrize(
    "path",
    [PATH + "?a=b", PATH + "#a", "", "v1/session-keys", "@other.example/v1", ":80/v1", PATH + " ",
     PATH + "\n", PATH + "\u00e4"],
)  # fmt: skip
def test_a_path_that_is_signed_as_another_is_refused(path: str) -> None:
    """A server that serves ``/x?a`` must not take the signature over ``/x`` for it."""
    headers = headers_of()
    with refused("path that cannot be signed"):
        verify(headers, path=path)
    assert verify(headers) == GATEWAY.public


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://authority.example", "authority.example"),
        ("https://AUTHORITY.Example/v1/", "authority.example"),
        ("http://authority.example:80", "authority.example"),
        ("https://authority.example:443", "authority.example"),
        ("HTTPS://authority.example:", "authority.example"),
        ("https://authority.example:80", "authority.example:80"),
        ("http://authority.example:443", "authority.example:443"),
        ("https://authority.example:8471", "authority.example:8471"),
        ("http://somebody:secret@authority.example:8471", "authority.example:8471"),
        ("http://127.0.0.1:8471", "127.0.0.1:8471"),
        ("https://[2001:DB8::1]:443", "[2001:db8::1]"),
        ("http://[::1]:8471", "[::1]:8471"),
    ],
)
def test_hosts_are_normalised_as_rfc_9421_says(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    "url",
    ["", "authority.example", "//authority.example", "http://", "http://:80", "ftp://a", "http://[::1",
     "http://[::g]", "http://a:65536", "http://a:x", "http://a b", "http://bücher.example"],
)  # fmt: skip
def test_what_is_no_server_s_url_has_no_host(url: str) -> None:
    with pytest.raises(CallerMisuse):
        host_of(url)


@pytest.mark.parametrize(
    "other", ["gateway.example", "authority.example", "authority.example:84711"]
)
def test_a_request_for_another_host_is_refused(other: str) -> None:
    """As it was signed, and as a server passes it on that got it and knows whom it may fool."""
    with refused("another host than authority.example:8471"):
        verify(headers_of(host=other))
    with refused("is for another host"):
        verify(headers_of(host=other) | {"host": HOST})
    assert verify(headers_of(host=other), hosts=frozenset({HOST, other})) == GATEWAY.public


def test_what_a_host_header_says_does_not_reach_the_log() -> None:
    with pytest.raises(Refused) as caught:
        verify(headers_of(host="canary.example"))
    assert "canary" not in caught.value.detail


def test_a_host_header_alone_admits_nobody() -> None:
    """A name of ours in the header, and another one of ours under the signature."""
    both = frozenset({HOST, "localhost:8471"})
    assert verify(headers_of(host="localhost:8471"), hosts=both) == GATEWAY.public
    with refused("is for another host"):
        verify(headers_of() | {"host": "localhost:8471"}, hosts=both)
    with refused("another host"):
        verify(headers_of(), hosts=frozenset())


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("https://authority.example", "authority.example:443"),
        ("http://authority.example", "Authority.Example:80"),
        ("https://authority.example:8471", "AUTHORITY.example:8471"),
        ("https://authority.example:80", "authority.example:80"),
        ("https://[2001:db8::1]", "[2001:DB8::1]:443"),
        ("http://[::1]:8471", "[::1]:8471"),
        ("http://127.0.0.1", "127.0.0.1:80"),
    ],
)
def test_other_spellings_of_a_host_mean_the_same(url: str, header: str) -> None:
    """A server may be reached by software that writes Host in its own way."""
    headers = headers_of(host=host_of(url)) | {"host": header}
    assert verify(headers, hosts=frozenset({host_of(url)})) == GATEWAY.public


@pytest.mark.parametrize(
    "header",
    ["authority.example:80", "authority.example:8471:80", "authority.example:8471,x", " ", "[", "*",
     "x@authority.example:8471", "authority.example:08471", "authority.example.:8471"],
)  # fmt: skip
def test_other_words_for_a_host_are_refused(header: str) -> None:
    with refused("another host"):
        verify(headers_of() | {"host": header})


@pytest.mark.parametrize("name", ["host", "content-digest", "signature-input", "signature"])
def test_each_header_is_needed(name: str) -> None:
    headers = headers_of()
    del headers[name]
    with refused():
        verify(headers)
    with refused():
        verify(headers | {name: ""})


def test_unsigned_is_refused() -> None:
    with refused():
        verify({})


def test_the_digest_of_another_body_is_refused() -> None:
    """Body and digest header altered together: the signature covers the digest."""
    other = headers_of(body=b"other")
    with refused():
        verify(headers_of() | {"content-digest": other["content-digest"]}, body=b"other")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"created={NOW}", f"created={NOW + 1}"),
        (f";created={NOW}", ""),
        (";nonce=", ";nance="),
        (';alg="ed25519"', ""),
        (';alg="ed25519"', ';alg="hmac-sha256"'),
        ('tag="sealmatch"', 'tag="sealmatch2"'),
        (';tag="sealmatch"', ""),
        ('"@method" ', ""),
        ('"@path" ', ""),
        ('"@authority" ', ""),
        (' "content-digest"', ""),
        ('"@method" "@authority"', '"@authority" "@method"'),
        ("sealmatch=(", "other=("),
    ],
    ids=str,
)
def test_each_signature_parameter_counts(old: str, new: str) -> None:
    headers = headers_of()
    assert old in headers["signature-input"]
    altered = headers["signature-input"].replace(old, new)
    with refused():
        verify(headers | {"signature-input": altered})


def custom(
    components: tuple[str, ...] = requests.COMPONENTS,
    key: SigningKey = GATEWAY,
    nonce: str | None = "ab" * 32,
    created: int | str | None = NOW,
    tag: str = "sealmatch",
    label: str = "sealmatch",
    more: str = "",
    digest: str | None = None,
) -> dict[str, str]:
    """A correctly signed request with chosen parameters, written out by hand."""
    if digest is None:
        digest = f"sha-256=:{base64.b64encode(hashlib.sha256(BODY).digest()).decode()}:"
    values = {"@method": METHOD, "@authority": HOST, "@path": PATH, "content-digest": digest}
    parameters = "(" + " ".join(f'"{c}"' for c in components) + ")"
    parameters += "" if created is None else f";created={created}"
    parameters += f';keyid="{key.public.key_id.hex()}";alg="ed25519"'
    parameters += "" if nonce is None else f';nonce="{nonce}"'
    parameters += f';tag="{tag}"{more}'
    lines = [f'"{c}": {values[c]}' for c in components]
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    signature = base64.b64encode(key.private.sign(base.encode())).decode()
    return {
        "host": HOST,
        "content-digest": digest,
        "signature-input": f"{label}={parameters}",
        "signature": f"{label}=:{signature}:",
    }


def test_the_hand_made_request_is_accepted() -> None:
    assert verify(custom()) == GATEWAY.public


@pytest.mark.parametrize("missing", requests.COMPONENTS)
def test_a_signature_that_leaves_a_part_out_is_refused(missing: str) -> None:
    """Correctly signed, but over less than all parts."""
    with refused():
        verify(custom(tuple(c for c in requests.COMPONENTS if c != missing)))


@pytest.mark.parametrize(
    "nonce", [None, "", "ab", "ab" * 31, "ab" * 33], ids=["none", "empty", "1", "31", "33"]
)
def test_a_nonce_of_another_length_is_refused(nonce: str | None) -> None:
    with refused("nonce"):
        verify(custom(nonce=nonce))


@pytest.mark.parametrize("created", [None, -1, f'"{NOW}"', f"{NOW}.0", 10**15 - 1], ids=str)
def test_creation_time_must_be_a_time(created: object) -> None:
    with refused():
        verify(custom(created=created))  # type: ignore[arg-type]


def test_another_tag_is_refused() -> None:
    with refused():
        verify(custom(tag="other"))


def test_the_window_is_sixty_seconds_both_ways() -> None:
    for age in (-WINDOW, -1, 0, 1, WINDOW):
        assert verify(headers_of(), now=NOW + age) == GATEWAY.public
    for age in (-WINDOW - 1, WINDOW + 1, 3600, -3600):
        with refused("not fresh"):
            verify(headers_of(), now=NOW + age)


@pytest.mark.parametrize("ahead", [0, 30, WINDOW])
def test_the_receiver_s_clock_is_the_one_that_is_passed_in(ahead: int) -> None:
    """A sender whose clock is 30 s ahead of this machine's is within the window."""
    now = int(time.time())
    assert verify(headers_of(now=now + ahead), now=now) == GATEWAY.public


def test_a_clock_years_ahead_of_the_machine_is_used_all_the_same() -> None:
    future = 4_000_000_000
    assert verify(headers_of(now=future), now=future) == GATEWAY.public


def test_expiry_is_measured_with_the_clock_that_is_passed_in() -> None:
    """An ``expires`` still ahead of the receiver's clock does not refuse; one behind it does."""
    assert verify(custom(more=f";expires={NOW + 30}")) == GATEWAY.public
    with refused():
        verify(custom(more=f";expires={NOW - 30}"))


def test_a_request_counts_once() -> None:
    nonces = NonceMemory()
    headers = headers_of()
    verify(headers, nonces=nonces)
    for age in (0, WINDOW):
        with refused("replayed"):
            verify(headers, nonces=nonces, now=NOW + age)


def test_a_nonce_does_not_count_again_for_other_bytes() -> None:
    nonces = NonceMemory()
    verify(custom(), nonces=nonces)
    with refused("replayed"):
        verify(custom(created=NOW + 1), nonces=nonces)


def test_a_refused_request_does_not_use_its_nonce_up() -> None:
    nonces = NonceMemory()
    headers = headers_of()
    for fault in ({"path": "/x"}, {"find": {}.get}, {"now": NOW + 61}):
        with refused():
            verify(headers, nonces=nonces, **fault)
    assert verify(headers, nonces=nonces) == GATEWAY.public


def test_another_body_uses_the_nonce_up() -> None:
    """It is used when the headers are verified. Otherwise one captured head would let any number
    of senders hold bodies."""
    nonces = NonceMemory()
    headers = headers_of()
    with refused("not the one that was signed"):
        verify(headers, nonces=nonces, body=b"x")
    with refused("replayed"):
        verify(headers, nonces=nonces)


@pytest.mark.parametrize(
    "stated",
    [
        "",
        "sha-512=:" + base64.b64encode(bytes(64)).decode() + ":",
        "sha-256=:AAAA:",
        "{0}, {0}",
        "{0}, sha-512=:AA==:",
        "{0};a=1",
    ],
)
def test_one_sha_256_is_stated(stated: str) -> None:
    """Correctly signed, but nothing else than SHA-256 is made of an arriving body."""
    honest = headers_of()["content-digest"]
    with refused("SHA-256"):
        verify(custom(digest=stated.format(honest)))
    assert verify(custom(digest=honest)) == GATEWAY.public


def test_unknown_senders_are_refused() -> None:
    with refused("unknown key"):
        verify(headers_of(key=parties.OTHER_GATEWAY))


def test_a_stranger_with_the_sender_s_key_id_is_refused() -> None:
    stranger = parties.stranger(GATEWAY.party)
    headers = custom(key=stranger)
    altered = headers["signature-input"].replace(
        stranger.public.key_id.hex(), GATEWAY.public.key_id.hex()
    )
    with refused():
        verify(headers | {"signature-input": altered})
    with refused():
        verify(headers, find={stranger.public.key_id: GATEWAY.public}.get)


@pytest.mark.parametrize("key_id", ["", "zz", "00", "é"])
def test_a_key_id_of_another_form_is_refused(key_id: str) -> None:
    headers = headers_of()
    altered = headers["signature-input"].replace(GATEWAY.public.key_id.hex(), key_id)
    with refused():
        verify(headers | {"signature-input": altered})


def test_two_signatures_are_refused() -> None:
    """Two by one key, and one each of two senders: nobody could say who sent it."""
    find = (KNOWN | {parties.OTHER_GATEWAY.public.key_id: parties.OTHER_GATEWAY.public}).get
    for second in (GATEWAY, parties.OTHER_GATEWAY):
        one, two = custom(), custom(key=second, label="second", nonce="cd" * 32)
        both = {name: f"{one[name]}, {two[name]}" for name in ("signature-input", "signature")}
        with refused():
            verify(one | both, find=find)


@pytest.mark.parametrize("error", [Unavailable("storage"), CallerMisuse("trust list")], ids=repr)
def test_a_trust_list_that_cannot_be_read_is_no_refusal(error: Exception) -> None:
    """The sender may try again, and the operator's log must name the real fault."""

    def broken(_: bytes) -> VerifyKey | None:
        raise error

    with pytest.raises(type(error)):
        verify(headers_of(), find=broken)


@given(
    name=st.sampled_from(["content-digest", "signature-input", "signature"]),
    data=st.data(),
)
@settings(max_examples=400)
def test_any_altered_header_is_refused_or_means_the_same(name: str, data: st.DataObject) -> None:
    """Never another exception, never another sender: the signature covers every value in use."""
    headers = custom()
    text = headers[name]
    place = data.draw(st.integers(0, len(text)))
    width = data.draw(st.integers(0, 2))
    altered = text[:place] + data.draw(st.text(max_size=3)) + text[place + width :]
    try:
        sender = verify(headers | {name: altered})
    except Refused:
        return
    assert sender == GATEWAY.public
    covered = text.partition("=")[2] if name == "signature-input" else text
    # Structured fields permit spaces between parameters and items; they mean nothing.
    assert name == "signature" or covered.replace(" ", "") in altered.replace(" ", "")


def library_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_form, "own_form", lambda _: None)


def test_what_we_sign_is_what_the_library_writes() -> None:
    """The same text, and it verifies what we signed."""
    headers = headers_of()
    own = request_form.own_form(headers)
    assert own is not None
    theirs = custom(nonce=own.nonce)
    assert theirs["signature-input"] == headers["signature-input"]
    assert theirs["signature"] == headers["signature"]
    with pytest.MonkeyPatch.context() as patch:
        library_only(patch)
        assert verify(headers) == GATEWAY.public


@given(
    name=st.sampled_from(["host", "content-digest", "signature-input", "signature"]),
    data=st.data(),
)
@settings(max_examples=400)
def test_our_reading_and_the_library_s_have_one_verdict(name: str, data: st.DataObject) -> None:
    headers = headers_of()
    text = headers[name]
    place = data.draw(st.integers(0, len(text)))
    width = data.draw(st.integers(0, 2))
    altered = text[:place] + data.draw(st.text(max_size=3)) + text[place + width :]
    changed = headers | {name: altered}

    def verdict() -> object:
        try:
            return verify(changed)
        except Refused:
            return None

    ours = verdict()
    with pytest.MonkeyPatch.context() as patch:
        library_only(patch)
        assert verdict() == ours


def test_what_was_signed_before_this_process_began_is_to_be_signed_again() -> None:
    """The process of before may have answered it, and took its memory of nonces along."""
    young = NonceMemory(since=NOW)
    recorded = headers_of(now=NOW - 1)
    with pytest.raises(Unavailable, match="just started"):
        verify(recorded, nonces=young)
    assert verify(headers_of(), nonces=young) == GATEWAY.public
    with refused("does not verify"):  # only those who can sign learn when a server began
        verify(recorded, nonces=young, path=PATH + "x")


def test_signing_draws_a_fresh_nonce() -> None:
    inputs = {headers_of()["signature-input"] for _ in range(4)}
    assert len(inputs) == 4


def test_memory_forgets_what_can_no_longer_be_replayed() -> None:
    """Full, it makes room only for nonces whose requests are stale for certain."""
    nonces = NonceMemory(limit=3)
    for i in range(3):
        nonces.use(f"{i}", NOW)
    for age in (0, WINDOW, 2 * WINDOW):
        with pytest.raises(Unavailable):
            nonces.use("new", NOW + age)
        with refused("replayed"):
            nonces.use("0", NOW + age)
    nonces.use("new", NOW + 2 * WINDOW + 2)
    with refused("replayed"):
        nonces.use("new", NOW + 2 * WINDOW + 2)


def test_a_replay_is_refused_as_long_as_the_request_is_fresh() -> None:
    """Sent with a clock 60 s ahead, used at once: fresh for 120 s more, remembered as long."""
    nonces = NonceMemory(limit=1)
    headers = headers_of(now=NOW + WINDOW)
    verify(headers, nonces=nonces, now=NOW)
    for age in range(0, 2 * WINDOW + 1, 20):
        with pytest.raises((Refused, Unavailable)):
            verify(headers, nonces=nonces, now=NOW + age)


def test_memory_is_one_for_all_threads() -> None:
    nonces = NonceMemory()
    headers = headers_of()
    barrier = threading.Barrier(8)
    passed: list[VerifyKey] = []

    def send() -> None:
        barrier.wait()
        with suppress(Refused):
            passed.append(verify(headers, nonces=nonces))

    run_all([send] * 8)
    assert len(passed) == 1


def run_all(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_refusals_look_alike() -> None:
    texts = {str(Refused(detail)) for detail in ("a", "b", "request replayed")}
    assert texts == {"the request is refused"}
