"""What a gateway can ask its peers before it serves: are they there, and do they know it?

The authority says beside its health whether it demands audits. A gateway without an auditor would
fail at the first demand, and the person at the counter would look refused. So it does not start.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import httpx

from gateway.host.http import CBOR
from gateway.host.settings import BadConfiguration
from gateway.host.tls import ClientTls
from gateway.server.config import GatewaySettings
from gateway.wire.cose import SigningKey
from gateway.wire.errors import SealmatchError
from gateway.wire.requests import host_of, sign_request

SECONDS: Final = 5
LOOK_SECONDS: Final = 1.0
"""For an answer to one of the looks that are taken while the server serves."""
_ANSWER_BYTES: Final = 64 * 1024
NO_AUDITOR: Final = (
    "the key authority demands audits, and no auditor is set: set auditor_url, auditor_public_key "
    "and auditor_sealing_key, or agree with its operator on audit_one_in = 0"
)


@dataclass(frozen=True)
class PeerHealth:
    """What a peer that is well says besides."""

    audits: bool | None
    """Whether it demands audits; None: it does not say."""
    date: str
    """Its clock, as HTTP writes it; empty: it does not say."""


class PeerDiffers(SealmatchError):
    """A peer does not answer, or not as it should; the text says what came."""


def audits_demanded(client: httpx.Client, url: str) -> bool | None:
    """Whether the authority demands audits; None: it does not say. Raises as ``health_of``."""
    return health_of(client, url, SECONDS).audits


def health_of(client: httpx.Client, url: str, seconds: float = LOOK_SECONDS) -> PeerHealth:
    """Ask authority or auditor for its own health.

    Raises:
        PeerDiffers: it does not answer, or is not well.
    """
    patience = httpx.Timeout(seconds).as_dict()
    asked = httpx.Request("GET", f"{url.rstrip('/')}/v1/health", extensions={"timeout": patience})
    told = _ask(client, asked)
    if told.status_code != httpx.codes.OK:
        raise PeerDiffers(f"it answers {told.status_code}: it cannot do its work, or is another")
    try:
        said = json.loads(told.content)
        audits = said.get("audits") if isinstance(said, dict) else None
    except (ValueError, RecursionError):
        raise PeerDiffers("what answers there is none of our servers") from None
    return PeerHealth(audits if isinstance(audits, bool) else None, told.headers.get("date", ""))


def require_known(client: httpx.Client, url: str, path: str, key: SigningKey, now: int) -> None:
    """Check that a peer takes this gateway's requests, with a request that asks for nothing.

    A peer looks at the signature first. So an empty message is malformed to it if it knows the
    gateway, and refused if it does not.

    Raises:
        PeerDiffers: it refuses, or something else answers.
    """
    body = b"\xa0"
    headers = sign_request("POST", host_of(url), path, body, key, now) | {"content-type": CBOR}
    request = httpx.Request("POST", url.rstrip("/") + path, content=body, headers=headers)
    answered = _ask(client, request).status_code
    if answered == httpx.codes.FORBIDDEN:
        raise PeerDiffers(
            "it refuses: this gateway's key is not enrolled there, a clock is wrong, or the URL is "
            "not one of its public_urls; its operator's log says which"
        )
    if answered != httpx.codes.BAD_REQUEST:
        raise PeerDiffers(f"it answers {answered}")


def transport_to(ca: ClientTls | None) -> httpx.Client:
    """A client for these questions. Raises ``TlsMisconfigured``."""
    return httpx.Client(
        timeout=SECONDS, trust_env=False, verify=True if ca is None else ca.context()
    )


def require_auditor(settings: GatewaySettings) -> str | None:
    """Check before the start that audits can be had if the authority demands them.

    Returns:
        What could not be found out, for the log.

    Raises:
        BadConfiguration: audits are demanded, and no auditor is set.
        TlsMisconfigured: the authority's CA, or the own certificate, cannot be used.
    """
    if settings.auditor is not None:
        return None
    try:
        with transport_to(settings.authority_tls) as client:
            demanded = _first_to_say(client, settings.authority_urls)
    except PeerDiffers as error:
        return f"no auditor is set, and whether audits are demanded is not known: {error}"
    if demanded:
        raise BadConfiguration(NO_AUDITOR)
    return None


def _first_to_say(client: httpx.Client, urls: list[str]) -> bool | None:
    """As ``audits_demanded``, of the first instance that is well."""
    for url in urls[:-1]:
        with suppress(PeerDiffers):
            return audits_demanded(client, url)
    return audits_demanded(client, urls[-1])


def _ask(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    request.headers["accept-encoding"] = "identity"
    try:
        response = client.send(request, stream=True)
        try:
            content = bytearray()
            if "content-encoding" in response.headers:  # 32 KB of zstd can be a gigabyte
                raise PeerDiffers("its answer is packed")
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > _ANSWER_BYTES:
                    raise PeerDiffers("its answer is too long")
        finally:
            response.close()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PeerDiffers(f"it does not answer ({type(error).__name__})") from None
    date = {"date": response.headers.get("date", "")}
    return httpx.Response(response.status_code, headers=date, content=bytes(content))
