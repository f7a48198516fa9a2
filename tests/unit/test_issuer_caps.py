"""The issuer's own cap: bounded per document, durable, and next to nothing on the disk."""

import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import REFUSED, register
from gateway.client.counter import counter_session, sweep_counter
from gateway.he.engine import default_engine
from gateway.he.session_key import UniformHalf
from gateway.host.keyfile import create_secret
from gateway.issuer import caps as module
from gateway.issuer.caps import ASSERTIONS_PER_DOCUMENT, AssertionCaps, group_of
from gateway.issuer.issuer import IssuedTemplate, Model, Pins, SessionToServe, TemplateIssuer
from gateway.proofs.trust import CounterFiles as PinnedCounter
from gateway.proofs.trust import TrustFile, UnusableTrustFile
from gateway.wire.errors import Refused, Unavailable
from gateway.wire.subject import Subject
from tests.support import receipts
from tests.support.he import TestKey
from tests.support.parties import (
    AUTHORITY,
    DEVICE,
    GATEWAY,
    ISSUER,
    MODEL_DIGEST,
    NONCE,
    NOW,
    QUALITY,
    SITE_SALT,
    SUBJECT,
    authority_sealing_key,
    refused,
    sealing_key,
    session_key_request,
    signed_grant,
    unit_vectors,
)
from tests.support.processes import PATIENCE

HOUR, DAY = 3600, 24 * 3600
OTHER = Subject.of("passport", "X1234568")
LIMIT = 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "assertions.sqlite3"


@pytest.fixture
def caps(path: Path) -> Iterator[AssertionCaps]:
    with closing(AssertionCaps(path, SITE_SALT, LIMIT)) as made:
        yield made


# --- the cap -------------------------------------------------------------------------------------


def test_the_last_allowed_assertion_passes_and_the_next_does_not(caps: AssertionCaps) -> None:
    for _ in range(LIMIT):
        caps.admit(SUBJECT, NOW)
    for _ in range(2):
        with refused(f"limit of {LIMIT} readings a day"):
            caps.admit(SUBJECT, NOW)
    caps.admit(OTHER, NOW)


def test_a_day_later_it_may_be_read_again(caps: AssertionCaps) -> None:
    """Not before, whatever the minute: the window ends with the hour in which the day is over."""
    for _ in range(LIMIT):
        caps.admit(SUBJECT, NOW)
    with refused("readings a day"):
        caps.admit(SUBJECT, NOW + DAY)
    caps.admit(SUBJECT, NOW + DAY + HOUR)


def test_the_window_slides(caps: AssertionCaps) -> None:
    for hour in range(LIMIT):
        caps.admit(SUBJECT, NOW + hour * HOUR)
    freed = NOW + DAY + HOUR
    caps.admit(SUBJECT, freed)
    with refused("readings a day"):
        caps.admit(SUBJECT, freed)
    caps.admit(SUBJECT, freed + HOUR)


@pytest.mark.parametrize("back", [HOUR, DAY, 30 * DAY])
def test_a_clock_that_is_set_back_opens_no_cap(caps: AssertionCaps, back: int) -> None:
    for _ in range(LIMIT):
        caps.admit(SUBJECT, NOW)
    with refused("readings a day"):
        caps.admit(SUBJECT, NOW - back)
    caps.admit(OTHER, NOW - back)
    caps.admit(SUBJECT, NOW + DAY + HOUR)


def test_type_and_number_make_a_document_however_they_are_written(caps: AssertionCaps) -> None:
    for written in ("X1234567", "x 123-4567", "X123 4567"):
        caps.admit(Subject.of("passport", written), NOW)
    with refused("readings a day"):
        caps.admit(SUBJECT, NOW)
    caps.admit(Subject.of("id-card", "X1234567"), NOW)


def test_counts_survive_a_kill(caps: AssertionCaps, path: Path) -> None:
    """Each registration is a process of its own."""
    for _ in range(LIMIT):
        caps.admit(SUBJECT, NOW)
    # No close: as after a kill.
    with closing(AssertionCaps(path, SITE_SALT, LIMIT)) as again, refused("readings a day"):
        again.admit(SUBJECT, NOW)


@pytest.mark.usefixtures("patient")
def test_processes_at_once_share_the_cap(path: Path) -> None:
    barrier = threading.Barrier(4)
    outcomes: list[str] = []

    def run() -> None:
        with closing(AssertionCaps(path, SITE_SALT, LIMIT)) as own:
            barrier.wait()
            for _ in range(3):
                try:
                    own.admit(SUBJECT, NOW)
                    outcomes.append("admitted")
                except Refused:
                    outcomes.append("refused")

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert Counter(outcomes) == {"admitted": LIMIT, "refused": 12 - LIMIT}


def test_storage_that_fails_refuses(caps: AssertionCaps, tmp_path: Path) -> None:
    caps.close()
    with pytest.raises(Unavailable, match="assertion counters"):
        caps.admit(SUBJECT, NOW)
    damaged = tmp_path / "damaged.sqlite3"
    damaged.write_bytes(b"not a database, and longer than a header" * 100)
    for unusable in (damaged, tmp_path, tmp_path / "nowhere" / "file"):
        with pytest.raises(Unavailable, match="assertion counters"):
            AssertionCaps(unusable, SITE_SALT)


# --- what lies on the disk -----------------------------------------------------------------------


def fitting(path: Path, numbers: list[str]) -> list[str]:
    """What a thief gets who has the whole disk, site salt included, and tries every number."""
    with closing(sqlite3.connect(path)) as database:
        groups = {row[0] for row in database.execute("SELECT document_group FROM assertions")}
    return [n for n in numbers if group_of(Subject.of("passport", n), SITE_SALT) in groups]


NUMBERS = [f"P{n:07}" for n in range(100_000)]


def test_a_thief_cannot_tell_which_number_it_was(caps: AssertionCaps, path: Path) -> None:
    """However often it was read, and the control: a whole hash names it."""
    for _ in range(LIMIT):
        caps.admit(Subject.of("passport", NUMBERS[4711]), NOW)
    found = fitting(path, NUMBERS)
    assert NUMBERS[4711] in found
    assert 10 <= len(found) <= 40, "100,000 numbers in 4096 groups: about 24 each"


def test_the_control_a_whole_hash_names_the_number(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def whole(subject: Subject, site_salt: bytes) -> bytes:
        return bytes(subject.inner(site_salt))

    monkeypatch.setattr(module, "group_of", whole)
    monkeypatch.setitem(globals(), "group_of", whole)
    with closing(AssertionCaps(path, SITE_SALT, LIMIT)) as careless:
        careless.admit(Subject.of("passport", NUMBERS[4711]), NOW)
    assert fitting(path, NUMBERS) == [NUMBERS[4711]]


def test_a_wrong_guess_at_one_person_is_confirmed_now_and_then(
    caps: AssertionCaps, path: Path
) -> None:
    """100 documents in a day: about 2.4 % of wrong guesses stand. So a hit proves nothing."""
    for n in range(100):
        caps.admit(Subject.of("passport", f"Q{n:07}"), NOW)
    confirmed = len(fitting(path, NUMBERS)) / len(NUMBERS)
    assert 0.015 < confirmed < 0.035


def test_groups_say_nothing_about_the_value_that_travels() -> None:
    """The inner value goes to gateway and authority; a group must not be a piece of it."""
    same = sum(
        int.from_bytes(Subject.of("passport", n).inner(SITE_SALT)[:2], "big") >> 4
        == group_of(Subject.of("passport", n), SITE_SALT)
        for n in NUMBERS[:10_000]
    )
    assert same < 15  # 2.4 on average; a piece would make it 10,000


def test_readers_with_other_salts_put_a_document_elsewhere() -> None:
    groups = {group_of(SUBJECT, bytes([n]) * 32) for n in range(50)}
    assert len(groups) > 40


def test_only_group_hour_and_count_are_stored(caps: AssertionCaps, path: Path) -> None:
    """No order, no minute; and after a day nothing."""
    for second in (5, 65, 2000):
        caps.admit(SUBJECT, NOW - NOW % HOUR + second)
    caps.admit(OTHER, NOW)
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT * FROM assertions").fetchall()
        (schema,) = database.execute("SELECT sql FROM sqlite_master").fetchone()
    of = {group_of(s, SITE_SALT): n for s, n in ((SUBJECT, 3), (OTHER, 1))}
    assert sorted(rows) == sorted((group, NOW // HOUR, n) for group, n in of.items())
    assert "WITHOUT ROWID" in schema
    assert path.stat().st_mode & 0o777 == 0o600
    caps.admit(Subject.of("passport", "Z0000001"), NOW + DAY + HOUR)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM assertions").fetchone() == (1,)
    content = b"".join(p.read_bytes() for p in path.parent.iterdir())
    for number in (SUBJECT, OTHER):
        assert number.number.encode() not in content
        assert bytes(number.inner(SITE_SALT))[:8] not in content


# --- the issuer ----------------------------------------------------------------------------------


@pytest.fixture
def issue(caps: AssertionCaps) -> Callable[..., IssuedTemplate]:
    """An issuer with this cap reads a document, for a session of its own."""
    key = TestKey(seed=UniformHalf.of(session_key_request()).seed)
    pins = Pins(
        AUTHORITY.public, GATEWAY.party, sealing_key().public, authority_sealing_key().public
    )
    model = Model("buffalo/w600k", MODEL_DIGEST, QUALITY)
    issuer = TemplateIssuer(ISSUER, SITE_SALT, pins, model, default_engine(), caps)
    portrait, _ = unit_vectors(0.7)

    def read(subject: Subject = SUBJECT, **changes: Any) -> IssuedTemplate:
        grant = signed_grant(key.public, **changes)
        served = SessionToServe(grant, key.public.half.encoded, DEVICE.party, NONCE)
        return issuer.issue(portrait, subject, served, NOW)

    return read


def test_the_issuer_asserts_a_document_as_often_as_it_may(
    issue: Callable[..., IssuedTemplate], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(LIMIT):
        assert issue()
    monkeypatch.setattr("gateway.issuer.issuer.encrypt_template", lambda *_: 1 / 0)
    with refused("readings a day"):
        issue()


def test_a_session_that_is_refused_does_not_count(issue: Callable[..., IssuedTemplate]) -> None:
    """Whoever offers forged keys all day must not lock people out."""
    for _ in range(LIMIT + 1):
        with refused("device is not"):
            issue(device="device-18")
    assert issue()


def test_an_assertion_that_cannot_be_counted_is_not_made(
    issue: Callable[..., IssuedTemplate], caps: AssertionCaps
) -> None:
    caps.close()
    with pytest.raises(Unavailable):
        issue()


# --- the counter ---------------------------------------------------------------------------------


@pytest.fixture
def counter(tmp_path: Path) -> Callable[..., TrustFile]:
    """A counter with its key files, and the trust file that names them."""
    for name, key in (("device.key", DEVICE), ("issuer.key", ISSUER)):
        create_secret(tmp_path / name, key.private.private_bytes_raw())  # type: ignore[attr-defined]
    create_secret(tmp_path / "site-salt.key", SITE_SALT)

    def written(**changes: Any) -> TrustFile:
        named = PinnedCounter(
            device=DEVICE.party,
            device_key_file="device.key",
            issuer=ISSUER.party,
            issuer_key_file="issuer.key",
            site_salt_file="site-salt.key",
            agent="agent",
            outlet="outlet",
            **changes,
        )
        pinned = receipts.trust(counter=named)
        pinned.write(tmp_path / "trust.json")
        return TrustFile.read(tmp_path / "trust.json")

    return written


def admitted(tmp_path: Path, trust: TrustFile, times: int) -> None:
    """Read one document, each time in a session of its own, as each registration has one."""
    for _ in range(times):
        session = counter_session(
            tmp_path / "trust.json", trust, Model("none", MODEL_DIGEST, QUALITY)
        )
        with session.transport:
            caps = session.client._issuer._caps
            assert caps is not None
            caps.admit(SUBJECT, int(time.time()))


@pytest.mark.parametrize(
    ("named", "file", "limit"),
    [
        ({}, "assertions.sqlite3", ASSERTIONS_PER_DOCUMENT),
        ({"assertions_file": "own", "assertions_per_document": 2}, "own", 2),
    ],
)
def test_a_counter_counts_in_the_file_that_its_trust_file_names(
    counter: Callable[..., TrustFile], tmp_path: Path, named: dict[str, Any], file: str, limit: int
) -> None:
    trust = counter(**named)
    admitted(tmp_path, trust, limit)
    assert (tmp_path / file).exists()
    with refused(f"limit of {limit} readings a day"):
        admitted(tmp_path, trust, 1)


def test_the_cashier_is_told_why(counter: Callable[..., TrustFile], tmp_path: Path) -> None:
    trust = counter(assertions_per_document=1)
    admitted(tmp_path, trust, 1)
    with pytest.raises(Refused) as caught:
        admitted(tmp_path, trust, 1)
    status, outcome, details = register._ending(caught.value, "en")
    assert (status, outcome) == (REFUSED, "REFUSED")
    assert details["reason"] == (
        "this document has reached the limit of 1 readings a day at this reader: try again tomorrow"
    )


def test_a_counter_that_cannot_count_does_not_register(
    counter: Callable[..., TrustFile], tmp_path: Path
) -> None:
    trust = counter(assertions_file="nowhere/file")
    with pytest.raises(Unavailable, match="assertion counters cannot be opened"):
        admitted(tmp_path, trust, 1)


@pytest.mark.parametrize("limit", [0, -1, 1001, "many"])
def test_a_limit_that_is_none_is_named(
    counter: Callable[..., TrustFile], tmp_path: Path, limit: object
) -> None:
    counter()
    path = tmp_path / "trust.json"
    value = json.loads(path.read_text())
    value["counter"]["assertionsPerDocument"] = limit
    path.write_text(json.dumps(value))
    with pytest.raises(UnusableTrustFile, match=r"counter\.assertionsPerDocument"):
        TrustFile.read(path)


def test_hours_that_count_no_longer_go_though_nobody_registers(
    caps: AssertionCaps, path: Path
) -> None:
    caps.admit(SUBJECT, NOW)
    caps.sweep(NOW + DAY)
    assert stored_rows(path) == 1, "the hour in which it was may still count"
    caps.sweep(NOW + DAY + HOUR)
    assert stored_rows(path) == 0


def stored_rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM assertions").fetchone()
    return int(count)


def test_a_counter_is_swept_of_what_it_counted_long_ago(
    counter: Callable[..., TrustFile], tmp_path: Path
) -> None:
    trust = counter()
    with closing(AssertionCaps(tmp_path / "assertions.sqlite3", bytes(32))) as caps:
        for age in (2 * DAY, 0):
            caps.admit(SUBJECT, int(time.time()) - age)
            assert stored_rows(tmp_path / "assertions.sqlite3") == 1
            sweep_counter(tmp_path / "trust.json", trust, int(time.time()))
            left = stored_rows(tmp_path / "assertions.sqlite3")
            assert left == (age == 0)
