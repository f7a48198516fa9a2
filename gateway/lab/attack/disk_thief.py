"""A thief carries away what both servers have on their disks, after people were registered.

The thief looks for document numbers, faces, ciphertexts, dealings and the servers' keys, with the
product's own leak search, in every place that the servers can write and in their memory
(``thief_search``). Then it looks for values against which a guessed number can be tested. It knows
how handles and commitments are made, and its list of guesses contains the right numbers. If the
pepper is known, and the counter's site salt, it finds the numbers one after the other.
"""

import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from gateway.lab.attack.counter import Counter, expect
from gateway.lab.attack.deployment import Ground, Site, data_directories
from gateway.lab.attack.faces import another_picture, face
from gateway.lab.attack.report import AttackReport, Progress
from gateway.lab.attack.spying_authority import handles_with
from gateway.lab.attack.thief_search import Person, look_everywhere
from gateway.lab.attack.weakened import OPEN_PEPPER, recorded_dealings
from gateway.lab.deployment.parties import GATEWAY
from gateway.wire.polynomials import Ciphertext, SessionKeyHalf
from gateway.wire.subject import Subject

NAME = "disk-thief"
HOLDS = "has both servers' disks and a look at their memory, and a list of numbers to try"
DEFENCES = ("pepper",)

PEOPLE = 3
GUESSES = 100_000
"""Numbers tried: one series of documents."""
_SERIES = "XKW"
_KEY_BYTES = 32


def run(site: Site, disabled: str | None, tell: Progress) -> AttackReport:
    """Register, search, steal, enumerate."""
    report = AttackReport(NAME, HOLDS, disabled)
    started = time.time() - 1
    ground = site.ground(disabled, inspectable="true")
    series = f"{_SERIES}{secrets.randbelow(100):02}"
    with Counter(ground) as counter:
        tell(f"registering {PEOPLE} people")
        people = [_registered(counter, f"{series}{number:05}") for number in _numbers()]
        salts = [counter.site_salt] if disabled == "pepper" else []
    if disabled is None:
        look_everywhere(ground, people, started, report, tell)
    loot = _steal(ground, report)
    tell(f"trying {GUESSES:,} document numbers against everything stored")
    _enumerate(loot, series, people, salts, report)
    return report


def _numbers() -> list[int]:
    return [(7919 * person + secrets.randbelow(7919)) % GUESSES for person in range(PEOPLE)]


def _registered(counter: Counter, document: str) -> Person:
    portrait = face(f"thief {document}")
    live = another_picture(portrait, 0.7, f"thief live {document}")
    opened = counter.open()
    with recorded_dealings() as dealt:
        issued = counter.issue(opened, portrait, Subject.of("passport", document))
    probe = counter.probe(opened, live)
    expect(counter.submit(opened, issued, probe), "MATCH")
    public = SessionKeyHalf.decode(opened.offer.public_key)
    return Person(
        document,
        portrait,
        live,
        Ciphertext.decode(probe),
        issued.sealed_template,
        public,
        dealt[0],
        issued.sealed_dealing,
    )


def _steal(ground: Ground, report: AttackReport) -> Path:
    """Every file of both servers, while they run: write-ahead logs and operator's logs too."""
    copied = ground.directories.root / "stolen"
    for directory in data_directories(ground):
        shutil.copytree(directory, copied / directory.name)
    contents = _contents(copied)
    report.remark(f"stolen: {len(contents)} files, {sum(map(len, contents)):,} bytes")
    return copied


def _contents(loot: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(loot.rglob("*")) if path.is_file()]


def _enumerate(
    loot: Path, series: str, people: list[Person], salts: list[bytes], report: AttackReport
) -> None:
    """Test every number of the series against every 32 bytes in the stored tables."""
    kept = {value[i : i + 32] for value in stored_values(loot) for i in range(len(value) - 31)}
    stolen = [data for data in _contents(loot) if len(data) == _KEY_BYTES]
    # With a known pepper the thief knows what to compute; else it tries all it found as a key.
    tests = _tests(salts or [bytes(_KEY_BYTES), *stolen], [OPEN_PEPPER, *([] if salts else stolen)])
    right = {person.number for person in people}
    guesses = [f"{series}{i:05}" for i in range(GUESSES)]
    for what, test in tests.items():
        start = time.perf_counter()
        hits = {n for n in guesses if any(v in kept for v in test(Subject("passport", n)))}
        rate = len(guesses) / (time.perf_counter() - start)
        numbers = ", ".join(sorted(hits & right))
        found = f"{len(hits & right)} of {len(right)} document numbers ({numbers})"
        found += f" at {rate:,.0f} guesses/s"
        report.add(what, len(guesses), len(hits & right), found, "fits nothing stored")


def stored_values(loot: Path) -> Iterator[bytes]:
    """Every binary value in every table that either server keeps."""
    for path in loot.rglob("*.sqlite3"):
        with closing(sqlite3.connect(path)) as database:
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in names.fetchall():
                for row in database.execute(f'SELECT * FROM "{table}"'):  # noqa: S608  own names
                    yield from (value for value in row if isinstance(value, bytes))


Test = Callable[[Subject], Iterator[bytes]]


def _tests(salts: list[bytes], peppers: list[bytes]) -> dict[str, Test]:
    """Ways to compute, from a number, what may be stored of it; by what each is called."""
    makers = [handles_with(pepper, GATEWAY) for pepper in peppers]

    def plain(subject: Subject) -> Iterator[bytes]:
        yield sha256(subject.number.encode()).digest()
        yield sha256(subject.encode()).digest()

    def commitments(subject: Subject) -> Iterator[bytes]:
        yield from (subject.commitment(salt) for salt in salts)

    def keyed(subject: Subject) -> Iterator[bytes]:
        for salt in salts:
            inner = subject.inner(salt)
            yield inner
            for handles in makers:
                yield from handles(inner)

    return {
        "try numbers as plain hashes": plain,
        "try numbers in commitments, with every key found": commitments,
        "try numbers in handles, with every key found": keyed,
    }
