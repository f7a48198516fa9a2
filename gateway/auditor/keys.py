"""The auditor's own keys: one signs reports, one opens what audited sessions are sealed under.

They lie in a sealed keystore, which a running server opens once, at its start. Neither opens
anything biometric: under the second lie ciphertexts, and the seeds of single sessions. Rotation of
the signing key: ``gateway.wire.host.keyring``.
"""

from pathlib import Path

from gateway.auditor.config import AuditorSettings
from gateway.wire.host.keyring import HeldKey, RecipientKeys, SigningRing
from gateway.wire.host.keystore import open_keystore
from gateway.wire.host.sealed_keys import SealedKeys
from gateway.wire.sealing import SealingPrivateKey


class AuditorKeys(RecipientKeys):
    """What the auditor's keystore holds."""


def initialise(settings: AuditorSettings, now: int) -> AuditorKeys:
    """Draw both keys into a new keystore.

    Raises:
        KeyFileError: there is one already, or no passphrase.
    """

    def draw() -> AuditorKeys:
        return AuditorKeys(
            party=settings.party,
            signing=SigningRing(current=HeldKey.draw(now)),
            sealing=SealingPrivateKey.generate().raw,
        )

    return _keystore(settings).create(draw)


def read_keys(settings: AuditorSettings) -> AuditorKeys:
    """What the keystore holds.

    Raises:
        KeyFileError: missing, another party's, or they do not open; or there is no passphrase.
    """
    return _keystore(settings).read()


def stage_signing_key(settings: AuditorSettings, now: int) -> AuditorKeys:
    """Draw the next signing key; it signs nothing yet.

    Raises:
        CallerMisuse: one is staged already.
        KeyFileError: as ``read_keys``.
    """
    return _keystore(settings).change(lambda keys: keys.staged(HeldKey.draw(now)))


def activate_signing_key(settings: AuditorSettings) -> AuditorKeys:
    """Make the next signing key the current one; the old private key is dropped.

    Raises:
        CallerMisuse: none is staged.
        KeyFileError: as ``read_keys``.
    """
    return _keystore(settings).change(lambda keys: keys.activated())


def _keystore(settings: AuditorSettings) -> SealedKeys[AuditorKeys]:
    def opened(path: Path, passphrase: bytearray) -> AuditorKeys:
        return open_keystore(path, AuditorKeys, passphrase).owned_by(settings.party)

    return SealedKeys(settings.data_dir, settings, opened)
