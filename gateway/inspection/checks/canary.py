"""The inspector's own face and number: registered here, and found nowhere.

The line passes only if the search found what was planted for it (``gateway.inspection.canary``),
and if a registration with the canary left a record here: a search for what never came proves
nothing.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from gateway.inspection import canary_file
from gateway.inspection.canary import CanarySearch, ControlFailed, servers
from gateway.inspection.contents.cells import cells
from gateway.inspection.contents.files import Opened, walk
from gateway.inspection.evidence import Evidence, NoAccess
from gateway.inspection.leaks.findings import Finding, LeakReport
from gateway.inspection.leaks.processes import CannotSearch
from gateway.inspection.leaks.search import SHARED_MEMORY
from gateway.inspection.lines import (
    Basis,
    Check,
    Line,
    Progress,
    Verdict,
    judged,
    shown_name,
    unseen,
)
from gateway.store import schema

_LIMIT: Final = "nothing of the canary, in any form"
_REPEAT: Final = "register once more with --canary FILE, and repeat the inspection with that file"


def _absent(evidence: Evidence, progress: Progress) -> Iterator[Line]:
    if evidence.canary_given is None:
        raise NoAccess("not given: the inspector's canary (--canary)")
    search = CanarySearch(canary_file.read(evidence.canary_given))
    try:
        search.control()
    except ControlFailed as error:
        yield _nothing(f"the control failed: {error}")
        return
    if not _registered(evidence, search.planted):
        yield _nothing("no record here is of a registration with this canary")
        return
    yield from _files(evidence, search, progress)
    yield _cells(evidence, search, progress)
    yield from _memory(evidence, search, progress)


def _nothing(why: str) -> Line:
    """Nothing can be said, which is no pass."""
    return Line(
        check=ABSENT.id,
        title=ABSENT.title,
        examined="canaries",
        count=0,
        limit=_LIMIT,
        verdict=Verdict.NOTHING,
        found=(why,),
        repeat=_REPEAT,
        basis=Basis.SEEN,
    )


def _registered(evidence: Evidence, planted: canary_file.Planted) -> int:
    held = schema.records.c
    query = sa.select(sa.func.count()).where(held.record_id.in_(list(planted.records)))
    return int(evidence.database.connection.execute(query).scalar() or 0)


def _files(evidence: Evidence, search: CanarySearch, progress: Progress) -> Iterator[Line]:
    own = evidence.canary_given.stat() if evidence.canary_given else None
    without = frozenset({(own.st_dev, own.st_ino)}) if own else frozenset()
    walked = walk(evidence.places, without)
    since = search.planted.made_at
    shared = [one for one in walk((SHARED_MEMORY,), without).files if _changed(one, since)]
    named = {one.path for one in walked.files}
    files = [*walked.files, *(one for one in shared if one.path not in named)]
    report = search.files(files, lambda done: progress.at(done, len(files), "files"))
    yield _line(
        report,
        "files, their names, write-ahead logs, free pages and shared memory",
        len(files),
        evidence.places,
    )
    unread = [*walked.unread, *(shown_name(Path(one).name) for one in report.skipped)]
    if unread:
        shown = ", ".join(sorted(unread)[:10])
        yield unseen(ABSENT, f"{len(unread):,} files or directories could not be read: {shown}")


def _changed(file: Opened, since: int) -> bool:
    try:
        return file.path.lstat().st_ctime >= since
    except OSError:
        return False


def _cells(evidence: Evidence, search: CanarySearch, progress: Progress) -> Line:
    report, count = search.cells(
        cells(evidence.database), lambda done: progress.at(done, what="cells")
    )
    return _line(report, "cells of the gateway's database", count, ())


def _memory(evidence: Evidence, search: CanarySearch, progress: Progress) -> Iterator[Line]:
    found = servers(walk(evidence.places).files, evidence.servers_given)
    if not found:
        yield _nothing("no server runs here that was named or that its directory names (--server)")
        return
    report, searched = LeakReport(), 0
    for number, pid in enumerate(found, 1):
        progress.at(number, len(found), "servers")
        try:
            report += search.search.process(pid, f"server {number}")
            searched += 1
        except CannotSearch as error:
            yield unseen(ABSENT, f"server {number} was not searched: {error}")
    yield _line(report, "servers: memory, open files, arguments", searched, ())


def _line(report: LeakReport, examined: str, count: int, places: tuple[Path, ...]) -> Line:
    return judged(
        ABSENT,
        examined,
        count,
        _sentences(report.findings, places),
        limit=_LIMIT,
        repeat=_REPEAT,
        notes=(
            f"{report.bytes_searched:,} bytes",
            "the control was found in a file, in a compressed one and in a process's memory",
        ),
    )


def _sentences(findings: tuple[Finding, ...], places: tuple[Path, ...]) -> Iterator[str]:
    counted = Counter(
        (one.kind, one.encoding, _shown(one.place, places)) for one in sorted(findings)
    )
    for (kind, encoding, place), times in sorted(counted.items()):
        yield f"{kind} ({encoding}): {place}{f', {times:,} times' if times > 1 else ''}"


def _shown(place: str, places: tuple[Path, ...]) -> str:
    """Without the path above the place that was given."""
    for one in sorted(places, key=lambda path: -len(str(path))):
        place = place.replace(str(one), one.name)
    return "/".join(map(shown_name, place.split("/")))


ABSENT: Final = Check(
    "canary.absent",
    "the inspector's own face and number, registered here, are in no file, cell or memory",
    lambda evidence, progress: tuple(_absent(evidence, progress)),
    Basis.SEEN,
)
CHECKS: Final = (ABSENT,)
