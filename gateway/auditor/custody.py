"""The auditor's own keys: one signs reports, one opens what gateways seal to the auditor.

They lie in a sealed keystore, which a running server opens once, at its start. Neither opens
anything biometric: the second one opens ciphertexts, dealings and the seeds of single sessions.
``gateway.host.keyring`` rotates the signing key.
"""

from pathlib import Path

from gateway.auditor.config import AuditorSettings
from gateway.host.keyring import HeldKey, SigningRing
from gateway.host.keystore import open_keystore
from gateway.host.party_keys import PartyKeystore, RecipientKeys
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

    return keystore(settings).create(draw)


def read_keys(settings: AuditorSettings) -> AuditorKeys:
    """Open the keystore and return what it holds.

    Raises:
        KeyFileError: the keystore is missing, is another party's or does not open; or there is no
            passphrase.
    """
    return keystore(settings).read()


def keystore(settings: AuditorSettings) -> PartyKeystore[AuditorKeys]:
    """The auditor's keystore, for ceremonies."""

    def opened(path: Path, passphrase: bytearray) -> AuditorKeys:
        return open_keystore(path, AuditorKeys, passphrase).owned_by(settings.party)

    return PartyKeystore(settings.data_dir, settings, opened)
