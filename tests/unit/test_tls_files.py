"""TLS files that cannot be used are said to be, at once."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.cli import devca
from gateway.host.tls import ClientTls, ServerTls, TlsMisconfigured


def test_an_encrypted_key_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    """A server that waits for a passphrase on some terminal looks like one that hangs."""
    devca.make(tmp_path, ["127.0.0.1"])
    certificate, key = tmp_path / "authority.pem", tmp_path / "authority.key"
    assert ServerTls(certificate, key).context()
    private = load_pem_private_key(key.read_bytes(), None)
    encrypted = private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    key.write_bytes(encrypted)
    for unusable in (
        ServerTls(certificate, key),
        ClientTls(tmp_path / "ca.pem", certificate, key),
    ):
        with pytest.raises(TlsMisconfigured, match="encrypted key"):
            unusable.context()


def test_a_key_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    """With what mends it. A group may read it."""
    devca.make(tmp_path, ["127.0.0.1"])
    certificate, key = tmp_path / "authority.pem", tmp_path / "authority.key"
    ends = (ServerTls(certificate, key), ClientTls(tmp_path / "ca.pem", certificate, key))
    key.chmod(0o644)
    for end in ends:
        with pytest.raises(TlsMisconfigured, match=f"open to everybody.*chmod o= {key}$"):
            end.context()
    key.chmod(0o640)
    for end in ends:
        end.context()
