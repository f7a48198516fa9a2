"""Which logs a witness cosigns for: ``logs.policy``, a C2SP ``tlog-policy`` with ``log`` lines.

The file is read again whenever it has changed, so that a log can be added while the server runs.
With a file that does not parse the witness answers nothing: it never guesses.
"""

import threading
from pathlib import Path

from gateway.host.keyfile import create_secret, exclusive, replace_secret
from gateway.translog.note import NoteKey
from gateway.translog.policy import NO_QUORUM, TrustedLog, TrustPolicy
from gateway.wire.errors import BodyTooLarge, MalformedMessage, SealmatchError, Unavailable

_NONE = TrustPolicy((), (), (), NO_QUORUM)


class KnownLogs:
    """The logs of the file. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, ...], TrustPolicy] | None = None

    def keys_of(self, origin: str) -> list[NoteKey]:
        """The keys of the log of this origin; none if it is unknown.

        Raises:
            Unavailable: the file cannot be read, or does not parse.
        """
        return self.policy().keys_of(origin)

    def policy(self) -> TrustPolicy:
        """All of the file; a missing one lists nothing. Raises as ``keys_of``."""
        with self._lock:
            try:
                status = self._path.stat()
                version = (status.st_ino, status.st_mtime_ns, status.st_size)
                if self._read is None or self._read[0] != version:
                    self._read = (version, TrustPolicy.parse(self._path.read_bytes()))
                return self._read[1]
            except FileNotFoundError:
                return _NONE
            except (OSError, MalformedMessage, BodyTooLarge) as error:
                reason = str(error) if isinstance(error, SealmatchError) else "not readable"
                raise Unavailable(f"the list of known logs cannot be used: {reason}") from None

    def add(self, key: NoteKey, url: str | None = None) -> None:
        """Add a log, durably.

        Raises:
            MalformedMessage: its key is listed already.
            Unavailable: the file cannot be read, or does not parse.
            OSError: the file cannot be written; the old one remains.
        """
        with exclusive(self._path.parent):
            held = self.policy()
            changed = TrustPolicy.simple((*held.logs, TrustedLog(key, url)), (), 0)
            write = replace_secret if self._path.exists() else create_secret
            write(self._path, bytes(changed))
