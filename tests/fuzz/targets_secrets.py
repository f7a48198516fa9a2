"""Targets for what lies on a server's own disk: keystore, keyring, passphrase, key and TLS files.

Whoever can write there without the keys gets refusals out of it, at once, and nothing else. The
derivation of the keystore's key is replaced by a quick one: what it costs is bounded by the header,
which is checked here, and is not the parser's.
"""

from __future__ import annotations

import hashlib
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Final
from unittest import mock

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.cli import devca
from gateway.host import keystore, passphrase
from gateway.host.keyfile import load_signing_key, read_secret
from gateway.host.keyring import (
    HeldKey,
    HeldPepper,
    HeldSealing,
    PepperRing,
    SealingRing,
    SigningRing,
)
from gateway.host.keystore import (
    MAX_ITERATIONS,
    MAX_LANES,
    MAX_MEMORY_KIB,
    KeystoreHeader,
    open_keystore,
    seal,
)
from gateway.host.tls import ClientTls, ServerTls
from gateway.wire import cbor
from gateway.wire.errors import CallerMisuse
from keys import enrolment
from keys.vault import AuthorityKeys
from tests.fuzz import trees
from tests.fuzz.making import target
from tests.fuzz.mutations import frame, framed, scramble, unframe, words_of
from tests.fuzz.targets_wire import promise
from tests.support.fuzzing import Parse, Target
from tests.support.parties import AUTHORITY, DEVICE, authority_sealing_key, fixed_bytes

_PASSPHRASE: Final = b"correct horse battery staple"
_NOW: Final = 1_763_760_000


# --- keystore and keyring --------------------------------------------------------------------


def _quick_key(header: KeystoreHeader, secret: bytearray) -> bytearray:
    promise(header.memory_kib <= MAX_MEMORY_KIB, "more memory than a file may ask for")
    promise(header.iterations <= MAX_ITERATIONS, "more passes than a file may ask for")
    promise(header.lanes <= MAX_LANES, "more lanes than a file may ask for")
    return bytearray(hashlib.sha256(header.encode() + bytes(secret)).digest())


@cache
def _rings() -> tuple[bytes, ...]:
    """A keyring as it is drawn, while it rotates, and afterwards."""
    key = HeldKey.draw(_NOW).model_copy(update={"held": fixed_bytes("held")})
    pepper = HeldPepper(held=fixed_bytes("pepper"), drawn_at=_NOW)
    public = authority_sealing_key().public.raw
    sealed = HeldSealing(held=fixed_bytes("sealing"), public=public, drawn_at=_NOW)
    drawn = SigningRing(current=key)
    staged = drawn.staged(key)
    peppers, sealing = PepperRing(current=pepper), SealingRing(current=sealed)
    found = (
        (drawn, peppers, sealing),
        (staged, peppers.rotated(pepper), sealing.rotated(sealed)),
        (staged.activated(), peppers.rotated(pepper).without_previous(), sealing),
    )
    return tuple(
        AuthorityKeys(party=AUTHORITY.party, signing=ring, peppers=held, sealing=keys).encode()
        for ring, held, keys in found
    )


def _sealed(content: bytes) -> bytes:
    """A keystore of any content at all."""
    header = KeystoreHeader(
        memory_kib=keystore.MIN_MEMORY_KIB, iterations=1, lanes=1,
        salt=fixed_bytes("salt", 16), nonce=fixed_bytes("nonce", 12),
    )  # fmt: skip
    key = bytes(_quick_key(header, bytearray(_PASSPHRASE)))
    sealed = AESGCM(key).encrypt(header.nonce, content, header.encode())
    return cbor.encode([header.encode(), sealed])


def _keystore(rng: Random, data: bytes) -> bytes:
    """Other bytes around the content, or another content sealed with the right passphrase."""
    if rng.random() < 0.5:
        return trees.cbor(rng, data)
    return _sealed(trees.cbor(rng, rng.choice(_rings())))


def _prepare_keystore(scratch: Path) -> Parse:
    path = scratch / "keystore.sealed"
    path.touch(mode=0o600)

    def parse(data: bytes) -> None:
        path.write_bytes(data)
        with mock.patch.object(keystore, "_key", _quick_key):
            opened = open_keystore(path, AuthorityKeys, bytearray(_PASSPHRASE))
            promise(AuthorityKeys.decode(opened.encode()) == opened, "it reads differently")
            seal(opened, bytearray(_PASSPHRASE))

    return parse


def _prepare_keyring(_: Path) -> Parse:
    def parse(data: bytes) -> None:
        """A token's index: read, described, and turned by every ceremony."""
        keys = AuthorityKeys.decode(data)
        promise(keys.encode() == data, "a second encoding of the same keyring")
        keys.signing.describe(keys.party)
        for secrets in (keys.peppers, keys.sealing):
            secrets.within(86_400, _NOW).describe(_NOW)
        for turn in (keys.signing.activated, keys.signing.require_none_staged):
            try:
                turn()
            except CallerMisuse:
                continue

    return parse


# --- files with one thing in them ------------------------------------------------------------


def _prepare_passphrase(scratch: Path) -> Parse:
    path = scratch / "passphrase"
    path.touch(mode=0o600)

    def parse(data: bytes) -> None:
        path.write_bytes(data)
        for new in (False, True):
            found = passphrase.obtain(path, "none", "passphrase", new=new, environment={})
            promise(len(found) >= (passphrase.MIN_BYTES if new else 1), "too short a passphrase")
            promise(found[-1] not in b"\r\n", "an editor's newline in a passphrase")

    return parse


def _prepare_key_file(scratch: Path) -> Parse:
    path = scratch / "device.key"
    path.touch(mode=0o600)

    def parse(data: bytes) -> None:
        path.write_bytes(data)
        promise(len(read_secret(path, 32)) == 32, "a secret of another length")
        promise(len(load_signing_key(path, "device").public.raw) == 32, "no key")

    return parse


def _prepare_parties(scratch: Path) -> Parse:
    path = scratch / "parties"

    def parse(data: bytes) -> None:
        path.write_bytes(data)
        for one in enrolment.read_parties(path):
            promise(one.kind != "authority", "the authority's own key from a list")
            promise(len(one.verify_key.raw) == 32, "a verifying key of another length")

    return parse


# --- TLS -------------------------------------------------------------------------------------


@cache
def _tls_seeds() -> tuple[bytes, ...]:
    with tempfile.TemporaryDirectory() as scratch:
        devca.make(Path(scratch), ["127.0.0.1"])
        parts = [(Path(scratch) / name).read_bytes() for name in ("authority.pem", "authority.key")]
        return (frame(*parts, (Path(scratch) / "ca.pem").read_bytes()),)


def _prepare_tls(scratch: Path) -> Parse:
    certificate, key, ca = (scratch / name for name in ("server.pem", "server.key", "ca.pem"))
    key.touch(mode=0o600)  # a key that everybody can read is not looked at

    def parse(data: bytes) -> None:
        for path, part in zip((certificate, key, ca), unframe(data, 3), strict=True):
            path.write_bytes(part)
        ServerTls(certificate, key, ca).context()
        ClientTls(ca, certificate, key).context()

    return parse


_PEM: Final = words_of(
    b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n", b"\n-----BEGIN PRIVATE KEY",
    b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00",
    b"-----BEGIN EC PRIVATE KEY-----\n", b"\n", b"\0", b"=", b"AAAA", b"-----",
)  # fmt: skip
_LINES: Final = words_of(
    b"device", b"gateway", b"authority", b"\t", b" ", b"\n", b"\r", b"\x0b", b"\xc2\x85",
    b"ab" * 32, b"AB" * 32, b"a" * 64, b"\0", b"\xff",
)  # fmt: skip


def targets() -> tuple[Target, ...]:
    """What a server reads from its own disk before it serves."""

    party = f"device\t{DEVICE.party}\t{DEVICE.public.raw.hex()}\n".encode()
    return (
        target("keystore", lambda: [_sealed(ring) for ring in _rings()], _keystore,
               _prepare_keystore, 60),
        target("keyring", _rings, trees.cbor, _prepare_keyring, 60),
        target("passphrase-file", lambda: (_PASSPHRASE + b"\n",), scramble,
               _prepare_passphrase, 30),
        target("key-file", lambda: (bytes(range(32)),), scramble, _prepare_key_file, 30),
        target("parties-file", lambda: (party * 3,), _LINES, _prepare_parties, 40),
        target("tls-files", _tls_seeds, framed(_PEM, _PEM, _PEM), _prepare_tls, 30),
    )  # fmt: skip
