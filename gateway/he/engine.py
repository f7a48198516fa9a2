"""The homomorphic encryption engine: SEAL's BGV behind a small interface (protocol, section 3).

Checked residues go in and residues come out (``gateway.he.layout``). SEAL objects do not leave this
module, ``engine_tenseal`` and the key authority. There are two builds of SEAL. The default is SEAL
4.4.0 of the package ``seal-python``, because it has the newer security fixes. The other is the
older SEAL of ``tenseal.sealapi``. Where an operation is deterministic, both give the same words.

This interface has no operation that takes a secret key. ``key_generator`` makes the object that
draws one; only ``keys.authority`` calls it.
"""

import struct
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeAlias

import numpy as np
import seal
from numpy.typing import NDArray

from gateway.he import layout, names
from gateway.wire.errors import CallerMisuse
from gateway.wire.polynomials import Words
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, SENT_PRIMES, N, T

Slots: TypeAlias = NDArray[np.uint64]
"""8192 values below t."""

EngineName: TypeAlias = names.EngineName
DEFAULT_ENGINE: Final = names.DEFAULT_ENGINE

EVALUATION_BLOCKS: Final = {3: 2, 6: 4, 9: 3}
"""Blocks to overwrite in SEAL's pool, by their number of polynomials modulo one prime.

One more of each than the leak search shows to be needed, with either build: the transformed rho;
factor, probe and the product after its switch; t beta, u and e1, and the product before it."""

KEY_BLOCKS: Final = {8: 2}
"""The same for a key's b' and a'."""


class Engine:
    """Deterministic ring operations of the profile, and public-key encryption, on SEAL 4.4.0.

    Holds no state of a session; one serves all threads of a process.

    Raises:
        RuntimeError: this build of SEAL does not take the profile's parameters.
    """

    library: Any = seal
    name: EngineName = "seal-python"

    def __init__(self) -> None:
        self.context = self._context()
        if not self.context.parameters_set():
            raise RuntimeError("SEAL refuses the profile's parameters")
        self._encoder = self.library.BatchEncoder(self.context)
        self._evaluator = self.library.Evaluator(self.context)
        first = self.context.first_context_data()
        self._levels = {
            len(DATA_PRIMES): _level(first),
            len(SENT_PRIMES): _level(first.next_context_data()),
        }
        self._key_level = _level(self.context.key_context_data())
        empty = self.library.Ciphertext(self.context)
        self._version = layout.saved_version(layout.saved_to_file(empty))

    # Words in and out

    def encrypt(self, key: tuple[Words, Words], slots: Slots) -> Words:
        """Encrypt slot values with fresh randomness of the operating system.

        Args:
            key: b and a of a session's public key, each of shape (4, 8192).

        Returns:
            Shape (2, 3, 8192).
        """
        public = self.library.PublicKey()
        self._load_file(public, layout.ciphertext_layout(self._key_level, key, self._version))
        result = self.library.Ciphertext()
        self.library.Encryptor(self.context, public).encrypt(self.plaintext(slots), result)
        return self._words(result, len(DATA_PRIMES))

    def folded_square(self, words: Words, slots: Slots, addend: Words) -> Words:
        """c * (slots * c + addend), not relinearised, switched down to Q'.

        Args:
            words, addend: ciphertexts, shape (2, 3, 8192).
            slots: public values.

        Returns:
            Shape (3, 2, 8192).

        Raises:
            RuntimeError: the product has no second and third polynomial.
        """
        left, factor = self._load(words), self._load(words)
        self._evaluator.multiply_plain_inplace(factor, self.plaintext(slots))
        self._evaluator.add_inplace(factor, self._load(addend))
        self._evaluator.multiply_inplace(factor, left)
        self._evaluator.mod_switch_to_next_inplace(factor)
        return self._words(factor, len(SENT_PRIMES))

    def transformed(self, coefficients: Words) -> Words:
        """NTT of 2 or 3 polynomials modulo the primes of Q or Q', shape (count, primes, 8192)."""
        return self._words(self._load(coefficients, ntt=False), coefficients.shape[1])

    def plaintext(self, slots: Slots) -> Any:
        """Batch-encode 8192 values below t.

        Raises:
            CallerMisuse: another number of values, or one at or above t; SEAL would reduce it.
        """
        if slots.shape != (N,) or not (slots < T).all():
            raise CallerMisuse("slots are 8192 values below t")
        return self._encode(slots)

    # For the key authority

    def key_generator(self) -> Any:
        """SEAL's sampler of a key pair."""
        return self.library.KeyGenerator(self.context)

    def exported(self, key: Any) -> bytearray:
        """A secret or public key as SEAL saves it, in a buffer that can be wiped."""
        return layout.saved_to_file(key)

    def overwrite_pool(self, blocks: Mapping[int, int]) -> None:
        """Overwrite blocks that SEAL's pool keeps for reuse; it does not clear them itself.

        The pool keeps blocks by size and gives out the last returned one first. So zeroed
        plaintexts of each size in use take the blocks of the work that just ended.
        """
        for polynomials, count in blocks.items():
            held = [self.library.Plaintext(polynomials * N) for _ in range(count)]
            del held

    # What the builds of SEAL do differently

    def _context(self) -> Any:
        parameters = self.library.EncryptionParameters(seal.scheme_type.bgv)
        set_profile(self.library, parameters)
        return self.library.SEALContext(parameters, True, seal.sec_level_type.tc128)

    def _read(self, target: Any, saved: Sequence[layout.Buffer]) -> Any:
        target.load_bytes(self.context, b"".join(saved))
        return target

    def _encode(self, slots: Slots) -> Any:
        return self._encoder.encode(slots)

    # Shared

    def _load(self, polynomials: Words | tuple[Words, Words], *, ntt: bool = True) -> Any:
        """A ciphertext modulo Q or Q'; SEAL transforms coefficients while it loads them."""
        parts = tuple(polynomials)
        level = self._levels[parts[0].shape[0]]
        saved = layout.ciphertext_layout(level, parts, self._version, ntt=ntt)
        return self._read(self.library.Ciphertext(), saved)

    def _load_file(self, target: Any, saved: Sequence[layout.Buffer]) -> Any:
        with layout.memory_file(saved) as (_, path):
            target.load(self.context, path)
        return target

    def _words(self, handle: Any, primes: int) -> Words:
        # By a file in memory: the library's own strings are built in twice the time.
        return layout.read_words(layout.saved_to_file(handle), primes)


def _level(data: Any) -> bytes:
    """SEAL's name of a level (its ``parms_id``), 32 bytes as in what it saves."""
    return struct.pack("<4Q", *data.parms_id())


def set_profile(library: Any, parameters: Any) -> None:
    """Give a build of SEAL the profile's numbers."""
    parameters.set_poly_modulus_degree(N)
    parameters.set_coeff_modulus([library.Modulus(prime) for prime in KEY_PRIMES])
    parameters.set_plain_modulus(library.Modulus(T))


@cache
def default_engine() -> Engine:
    """The process's engine."""
    return Engine()
