"""A second engine: a newer SEAL through the package ``seal-python`` (optional extra).

For public-key work only, and word for word the same: an independent build against which the first
is tested, and a way out should it ever be abandoned. It saves without compression, which makes it
somewhat faster.
"""

import struct
from typing import Any

import numpy as np
import seal

from gateway.he import layout
from gateway.he.engine import Engine, Handle, Slots, check_slots, set_profile
from gateway.wire.polynomials import SessionPublicKey, Words
from gateway.wire.profile import DATA_PRIMES


class SealPythonEngine(Engine):
    """The operations of ``Engine`` on seal-python's objects."""

    def __init__(self) -> None:
        parameters = seal.EncryptionParameters(seal.scheme_type.bgv)
        set_profile(seal, parameters)
        self.context = seal.SEALContext(parameters, True, seal.sec_level_type.tc128)
        if not self.context.parameters_set():
            raise RuntimeError("SEAL refuses the profile's parameters")
        self._encoder = seal.BatchEncoder(self.context)
        self._evaluator = seal.Evaluator(self.context)
        self._data_level = struct.pack("<4Q", *self.context.first_parms_id())
        self._key_level = struct.pack("<4Q", *self.context.key_context_data().parms_id())
        self._version = layout.saved_version(self._save(seal.Ciphertext(self.context)))

    def load(self, words: Words, *, ntt: bool = True) -> Handle:
        ciphertext = seal.Ciphertext()
        return layout.load_ciphertext(  # type: ignore[no-any-return]
            ciphertext, self.context, self._data_level, words, self._version, ntt=ntt
        )

    def load_public_key(self, key: SessionPublicKey) -> Any:
        public = seal.PublicKey()
        return layout.load_ciphertext(
            public, self.context, self._key_level, key.words, self._version
        )

    def words(self, handle: Handle) -> Words:
        return layout.read_ciphertext(self._save(handle), len(DATA_PRIMES))

    def encrypt(self, key: SessionPublicKey, slots: Slots) -> Handle:
        encryptor = seal.Encryptor(self.context, self.load_public_key(key))
        return encryptor.encrypt(self.plaintext(slots))  # type: ignore[no-any-return]

    def multiply(self, left: Handle, right: Handle) -> Handle:
        return self._evaluator.multiply(left, right)  # type: ignore[no-any-return]

    def add(self, left: Handle, right: Handle) -> Handle:
        return self._evaluator.add(left, right)  # type: ignore[no-any-return]

    def multiply_slots(self, handle: Handle, slots: Slots) -> Handle:
        return self._evaluator.multiply_plain(handle, self.plaintext(slots))  # type: ignore[no-any-return]

    def multiply_polynomial(self, handle: Handle, coefficients: Slots) -> Handle:
        plaintext = layout.load_plaintext(
            seal.Plaintext(), self.context, coefficients, self._version
        )
        return self._evaluator.multiply_plain(handle, plaintext)  # type: ignore[no-any-return]

    def add_slots(self, handle: Handle, slots: Slots) -> Handle:
        return self._evaluator.add_plain(handle, self.plaintext(slots))  # type: ignore[no-any-return]

    def plaintext(self, slots: Slots) -> Any:
        check_slots(slots)
        return self._encoder.encode(slots)

    def slots(self, plaintext: Any) -> Slots:
        return np.asarray(self._encoder.decode_uint64(plaintext), dtype=np.uint64)

    @staticmethod
    def _save(sealed: Any) -> bytes:
        return layout.save(sealed, seal.compr_mode_type.none)
