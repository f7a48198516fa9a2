"""A reader's folder: files of an electronic document, found by the names that readers give them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MOST_FILES: Final = 10_000
_NO_LETTERS: Final = str.maketrans("", "", ".-_")


@dataclass(frozen=True)
class FilesOf:
    """The files of one kind of document: how they are called, and how large they may be."""

    names: Mapping[str, str]
    """From the names that readers give, in small letters without dots, dashes and underscores."""
    endings: tuple[str, ...]
    max_bytes: Mapping[str, int]
    needed: tuple[str, ...]
    refused: Callable[[str], Exception]
    """What is raised where the files are not those of one document."""

    def name(self, path: Path) -> str | None:
        """Which of them a file is, by its name; None: none of them."""
        called = path.name.lower()
        plain = next((called.removesuffix(e) for e in self.endings if called.endswith(e)), called)
        return self.names.get(plain.translate(_NO_LETTERS))

    def are_in(self, folder: Path) -> bool:
        """Whether any of them lies there. Raises ``OSError``, and as ``refused``."""
        return any(True for _ in self._found(folder))

    def read(self, folder: Path) -> dict[str, bytes]:
        """All of them, by name; of one that is too long, a byte more than it may have.

        Raises ``OSError``, and as ``refused``: one is there twice, or one that is needed is not.
        """
        found: dict[str, Path] = {}
        for name, path in self._found(folder):
            if name in found:
                raise self.refused(f"there are two files {name}: leave the one of this document")
            found[name] = path
        missing = [name for name in self.needed if name not in found]
        if missing:
            raise self.refused(f"there is no {' and no '.join(missing)}")
        return {name: self._content(name, path) for name, path in found.items()}

    def _content(self, name: str, path: Path) -> bytes:
        with path.open("rb") as file:
            return file.read(self.max_bytes[name] + 1)

    def _found(self, folder: Path) -> Iterator[tuple[str, Path]]:
        for number, path in enumerate(folder.iterdir()):
            if number >= _MOST_FILES:
                raise self.refused("the reader's folder has too many files: empty it")
            name = self.name(path)
            if name is not None and path.is_file():
                yield name, path
