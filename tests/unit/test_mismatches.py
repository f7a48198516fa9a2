"""What a counter remembers of its own mismatches: enough to explain a lock, and nobody."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.client.mismatches import LockRule, Mismatches
from gateway.issuer.caps import group_of
from gateway.wire.subject import Subject
from keys.caps import DAY, HOUR, CapLimits
from tests.support.counters import attempt_caps
from tests.support.samples import Clock

SALT = b"s" * 32
ALICE, BOB = Subject.of("passport", "QX7391001"), Subject.of("passport", "QX7391002")
RULE, LIMITS = LockRule(3, HOUR), CapLimits(1000, 1000, 3, HOUR)
HANDLES = {ALICE: b"alice", BOB: b"bob"}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Mismatches]:
    with closing(Mismatches(tmp_path / "mismatches.sqlite3", SALT, RULE)) as book:
        yield book


@pytest.mark.parametrize(
    "gaps",
    [
        (0, 0, 0),
        (59, 1, 0),
        (30, 3599, 7),
        (HOUR, HOUR, HOUR),
        (10 * HOUR, 15 * HOUR, 5),
        (0, 20 * HOUR, 5 * HOUR),
    ],
)
def test_it_knows_what_the_authority_does(
    book: Mismatches, tmp_path: Path, gaps: tuple[int, ...]
) -> None:
    """Minute by minute: where it says locked until, the authority refuses until about then."""
    clock = Clock()
    with closing(attempt_caps(tmp_path / "caps.sqlite3", LIMITS, clock)) as caps:
        for gap in gaps:
            clock.now += gap
            attempt = caps.admit([HANDLES[ALICE]], "device")  # type: ignore[list-item]
            caps.conclude(attempt, matched=False)
            book.note(ALICE, clock.now, matched=False)
        stands = book.standing(ALICE, clock.now)
        within_a_day = sum(gaps[1:]) < DAY
        assert (stands.until is not None) == within_a_day
        if stands.until is not None:
            assert clock.now + HOUR <= stands.until < clock.now + HOUR + 60
            assert "3 mismatches in a row lock this document until" in str(stands)
            assert "bloquean este documento hasta" in stands.said("es")
            clock.now = stands.until
        assert book.standing(ALICE, clock.now).until is None
        caps.admit([HANDLES[ALICE]], "device")  # type: ignore[list-item]


def test_a_match_and_another_document_count_for_nothing(book: Mismatches) -> None:
    now = Clock().now
    for _ in range(2):
        book.note(ALICE, now, matched=False)
    assert book.note(BOB, now, matched=True).in_a_row == 0
    assert book.standing(ALICE, now).in_a_row == 2
    assert book.note(ALICE, now, matched=True).in_a_row == 0
    assert book.note(ALICE, now, matched=False).until is None


def test_a_rule_that_is_not_known_explains_nothing(tmp_path: Path) -> None:
    with closing(Mismatches(tmp_path / "mismatches", SALT, LockRule(0, 0))) as book:
        for _ in range(5):
            assert book.note(ALICE, Clock().now, matched=False).until is None


def test_a_day_later_nothing_is_left_and_before_nothing_names_anybody(
    book: Mismatches, tmp_path: Path
) -> None:
    """The group of 4096 is all that a thief of file and salt finds."""
    now, path = Clock().now, tmp_path / "mismatches.sqlite3"
    book.note(ALICE, now, matched=False)
    assert path.stat().st_mode & 0o777 == 0o600
    with book._ledger.reading() as connection:
        rows = connection.execute("SELECT * FROM mismatches").fetchall()
    assert rows == [(group_of(ALICE, SALT), -(-now // 60), 1)]
    assert 0 <= rows[0][0] < 4096
    book.note(BOB, now + DAY + 60, matched=True)
    with book._ledger.reading() as connection:
        assert connection.execute("SELECT * FROM mismatches").fetchall() == []
    book.note(ALICE, now, matched=False)
    book.sweep(now + DAY + 60)
    with book._ledger.reading() as connection:
        assert connection.execute("SELECT * FROM mismatches").fetchall() == []
