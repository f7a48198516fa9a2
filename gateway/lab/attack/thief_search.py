"""Where a thief looks: every place that both servers can write, and their memory.

The search is the product's own (``gateway.inspection.leaks``), the one that its tests and its
inspectors use. It looks for the numbers, faces, ciphertexts and dealings of registered people, and
for the servers' keys, in every form in which software writes such things.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.he.frame import probe_signs, template_values
from gateway.inspection.leaks import canaries, findings
from gateway.inspection.leaks.canaries import Canary
from gateway.inspection.leaks.findings import Finding
from gateway.inspection.leaks.processes import swap_devices
from gateway.inspection.leaks.search import LeakSearch
from gateway.lab.attack.deployment import Ground, data_directories
from gateway.lab.attack.faces import Face
from gateway.lab.attack.report import AttackBroken, AttackReport, Progress
from gateway.lab.attack.spying_authority import authority_secrets
from gateway.wire.dealing import Dealing
from gateway.wire.polynomials import Ciphertext, SessionKeyHalf
from gateway.wire.subject import Subject

NUMBERS, FACES, CIPHERTEXTS = "document number", "face", "ciphertext"
DEALINGS, KEYS = "dealing", "key"

_KINDS = (NUMBERS, FACES, CIPHERTEXTS, DEALINGS, KEYS)

_LEAST_MEMORY = 50_000_000
"""Bytes of a server's memory. A search that read less did not work."""


@dataclass(frozen=True)
class Person:
    """Somebody who was registered, and what a thief would recognise."""

    number: str
    portrait: Face = field(repr=False)
    live: Face = field(repr=False)
    probe: Ciphertext
    sealed_template: bytes = field(repr=False)
    session_key: SessionKeyHalf
    dealings: tuple[Dealing, Dealing]
    sealed_dealing: bytes = field(repr=False)

    @property
    def subject(self) -> Subject:
        return Subject.of("passport", self.number)

    def canaries(self) -> Iterator[Canary]:
        yield from canaries.document_number(NUMBERS, "passport", self.number)
        for name, vector in (("portrait", self.portrait), ("live", self.live)):
            yield canaries.embedding(f"{FACES}, {name}", vector)
            yield canaries.integers(f"{FACES}, {name}, signs", probe_signs(vector))
            yield canaries.integers(f"{FACES}, {name}, template", template_values(vector))
        yield from canaries.polynomials(f"{CIPHERTEXTS}, probe", self.probe)
        yield canaries.body(f"{CIPHERTEXTS}, sealed template", self.sealed_template)
        for name, dealt in zip(("gateway's", "authority's"), self.dealings, strict=True):
            yield canaries.body(f"{DEALINGS}, {name}", dealt.encoded)
        yield canaries.body(f"{DEALINGS}, sealed", self.sealed_dealing)
        yield from canaries.polynomials(f"{KEYS}, session's public", self.session_key)


def planted(people: Iterable[Person], ground: Ground) -> dict[str, list[Canary]]:
    """The canaries to look for, by kind."""
    found: dict[str, list[Canary]] = {kind: [] for kind in _KINDS}
    for person in people:
        for canary in person.canaries():
            found[next(kind for kind in found if canary.kind.startswith(kind))].append(canary)
    signing, sealing = ground.gateway_keys()
    held = {**authority_secrets(ground.authority_environment), "gateway sealing": sealing.raw}
    private = getattr(signing.private, "private_bytes_raw", None)
    if private is None:
        raise AttackBroken("the gateway's key is not in its keystore")
    held["gateway signing"] = private()
    found[KEYS] += [canaries.secret(f"{KEYS}, {name}", value) for name, value in held.items()]
    return found


def look_everywhere(
    ground: Ground, people: list[Person], since: float, report: AttackReport, tell: Progress
) -> None:
    """Search disks, temporary places and memory; add a line for each kind of secret.

    Args:
        since: Unix time before the deployment's first write.
    """
    wanted = planted(people, ground)
    search = LeakSearch(canary for kind in wanted.values() for canary in kind)
    tell("searching both servers' files, and temporary files and shared memory")
    places = ground.directories
    # The files of counter and operators are left out: no server writes there.
    files = search.directories(data_directories(ground)) + search.temporary_files(
        since, without=[places.root.parent]
    )
    tell("searching both servers' memory")
    memory = _memory(search, ground)
    report.remark(
        f"searched {len(files.searched):,} places in files ({files.bytes_searched:,} bytes) and "
        f"{memory.bytes_searched:,} bytes of memory, arguments and descriptors"
    )
    for kind, sought in wanted.items():
        forms = sum(len(canary.forms) for canary in sought)
        _note(report, f"find a {kind} in a file", forms, _of(files, kind))
        if kind != KEYS:  # a running server holds its own keys; sessions' public ones may stay
            _note(report, f"find a {kind} in memory, afterwards", forms, _of(memory, kind))
    if swap_devices():
        report.remark("this machine has swap, which was not searched")


def _memory(search: LeakSearch, ground: Ground) -> findings.LeakReport:
    found = findings.LeakReport()
    for server in ground.servers:
        one = search.process(server.process.pid, f"server {server.process.pid}")
        if one.bytes_searched < _LEAST_MEMORY:
            raise AttackBroken("the servers' memory could not be searched")
        found += one
    return found


def _of(found: findings.LeakReport, kind: str) -> list[Finding]:
    return [finding for finding in found.findings if finding.kind.startswith(kind)]


def _note(report: AttackReport, what: str, forms: int, found: list[Finding]) -> None:
    places = ", ".join(sorted({f"{f.kind} ({f.encoding}) in {Path(f.place).name}" for f in found}))
    report.add(what, forms, len(found), places, "not there")
