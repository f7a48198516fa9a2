"""Leak search: planted secrets in every place that a process can write (protocol, section 12).

    search = LeakSearch([*canaries.document_number("number", "passport", number), ...])
    report = search.directories([data_dir]) + search.process(pid, "gateway")
    report.require_nothing(but=[Allowed("gateway signing key", "*/signing.key", "its own")])

It searches files and their names, SQLite values besides the raw pages, and of a process its open
files (deleted and anonymous ones too), memory, arguments and environment. It does not reach kernel
buffers of pipes and sockets, other machines, and swapped-out pages of other processes
(``swap_devices`` says whether there is swap at all).

A finding gives kind, encoding, place and length, but never the value.
"""

import os
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from gateway.inspection.leaks.canaries import Canary, Form
from gateway.inspection.leaks.findings import Finding, LeakReport, without_repetition
from gateway.inspection.leaks.matcher import Matcher
from gateway.inspection.leaks.processes import (
    CannotSearch,
    children_of,
    looking_into,
    read_memory,
    regions_of,
    swap_devices,
)

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  a place to search, not to write


_BLOCK_BYTES: Final = 1 << 22


_SQLITE_MAGIC: Final = b"SQLite format 3\0"


_WITHHELD: Final = "(name withheld)"


@dataclass
class _Progress:
    findings: list[Finding] = field(default_factory=list)
    searched: list[tuple[str, int]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def report(self) -> LeakReport:
        return LeakReport(tuple(self.findings), tuple(self.searched), tuple(self.skipped))


Read = Callable[[int, int], bytes]
"""Offset and size -> the bytes there; fewer at the end."""


class LeakSearch:
    """Searches places for a fixed set of canaries."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        listed: list[tuple[str, Form]] = [(c.kind, form) for c in canaries for form in c.forms]
        self._kinds = [kind for kind, _ in listed]
        self._encodings = [form.encoding for _, form in listed]
        self._matcher = Matcher([form for _, form in listed])

    # Places

    def data(self, data: bytes, place: str) -> LeakReport:
        """Search these bytes; ``place`` names them in findings."""
        progress = _Progress()
        self._read(progress, place, 0, len(data), lambda at, size: data[at : at + size])
        return progress.report()

    def directories(
        self,
        roots: Iterable[Path],
        *,
        newer_than: float = 0,
        without: Sequence[Path] = (),
    ) -> LeakReport:
        """Search all files below directories, and their names. Links are not followed.

        Args:
            newer_than: skip files that were last changed before this Unix time (content or
                metadata, ``st_ctime``).
            without: directories to leave out.
        """
        progress = _Progress()
        for root in roots:
            for path in _files_below(root, set(without), progress):
                with suppress(FileNotFoundError):  # temporary files come and go
                    if path.lstat().st_ctime >= newer_than:
                        self._file(progress, root, path)
        return progress.report()

    def file(self, root: Path, path: Path) -> LeakReport:
        """Search one file below a directory, and its name.

        Raises:
            FileNotFoundError: it went away.
        """
        progress = _Progress()
        self._file(progress, root, path)
        return progress.report()

    def temporary_files(self, newer_than: float, without: Sequence[Path] = ()) -> LeakReport:
        """Search shared memory and temporary directories, for files changed since a Unix time."""
        roots = {SHARED_MEMORY, Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")}  # noqa: S108
        present = sorted(root for root in roots if root.is_dir())
        return self.directories(present, newer_than=newer_than, without=without)

    def process(self, pid: int, name: str) -> LeakReport:
        """Search a running process and its children: arguments, open files, memory.

        Raises:
            CannotSearch: the process is gone or may not be looked into.
        """
        report = self.arguments(pid, name) + self.descriptors(pid, name) + self.memory(pid, name)
        for number, child in enumerate(children_of(pid)):
            with suppress(CannotSearch):  # workers come and go
                report += self.process(child, f"{name} child {number}")
        return report

    def arguments(self, pid: int, name: str) -> LeakReport:
        """Search command line and environment. Raises as ``process``."""
        report = LeakReport()
        for part in ("cmdline", "environ"):
            with looking_into(pid):
                report += self.data(Path(f"/proc/{pid}/{part}").read_bytes(), f"{name} {part}")
        return report

    def descriptors(self, pid: int, name: str) -> LeakReport:
        """Search open files, deleted and anonymous ones too. Raises as ``process``."""
        progress = _Progress()
        with looking_into(pid):
            numbers = sorted(os.listdir(f"/proc/{pid}/fd"), key=int)
        for number in numbers:
            path = Path(f"/proc/{pid}/fd/{number}")
            with suppress(FileNotFoundError), looking_into(pid):  # closed meanwhile
                if stat.S_ISREG(path.stat().st_mode):
                    with path.open("rb", buffering=0) as file:
                        self._open_file(progress, f"{name} descriptor {number}", file.fileno())
        return progress.report()

    def memory(self, pid: int, name: str) -> LeakReport:
        """Search the memory that a process can have written. Offsets are addresses.

        Pages that are mapped unchanged from files on disk (programs, libraries) are left out. Where
        the machine has swap, the report says that it was not searched.

        Raises:
            CannotSearch: the process is gone, or only its owner with the right to trace it, or
                root, may read its memory.
        """
        progress = _Progress(skipped=[f"{name} pages on {one}" for one in swap_devices()])
        with looking_into(pid), Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            descriptor = memory.fileno()
            for region in regions_of(pid):
                place = f"{name} memory {region.name}".rstrip()
                self._read(
                    progress,
                    place,
                    region.start,
                    region.stop,
                    lambda at, size: read_memory(descriptor, at, size),
                )
        return progress.report()

    # Reading

    def _file(self, progress: _Progress, root: Path, path: Path) -> None:
        inside = str(path.relative_to(root)).encode(errors="surrogateescape")
        shown = f"{root}/{path.relative_to(root)}"
        before = len(progress.findings)
        self._read(progress, f"file name below {root}", 0, len(inside), _part_of(inside))
        if len(progress.findings) > before:
            shown = f"{root}/{_WITHHELD}"
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except PermissionError:
            progress.skipped.append(shown)
            return
        try:
            self._open_file(progress, shown, descriptor)
            is_database = os.pread(descriptor, len(_SQLITE_MAGIC), 0) == _SQLITE_MAGIC
        finally:
            os.close(descriptor)
        if is_database:
            self._database(progress, shown, path)

    def _open_file(self, progress: _Progress, place: str, descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        self._read(progress, place, 0, size, lambda at, count: os.pread(descriptor, count, at))

    def _database(self, progress: _Progress, place: str, path: Path) -> None:
        """Search values column by column: in raw pages a value may be split at a page's border."""
        mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as opened:
                opened.text_factory = bytes
                for column, values in _columns(opened):
                    joined = b"\0".join(values)
                    self._read(progress, f"{place}, {column}", 0, len(joined), _part_of(joined))
        except sqlite3.Error as error:
            progress.skipped.append(f"{place}, values: {type(error).__name__}")

    def _read(self, progress: _Progress, place: str, start: int, stop: int, read: Read) -> None:
        margin, findings = self._matcher.margin, []
        for at in range(start, stop, _BLOCK_BYTES):
            first = max(start, at - margin)
            block = np.frombuffer(
                read(first, min(stop, at + _BLOCK_BYTES + margin) - first), np.uint8
            )
            end = min(block.size, at + _BLOCK_BYTES - first)
            findings += [
                Finding(
                    self._kinds[hit.form],
                    self._encodings[hit.form],
                    place,
                    first + hit.offset,
                    hit.length,
                )
                for hit in self._matcher.search(block, at - first, end)
            ]
        progress.findings += without_repetition(findings)
        progress.searched.append((place, stop - start))


def _files_below(root: Path, without: set[Path], progress: _Progress) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        if isinstance(error, PermissionError):
            progress.skipped.append(str(error.filename))

    for directory, names, files in os.walk(root, onerror=unreadable):
        here = Path(directory)
        names[:] = [name for name in names if here / name not in without]
        for name in sorted(files):
            path = here / name
            with suppress(FileNotFoundError):
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path


def _columns(opened: sqlite3.Connection) -> Iterator[tuple[str, list[bytes]]]:
    tables = opened.execute("select name from sqlite_master where type = 'table'").fetchall()
    for (table,) in tables:
        name = table.decode()
        quoted = name.replace('"', '""')
        rows = opened.execute(f'select * from "{quoted}"')  # noqa: S608  the file's own names
        heads = [head[0] for head in rows.description]
        for head, values in zip(heads, zip(*rows.fetchall(), strict=True), strict=False):
            yield f"{name}.{head}", [v if isinstance(v, bytes) else str(v).encode() for v in values]


def _part_of(data: bytes) -> Read:
    return lambda at, size: data[at : at + size]
