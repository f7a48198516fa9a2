"""``sealmatch dev-ca``: a certificate authority for development, by one command.

Makes a CA and certificates for gateway, authority and auditor, and for the gateway as the
authority's client. It is for trying TLS and mutual TLS on your own machines; a deployment uses its
organisation's CA.
"""

import argparse
import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.host.directories import existing_directory
from gateway.host.keyfile import create_secret

_CA_DAYS, _LEAF_DAYS = 365, 90


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("directory", type=Path, metavar="DIR", help="where to write; must be new")
    parser.add_argument(
        "--host",
        action="append",
        metavar="NAME",
        help="host name or address of the servers; may be repeated (default: loopback)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make everything; existing files are never overwritten."""
    make(options.directory, options.host or ["localhost", "127.0.0.1", "::1"])
    print(f"CA certificate   {options.directory / 'ca.pem'}")
    for name in ("gateway", "authority", "auditor", "gateway-client"):
        print(f"{name:<16} {options.directory / name}.pem, .key")
    return 0


@dataclass(frozen=True)
class _Authority:
    key: EllipticCurvePrivateKey
    certificate: x509.Certificate


def make(directory: Path, hosts: list[str]) -> None:
    """Write ``ca.pem`` and, per name, ``NAME.pem`` and ``NAME.key`` (mode 0600).

    Raises:
        KeyFileError: a key exists already.
    """
    existing_directory(directory)
    authority = _new_authority()
    _write(directory, "ca", authority.key, authority.certificate)
    for name in ("gateway", "authority", "auditor"):
        _issue(directory, authority, name, hosts, ExtendedKeyUsageOID.SERVER_AUTH)
    _issue(directory, authority, "gateway-client", [], ExtendedKeyUsageOID.CLIENT_AUTH)


def _new_authority() -> _Authority:
    key = generate_private_key(SECP256R1())
    name = _name("Sealmatch development CA")
    certificate = (
        _builder(name, name, key, _CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return _Authority(key, certificate)


def _issue(
    directory: Path, authority: _Authority, name: str, hosts: list[str], use: x509.ObjectIdentifier
) -> None:
    key = generate_private_key(SECP256R1())
    builder = (
        _builder(_name(name), authority.certificate.subject, key, _LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
    )
    if hosts:
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    _write(directory, name, key, builder.sign(authority.key, SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(
    directory: Path, name: str, key: EllipticCurvePrivateKey, certificate: x509.Certificate
) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    create_secret(directory / f"{name}.key", pem)
    (directory / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
