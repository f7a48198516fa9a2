"""Whether the bytes of what was erased are gone, from the database's files and from copies."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from gateway.inspection.erased import Remains, Searcher
from gateway.inspection.evidence import Evidence, NoAccess
from gateway.inspection.exhibits import ERASURES, signed_objects
from gateway.inspection.kept import Kept, first_bytes, kept, kept_again
from gateway.inspection.lines import Basis, Check, Line, Progress, judged, shown_name
from gateway.wire.cose import peek
from gateway.wire.erasure import Erasure

_SHOWN_EVERY: Final = 256 * 2**20


def _bytes(evidence: Evidence, progress: Progress) -> Line:
    places = evidence.places
    if not places:
        raise NoAccess("no file can be looked at: name the database's directory (--paths)")
    notes = list(_settings(evidence))
    search = _Search(evidence, progress)
    left = search.round(kept(evidence, progress), _files(places))
    if left:  # a gateway goes on recording while it is inspected: what is new stands nowhere else
        evidence.database.again()
        again = search.round(kept_again(evidence, progress), list(left))
        left = {path: _in_both(left[path], remains) for path, remains in again.items()}
    notes += [f"{name} cannot be read, and was not searched" for name in search.unread]
    notes.append(f"{search.bytes // 1024:,} KiB in {search.files:,} files were searched")
    if evidence.database.dialect == "postgresql" and not _has_log(places):
        notes.append("PostgreSQL's own directory was not among the places (--paths)")
    return judged(
        BYTES,
        "files",
        search.files,
        (_told(path, remains) for path, remains in left.items() if remains),
        limit="no statement that is not kept",
        repeat="sealmatch-gateway retention scrub; search the files for the statements' type",
        notes=notes,
    )


class _Search:
    """Searches files, and counts what it read."""

    def __init__(self, evidence: Evidence, progress: Progress) -> None:
        self._gone = [
            first_bytes(peek(one, Erasure).tombstone) for one in signed_objects(evidence, ERASURES)
        ]
        self._progress = progress
        self.files = self.bytes = 0
        self.unread: list[str] = []

    def round(self, there: Kept, files: Iterable[Path]) -> dict[Path, list[Remains]]:
        """What is left in these files of records that are not kept."""
        searcher = Searcher(there.tombstones, there.ids, self._gone)
        left = {}
        for path in files:
            try:
                remains, size = searcher.file(path)
            except OSError:
                self.unread.append(shown_name(path.name))
                continue
            if (self.bytes + size) // _SHOWN_EVERY > self.bytes // _SHOWN_EVERY:
                self._progress.at((self.bytes + size) // 2**20, what="MB")
            self.files += 1
            self.bytes += size
            if remains:
                left[path] = remains
        return left


def _in_both(first: list[Remains], second: list[Remains]) -> list[Remains]:
    marks = {one.mark for one in first}
    return [one for one in second if one.mark in marks]


def _told(path: Path, remains: list[Remains]) -> str:
    erased = sum(one.erased for one in remains)
    name = shown_name(path.name)
    if erased:
        return f"{name}: {erased:,} records that were erased, and {len(remains) - erased:,} others"
    return f"{name}: {len(remains):,} statements, whole or in part, of records that are not kept"


def _settings(evidence: Evidence) -> Iterator[str]:
    """How PostgreSQL treats segments of its log."""
    if evidence.database.dialect != "postgresql":
        return
    recycled: Any = evidence.database.connection.exec_driver_sql("SHOW wal_recycle").scalar_one()
    if recycled != "off":
        yield "wal_recycle is on: old segments of the write-ahead log are kept for later use"


def _has_log(places: tuple[Path, ...]) -> bool:
    return any((place / "pg_wal").is_dir() for place in places)


def _files(places: tuple[Path, ...]) -> Iterator[Path]:
    """Every regular file in these places, once; links are not followed."""
    seen: set[tuple[int, int]] = set()
    for place in places:
        for path in _below(place):
            try:
                found = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode) and (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                yield path


def _below(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        yield place
        return
    for directory, names, files in os.walk(place):
        names.sort()
        yield from (Path(directory) / name for name in sorted(files))


BYTES: Final = Check(
    "retention.bytes",
    "no file holds a record that was erased",
    _bytes,
    Basis.SEEN,
)

CHECKS: Final = (BYTES,)
