"""Attempt caps: bounded per subject and device, durable, failing closed."""

from pathlib import Path

import pytest

from gateway.wire.errors import Refused, Unavailable
from gateway.wire.ids import SubjectHandle
from keys.caps import DAY, HOUR, AttemptCaps, CapLimits
from tests.support.parties import Clock

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
    return AttemptCaps(path, LIMITS, clock)


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
    with pytest.raises(Refused) as refused:
        caps.admit([A], "shop-1")
    assert "cap" in refused.value.detail, "the cap, not the lock"


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
    caps.admit([B], "shop-2")
    caps.close()
    content = b"".join(p.read_bytes() for p in path.parent.iterdir())
    assert bytes(B) in content
    assert bytes(A) not in content
