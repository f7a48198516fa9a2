"""The face model pack as the commands use it."""

from gateway.issuer.issuer import Model
from gateway.vision.pack import ModelPack, default_pack_directory, load_pack
from gateway.wire.ids import Digest


def open_pack() -> ModelPack:
    """The default pack, every file checked.

    Raises:
        ModelPackMissing, ModelPackCorrupt: with advice.
    """
    return load_pack(default_pack_directory())


def model_of(pack: ModelPack) -> Model:
    """The pack's name and digest as they travel in messages."""
    return Model(pack.model_id, Digest(pack.digest))
