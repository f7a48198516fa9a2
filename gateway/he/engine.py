"""The homomorphic encryption engine: SEAL's BGV through ``tenseal.sealapi`` (protocol, section 3).

Checked residues go in and residues come out (``gateway.he.layout``); SEAL objects do not leave
this module and the key authority. ``gateway.he.engine_seal_python`` is a second engine on a newer
SEAL, which gives the same words.

This interface has no operation that takes a secret key.
"""

import struct
from functools import cache
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from gateway.he import layout
from gateway.wire.errors import CallerMisuse
from gateway.wire.polynomials import Ciphertext, SessionPublicKey, Words
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, N, T

Slots: TypeAlias = NDArray[np.uint64]
"""8192 values below t."""

_BGV: Final = 3
_VERSION: Final = (4, 3)
"""Layout version of the SEAL that tenseal builds."""


_BLOCK_WORDS: Final = tuple(n * N for n in (1, 2, 3, 4, 6, 8, 9, 12))
"""Polynomials and ciphertexts of two and three, modulo three primes and four."""
_POOLED: Final = 8


class Handle(Protocol):
    """A ciphertext inside the engine."""

    def size(self) -> int: ...


class Engine:
    """Deterministic ring operations of the profile, and public-key encryption.

    Holds no state of a session; one serves all threads of a process.

    Raises:
        RuntimeError: this build of SEAL does not give the profile's primes or parameters.
    """

    def __init__(self) -> None:
        parameters = seal.EncryptionParameters(_BGV)
        set_profile(seal, parameters)
        self.context = seal.SEALContext(parameters, True, seal.SEC_LEVEL_TYPE.TC128)
        if not self.context.parameters_set():
            raise RuntimeError("SEAL refuses the profile's parameters")
        self._encoder = seal.BatchEncoder(self.context)
        self._evaluator = seal.Evaluator(self.context)
        self._data_level = struct.pack("<4Q", *self.context.first_parms_id())
        self._key_level = struct.pack("<4Q", *self.context.key_parms_id())

    # Words in and out

    def load(self, words: Words, *, ntt: bool = True) -> Handle:
        """Ciphertext from residues modulo Q, shape (polynomials, 3, 8192).

        With ``ntt=False`` the residues are coefficients; SEAL transforms them while loading.
        """
        ciphertext = seal.Ciphertext()
        return layout.load_ciphertext(  # type: ignore[no-any-return]
            ciphertext, self.context, self._data_level, words, _VERSION, ntt=ntt
        )

    def load_public_key(self, key: SessionPublicKey) -> Any:
        """Public key for encryption."""
        public = seal.PublicKey()
        return layout.load_ciphertext(public, self.context, self._key_level, key.words, _VERSION)

    def words(self, handle: Handle) -> Words:
        """Residues of a ciphertext modulo Q, shape (polynomials, 3, 8192), NTT form."""
        return export_words(handle, len(DATA_PRIMES))

    def ciphertext(self, handle: Handle) -> Ciphertext:
        """Canonical ciphertext."""
        return Ciphertext(self.words(handle))

    # Operations

    def encrypt(self, key: SessionPublicKey, slots: Slots) -> Handle:
        """Encrypt slot values with fresh randomness of the operating system."""
        encryptor = seal.Encryptor(self.context, self.load_public_key(key))
        result = seal.Ciphertext()
        encryptor.encrypt(self.plaintext(slots), result)
        return result  # type: ignore[no-any-return]

    def multiply(self, left: Handle, right: Handle) -> Handle:
        """Product of two two-polynomial ciphertexts: three polynomials, not relinearised."""
        result = seal.Ciphertext()
        self._evaluator.multiply(left, right, result)
        return result  # type: ignore[no-any-return]

    def add(self, left: Handle, right: Handle) -> Handle:
        """Sum; sizes may differ."""
        result = seal.Ciphertext()
        self._evaluator.add(left, right, result)
        return result  # type: ignore[no-any-return]

    def multiply_slots(self, handle: Handle, slots: Slots) -> Handle:
        """Slot-wise product with public values."""
        result = seal.Ciphertext()
        self._evaluator.multiply_plain(handle, self.plaintext(slots), result)
        return result  # type: ignore[no-any-return]

    def multiply_polynomial(self, handle: Handle, coefficients: Slots) -> Handle:
        """Product with a public polynomial, 8192 coefficients below t, lifted around zero."""
        result = seal.Ciphertext()
        self._evaluator.multiply_plain(handle, self._polynomial(coefficients), result)
        return result  # type: ignore[no-any-return]

    def add_slots(self, handle: Handle, slots: Slots) -> Handle:
        """Slot-wise sum with public values."""
        result = seal.Ciphertext()
        self._evaluator.add_plain(handle, self.plaintext(slots), result)
        return result  # type: ignore[no-any-return]

    def plaintext(self, slots: Slots) -> Any:
        """Batch-encode 8192 values below t.

        Raises:
            CallerMisuse: another number of values, or one at or above t; SEAL would reduce it.
        """
        check_slots(slots)
        result = seal.Plaintext()
        self._encoder.encode(slots.tolist(), result)
        return result

    def slots(self, plaintext: Any) -> Slots:
        """Slot values of a decrypted plaintext."""
        return np.array(self._encoder.decode_uint64(plaintext), dtype=np.uint64)

    def _polynomial(self, coefficients: Slots) -> Any:
        return layout.load_plaintext(seal.Plaintext(), self.context, coefficients, _VERSION)


def set_profile(library: Any, parameters: Any) -> None:
    """Give a build of SEAL the profile's numbers.

    Raises:
        RuntimeError: it chooses other primes than the profile's.
    """
    parameters.set_poly_modulus_degree(N)
    moduli = library.CoeffModulus.Create(N, [54, 54, 54, 54])
    if tuple(modulus.value() for modulus in moduli) != KEY_PRIMES:
        raise RuntimeError("this build of SEAL chooses other primes than the profile")
    parameters.set_coeff_modulus(moduli)
    parameters.set_plain_modulus(library.Modulus(T))


def check_slots(slots: Slots) -> None:
    """Raise ``CallerMisuse`` unless these are 8192 values below t."""
    if slots.shape != (N,) or not (slots < T).all():
        raise CallerMisuse("slots are 8192 values below t")


def overwrite_pool() -> None:
    """Overwrite blocks that SEAL's pool keeps for reuse; it does not clear them itself.

    It keeps them by size and gives out the last returned first, so zeroed plaintexts of each size
    in use take those of the evaluation that just ended, which returns fewer than ``_POOLED`` of a
    size (measured by the leak search).
    """
    for words in _BLOCK_WORDS:
        held = [seal.Plaintext(words) for _ in range(_POOLED)]
        del held


def export_words(sealed: Any, primes: int) -> Words:
    """Residues of a SEAL ciphertext or public key, shape (polynomials, primes, 8192)."""
    return layout.read_ciphertext(layout.save(sealed), primes)


@cache
def default_engine() -> Engine:
    """The process's engine."""
    return Engine()
