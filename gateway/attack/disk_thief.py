"""A thief carries away what both servers have on their disks, after people were registered.

Looked for: document numbers, faces and ciphertexts in every form in which they could have been
written, and values against which a guessed number can be tested. The thief knows how handles and
commitments are made, and has a list of guesses with the right numbers in it. Without the pepper
(and with the site salt of the counter) the numbers come out one after the other.
"""

import base64
import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from gateway.attack.counter import Answer, Counter, expect
from gateway.attack.deployment import Ground, Site, data_directories
from gateway.attack.faces import Face, another_picture, face
from gateway.attack.report import Progress, Report
from gateway.attack.spying_authority import handles_with
from gateway.attack.weakened import OPEN_PEPPER
from gateway.cli.local import GATEWAY
from gateway.he.quantise import quantise
from gateway.wire.subject import Subject

NAME = "disk-thief"
HOLDS = "has copies of both servers' data directories, and a list of numbers to try"
DEFENCES = ("pepper",)

PEOPLE = 3
GUESSES = 100_000
"""Numbers tried: one series of documents."""
_SERIES = "X71"
_KEY_BYTES = 32
_SAMPLE_BYTES = 48
"""Length of the piece of a vector or ciphertext that is looked for."""


@dataclass(frozen=True)
class Person:
    """Somebody who was registered, and what a thief would recognise."""

    number: str
    portrait: Face = field(repr=False)
    live: Face = field(repr=False)
    ciphertexts: list[bytes] = field(repr=False)

    @property
    def subject(self) -> Subject:
        return Subject.of("passport", self.number)


def run(site: Site, disabled: str | None, tell: Progress) -> Report:
    """Register, steal, search, enumerate."""
    report = Report(NAME, HOLDS, disabled)
    ground = site.ground(disabled)
    with Counter(ground) as counter:
        tell(f"registering {PEOPLE} people")
        people = [_registered(counter, number) for number in range(PEOPLE)]
        salts = [counter.site_salt] if disabled == "pepper" else []
    loot = _steal(ground)
    _search(loot, people, report)
    tell(f"trying {GUESSES:,} document numbers against everything stored")
    _enumerate(loot, people, salts, report)
    return report


def _registered(counter: Counter, number: int) -> Person:
    portrait = face(f"thief {number}")
    live = another_picture(portrait, 0.7, f"thief live {number}")
    document = f"{_SERIES}{(7919 * number + 48271) % GUESSES:05}"
    opened = counter.open()
    issued = counter.issue(opened, portrait, Subject.of("passport", document))
    probe = counter.probe(opened, live)
    answer: Answer = counter.submit(opened, issued, probe)
    expect(answer, "MATCH")
    carried = [probe, issued.sealed_template, opened.offer.public_key]
    return Person(document, portrait, live, carried)


def _steal(ground: Ground) -> Path:
    """Every file of both servers, while they run: write-ahead logs and operator's logs too."""
    copied = ground.directories.root / "stolen"
    for directory in data_directories(ground):
        shutil.copytree(directory, copied / directory.name)
    return copied


def _contents(loot: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(loot.rglob("*")) if path.is_file()]


def _search(loot: Path, people: list[Person], report: Report) -> None:
    """Look for what was registered, in every form that software writes."""
    contents = _contents(loot)
    kept = b"\0".join(contents)
    report.remark(f"stolen: {len(contents)} files, {len(kept):,} bytes")
    wanted: dict[str, list[bytes]] = {
        "find a document number": [p.number.encode() for p in people],
        "find a face as numbers": [piece for p in people for piece in _vectors(p)],
        "find a ciphertext or public key": [
            c[-_SAMPLE_BYTES:] for p in people for c in p.ciphertexts
        ],
    }
    for what, values in wanted.items():
        forms = [form for value in values for form in _forms(value)]
        found = sum(form in kept for form in forms)
        report.add(what, len(forms), found, f"{found} values in the stored files", "not there")


def _vectors(person: Person) -> Iterator[bytes]:
    """Pieces of embeddings and of their quantised form, in the types in which they may lie."""
    for vector in (person.portrait, person.live):
        whole = quantise(vector)
        arrays = [vector, vector.astype("<f4"), whole, whole.astype("<i4"), whole.astype("<i2")]
        yield from (a.tobytes()[:_SAMPLE_BYTES] for a in (*arrays, whole.astype("i1")))
        yield json.dumps([round(float(x), 6) for x in vector[:4]]).strip("[]").encode()
        yield json.dumps([int(x) for x in whole[:12]]).strip("[]").encode()


def _forms(value: bytes) -> Iterator[bytes]:
    """Raw, hexadecimal, base64 (of the middle, whatever the alignment), UTF-16."""
    yield value
    yield value.hex().encode()
    yield value.hex().upper().encode()
    for shift in range(3):
        yield base64.b64encode(bytes(shift) + value)[4 : -4 or None]
        yield base64.urlsafe_b64encode(bytes(shift) + value)[4 : -4 or None]
    if value.isascii():
        yield value.decode().encode("utf-16-le")


def _enumerate(loot: Path, people: list[Person], salts: list[bytes], report: Report) -> None:
    """Test every number of the series against every 32 bytes in the stored tables."""
    kept = {value[i : i + 32] for value in stored_values(loot) for i in range(len(value) - 31)}
    stolen = [data for data in _contents(loot) if len(data) == _KEY_BYTES]
    # Without the pepper the thief knows what to compute; else all that was found is tried as a key.
    tests = _tests(salts or [bytes(_KEY_BYTES), *stolen], [OPEN_PEPPER, *([] if salts else stolen)])
    right = {person.number for person in people}
    guesses = [f"{_SERIES}{i:05}" for i in range(GUESSES)]
    for what, test in tests.items():
        start = time.perf_counter()
        hits = {n for n in guesses if any(v in kept for v in test(Subject("passport", n)))}
        rate = len(guesses) / (time.perf_counter() - start)
        numbers = ", ".join(sorted(hits & right))
        found = f"{len(hits & right)} of {len(right)} document numbers ({numbers})"
        found += f" at {rate:,.0f} guesses/s"
        report.add(what, len(guesses), len(hits & right), found, "fits nothing stored")


def stored_values(loot: Path) -> Iterator[bytes]:
    """Every value of every table that either server keeps."""
    for path in loot.rglob("*.sqlite3"):
        with closing(sqlite3.connect(path)) as database:
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in names.fetchall():
                for row in database.execute(f'SELECT * FROM "{table}"'):  # noqa: S608  own names
                    yield from (value for value in row if isinstance(value, bytes))


Test = Callable[[Subject], Iterator[bytes]]


def _tests(salts: list[bytes], peppers: list[bytes]) -> dict[str, Test]:
    """What a stored value may be of a number, as far as the thief can compute it."""
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
