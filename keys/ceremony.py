"""The operator's ceremonies: make the authority's keys, replace them, show their public side.

Each ceremony opens the vault, changes its record in one step and closes it. A server uses the
change from its next start on, because it unseals its keys once and keeps no passphrase. Rotation:
``gateway.host.keyring``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gateway.host.directories import new_directory
from gateway.host.keyfile import exclusive, require_absent
from gateway.host.keyring import HeldKey, HeldSecret, PepperRing, SealingRing, SigningRing
from gateway.wire.admin import ChainKeys
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import SealmatchError
from keys.caps_store import are_there, create_caps, forget_caps
from keys.config import AuthoritySettings
from keys.custody import open_vault, within_overlaps
from keys.places import Place
from keys.trust import TrustList
from keys.vault import AuthorityKeys, Vault, record_file


def initialise(settings: AuthoritySettings, now: int) -> AuthorityKeys:
    """Draw signing key, sealing key and pepper, and make the counters of attempts: with keys there
    are counters, from the first moment. Nothing is left behind if that fails.

    Raises:
        KeyFileError: there are keys already, or no passphrase.
    """
    with new_directory(settings.data_dir), exclusive(settings.data_dir):
        record = record_file(settings)
        require_absent(record)  # before a passphrase is asked for
        with open_vault(settings, new=True) as vault, _forgotten_without(record, vault) as drawn:
            drawn.append(signing := vault.draw_key(now))
            drawn.append(pepper := vault.draw_pepper(now))
            drawn.append(sealing := vault.draw_sealing(now))
            keys = AuthorityKeys(
                party=settings.party,
                signing=SigningRing(current=signing),
                peppers=PepperRing(current=pepper),
                sealing=SealingRing(current=sealing),
            )
            with _counting(settings.caps_place, now):
                vault.create(keys)
            return keys


def stage_signing_key(settings: AuthoritySettings, now: int) -> AuthorityKeys:
    """Draw the next signing key; it signs nothing yet.

    Raises:
        CallerMisuse: one is staged already.
        KeyFileError: as ``open_custody``.
    """

    def stage(keys: AuthorityKeys, vault: Vault) -> AuthorityKeys:
        keys.signing.require_none_staged()
        return keys.staged(vault.draw_key(now))

    return _change(settings, now, stage)


def activate_signing_key(settings: AuthoritySettings, now: int) -> AuthorityKeys:
    """Make the next signing key the current one; the old private key is dropped.

    The trust list's history passes to the new key first. After a crash in between, the old key is
    still the current one, but signs no enrolment any more. Activating again finishes the change.

    Raises:
        CallerMisuse: none is staged.
        KeyFileError: as ``open_custody``.
        TrustListDamaged: the trust list is broken; nothing is changed.
    """

    def activate(keys: AuthorityKeys, vault: Vault) -> AuthorityKeys:
        activated = keys.activated()
        old, new = (
            SigningKey(keys.party, vault.signer(key))
            for key in (keys.signing.current, activated.signing.current)
        )
        known = tuple(VerifyKey(keys.party, public) for public in keys.signing.old_public)
        history = ChainKeys((old.public, new.public), known)
        TrustList(settings.trust_file, history).change_key(old, new, now)
        return activated

    return _change(settings, now, activate)


def rotate_pepper(settings: AuthoritySettings, now: int) -> AuthorityKeys:
    """Draw a new pepper, keep the present one for the overlap, drop the one before.

    Raises:
        KeyFileError: as ``open_custody``.
    """

    def rotate(keys: AuthorityKeys, vault: Vault) -> AuthorityKeys:
        rotated = keys.peppers.rotated(vault.draw_pepper(now))
        return keys.model_copy(update={"peppers": rotated})

    return _change(settings, now, rotate)


def drop_previous_pepper(settings: AuthoritySettings, now: int) -> AuthorityKeys:
    """End the overlap: nobody can compute handles of the previous period any more.

    Raises:
        KeyFileError: as ``open_custody``.
    """

    def drop(keys: AuthorityKeys, _: Vault) -> AuthorityKeys:
        return keys.model_copy(update={"peppers": keys.peppers.without_previous()})

    return _change(settings, now, drop)


def rotate_sealing_key(settings: AuthoritySettings, now: int) -> AuthorityKeys:
    """Draw a new sealing key, keep the present one for the overlap, drop the one before.

    Raises:
        KeyFileError: as ``open_custody``.
    """

    def rotate(keys: AuthorityKeys, vault: Vault) -> AuthorityKeys:
        rotated = keys.sealing.rotated(vault.draw_sealing(now))
        return keys.model_copy(update={"sealing": rotated})

    return _change(settings, now, rotate)


def drop_previous_sealing_key(settings: AuthoritySettings, now: int) -> AuthorityKeys:
    """End the overlap: nobody can open what was sealed to the previous key any more.

    Raises:
        KeyFileError: as ``open_custody``.
    """

    def drop(keys: AuthorityKeys, _: Vault) -> AuthorityKeys:
        return keys.model_copy(update={"sealing": keys.sealing.without_previous()})

    return _change(settings, now, drop)


def read_keys(settings: AuthoritySettings) -> AuthorityKeys:
    """The record as it is.

    Raises:
        KeyFileError: as ``open_custody``.
    """
    with open_vault(settings) as vault:
        return _proven(vault, settings)


def describe(keys: AuthorityKeys, now: int) -> dict[str, Any]:
    """What everyone may know: public keys, and the ages of sealing keys and peppers."""
    return {
        **keys.signing.describe(keys.party),
        "sealingKey": keys.sealing.current.public.hex(),
        "sealingKeys": keys.sealing.describe(now),
        "peppers": keys.peppers.describe(now),
    }


@contextmanager
def _counting(counters: Place, now: int) -> Iterator[None]:
    """Counters of attempts are there before the keys that the block makes. If they were brought
    back before, they stay."""
    if are_there(counters):
        yield
        return
    try:
        create_caps(counters, now)
        yield
    except BaseException:
        forget_caps(counters)
        raise


@contextmanager
def _forgotten_without(record: Path, vault: Vault) -> Iterator[list[HeldKey | HeldSecret]]:
    """What the block draws is destroyed if it fails before there is a record that names it."""
    drawn: list[HeldKey | HeldSecret] = []
    try:
        yield drawn
    except BaseException:
        if not record.exists():
            for one in drawn:
                with suppress(SealmatchError):
                    vault.forget(one.held)
        raise


def _change(
    settings: AuthoritySettings,
    now: int,
    alter: Callable[[AuthorityKeys, Vault], AuthorityKeys],
) -> AuthorityKeys:
    """Replace the record, then destroy what it no longer names. So a crash in between leaves one
    key too many, never one too few. Every change also drops what is past its overlap."""
    with exclusive(settings.data_dir), open_vault(settings) as vault:
        keys = _proven(vault, settings)
        changed = within_overlaps(alter(keys, vault), settings, now)
        vault.replace(changed)
        for held in keys.all_held() - changed.all_held():
            vault.forget(held)
        return changed


def _proven(vault: Vault, settings: AuthoritySettings) -> AuthorityKeys:
    """The record, after each key showed that it belongs to the public key beside it. This matters
    because others pin what a ceremony prints, and a token's index could have been altered."""
    keys = vault.load().owned_by(settings.party)
    for key in (keys.signing.current, keys.signing.next):
        if key is not None:
            vault.signer(key)
    vault.sealing(keys.sealing.current)
    return keys
