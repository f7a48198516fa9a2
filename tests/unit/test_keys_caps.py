"""Attempt caps: bounded per subject and device, durable, failing closed."""

import errno
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.wire.errors import Refused, Unavailable
from gateway.wire.ids import SubjectHandle
from keys.caps import DAY, HOUR, AttemptCaps, CapLimits, CountedAttempt
from keys.caps_mark import CapsLost, mark_of
from keys.caps_store import create_caps
from tests.support.counters import attempt_caps
from tests.support.parties import Clock, refused
from tests.support.processes import PATIENCE
from tests.support.site import killed_at

A, B = SubjectHandle(b"a" * 32), SubjectHandle(b"b" * 32)
LIMITS = CapLimits(subject_decisions=3, device_decisions=5, failures_to_lock=2, lock_seconds=600)


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "caps.sqlite3"


@pytest.fixture
def caps(path: Path, clock: Clock) -> AttemptCaps:
    return attempt_caps(path, LIMITS, clock)


def test_the_last_allowed_attempt_passes_and_the_next_does_not(caps: AttemptCaps) -> None:
    for _ in range(LIMITS.subject_decisions):
        caps.admit([A], "shop-1")
    with pytest.raises(Refused):
        caps.admit([A], "shop-1")
    caps.admit([B], "shop-1")


def test_the_subject_window_slides_over_a_day(caps: AttemptCaps, clock: Clock) -> None:
    for _ in range(LIMITS.subject_decisions):
        caps.admit([A], "shop-1")
        clock.now += HOUR
    clock.now += DAY - LIMITS.subject_decisions * HOUR - 1
    with pytest.raises(Refused):
        caps.admit([A], "shop-1")
    clock.now += 1
    caps.admit([A], "shop-1")


def test_a_device_is_capped_by_the_hour_whatever_the_subject(
    caps: AttemptCaps, clock: Clock
) -> None:
    for i in range(LIMITS.device_decisions):
        caps.admit([SubjectHandle(bytes([i]) * 32)], "shop-1")
    with pytest.raises(Refused):
        caps.admit([A], "shop-1")
    caps.admit([A], "shop-2")
    clock.now += HOUR
    caps.admit([B], "shop-1")


def test_mismatches_in_a_row_lock_the_subject(caps: AttemptCaps, clock: Clock) -> None:
    for _ in range(LIMITS.failures_to_lock):
        caps.conclude(caps.admit([A], "shop-1"), matched=False)
    with pytest.raises(Refused):
        caps.admit([A], "shop-1")
    clock.now += LIMITS.lock_seconds - 1
    with pytest.raises(Refused):
        caps.admit([A], "shop-1")
    clock.now += 1
    caps.admit([A], "shop-1")


def test_a_match_in_between_unlocks(caps: AttemptCaps) -> None:
    caps.conclude(caps.admit([A], "shop-1"), matched=False)
    caps.conclude(caps.admit([A], "shop-1"), matched=True)
    caps.conclude(caps.admit([A], "shop-1"), matched=False)
    with pytest.raises(Refused) as caught:
        caps.admit([A], "shop-1")
    assert "cap" in caught.value.detail, "the cap, not the lock"


def test_mismatches_hours_apart_lock_from_the_last_of_them(caps: AttemptCaps, clock: Clock) -> None:
    caps.conclude(caps.admit([A], "shop-1"), matched=False)
    clock.now += 5 * HOUR
    caps.conclude(caps.admit([A], "shop-1"), matched=False)
    clock.now += LIMITS.lock_seconds - 1
    with refused("locked"):
        caps.admit([A], "shop-1")
    clock.now += 1
    caps.admit([A], "shop-1")


@pytest.mark.parametrize("before", [True, False], ids=["a-match", "an-old-lock"])
def test_the_latest_mismatches_lock_whatever_came_before(
    path: Path, clock: Clock, before: bool
) -> None:
    """A lock that has passed, or a match, does not hide the mismatches after it."""
    caps = attempt_caps(path, replace(LIMITS, subject_decisions=100), clock)
    for _ in range(LIMITS.failures_to_lock):
        caps.conclude(caps.admit([A], "shop-1"), matched=before)
    clock.now += 2 * HOUR
    caps.admit([A], "shop-1")  # no outcome: no lock, and no end of one
    for _ in range(LIMITS.failures_to_lock if before else 1):
        caps.conclude(caps.admit([A], "shop-1"), matched=False)
    clock.now += LIMITS.lock_seconds - 1
    with refused("locked"):
        caps.admit([A], "shop-1")
    clock.now += 1
    caps.conclude(caps.admit([A], "shop-1"), matched=True)
    caps.admit([A], "shop-1")


def test_one_mismatch_locks_nobody(caps: AttemptCaps) -> None:
    caps.conclude(caps.admit([A], "shop-1"), matched=False)
    caps.admit([A], "shop-1")


def test_attempts_survive_a_restart(caps: AttemptCaps, path: Path, clock: Clock) -> None:
    for _ in range(LIMITS.subject_decisions):
        caps.admit([A], "shop-1")
    # No close: as after a kill.
    with pytest.raises(Refused):
        AttemptCaps(path, LIMITS, clock).admit([A], "shop-1")


def test_attempts_under_a_former_handle_count(caps: AttemptCaps) -> None:
    for _ in range(LIMITS.subject_decisions):
        caps.admit([A], "shop-1")
    with pytest.raises(Refused):
        caps.admit([B, A], "shop-1")


def test_attempts_are_filed_under_the_handle_that_stays(caps: AttemptCaps) -> None:
    """Those of the time when both handles count are still there when the former one is gone."""
    for _ in range(LIMITS.subject_decisions):
        caps.admit([B, A], "shop-1")
    with pytest.raises(Refused):
        caps.admit([B], "shop-1")
    caps.admit([A], "shop-2")


def test_a_refused_attempt_is_not_counted(caps: AttemptCaps, clock: Clock) -> None:
    for _ in range(LIMITS.subject_decisions):
        caps.admit([A], "shop-1")
    for _ in range(10):
        with pytest.raises(Refused):
            caps.admit([A], "shop-1")
    caps.admit([B], "shop-1")


def test_storage_that_fails_refuses(caps: AttemptCaps) -> None:
    caps.close()
    with pytest.raises(Unavailable):
        caps.admit([A], "shop-1")


def test_old_attempts_leave_the_file(caps: AttemptCaps, path: Path, clock: Clock) -> None:
    caps.admit([A], "shop-1")
    clock.now += DAY
    caps.sweep()
    caps.admit([B], "shop-2")
    caps.close()
    content = b"".join(p.read_bytes() for p in path.parent.iterdir())
    assert bytes(B) in content
    assert bytes(A) not in content


def concluded(caps: AttemptCaps, attempt: CountedAttempt, *, matched: bool) -> bool:
    """Whether the decision may leave."""
    try:
        caps.conclude(attempt, matched=matched)
    except Refused:
        return False
    return True


@pytest.mark.parametrize("last", [True, False])
def test_attempts_under_way_at_once_do_not_pass_the_lock(
    caps: AttemptCaps, path: Path, last: bool
) -> None:
    """Three are admitted before any has an outcome; two mismatches lock, and so the third, match or
    not, gets no decision."""
    under_way = [caps.admit([A], "shop-1") for _ in range(3)]
    told = [concluded(caps, one, matched=False) for one in under_way[:2]]
    told.append(concluded(caps, under_way[2], matched=last))
    assert told == [True, True, False]
    with sqlite3.connect(path) as read:
        outcomes = [row[0] for row in read.execute("SELECT matched FROM attempts ORDER BY id")]
    assert outcomes == [0, 0, None]
    with pytest.raises(Refused):
        caps.admit([A], "shop-1")


def test_a_lock_is_of_one_subject_and_of_its_time(caps: AttemptCaps, clock: Clock) -> None:
    """The control: a mismatch less, another subject, or a later moment."""
    first, second, late = (caps.admit([A], "shop-1") for _ in range(3))
    other = caps.admit([B], "shop-1")
    assert concluded(caps, first, matched=False)
    assert concluded(caps, second, matched=False)
    assert concluded(caps, other, matched=True)
    clock.now += LIMITS.lock_seconds
    assert concluded(caps, late, matched=True)


def test_a_lock_holds_under_both_handles_while_a_pepper_is_replaced(caps: AttemptCaps) -> None:
    """Two were admitted under the old handle alone, one under both, after a restart."""
    old = [caps.admit([B], "shop-1") for _ in range(2)]
    new = caps.admit([A, B], "shop-1")
    for one in old:
        assert concluded(caps, one, matched=False)
    assert not concluded(caps, new, matched=True)


@pytest.mark.parametrize("back", [1, HOUR, DAY, 30 * DAY])
def test_a_clock_that_is_set_back_opens_no_cap_and_no_lock(
    caps: AttemptCaps, clock: Clock, back: int
) -> None:
    for matched in (True, False, False):
        assert concluded(caps, caps.admit([A], "shop-1"), matched=matched)
    for number in range(LIMITS.device_decisions - LIMITS.subject_decisions - 1):
        caps.admit([SubjectHandle(bytes([number]) * 32)], "shop-1")
    under_way = caps.admit([B], "shop-1")
    clock.now -= back
    with refused("cap of the device"):
        caps.admit([SubjectHandle(b"c" * 32)], "shop-1")
    with refused("cap of the subject"):
        caps.admit([A], "shop-2")
    assert concluded(caps, under_way, matched=True), "the control: another subject"
    clock.now += back + DAY
    caps.admit([A], "shop-1")


@pytest.mark.parametrize("back", [1, DAY])
def test_a_lock_outlasts_a_clock_that_is_set_back(
    caps: AttemptCaps, clock: Clock, back: int
) -> None:
    for _ in range(LIMITS.failures_to_lock):
        concluded(caps, caps.admit([A], "shop-1"), matched=False)
    clock.now -= back
    with refused("locked"):
        caps.admit([A], "shop-1")
    clock.now += back + LIMITS.lock_seconds
    caps.admit([A], "shop-1")


@pytest.mark.usefixtures("patient")
def test_caps_are_not_passed_by_asking_at_once(path: Path, clock: Clock) -> None:
    """Two processes on one file, each with several threads."""
    several = [attempt_caps(path, LIMITS, clock) for _ in range(2)]
    begun = threading.Barrier(8)

    def ask(number: int) -> bool:
        begun.wait(PATIENCE)
        try:
            several[number % 2].admit([A], "shop-1")
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(ask, range(8)))
    assert sum(admitted) == LIMITS.subject_decisions


# Not lost, and kept no longer than they count


def test_missing_counters_are_not_made_anew(caps: AttemptCaps, path: Path, clock: Clock) -> None:
    caps.admit([A], "shop-1")
    caps.close()
    for name in ("caps.sqlite3", "caps.mark"):
        held = path.with_name(name).read_bytes()
        path.with_name(name).unlink()
        with pytest.raises(CapsLost, match="--caps-lost"):
            AttemptCaps(path, LIMITS, clock)
        path.with_name(name).write_bytes(held)
    AttemptCaps(path, LIMITS, clock).admit([A], "shop-1")


def test_counters_of_others_and_a_damaged_mark_are_lost_counters(
    caps: AttemptCaps, path: Path, clock: Clock, tmp_path: Path
) -> None:
    caps.close()
    other = tmp_path / "other" / "caps.sqlite3"
    other.parent.mkdir()
    create_caps(other, clock.now)
    mark = mark_of(path).read_bytes()
    path.write_bytes(other.read_bytes())
    with pytest.raises(CapsLost, match="of other counters"):
        AttemptCaps(path, LIMITS, clock)
    mark_of(path).write_bytes(mark[:-2])
    with pytest.raises(CapsLost, match="damaged"):
        AttemptCaps(path, LIMITS, clock)


def test_an_emptied_file_is_no_counter_of_an_older_version(
    caps: AttemptCaps, path: Path, clock: Clock
) -> None:
    """Counters of a version that had no mark are taken over with their attempts. Whoever empties
    the file and removes the mark must not get counters that have counted nothing."""
    for _ in range(LIMITS.subject_decisions):
        caps.admit([A], "shop-1")
    caps.close()
    mark_of(path).unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE standing")
    with closing(AttemptCaps(path, LIMITS, clock)) as older, refused("cap of the subject"):
        older.admit([A], "shop-1")
    mark_of(path).unlink()
    path.write_bytes(b"")
    for _ in range(2):  # what the first start wrote changes nothing
        with pytest.raises(CapsLost, match="--caps-lost"):
            AttemptCaps(path, LIMITS, clock)


def test_older_counters_that_are_put_back_are_closed_for_a_day(
    caps: AttemptCaps, path: Path, clock: Clock
) -> None:
    caps.admit([B], "shop-1")
    older = path.read_bytes()
    clock.now += HOUR
    for _ in range(LIMITS.subject_decisions):
        caps.admit([A], "shop-1")
    caps.close()
    path.write_bytes(older)
    for _ in range(2):  # a further start does not open them
        with closing(AttemptCaps(path, LIMITS, clock)) as put_back:
            for handle in (A, B):
                with refused("closed until"):
                    put_back.admit([handle], "shop-1")
    clock.now += DAY - 1
    with closing(AttemptCaps(path, LIMITS, clock)) as put_back:
        with refused("closed until"):
            put_back.admit([A], "shop-1")
        clock.now += 1
        put_back.admit([A], "shop-1")


def test_the_mark_goes_ahead_of_every_answer_and_a_crash_closes_nothing(
    path: Path, clock: Clock
) -> None:
    """Killed between counter and mark: the attempt is counted, was not answered, and nothing looks
    lost."""
    attempt_caps(path, LIMITS, clock).close()
    clock.now += HOUR

    before = mark_of(path).read_bytes()
    assert killed_at("authority-attempt-written", lambda: admit_once(path, clock))
    assert mark_of(path).read_bytes() == before
    assert killed_at("caps-mark-written", lambda: admit_once(path, clock))
    assert mark_of(path).read_bytes() != before
    with closing(AttemptCaps(path, LIMITS, clock)) as caps:
        assert caps.closed_until == 0
        for _ in range(LIMITS.subject_decisions - 1):
            caps.admit([A], "shop-1")
        with refused("cap of the subject"):
            caps.admit([A], "shop-1")


def admit_once(path: Path, clock: Clock) -> None:
    AttemptCaps(path, LIMITS, clock).admit([A], "shop-1")


def test_a_mark_that_cannot_be_written_lets_no_answer_leave(
    caps: AttemptCaps, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    clock.now += HOUR
    with monkeypatch.context() as patch:
        patch.setattr("keys.caps_mark.replace_private", full)
        with pytest.raises(Unavailable, match="No space left"):
            caps.admit([A], "shop-1")
    caps.admit([A], "shop-1")


def test_attempts_go_when_their_day_is_over_though_nobody_asks(
    caps: AttemptCaps, path: Path, clock: Clock
) -> None:
    """With their bytes; also at a start after a long time."""
    caps.admit([A], "counter-of-somebody")
    clock.now += DAY - 1
    caps.sweep()
    assert b"counter-of-somebody" in path.read_bytes()
    clock.now += 1
    caps.sweep()
    assert b"counter-of-somebody" not in path.read_bytes()
    assert A not in path.read_bytes()
    caps.admit([B], "another-counter")
    caps.close()
    clock.now += DAY
    AttemptCaps(path, LIMITS, clock).close()
    for file in path.parent.iterdir():
        assert b"another-counter" not in file.read_bytes(), file.name
