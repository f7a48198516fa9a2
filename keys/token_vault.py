"""The authority's secrets in a PKCS#11 token: they are drawn there and stay there.

The data directory then holds only an index, which names the token's objects by their ids and is no
secret. Whoever steals the host's disk has no key. Whoever takes over the running host can use the
keys while the token answers, but cannot take them along. This module needs the extra ``pkcs11``.

The sealing key is the exception. Tokens have no X-Wing, so it is expanded at start from a MAC that
the token computes (``keys.vault``). While the server runs, the sealing key lies in memory, and
whoever takes over the host can take it along. No disk ever has it.

Mechanisms: EDDSA over Ed25519 (PKCS#11 3.0; the curve by its OID, RFC 8410) and SHA256_HMAC.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes
from typing import Any, Final, Self

import pkcs11
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass

from gateway.host.keyfile import KeyFileError, create_secret, read_private, replace_secret
from gateway.host.keyring import HeldKey, HeldPepper, HeldSealing
from gateway.host.passphrase import obtain
from gateway.wire.cose import Signer, VerifyKey
from gateway.wire.errors import BodyTooLarge, MalformedMessage, Refused, Unavailable
from gateway.wire.message import SMALL
from gateway.wire.sealing import SealingPrivateKey
from gateway.wire.secret import wipe
from keys.config import AuthoritySettings
from keys.vault import AuthorityKeys, MacKey, held_sealing, opened_sealing, record_file

PIN_CREDENTIAL: Final = "sealmatch-pin"
"""Name of the systemd credential."""

_ED25519_OID: Final = bytes.fromhex("06032b6570")
_ID_BYTES: Final = 16
_RAW_PUBLIC_BYTES: Final = 32
_SECRET_BITS: Final = 256
_PROOF: Final = b"sealmatch/token-holds-key/1"
"""Signed once when a key is opened; no message of the protocol has this form."""

# The library builds a key's class from what the token says the key can do: hence ``Any`` below.
_STAYS_INSIDE = {Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}


class TokenSigner:
    """An Ed25519 key in the token."""

    def __init__(self, key: Any, public: bytes) -> None:
        self._key = key
        self._public = Ed25519PublicKey.from_public_bytes(public)

    def sign(self, data: bytes, /) -> bytes:
        with _answering():
            return bytes(self._key.sign(data, mechanism=Mechanism.EDDSA))

    def public_key(self) -> Ed25519PublicKey:
        return self._public


class TokenMacKey:
    """An HMAC-SHA-256 key in the token."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def mac(self, data: bytes) -> bytes:
        with _answering():
            return bytes(self._key.sign(data, mechanism=Mechanism.SHA256_HMAC))


class TokenVault:
    """A session with the token, and the index beside it.

    The session ends with the ``with`` block, unless a signer or pepper was handed out: these need
    it for as long as the process lives.
    """

    def __init__(self, session: pkcs11.Session, index: Path) -> None:
        self._session = session
        self._index = index
        self._in_use = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._in_use:
            self._session.close()

    def load(self) -> AuthorityKeys:
        try:
            return AuthorityKeys.decode(bytes(read_private(self._index, SMALL)))
        except (MalformedMessage, BodyTooLarge):
            raise KeyFileError(f"{self._index.name} is damaged") from None

    def create(self, keys: AuthorityKeys) -> None:
        create_secret(self._index, keys.encode())

    def replace(self, keys: AuthorityKeys) -> None:
        replace_secret(self._index, keys.encode())

    def draw_key(self, now: int) -> HeldKey:
        held = token_bytes(_ID_BYTES)
        with _drawing("Ed25519"):
            curve = self._session.create_domain_parameters(
                KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _ED25519_OID}, local=True
            )
            public, _ = curve.generate_keypair(
                mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                id=held,
                label="sealmatch signing key",
                store=True,
                capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
                private_template=_STAYS_INSIDE,
            )
            # Some tokens give the point bare, most as a DER octet string.
            point = bytes(public[Attribute.EC_POINT])[-_RAW_PUBLIC_BYTES:]
        return HeldKey(held=held, public=point, drawn_at=now)

    def draw_pepper(self, now: int) -> HeldPepper:
        return HeldPepper(held=self._draw_secret("sealmatch pepper"), drawn_at=now)

    def draw_sealing(self, now: int) -> HeldSealing:
        held = self._draw_secret("sealmatch sealing secret")
        return held_sealing(held, self._mac_key(held, "the sealing key's secret"), now)

    def _draw_secret(self, label: str) -> bytes:
        held = token_bytes(_ID_BYTES)
        with _drawing("HMAC-SHA-256"):
            self._session.generate_key(
                KeyType.GENERIC_SECRET,
                _SECRET_BITS,
                id=held,
                label=label,
                store=True,
                capabilities=MechanismFlag.SIGN,
                template=_STAYS_INSIDE,
            )
        return held

    def forget(self, held: bytes) -> None:
        with _answering():
            for found in list(self._session.get_objects({Attribute.ID: held})):
                found.destroy()

    def signer(self, key: HeldKey) -> Signer:
        with _drawing("the signing key"):
            found = self._session.get_key(object_class=ObjectClass.PRIVATE_KEY, id=key.held)
        signer = TokenSigner(found, key.public)
        try:
            VerifyKey("token", key.public).check(signer.sign(_PROOF), _PROOF)
        except Refused:
            raise KeyFileError("the token's signing key is not the index's") from None
        self._in_use = True
        return signer

    def pepper(self, held: bytes) -> MacKey:
        pepper = self._mac_key(held, "the pepper")
        self._in_use = True
        return pepper

    def sealing(self, key: HeldSealing) -> SealingPrivateKey:
        return opened_sealing(key, self._mac_key(key.held, "the sealing key's secret"))

    def _mac_key(self, held: bytes, what: str) -> TokenMacKey:
        with _drawing(what):
            return TokenMacKey(self._session.get_key(object_class=ObjectClass.SECRET_KEY, id=held))


def open_token(settings: AuthoritySettings) -> TokenVault:
    """Log in to the token that the settings name.

    Raises:
        KeyFileError: no such library or token, no PIN, or it is wrong.
    """
    label = settings.pkcs11_token_label
    if label is None:
        raise KeyFileError("pkcs11_module needs pkcs11_token_label")
    pin = obtain(settings.pkcs11_pin_file, PIN_CREDENTIAL, f"PIN of the token {label}")
    try:
        token = pkcs11.lib(str(settings.pkcs11_module)).get_token(token_label=label)
        try:
            session = token.open(rw=True, user_pin=pin.decode())
        except pkcs11.exceptions.UserAlreadyLoggedIn:  # by this process, with the PIN
            session = token.open(rw=True)
    except (pkcs11.exceptions.PKCS11Error, UnicodeDecodeError) as error:
        raise KeyFileError(f"the token {label} does not open: {type(error).__name__}") from None
    finally:
        wipe(pin)
    return TokenVault(session, record_file(settings))


@contextmanager
def _drawing(what: str) -> Iterator[None]:
    """In a ceremony, or at the start of the server: an error of the token is a ``KeyFileError``."""
    try:
        yield
    except pkcs11.exceptions.PKCS11Error as error:
        raise KeyFileError(f"the token cannot give {what}: {type(error).__name__}") from None


@contextmanager
def _answering() -> Iterator[None]:
    """In service: a token that was pulled out or restarted is ``Unavailable``."""
    try:
        yield
    except pkcs11.exceptions.PKCS11Error:
        raise Unavailable("the key authority's token does not answer") from None
