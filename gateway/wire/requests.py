"""Signed requests between parties: RFC 9421 signatures over RFC 9530 content digests.

Each request carries an Ed25519 signature over method, host, path, content digest, creation time
and a random nonce. The receiver knows the sender's key from its own trust list. It refuses requests
older or newer than the window, and remembers the nonces of the window, so a request counts once.

The host is RFC 9421's ``@authority``, in the form of the ``Host`` header: name and port of the
server that the sender means. A server compares it with the hosts of its own settings, not only with
the header. Otherwise another server, for which the request was really meant, could pass it on
together with its header.

A signature covers the digest of the body, not the body. So headers are verified before any byte of
the body is read (``verify_head``), and a stranger's body never is. What then arrives is compared
with the digest (``SignedHead.require``).

The receiver passes its clock and owns its ``NonceMemory``; nothing here keeps state by itself.
"""

import base64
import hmac
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    algorithms,
)
from http_message_signatures.exceptions import HTTPMessageSignaturesException

from gateway.wire import request_form
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import CallerMisuse, Refused, SealmatchError, Unavailable
from gateway.wire.ids import Digest, digest_of, new_nonce

WINDOW = 60
"""Seconds by which a request's creation time may differ from the receiver's clock."""

TAG = request_form.LABEL
COMPONENTS = request_form.COMPONENTS
NONCE_LENGTH = request_form.NONCE_LENGTH

MAX_NONCES = 200_000
"""Nonces remembered at most; more requests than this in two windows are turned away."""

_PATH = re.compile(r"/[!-\"$->@-~]*")
"""Visible ASCII without the signs that end a path."""

_UNVERIFIED: Final = "request signature does not verify, or is for another host"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_HOST = re.compile(r"[a-z0-9._~-]+|\[[0-9a-f:.]+\]")
"""A name or an IPv4 address, or an IPv6 address in brackets."""

_SCHEME = "peer://"
"""TLS may end at a proxy, so no scheme is signed. This scheme has no default port; otherwise the
signature library would take the port off once more."""


@dataclass
class _Request:
    """The shape that the signature library reads."""

    method: str
    url: str
    headers: dict[str, str]


class _Verifier(HTTPMessageVerifier):
    """Leaves time to ``verify_request``: the library would read the machine's clock."""

    def validate_created_and_expires(self, sig_input: object, max_age: object = None) -> None:
        """Done by the caller."""


class _PeerKeys(HTTPSignatureKeyResolver):
    """Finds the sender by the key id that the request names."""

    def __init__(self, find: Callable[[bytes], VerifyKey | None]) -> None:
        self._find = find
        self.sender: VerifyKey | None = None
        self.error: SealmatchError | None = None

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        try:
            wanted = bytes.fromhex(key_id)
        except ValueError:
            wanted = b""
        try:
            self.sender = _known(self._find, wanted)
        except SealmatchError as error:
            self.error = error  # the library would hide it in an error of its own
            raise
        return Ed25519PublicKey.from_public_bytes(self.sender.raw)

    def resolve_private_key(self, key_id: str) -> Ed25519PrivateKey:  # noqa: ARG002
        raise Refused("peers' private keys are not ours")


class NonceMemory:
    """Nonces seen within the window. Thread-safe; bounded; begins empty with its process."""

    def __init__(self, limit: int = MAX_NONCES, since: int = 0) -> None:
        """Remember from now on.

        Args:
            since: the time now. Requests signed before this moment are refused: an earlier process
                may already have answered them.
        """
        self._limit = limit
        self.since = since
        self._seen: dict[str, int] = {}
        self._next_forgetting = since + WINDOW
        self._lock = threading.Lock()

    def use(self, nonce: str, now: int) -> None:
        """Note a nonce.

        Raises:
            Refused: it was used before.
            Unavailable: the memory is full; an older request may leave it soon.
        """
        with self._lock:
            if nonce in self._seen:
                raise Refused("request replayed")
            if len(self._seen) >= self._limit or now >= self._next_forgetting:
                self._forget(now)
            if len(self._seen) >= self._limit:
                raise Unavailable("too many requests; try again later")
            self._seen[nonce] = now

    def _forget(self, now: int) -> None:
        horizon = now - 2 * WINDOW - 1
        self._seen = {nonce: at for nonce, at in self._seen.items() if at >= horizon}
        self._next_forgetting = now + WINDOW


def host_of(url: str) -> str:
    """Host and port of a server's URL, as RFC 9421 (section 2.2.3) normalises them for a signature.

    In lower case, and without the default port of the scheme.

    Raises:
        CallerMisuse: not the URL of an HTTP server, or not in ASCII.
    """
    try:
        parts = urlsplit(url)
        name, port = parts.hostname or "", parts.port
    except ValueError:  # an address that is none, a port beyond 65535
        name, port = "", None
    host = f"[{name}]" if ":" in name else name
    if not _HOST.fullmatch(host) or parts.scheme not in _DEFAULT_PORTS:
        raise CallerMisuse("the URL of a server is http(s)://NAME[:PORT], its name in ASCII")
    return host if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}"


def sign_request(
    method: str, host: str, path: str, body: bytes, key: SigningKey, now: int
) -> dict[str, str]:
    """Headers ``Content-Digest``, ``Signature-Input`` and ``Signature`` for a request.

    Args:
        host: the server that it is meant for, as ``host_of`` its URL; sent as ``Host``.
    """
    digest = f"sha-256=:{base64.b64encode(digest_of(body)).decode()}:"
    signed = request_form.parameters(now, key.public.key_id, new_nonce().hex())
    base = request_form.signature_base(method, host, path, digest, signed)
    return {
        "Content-Digest": digest,
        **request_form.headers(signed, key.private.sign(base)),
    }


@dataclass(frozen=True)
class SignedHead:
    """A request whose headers are verified. Its body may not have arrived yet."""

    sender: VerifyKey
    digest: Digest
    """SHA-256 that the body must have."""

    def require(self, digest: Digest) -> None:
        """Compare with SHA-256 of the body that arrived. Raises ``Refused`` if they differ."""
        if not hmac.compare_digest(self.digest, digest):
            raise Refused("the body is not the one that was signed")


def verify_head(
    method: str,
    path: str,
    headers: Mapping[str, str],
    hosts: frozenset[str],
    find: Callable[[bytes], VerifyKey | None],
    nonces: NonceMemory,
    now: int,
) -> SignedHead:
    """Check everything about a request but its body. The nonce is used up, whatever follows.

    Args:
        path: as received, percent-encoded.
        headers: by names in lower case; ``host`` is among them.
        hosts: those at which the receiver is reached, each as ``host_of`` its URL.
        find: trust list; from SHA-256 of the raw public key to the enrolled key.

    Raises:
        Refused: unsigned, signed by a stranger or for another server, altered, stale or replayed.
        Unavailable: the memory of nonces is full, or younger than the request.
    """
    if not _PATH.fullmatch(path):  # behind a host's name it would be read as another path
        raise Refused("request for a path that cannot be signed")
    host = _own_host(headers.get("host", ""), hosts)
    digest = _signed_digest(headers.get("content-digest", ""))
    form = request_form.own_form(headers)
    if form is None:
        sender, created, nonce = _read_by_library(method, host + path, headers, find, now)
    else:
        sender, created, nonce = _known(find, form.key_id), form.created, form.nonce
        stated = headers["content-digest"]
        base = request_form.signature_base(method, host, path, stated, form.parameters)
        try:
            Ed25519PublicKey.from_public_bytes(sender.raw).verify(form.signature, base)
        except InvalidSignature:
            raise Refused(_UNVERIFIED) from None
    if abs(now - created) > WINDOW:
        raise Refused("request is not fresh")
    if created < nonces.since:
        raise Unavailable("the server has just started; sign the request again")
    nonces.use(nonce, now)
    return SignedHead(sender, digest)


def _read_by_library(
    method: str,
    address: str,
    headers: Mapping[str, str],
    find: Callable[[bytes], VerifyKey | None],
    now: int,
) -> tuple[VerifyKey, int, str]:
    """Sender, creation time and nonce of a request that another program signed in a form of its
    own. Raises ``Refused``, and what ``find`` raises."""
    peers = _PeerKeys(find)
    signed = {name: headers[name] for name in _HEADERS if name in headers}
    try:
        result = _Verifier(signature_algorithm=algorithms.ED25519, key_resolver=peers).verify(
            _Request(method, _SCHEME + address, signed),
            max_age=None,
            expect_tag=TAG,
            require_components=COMPONENTS,
        )
    except HTTPMessageSignaturesException:
        if peers.error is not None:
            raise peers.error from None
        raise Refused(_UNVERIFIED) from None
    if len(result) != 1 or peers.sender is None:
        raise Refused("request does not carry exactly one signature")
    created, nonce = result[0].parameters.get("created"), result[0].nonce
    if not isinstance(created, int):
        raise Refused("request is not fresh")
    expires = result[0].parameters.get("expires")
    if expires is not None and (not isinstance(expires, int) or expires < now):
        raise Refused("request is not fresh")
    if nonce is None or len(nonce) != NONCE_LENGTH:
        raise Refused("request has no nonce of the right form")
    return peers.sender, created, nonce


def _known(find: Callable[[bytes], VerifyKey | None], key_id: bytes) -> VerifyKey:
    sender = find(key_id)
    if sender is None:
        raise Refused("request signed by an unknown key")
    return sender


def verify_request(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    hosts: frozenset[str],
    find: Callable[[bytes], VerifyKey | None],
    nonces: NonceMemory,
    now: int,
) -> VerifyKey:
    """Check a request whose body is there, and return its sender's key. As ``verify_head``."""
    head = verify_head(method, path, headers, hosts, find, nonces, now)
    head.require(digest_of(body))
    return head.sender


def _own_host(given: str, hosts: frozenset[str]) -> str:
    """Which of our hosts a ``Host`` header names; it may be in capitals or with a default port."""
    lower = given.lower()
    for host in (lower, lower.removesuffix(":80"), lower.removesuffix(":443")):
        if host in hosts and (host == lower or _HOST.fullmatch(host)):
            return host
    # The header itself stays out of the log: anything might be written there.
    raise Refused(f"request for another host than {' or '.join(sorted(hosts))}: see public_urls")


def _signed_digest(header: str) -> Digest:
    """The digest that a ``Content-Digest`` states. Raises ``Refused`` unless it is one SHA-256."""
    found = _SHA_256.fullmatch(header)
    if found is None:
        raise Refused("request does not state the SHA-256 of its body")
    return Digest(base64.b64decode(found[1]))


_SHA_256 = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_HEADERS = ("content-digest", "signature-input", "signature")
