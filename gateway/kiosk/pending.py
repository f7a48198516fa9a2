"""What the page keeps of submissions until it has their receipts: sealed files, in the counter's
directory.

From the moment that a submission leaves there may be an outcome. The tab may be closed then, or
this process may end, and the customer is still owed the receipt. So the page has what is needed to
ask for it kept here, before the submission leaves, as the command line keeps RECEIPT.pending.

It is here and not in the browser's storage because a file that is removed is gone, and a browser's
database keeps what was deleted for as long as it likes. It is sealed under a key of the browser's,
beside the device's key without which nobody can ask: to this process it is bytes. Nothing of a face
is in it, and no document's number (``page/src/counter/pending.ts``).

A file goes when the page says so, and after ``KEPT_SECONDS``.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from gateway.host.directories import existing_directory
from gateway.host.newfile import replace_private
from gateway.kiosk.desk import Asked
from gateway.wire.errors import Unavailable

FOLDER: Final = "kiosk-pending"
"""Beside the trust file."""
KEPT_SECONDS: Final = 7 * 24 * 3600
"""A gateway keeps a session whose receipt is late for a day after it was last asked. After that its
operators can still say what became of it; a week is for them."""
MOST_KEPT: Final = 200
"""A counter whose receipts are all late serves no more customers than that."""
_MOST_BYTES: Final = 8192
_NAME: Final = re.compile(r"([0-9a-f]{32})\.pending")

Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class PendingNamed(Asked):
    """A submission whose receipt is waited for no more."""

    id: Id


class PendingKept(PendingNamed):
    """What the page has kept of one submission."""

    content: Annotated[
        str, Field(pattern=r"^([0-9a-f]{2})+$", max_length=2 * _MOST_BYTES, repr=False)
    ]
    """Sealed; in hexadecimal."""


class PendingFolder:
    """The files. Several threads may use it."""

    def __init__(self, directory: Path, clock: Callable[[], int]) -> None:
        """Raises ``UnusableDirectory``: it is open to other accounts. ``OSError``."""
        self._directory = existing_directory(directory)
        self._clock = clock
        self._lock = threading.Lock()

    def keep(self, asked: PendingKept) -> Mapping[str, object]:
        """Keep it, in the place of what is kept under this id; it is on the disk on return.

        Raises ``Unavailable``: there is no room, or too much is kept.
        """
        with self._lock, _on_the_disk():
            path = self._path(asked.id)
            if not path.exists() and len(self._kept()) >= MOST_KEPT:
                raise Unavailable("too many receipts are waited for: ask for them first")
            replace_private(path, bytes.fromhex(asked.content))
        return {}

    def all(self) -> Mapping[str, object]:
        """Everything that is kept; of what cannot be read, the id alone. Raises ``Unavailable``."""
        with self._lock, _on_the_disk():
            found = [{"id": name, "content": _content(path)} for name, path in self._kept()]
        return {"pending": found}

    def remove(self, asked: PendingNamed) -> Mapping[str, object]:
        """Raises ``Unavailable``."""
        with self._lock, _on_the_disk():
            self._path(asked.id).unlink(missing_ok=True)
        return {}

    def expire(self) -> None:
        """Remove what was kept for too long, and what a killed process left half written."""
        with self._lock, suppress(OSError):
            for path in self._directory.iterdir():
                with suppress(OSError):
                    if self._clock() - path.stat().st_mtime > KEPT_SECONDS:
                        path.unlink()

    def __len__(self) -> int:
        return len(self._kept())

    def _kept(self) -> list[tuple[str, Path]]:
        named = [(_NAME.fullmatch(path.name), path) for path in sorted(self._directory.iterdir())]
        return [(name[1], path) for name, path in named if name is not None]

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.pending"


def _content(path: Path) -> str:
    with suppress(OSError), path.open("rb") as file:
        return file.read(_MOST_BYTES + 1).hex()
    return ""


@contextmanager
def _on_the_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the counter's directory: {error.strerror}") from None
