"""The witness's own keys, in a sealed keystore: one Ed25519 key and one ML-DSA-44 key.

Both cosign every checkpoint. A key is never replaced: those who trust a witness trust its key, so
another key is another witness.
"""

import secrets
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from gateway.host.keystore import open_keystore
from gateway.host.sealed_keys import SealedKeys
from gateway.translog.algorithms import SEED_BYTES
from gateway.translog.note import Kind, NoteSigner, check_name
from gateway.wire.ids import UnixTime
from gateway.wire.message import Message
from gateway.witness.config import WitnessSettings
from gateway.witness.memory import create_memory, forget_memory

Seed = Annotated[bytes, Field(min_length=SEED_BYTES, max_length=SEED_BYTES)]


class WitnessKeys(Message):
    """What a witness's keystore holds."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    drawn_at: UnixTime
    ed25519: Seed = Field(repr=False)
    ml_dsa_44: Seed = Field(repr=False)

    @property
    def signers(self) -> list[NoteSigner]:
        seeds = {
            Kind.COSIGNATURE_ED25519: self.ed25519,
            Kind.COSIGNATURE_ML_DSA_44: self.ml_dsa_44,
        }
        return [NoteSigner.from_seed(self.name, kind, seed) for kind, seed in seeds.items()]


def initialise(settings: WitnessSettings, name: str, now: int) -> WitnessKeys:
    """Draw both keys into a new keystore, and create an empty memory. If it fails, neither is left.

    Raises:
        MalformedMessage: a key may not have this name.
        KeyFileError: there is a keystore already, or no passphrase.
        Unavailable: the memory cannot be made.
    """
    check_name(name)
    remembered = settings.memory_file.exists()

    def draw() -> WitnessKeys:
        keys = WitnessKeys(
            name=name,
            drawn_at=now,
            ed25519=secrets.token_bytes(SEED_BYTES),
            ml_dsa_44=secrets.token_bytes(SEED_BYTES),
        )
        create_memory(settings.memory_file)  # before the keys: without it no server starts
        return keys

    def undo() -> None:
        if not remembered:
            forget_memory(settings.memory_file)

    return _keystore(settings).create(draw, undo)


def read_keys(settings: WitnessSettings) -> WitnessKeys:
    """Open the keystore and return what it holds.

    Raises:
        KeyFileError: the keystore is missing or does not open, or there is no passphrase.
    """
    return _keystore(settings).read()


def describe(keys: WitnessKeys) -> dict[str, Any]:
    """The witness's public keys. The ``vkeys`` belong in trust policies."""
    named = {signer.key.algorithm.name: str(signer.key) for signer in keys.signers}
    return {"name": keys.name, "drawnAt": keys.drawn_at, "vkeys": named}


def _keystore(settings: WitnessSettings) -> SealedKeys[WitnessKeys]:
    def opened(path: Path, passphrase: bytearray) -> WitnessKeys:
        return open_keystore(path, WitnessKeys, passphrase)

    return SealedKeys(settings.data_dir, settings, opened)
