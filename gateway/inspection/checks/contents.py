"""What lies in databases, files, logs and names that may lie nowhere.

A finding says kind, encoding and place. What it is made of is in no line, and a name that holds a
number is shown without it.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from gateway.inspection.contents.cells import cells
from gateway.inspection.contents.database import CellSearch, summed
from gateway.inspection.contents.files import Opened, Walk, attributes, look, placed, walk
from gateway.inspection.contents.leftovers import Machine, leftover
from gateway.inspection.contents.names import look_at_names
from gateway.inspection.contents.scanner import Scan
from gateway.inspection.data_map import parse, published
from gateway.inspection.database_files import is_copy
from gateway.inspection.evidence import Evidence, NoAccess
from gateway.inspection.found_schema import ledgers, reading
from gateway.inspection.lines import Basis, Check, Line, Progress, judged, unseen
from gateway.store.reading import ReadingDatabase
from gateway.wire.errors import Unavailable

_LIMIT: Final = "no picture, sound, vector, ciphertext or number of a document, however encoded"
_REPEAT: Final = "sealmatch inspect with the same places; file, strings, xxd and sqlite3 by hand"
_MEGABYTE: Final = 10**6


# Cells


def _database(evidence: Evidence, progress: Progress) -> Iterator[Line]:
    if evidence.database_given is None:
        yield unseen(DATABASE, "not given: the gateway's database (--gateway-database)")
    else:
        yield _cells(evidence.database_given, "gateway", progress, shaped=True)
    if evidence.authority_given is None:
        yield unseen(DATABASE, "not given: the authority's directory (--authority-data)")
        return
    for file in ledgers(evidence.authority_given):
        with reading(file) as database:
            yield _cells(database, file.name, progress, shaped=False)


def _cells(database: ReadingDatabase, name: str, progress: Progress, *, shaped: bool) -> Line:
    search = CellSearch(name, shaped)
    scan = search.run(cells(database), lambda count: progress.at(count, what="cells"))
    return judged(
        DATABASE,
        f"cells of {name}, in {len(search.tables)} tables",
        search.count,
        summed(scan.findings),
        limit=_LIMIT,
        repeat=_REPEAT,
        notes=(f"{scan.size:,} bytes", *_bound(scan)),
    )


# Files


def _walked(evidence: Evidence) -> Walk:
    if not evidence.places:
        raise NoAccess("not given: directories (--paths, --authority-data)")
    return evidence.remember("contents.walk", lambda: walk(evidence.places, _own(evidence)))


def _own(evidence: Evidence) -> frozenset[tuple[int, int]]:
    """The inspector's own file of canaries holds what is looked for."""
    if evidence.canary_given is None or not evidence.canary_given.exists():
        return frozenset()
    status = evidence.canary_given.stat()
    return frozenset({(status.st_dev, status.st_ino)})


def _files(evidence: Evidence, progress: Progress) -> Iterator[Line]:
    walked = _walked(evidence)
    yield from _looked(FILES, [one for one in walked.files if not one.is_log], walked, progress)


def _logs(evidence: Evidence, progress: Progress) -> Iterator[Line]:
    walked = _walked(evidence)
    yield from _looked(LOGS, [one for one in walked.files if one.is_log], None, progress)


def _looked(
    check: Check, files: Sequence[Opened], walked: Walk | None, progress: Progress
) -> Iterator[Line]:
    total, unread = Scan(), list(walked.unread) if walked else []
    for directory in walked.directories if walked else ():
        total.add(attributes(directory))
    for number, file in enumerate(files, 1):
        progress.at(number, len(files), f"files, {total.size // _MEGABYTE:,} MB")
        try:
            scan = look(file)
            scan.findings = placed(file, scan.findings)
        except FileNotFoundError:  # it went away meanwhile
            continue
        except OSError:
            unread.append(file.shown)
            continue
        total.add(scan)
    yield judged(
        check,
        "files of logs" if check is LOGS else "files",
        len(files) - len(unread),
        summed(total.findings),
        limit=_LIMIT,
        repeat=_REPEAT,
        notes=(f"{total.size:,} bytes", *_bound(total), *_links(walked)),
    )
    if unread:
        shown = ", ".join(sorted(unread)[:10])
        yield unseen(check, f"{len(unread):,} files or directories could not be read: {shown}")
    if total.unopened:
        shown = ", ".join(sorted(total.unopened)[:10])
        yield unseen(check, f"compressed content that is too long was not looked at whole: {shown}")


def _links(walked: Walk | None) -> Iterator[str]:
    if walked is not None and walked.links:
        yield f"{walked.links:,} links were not followed: name what they lead to with --paths"


def _bound(scan: Scan) -> Iterator[str]:
    if scan.unopened:
        yield f"{len(scan.unopened):,} places expand beyond the bound and were opened in part"


# Names and leftovers


def _names(evidence: Evidence, _: Progress) -> Line:
    walked = _walked(evidence)
    named = [*walked.files, *walked.directories]
    return judged(
        NAMES,
        "names of files and directories",
        len(named),
        summed(look_at_names(named)),
        limit="no number of a document, no picture, sound or vector",
        repeat="find PLACE -print",
    )


def _leftovers(evidence: Evidence, progress: Progress) -> Iterator[Line]:
    walked, wrong, unread = _walked(evidence), [], []
    known = frozenset(parse(published()))
    for number, file in enumerate(walked.files, 1):
        if number % 1000 == 0:
            progress.at(number, len(walked.files), "files")
        try:
            kind = leftover(file)
            if kind is None and _is_other_database(file, known):
                kind = "another database"
        except FileNotFoundError:
            continue
        except OSError:
            unread.append(file.shown)
            continue
        if kind is not None:
            wrong.append(f"{kind}: {file.shown}")
    yield judged(
        LEFTOVERS,
        "files",
        len(walked.files) - len(unread),
        wrong,
        limit="no core file, swap file, copy of an editor, history, trace or other database",
        repeat="find PLACE -name 'core*' -o -name '*~' -o -name '*.sw?'; cat /proc/swaps",
        notes=tuple(Machine.here().notes(evidence.places)),
    )
    if unread:
        yield unseen(LEFTOVERS, f"{len(unread):,} files could not be read")


def _is_other_database(file: Opened, known: frozenset[str]) -> bool:
    """Whether a SQLite file is neither one of ours nor a copy of one."""
    with file.path.open("rb") as raw:
        if raw.read(16) != b"SQLite format 3\0":
            return False
    try:
        return file.path.name not in known and not is_copy(file.path)
    except Unavailable:
        return True


DATABASE: Final = Check(
    "contents.database",
    "no cell of any table holds anything of a face, a voice or a document",
    lambda evidence, progress: tuple(_database(evidence, progress)),
    Basis.SEEN,
)
FILES: Final = Check(
    "contents.files",
    "no file holds anything of a face, a voice or a document, nor do pages that are free again",
    lambda evidence, progress: tuple(_files(evidence, progress)),
    Basis.SEEN,
)
LOGS: Final = Check(
    "contents.logs",
    "no line of a log does, and none repeats a request",
    lambda evidence, progress: tuple(_logs(evidence, progress)),
    Basis.SEEN,
)
NAMES: Final = Check(
    "contents.names",
    "no name of a file holds a number of a document or says that it is a picture",
    _names,
    Basis.SEEN,
)
LEFTOVERS: Final = Check(
    "contents.leftovers",
    "nothing was left behind: core files, swap files, copies of editors, other databases",
    lambda evidence, progress: tuple(_leftovers(evidence, progress)),
    Basis.SEEN,
)
CHECKS: Final = (DATABASE, FILES, LOGS, NAMES, LEFTOVERS)
