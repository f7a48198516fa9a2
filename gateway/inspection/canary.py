"""The search for an inspector's canary, with the control without which it says nothing.

Before anything is said, one of the canaries is planted where the inspector alone can: in a scratch
file, plain and compressed, and in the memory of a process that holds nothing else. The search must
find each. One that does not find what is there proves nothing by finding nothing.

Files are searched with their names and the free pages of databases; what is compressed is opened as
well (``contents.encodings``). Cells are searched column by column. Of a process its memory, open
files, arguments and environment are searched, and its children's.
"""

import gzip
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np

from gateway.host.directories import LOCK_FILE
from gateway.host.python import python
from gateway.inspection.canary_file import FACE, NUMBER, Planted
from gateway.inspection.contents.cells import Cell
from gateway.inspection.contents.encodings import FORMATS, Budget, containers
from gateway.inspection.contents.files import Opened, expanded, parts_of
from gateway.inspection.contents.scanner import BLOCK_BYTES, LARGEST, blocks
from gateway.inspection.leaks.findings import LeakReport
from gateway.inspection.leaks.processes import children_of
from gateway.inspection.leaks.search import LeakSearch
from gateway.wire.errors import SealmatchError

_DEPTH: Final = 3
_EXPANSION: Final = 1 << 27
_PATIENCE: Final = 30
"""Seconds in which the process of the control must be there."""
_HOLDS: Final = (
    "import sys\n"
    "held = sys.stdin.buffer.read(int(sys.argv[1]))\n"
    "sys.stdout.write('ready\\n'); sys.stdout.flush()\n"
    "sys.stdin.buffer.read()\n"
)
_POSTMASTER: Final = "postmaster.pid"


class ControlFailed(SealmatchError):
    """The search did not find what was planted for it to find."""


class CanarySearch:
    """Searches for one file's canaries."""

    def __init__(self, planted: Planted) -> None:
        self.planted = planted
        self.search = LeakSearch(planted.canaries())

    # Places

    def files(self, files: Sequence[Opened], tell: Callable[[int], None]) -> LeakReport:
        """Files, their names, and what is compressed in them."""
        report = LeakReport()
        for number, file in enumerate(files, 1):
            tell(number)
            with suppress(FileNotFoundError):  # temporary files come and go
                root = file.root if file.root.is_dir() else file.root.parent
                report += self.search.file(root, file.path)
                report += self._compressed(file)
        return report

    def _compressed(self, file: Opened) -> LeakReport:
        report = LeakReport()
        try:
            with file.path.open("rb", buffering=0) as raw:
                start = raw.read(16)
                raw.seek(0)
                for name, mark, make in FORMATS:
                    if start.startswith(mark) and name != "zlib":
                        stream = expanded(raw, make)
                        return self._opened(stream.read(), f"{file.shown} ({name})", whole=True)
                return self._opened(parts_of(raw), file.shown, whole=False)
        except PermissionError:
            return report

    def _opened(self, parts: Iterable[bytes], place: str, *, whole: bool) -> LeakReport:
        """What is compressed in a stream of bytes; ``whole``: and the bytes themselves."""
        report, budget = LeakReport(), Budget(_EXPANSION)
        for _, block in blocks(parts):
            if whole:
                report += self.search.data(block.data, place)
            pieces = [(piece, 1) for piece in containers(block, budget, LARGEST)]
            while pieces:
                piece, depth = pieces.pop()
                report += self.search.data(piece.data, f"{place} ({piece.encoding})")
                if depth < _DEPTH:
                    pieces += [(p, depth + 1) for p in containers(piece.block, budget, LARGEST)]
        return report

    def cells(self, cells: Iterable[Cell], tell: Callable[[int], None]) -> tuple[LeakReport, int]:
        """Cells of a database, and how many there were."""
        report, count = LeakReport(), 0
        waiting: dict[str, list[bytes]] = {}
        sizes: dict[str, int] = {}
        for cell in cells:
            count += 1
            for part in cell.parts():
                waiting.setdefault(cell.place, []).append(part)
                sizes[cell.place] = sizes.get(cell.place, 0) + len(part) + 1
            if sizes[cell.place] > BLOCK_BYTES:
                report += self._column(cell.place, waiting.pop(cell.place))
                sizes[cell.place] = 0
            if count % 10_000 == 0:
                tell(count)
        for place, values in waiting.items():
            report += self._column(place, values)
        return report, count

    def _column(self, place: str, values: list[bytes]) -> LeakReport:
        joined = b"\0".join(values)
        found = self.search.data(joined, f"cells of {place}")
        return found + self._opened((joined,), f"cells of {place}", whole=False)

    # Control

    def control(self) -> None:
        """Plant, and find.

        Raises:
            ControlFailed: the search does not find what was planted; the text says where.
            CannotSearch: this account may not look into processes.
        """
        planted = self._planted()
        wanted = {kind for kind, _ in planted}
        content = b"\n".join(value for _, value in planted)
        with tempfile.TemporaryDirectory() as scratch:
            for name, data in (("plain", content), ("compressed", gzip.compress(content))):
                path = Path(scratch) / name
                path.write_bytes(data)
                path.chmod(0o600)
                report = self.files([Opened(Path(scratch), path)], lambda _: None)
                _require(wanted, report, f"a scratch file ({name})")
        with _holding(content) as pid:
            _require(wanted, self.search.process(pid, "control"), "the memory of a process")
        if self.search.data(content[::-1], "control").findings:
            raise ControlFailed("the search finds what is not there")

    def _planted(self) -> list[tuple[str, bytes]]:
        planted = [(NUMBER, number.encode()) for _, number in self.planted.numbers[:1]]
        return planted + [
            (FACE, vector.astype(np.float32).tobytes()) for _, vector in self.planted.vectors[:1]
        ]


def _require(wanted: set[str], report: LeakReport, where: str) -> None:
    found = {kind for kind in wanted if any(one.startswith(kind) for one in report.kinds)}
    if found != wanted:
        raise ControlFailed(f"what was planted in {where} was not found")


@contextmanager
def _holding(content: bytes) -> Iterator[int]:
    """A process that holds these bytes in its memory."""
    with subprocess.Popen(  # noqa: S603  our own interpreter
        python("-I", "-S", "-c", _HOLDS, str(len(content))),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise ControlFailed("the process of the control did not start")
        try:
            process.stdin.write(content)
            process.stdin.flush()
            if process.stdout.readline() != b"ready\n":
                raise ControlFailed("the process of the control did not start")
            yield process.pid
        finally:
            process.kill()


def servers(files: Iterable[Opened], given: Iterable[int]) -> list[int]:
    """Processes of servers: those that were given, and those whose number stands in the lock of a
    directory that was given, as ours and PostgreSQL write it. The inspection's own is none."""
    found = dict.fromkeys(given)
    for file in files:
        if file.path.name in (LOCK_FILE, _POSTMASTER):
            with suppress(OSError):
                first = file.path.read_bytes()[:32].split()
                if first and first[0].isdigit() and Path(f"/proc/{int(first[0])}").exists():
                    found[int(first[0])] = None
    found.pop(os.getpid(), None)
    listed = list(found)
    below = {child for pid in listed for child in _children(pid)}
    return [pid for pid in listed if pid not in below]


def _children(pid: int) -> list[int]:
    with suppress(SealmatchError, OSError):
        return children_of(pid)
    return []
