"""The homomorphic encryption engine: SEAL's BGV through ``tenseal.sealapi`` (protocol, section 3).

Checked residues go in and residues come out; SEAL objects do not leave this module and the key
authority. SEAL reads and writes files only, so words pass through its uncompressed layout in an
anonymous memory file: they never touch a disk. Every number in that layout is written by us; no
byte of it comes off the wire.

This interface has no operation that takes a secret key.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import tenseal.sealapi as seal
import zstandard
from numpy.typing import NDArray

from gateway.wire.errors import CallerMisuse
from gateway.wire.polynomials import Ciphertext, SessionPublicKey, Words
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, N, T

Slots: TypeAlias = NDArray[np.uint64]
"""8192 values below t."""

_BGV: Final = 3
_HEADER = struct.Struct("<HBBBBHQ")
_MAGIC: Final = 0xA15E
_VERSION: Final = (4, 3)
_NO_COMPRESSION: Final = 0
_ZSTD: Final = 2
_COUNT = struct.Struct("<Q")
_PLAINTEXT = struct.Struct("<32sQd")
_CIPHERTEXT = struct.Struct("<32s?QQQdQ")
_CORRECTION_FACTOR: Final = 1
_MAX_POLYNOMIALS = 3


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
        parameters.set_poly_modulus_degree(N)
        moduli = seal.CoeffModulus.Create(N, [54, 54, 54, 54])
        if tuple(modulus.value() for modulus in moduli) != KEY_PRIMES:
            raise RuntimeError("this build of SEAL chooses other primes than the profile")
        parameters.set_coeff_modulus(moduli)
        parameters.set_plain_modulus(seal.Modulus(T))
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
        return self._load(seal.Ciphertext(), self._data_level, words, ntt)  # type: ignore[no-any-return]

    def load_public_key(self, key: SessionPublicKey) -> Any:
        """Public key for encryption."""
        return self._load(seal.PublicKey(), self._key_level, key.words, True)

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
        if slots.shape != (N,) or not (slots < T).all():
            raise CallerMisuse("slots are 8192 values below t")
        result = seal.Plaintext()
        self._encoder.encode(slots.tolist(), result)
        return result

    def slots(self, plaintext: Any) -> Slots:
        """Slot values of a decrypted plaintext."""
        return np.array(self._encoder.decode_uint64(plaintext), dtype=np.uint64)

    def _polynomial(self, coefficients: Slots) -> Any:
        return self._read(seal.Plaintext(), _PLAINTEXT.pack(b"", N, 1.0), coefficients)

    def _load(self, target: Any, level: bytes, words: Words, ntt: bool) -> Any:
        polynomials, primes, degree = words.shape
        head = _CIPHERTEXT.pack(level, ntt, polynomials, degree, primes, 1.0, _CORRECTION_FACTOR)
        return self._read(target, head, words)

    def _read(self, target: Any, head: bytes, words: NDArray[np.uint64]) -> Any:
        """Let SEAL read an object: header, its fields, then the array of words with its header."""
        data = np.ascontiguousarray(words, dtype="<u8").data.cast("B")
        array = _header(_COUNT.size + data.nbytes) + _COUNT.pack(words.size)
        whole = _header(len(head) + len(array) + data.nbytes)
        with _memory_file() as (descriptor, path):
            os.writev(descriptor, [whole, head, array, data])
            target.load(self.context, path)
        return target


def export_words(sealed: Any, primes: int) -> Words:
    """Residues of a SEAL ciphertext or public key, shape (polynomials, primes, 8192).

    SEAL compresses what it saves; the layout is read strictly and must be our own.
    """
    with _memory_file() as (descriptor, path):
        sealed.save(path)
        saved = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    *_, compression, _, size = _HEADER.unpack_from(saved)
    if compression != _ZSTD or size != len(saved):
        raise RuntimeError("SEAL saved an unexpected layout")
    expected = _MAX_POLYNOMIALS * len(KEY_PRIMES) * N * _COUNT.size
    body = zstandard.ZstdDecompressor().decompress(
        memoryview(saved)[_HEADER.size :], max_output_size=expected
    )
    _, ntt, polynomials, degree, count, _, correction = _CIPHERTEXT.unpack_from(body)
    if not ntt or degree != N or count != primes or correction != _CORRECTION_FACTOR:
        raise RuntimeError("SEAL saved an unexpected layout")
    offset = _CIPHERTEXT.size + _HEADER.size + _COUNT.size
    words = np.frombuffer(body, dtype="<u8", offset=offset)
    return words.reshape(polynomials, primes, N)


def _header(payload: int) -> bytes:
    return _HEADER.pack(_MAGIC, _HEADER.size, *_VERSION, _NO_COMPRESSION, 0, _HEADER.size + payload)


@contextmanager
def _memory_file() -> Iterator[tuple[int, str]]:
    descriptor = os.memfd_create("sealmatch", os.MFD_CLOEXEC)
    try:
        yield descriptor, f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


@cache
def default_engine() -> Engine:
    """The process's engine."""
    return Engine()
