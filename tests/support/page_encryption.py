"""The counter page's encryption, in a node process that answers on a pipe."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import gateway.kiosk
from gateway.he.session_key import SessionKey
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import DIMENSION, FRESH_BYTES

PAGE = Path(gateway.kiosk.__file__).parent / "page"
_TIME = struct.Struct("<d")


class PageEncryption:
    """Encrypts as the page does. Raises EOFError when the process has ended."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.milliseconds: list[float] = []
        """CPU of each encryption so far, a's expansion included."""

    def encrypt(self, key: SessionKey, probe: np.ndarray, action: np.ndarray) -> Ciphertext:
        """Unit vectors of at most 512 values."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        vectors = b"".join(_padded(vector).tobytes() for vector in (probe, action))
        stdin.write(key.half.encoded + key.uniform.seed + vectors)
        stdin.flush()
        answer = stdout.read(FRESH_BYTES + _TIME.size)
        if len(answer) < FRESH_BYTES + _TIME.size:
            raise EOFError("the page's process has ended")
        self.milliseconds.append(*_TIME.unpack(answer[FRESH_BYTES:]))
        return Ciphertext.decode(answer[:FRESH_BYTES])


def _padded(vector: np.ndarray) -> np.ndarray:
    return np.pad(vector.astype("<f8"), (0, DIMENSION - vector.size))


@contextmanager
def page_encryption() -> Iterator[PageEncryption]:
    """Start node with the page's own sources; what they need is compiled first."""
    command = ["node", "test/he/peer.mjs"]
    with subprocess.Popen(
        command, cwd=PAGE, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield PageEncryption(process)
        finally:
            process.kill()
