"""The authority's own long-lived secrets: signing key, sealing key and peppers.

They are the only secrets that it keeps. None of them alone opens anything biometric. The signing
key vouches for session keys and decisions. The peppers turn an issuer's value into subject handles.
The sealing key opens what an issuer deals to the authority for a session. That is half of what
masks a score, and the gateway has the other half. So a thief who works with the gateway must not
get it.

They lie in a sealed file or in a token (``keys.vault``); ``keys.ceremony`` makes and replaces them.
Protocol, sections 2, 6 and 11.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from gateway.host.installed import NotInstalled
from gateway.host.sealed_keys import keystore_passphrase
from gateway.wire.admin import ChainKeys
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import Refused
from gateway.wire.ids import KeyId, PartyId, SessionId, SubjectHandle, SubjectInner
from gateway.wire.sealing import Sealed, SealingPrivateKey
from keys.config import AuthoritySettings
from keys.vault import AuthorityKeys, MacKey, SealedVault, Vault, record_file


@dataclass(frozen=True)
class Custody:
    """The authority's secrets, ready for use. None shows in a ``repr``."""

    signing: SigningKey = field(repr=False)
    pepper: MacKey = field(repr=False)
    previous_pepper: MacKey | None = field(default=None, repr=False)
    """During the overlap after a rotation."""
    next_public: VerifyKey | None = None
    """Of the staged signing key."""
    old_public: tuple[VerifyKey, ...] = ()
    """Of the signing keys before the present one."""
    sealing: tuple[SealingPrivateKey, ...] = field(default=(), repr=False)
    """The current one; during the overlap after a rotation the former one as well."""

    @property
    def chain_keys(self) -> ChainKeys:
        """Keys that verify the authority's own signed history."""
        staged = () if self.next_public is None else (self.next_public,)
        return ChainKeys((self.signing.public, *staged), self.old_public)

    def open(self, what: Sealed, sealed: bytes, session: SessionId, key_id: KeyId) -> bytes:
        """Open what was sealed to the authority, under its current sealing key or the former one.

        Raises:
            Refused: sealed to another key, for something else, or altered.
        """
        for key in self.sealing:
            with suppress(Refused):
                return key.open(what, sealed, session, key_id)
        raise Refused(f"the sealed {what.name.lower()} does not open")

    def handles(self, gateway: PartyId, inner: SubjectInner) -> tuple[SubjectHandle, ...]:
        """The subject's handles for one gateway: of the present period, then of the previous one.

        A handle is HMAC-SHA-256(pepper, length-prefixed gateway || HMAC(site salt, subject)). The
        same subject and gateway give the same handle. Nobody without the pepper can compute one to
        test a guess, and handles of two gateways or periods cannot be joined.
        """
        peppers = (self.pepper, self.previous_pepper)
        name = gateway.encode()
        data = len(name).to_bytes(2, "big") + name + inner
        return tuple(SubjectHandle(pepper.mac(data)) for pepper in peppers if pepper is not None)


def open_custody(settings: AuthoritySettings, now: int) -> Custody:
    """Open the authority's secrets for service.

    Args:
        now: seconds since 1970; a previous pepper or sealing key whose overlap has passed is not
            used.

    Raises:
        KeyFileError: the keys are missing, are another party's or do not open; or there is no
            passphrase.
    """
    with open_vault(settings) as vault:
        keys = within_overlaps(vault.load().owned_by(settings.party), settings, now)
        old, staged = keys.peppers.previous, keys.signing.next
        if staged is not None:
            vault.signer(staged)  # a token's key must belong to the public key beside it
        return Custody(
            SigningKey(settings.party, vault.signer(keys.signing.current)),
            vault.pepper(keys.peppers.current.held),
            None if old is None else vault.pepper(old.held),
            None if staged is None else VerifyKey(settings.party, staged.public),
            tuple(VerifyKey(settings.party, public) for public in keys.signing.old_public),
            tuple(vault.sealing(key) for key in keys.sealing.all()),
        )


def within_overlaps(keys: AuthorityKeys, settings: AuthoritySettings, now: int) -> AuthorityKeys:
    """The keys, without a previous pepper or sealing key whose overlap has passed."""
    peppers = keys.peppers.within(settings.pepper_overlap, now)
    sealing = keys.sealing.within(settings.sealing_overlap, now)
    return keys.model_copy(update={"peppers": peppers, "sealing": sealing})


def open_vault(settings: AuthoritySettings, *, new: bool = False) -> Vault:
    """The vault that the settings name, with its passphrase or PIN.

    Args:
        new: the keys are about to be made; a typed passphrase is asked for twice.

    Raises:
        KeyFileError: there is no passphrase or PIN, or the token cannot be reached.
    """
    if settings.pkcs11_module is not None:
        return _open_token(settings)
    passphrase = keystore_passphrase(settings, new=new)
    return SealedVault(record_file(settings), passphrase, settings.keystore_cost)


def _open_token(settings: AuthoritySettings) -> Vault:
    try:
        from keys.token_vault import open_token  # noqa: PLC0415  an optional extra
    except ModuleNotFoundError as error:
        raise NotInstalled.of(error, "a token with keys", "pkcs11") from None
    return open_token(settings)
