"""TLS for the servers and their clients. Required off loopback; identity does not rest on it.

Signed requests prove who a peer is; TLS keeps outsiders from reading who registers when.
Between gateway and authority it may be mutual, so that the authority's port answers nobody else.
TLS 1.3 only: both ends are ours.
"""

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from gateway.wire.errors import SealmatchError


class TlsMisconfigured(SealmatchError):
    """Certificates are missing, unreadable or do not fit; or plain HTTP off loopback."""


@dataclass(frozen=True)
class ServerTls:
    """A server's certificate chain and key. With a client CA, it answers only that CA's clients."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Raises ``TlsMisconfigured``."""
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            _require_hidden(self.key)
            context.load_cert_chain(self.certificate, self.key, _no_passphrase)
            if self.client_ca is not None:
                context.load_verify_locations(self.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            raise TlsMisconfigured(f"TLS certificate or key: {error.strerror}") from None
        return context


@dataclass(frozen=True)
class ClientTls:
    """The CA that a client accepts servers from, and its own certificate, if it has to show one."""

    ca: Path
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Raises ``TlsMisconfigured``."""
        try:
            context = ssl.create_default_context(cafile=str(self.ca))
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            if self.certificate is not None:
                _require_hidden(self.key or self.certificate)
                context.load_cert_chain(self.certificate, self.key, _no_passphrase)
        except (OSError, ssl.SSLError) as error:
            raise TlsMisconfigured(f"TLS certificate or key: {error.strerror}") from None
        return context


def _require_hidden(key: Path) -> None:
    """A group may read it, as systems share their certificates. Raises ``TlsMisconfigured``."""
    if key.stat().st_mode & 0o007:
        raise TlsMisconfigured(f"TLS key open to everybody; mend it by: chmod o= {key}")


def _no_passphrase() -> str:
    """Left to itself, OpenSSL would ask on the terminal of whoever starts the server."""
    raise TlsMisconfigured("TLS certificate or key: an encrypted key cannot be used")


def server_tls(
    host: str, certificate: Path | None, key: Path | None, client_ca: Path | None
) -> ServerTls | None:
    """What a server's settings amount to; None is plain HTTP.

    Raises:
        TlsMisconfigured: half of a pair, or no TLS on an address that others can reach.
    """
    if (certificate is None) != (key is None) or (client_ca and certificate is None):
        raise TlsMisconfigured("tls_certificate and tls_key go together; tls_client_ca needs both")
    if certificate is not None and key is not None:
        return ServerTls(certificate, key, client_ca)
    if not is_loopback(host):
        raise TlsMisconfigured(f"refusing plain HTTP on {host}: set tls_certificate and tls_key")
    return None


def is_loopback(host: str) -> bool:
    """Whether an address is one that only this machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
