"""SEAL's uncompressed layout, written and read by us.

Checked words go in through a layout in which every number is ours. What SEAL saved is accepted only
if it is exactly the expected layout. SEAL's loader never gets a serialisation off the wire. Nothing
touches a disk: a build of SEAL that reads only files gets an anonymous file in memory.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import zstandard
from numpy.typing import NDArray

from gateway.wire.polynomials import Words
from gateway.wire.profile import KEY_PRIMES, N

Buffer = bytes | memoryview
Saved = bytes | bytearray
Version = tuple[int, int]
"""Major and minor version of SEAL's layout; SEAL refuses another."""

NO_COMPRESSION: Final = 0
ZSTD: Final = 2

_HEADER = struct.Struct("<HBBBBHQ")
"""Magic number, header's size, major and minor version, compression, reserved, size in all."""
_MAGIC: Final = 0xA15E
_COUNT = struct.Struct("<Q")
"""Number of 64-bit words in the array that follows."""
_PLAINTEXT = struct.Struct("<32sQd")
"""Level (zero: coefficients, not NTT form), number of coefficients, scale (CKKS's)."""
_CIPHERTEXT = struct.Struct("<32s?QQQdQ")
"""Level, NTT form, polynomials, degree, primes, scale (CKKS's), correction factor (BGV's)."""
_CORRECTION_FACTOR: Final = 1
"""Always 1: each data prime is 1 modulo t, so switching down does not scale the plaintext."""
_MAX_POLYNOMIALS = 3


def ciphertext_layout(
    level: bytes, polynomials: Sequence[Words], version: Version, *, ntt: bool = True
) -> list[Buffer]:
    """A ciphertext or public key of these polynomials, each of shape (primes, 8192)."""
    primes, degree = polynomials[0].shape
    count = len(polynomials)
    head = _CIPHERTEXT.pack(level, ntt, count, degree, primes, 1.0, _CORRECTION_FACTOR)
    return _layout(head, polynomials, version)


def plaintext_layout(coefficients: NDArray[np.uint64], version: Version) -> list[Buffer]:
    """A plaintext of 8192 coefficients below t."""
    return _layout(_PLAINTEXT.pack(b"", N, 1.0), [coefficients], version)


def read_words(saved: Saved, primes: int) -> Words:
    """Residues, shape (polynomials, primes, 8192), of a ciphertext or public key.

    Raises:
        RuntimeError: another layout, form or level than the profile's.
    """
    body = _body(saved)
    _, ntt, polynomials, degree, count, _, correction = _CIPHERTEXT.unpack_from(body)
    if not ntt or degree != N or count != primes or correction != _CORRECTION_FACTOR:
        raise RuntimeError("SEAL saved an unexpected layout")
    offset = _CIPHERTEXT.size + _HEADER.size + _COUNT.size
    words = np.frombuffer(body, dtype="<u8", offset=offset)
    return words.reshape(polynomials, primes, N)


def read_coefficients(saved: Saved, count: int) -> NDArray[np.uint64]:
    """The last words of a secret key or plaintext, which are its coefficients.

    Raises:
        RuntimeError: another number of words, or another layout.
    """
    body = _body(saved)
    if len(body) != _PLAINTEXT.size + _HEADER.size + _COUNT.size * (1 + count):
        raise RuntimeError("SEAL saved an unexpected layout")
    return np.frombuffer(body, dtype="<u8", offset=len(body) - _COUNT.size * count)


def saved_version(saved: Saved) -> Version:
    """The layout version that a build of SEAL writes."""
    _, _, major, minor, *_ = _HEADER.unpack_from(saved)
    return major, minor


@contextmanager
def memory_file(content: Sequence[Buffer] = ()) -> Iterator[tuple[int, str]]:
    """A file in memory with this content: its descriptor, and a path that leads to it."""
    descriptor = os.memfd_create("sealmatch", os.MFD_CLOEXEC)
    try:
        if content:
            os.writev(descriptor, content)
        yield descriptor, f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def saved_to_file(sealed: Any) -> bytearray:
    """What an object writes when it saves itself to a file, in a buffer that can be wiped."""
    with memory_file() as (descriptor, path):
        sealed.save(path)
        saved = bytearray(os.fstat(descriptor).st_size)
        os.preadv(descriptor, [saved], 0)
        return saved


def _body(saved: Saved) -> memoryview:
    *_, compression, _, size = _HEADER.unpack_from(saved)
    body = memoryview(saved)[_HEADER.size :]
    if size != len(saved) or compression not in (NO_COMPRESSION, ZSTD):
        raise RuntimeError("SEAL saved an unexpected layout")
    if compression == ZSTD:
        room = _MAX_POLYNOMIALS * len(KEY_PRIMES) * N * _COUNT.size
        body = memoryview(zstandard.ZstdDecompressor().decompress(body, max_output_size=room))
    return body


def _layout(head: bytes, parts: Sequence[NDArray[np.uint64]], version: Version) -> list[Buffer]:
    """Header, the object's fields, then the array of words with a header of its own."""
    data = [np.ascontiguousarray(part, dtype="<u8").data.cast("B") for part in parts]
    size = sum(part.nbytes for part in data)
    array = _header(_COUNT.size + size, version) + _COUNT.pack(size // _COUNT.size)
    whole = _header(len(head) + len(array) + size, version)
    return [whole, head, array, *data]


def _header(payload: int, version: Version) -> bytes:
    size = _HEADER.size + payload
    return _HEADER.pack(_MAGIC, _HEADER.size, *version, NO_COMPRESSION, 0, size)
