"""The operator's ceremonies on a sealed keystore: make it, read it, change what is in it.

Each asks for the passphrase, does one thing and wipes the passphrase. A change replaces the file in
one step, under the directory's lock: of two operators, one waits. A running server opens its keys
once and keeps no passphrase, so it notices a change at its next start.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from gateway.host.directories import new_directory
from gateway.host.keyfile import exclusive, require_absent
from gateway.host.keystore import (
    KEYSTORE_FILE,
    PASSPHRASE_CREDENTIAL,
    create_keystore,
    replace_keystore,
)
from gateway.host.passphrase import obtain
from gateway.host.server_settings import HostSettings
from gateway.wire.message import Message
from gateway.wire.secret import wipe

M = TypeVar("M", bound=Message)


class SealedKeys(Generic[M]):
    """A server's keys in its data directory."""

    def __init__(
        self, directory: Path, settings: HostSettings, opened: Callable[[Path, bytearray], M]
    ) -> None:
        """
        Args:
            opened: opens the file with a passphrase and checks whose keys it holds.
        """
        self._directory = directory
        self._file = directory / KEYSTORE_FILE
        self._settings = settings
        self._opened = opened

    def create(self, draw: Callable[[], M], undo: Callable[[], object] = lambda: None) -> M:
        """Draw keys into a new keystore. Nothing is left behind if that fails.

        Args:
            undo: clears away what ``draw`` made besides the keys, also half of it.

        Raises:
            KeyFileError: there is one already, or no passphrase.
        """
        with new_directory(self._directory), exclusive(self._directory):
            require_absent(self._file)  # before a passphrase is asked for
            with self._passphrase(new=True) as passphrase:
                try:
                    keys = draw()
                    create_keystore(self._file, keys, passphrase, self._settings.keystore_cost)
                except BaseException:
                    undo()
                    raise
                return keys

    def read(self) -> M:
        """What the keystore holds.

        Raises:
            KeyFileError: missing, another party's, or it does not open; or there is no passphrase.
        """
        with self._passphrase() as passphrase:
            return self._opened(self._file, passphrase)

    def change(self, alter: Callable[[M], M]) -> M:
        """Replace what the keystore holds.

        Raises:
            KeyFileError: as ``read``; whatever ``alter`` raises, the old file stays.
        """
        with self._passphrase() as passphrase, exclusive(self._directory):
            changed = alter(self._opened(self._file, passphrase))
            replace_keystore(self._file, changed, passphrase, self._settings.keystore_cost)
            return changed

    @contextmanager
    def _passphrase(self, *, new: bool = False) -> Iterator[bytearray]:
        passphrase = keystore_passphrase(self._settings, new=new)
        try:
            yield passphrase
        finally:
            wipe(passphrase)


def keystore_passphrase(settings: HostSettings, *, new: bool = False) -> bytearray:
    """The passphrase as the settings say; the caller wipes it. Raises as ``obtain``."""
    what = f"passphrase of {KEYSTORE_FILE}"
    return obtain(settings.passphrase_file, PASSPHRASE_CREDENTIAL, what, new=new)
