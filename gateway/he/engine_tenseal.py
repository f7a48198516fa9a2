"""The older SEAL that the package ``tenseal`` builds: a second engine, word for word the same.

It is an independent build. The default one is tested against it, and it is a way out if the default
one is abandoned. It reads and writes only files, compresses what it saves, and takes slots as
lists.
"""

from collections.abc import Sequence
from typing import Any, Final

from tenseal import sealapi

from gateway.he import layout
from gateway.he.engine import Engine, EngineName, Slots, set_profile

_BGV: Final = 3
"""SEAL's ``scheme_type::bgv``; ``sealapi`` has no name for it."""


class TensealEngine(Engine):
    """The operations of ``Engine`` on tenseal's objects."""

    library = sealapi
    name: EngineName = "tenseal"

    def _context(self) -> Any:
        parameters = sealapi.EncryptionParameters(_BGV)
        set_profile(sealapi, parameters)
        return sealapi.SEALContext(parameters, True, sealapi.SEC_LEVEL_TYPE.TC128)

    def _read(self, target: Any, saved: Sequence[layout.Buffer]) -> Any:
        return self._load_file(target, saved)

    def _encode(self, slots: Slots) -> Any:
        result = sealapi.Plaintext()
        self._encoder.encode(slots.tolist(), result)
        return result
