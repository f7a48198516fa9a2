"""Where servers can leave something, and what they may hold there."""

import secrets
import tempfile
from pathlib import Path

from gateway.inspection.leaks.findings import Allowed, LeakReport
from gateway.inspection.leaks.search import LeakSearch
from gateway.lab.deployment.local import LocalDeployment

SEARCHED_AT_LEAST = 50_000_000
"""Bytes of a server's memory: a search that saw less saw nothing."""

LONG_LIVED = [
    Allowed("authority signing key", "authority memory*", "section 2: it signs with it all day"),
    Allowed("authority sealing key", "authority memory*", "section 2: it opens dealings all day"),
    Allowed("pepper", "authority memory*", "section 2: it makes handles with it all day"),
    Allowed("gateway signing key", "gateway memory*", "section 2: it signs with it all day"),
    Allowed("gateway sealing key", "gateway memory*", "section 2: it opens templates all day"),
]
"""What servers may hold after a session. Files hold only sealed keys, which no canary is."""


BOTH = ("authority", "gateway")


def new_number() -> str:
    return f"QZ-{secrets.randbelow(10**6):06d} {secrets.randbelow(10**6):06d}"


def of_other_tests(root: Path) -> list[Path]:
    """Directories of temporary files with which this test's servers, below ``root``, have nothing
    to do: other tests', with databases that somebody holds, and those of servers for all."""
    top = Path(tempfile.gettempdir())
    found = [*top.glob("sealmatch-tests-*"), *top.glob("sealmatch-fuzz-*")]
    for one in (one for one in root.parents if top in one.parents):
        beside = one.parent.glob("pytest-of-*") if one.parent == top else one.parent.iterdir()
        found += [other for other in beside if other != one]
    return found


def search_servers(search: LeakSearch, deployment: LocalDeployment) -> LeakReport:
    """All processes, whole: the authority's, the gateway's, and the auditor's if there is one."""
    report = LeakReport()
    names = ("authority", "auditor", "gateway") if len(deployment.servers) == 3 else BOTH
    for name, server in zip(names, deployment.servers, strict=True):
        found = search.process(server.process.pid, name)
        memory = [size for place, size in found.searched if place.startswith(f"{name} memory")]
        assert sum(memory) > SEARCHED_AT_LEAST
        report += found
    return report


def search_files(search: LeakSearch, deployment: LocalDeployment, start: float) -> LeakReport:
    """What both servers keep, and what anybody wrote to temporary places since the start.

    The counter's own keys and the operators' passphrases belong to others and stay out.
    """
    kept = deployment.directories
    others = [kept.counter, kept.root / "operator", kept.root / "tls", *of_other_tests(kept.root)]
    report = search.directories([kept.gateway, kept.authority])
    names = " ".join(place for place, _ in report.searched)
    for expected in ("gateway.sqlite3", "gateway.sqlite3-wal", "records.", "server.log"):
        assert expected in names
    return report + search.temporary_files(newer_than=start, without=others)
