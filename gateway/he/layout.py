"""SEAL's uncompressed layout, written and read by us, through anonymous memory files.

SEAL reads and writes files only. Checked words go in through a layout in which every number is
ours; what SEAL saved is accepted only if it is exactly the layout expected. No byte off the wire
is ever handed to SEAL's loader, and nothing touches a disk.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import numpy as np
import zstandard
from numpy.typing import NDArray

from gateway.wire.polynomials import Words
from gateway.wire.profile import KEY_PRIMES, N

Version = tuple[int, int]
"""Major and minor version of SEAL's layout; SEAL refuses another."""

NO_COMPRESSION: Final = 0
ZSTD: Final = 2

_HEADER = struct.Struct("<HBBBBHQ")
_MAGIC: Final = 0xA15E
_COUNT = struct.Struct("<Q")
_PLAINTEXT = struct.Struct("<32sQd")
_CIPHERTEXT = struct.Struct("<32s?QQQdQ")
_CORRECTION_FACTOR: Final = 1
_MAX_POLYNOMIALS = 3


class Loadable(Protocol):
    """A SEAL object that reads itself from a file."""

    def load(self, context: Any, path: str, /) -> None: ...


def load_ciphertext(
    target: Any, context: Any, level: bytes, words: Words, version: Version, *, ntt: bool = True
) -> Any:
    """Fill a SEAL ciphertext or public key, residues of shape (polynomials, primes, 8192)."""
    polynomials, primes, degree = words.shape
    head = _CIPHERTEXT.pack(level, ntt, polynomials, degree, primes, 1.0, _CORRECTION_FACTOR)
    return _load(target, context, head, words, version)


def load_plaintext(
    target: Any, context: Any, coefficients: NDArray[np.uint64], version: Version
) -> Any:
    """Fill a SEAL plaintext with 8192 coefficients below t."""
    return _load(target, context, _PLAINTEXT.pack(b"", N, 1.0), coefficients, version)


def read_ciphertext(saved: bytes, primes: int) -> Words:
    """Residues, shape (polynomials, primes, 8192), of what SEAL saved.

    Raises:
        RuntimeError: another layout, form or level than the profile's.
    """
    *_, compression, _, size = _HEADER.unpack_from(saved)
    body = memoryview(saved)[_HEADER.size :]
    if size != len(saved) or compression not in (NO_COMPRESSION, ZSTD):
        raise RuntimeError("SEAL saved an unexpected layout")
    if compression == ZSTD:
        room = _MAX_POLYNOMIALS * len(KEY_PRIMES) * N * _COUNT.size
        body = memoryview(zstandard.ZstdDecompressor().decompress(body, max_output_size=room))
    _, ntt, polynomials, degree, count, _, correction = _CIPHERTEXT.unpack_from(body)
    if not ntt or degree != N or count != primes or correction != _CORRECTION_FACTOR:
        raise RuntimeError("SEAL saved an unexpected layout")
    offset = _CIPHERTEXT.size + _HEADER.size + _COUNT.size
    words = np.frombuffer(body, dtype="<u8", offset=offset)
    return words.reshape(polynomials, primes, N)


def saved_version(saved: bytes) -> Version:
    """The layout version that a build of SEAL writes."""
    _, _, major, minor, *_ = _HEADER.unpack_from(saved)
    return major, minor


def save(sealed: Any, *options: Any) -> bytes:
    """What a SEAL object writes when it saves itself."""
    with _memory_file() as (descriptor, path):
        sealed.save(path, *options)
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _load(
    target: Loadable, context: Any, head: bytes, words: NDArray[np.uint64], version: Version
) -> Any:
    """Header, the object's fields, then the array of words with a header of its own."""
    data = np.ascontiguousarray(words, dtype="<u8").data.cast("B")
    array = _header(_COUNT.size + data.nbytes, version) + _COUNT.pack(words.size)
    whole = _header(len(head) + len(array) + data.nbytes, version)
    with _memory_file() as (descriptor, path):
        os.writev(descriptor, [whole, head, array, data])
        target.load(context, path)
    return target


def _header(payload: int, version: Version) -> bytes:
    size = _HEADER.size + payload
    return _HEADER.pack(_MAGIC, _HEADER.size, *version, NO_COMPRESSION, 0, size)


@contextmanager
def _memory_file() -> Iterator[tuple[int, str]]:
    descriptor = os.memfd_create("sealmatch", os.MFD_CLOEXEC)
    try:
        yield descriptor, f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
