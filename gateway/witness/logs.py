"""Which logs a witness cosigns for: ``logs.policy``, a C2SP ``tlog-policy`` with ``log`` lines.

The file is read again whenever it has changed, so that a log can be added while the server runs. If
the file does not parse, the witness answers nothing: it never guesses.
"""

from pathlib import Path

from gateway.host.keyfile import exclusive, write_private
from gateway.host.watched import WatchedFile
from gateway.translog.note import NoteKey
from gateway.translog.policy import NO_QUORUM, TrustedLog, TrustPolicy
from gateway.wire.errors import BodyTooLarge, MalformedMessage, Unavailable

_NONE = TrustPolicy((), (), (), NO_QUORUM)


class KnownLogs:
    """The logs of the file. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile(path, _read, _NONE)

    def keys_of(self, origin: str) -> list[NoteKey]:
        """The keys of the log of this origin; none if it is unknown.

        Raises:
            Unavailable: the file cannot be read, or does not parse.
        """
        return self.policy().keys_of(origin)

    def policy(self) -> TrustPolicy:
        """The whole file; a missing one lists nothing. Raises as ``keys_of``."""
        try:
            return self._file.value()
        except OSError:
            raise Unavailable("the list of known logs cannot be used: not readable") from None
        except (MalformedMessage, BodyTooLarge) as error:
            raise Unavailable(f"the list of known logs cannot be used: {error}") from None

    def add(self, key: NoteKey, url: str | None = None) -> None:
        """Add a log, durably.

        Raises:
            MalformedMessage: its key is listed already.
            Unavailable: the file cannot be read, or does not parse.
            OSError: the file cannot be written; the old one remains.
        """
        path = self._file.path
        with exclusive(path.parent):
            held = self.policy()
            changed = TrustPolicy.simple((*held.logs, TrustedLog(key, url)), (), 0)
            write_private(path, bytes(changed))


def _read(path: Path, _: TrustPolicy) -> TrustPolicy:
    try:
        return TrustPolicy.parse(path.read_bytes())
    except FileNotFoundError:
        return _NONE
