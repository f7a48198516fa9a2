"""The gateway's own keys: one signs statements and requests, one opens sealed templates."""

from pathlib import Path

from gateway.wire.cose import SigningKey
from gateway.wire.ids import PartyId
from gateway.wire.keyfile import create_secret, create_signing_key, load_signing_key, read_secret
from gateway.wire.sealing import PRIVATE_BYTES, SealingPrivateKey

SIGNING_KEY_FILE = "signing.key"
SEALING_KEY_FILE = "sealing.key"


def create(directory: Path, party: PartyId) -> tuple[SigningKey, SealingPrivateKey]:
    """Draw both keys into a new data directory.

    Raises:
        KeyFileError: the directory holds such keys already.
    """
    signing = create_signing_key(directory / SIGNING_KEY_FILE, party)
    sealing = SealingPrivateKey.generate()
    create_secret(directory / SEALING_KEY_FILE, sealing.raw)
    return signing, sealing


def load(directory: Path, party: PartyId) -> tuple[SigningKey, SealingPrivateKey]:
    """Load both keys.

    Raises:
        KeyFileError: missing, damaged, or open to others.
    """
    sealing = SealingPrivateKey.from_raw(read_secret(directory / SEALING_KEY_FILE, PRIVATE_BYTES))
    return load_signing_key(directory / SIGNING_KEY_FILE, party), sealing
